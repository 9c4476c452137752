"""Inscopix recordings: one .isxd movie, read by Inscopix' own package `isx` (extra `inscopix`)."""

from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ace_nwb.errors import FormatError, MovieError
from ace_nwb.interfaces.base import Candidate, Evidence, Format, find_below
from ace_nwb.interfaces.frame_rows import probe_files
from ace_nwb.interfaces.frame_times import make_stamp_table, repair_table
from ace_nwb.interfaces.imaging_recording import (
    DeviceFolder,
    DeviceRecording,
    ImagingRecording,
    ReadOptions,
    assemble_device,
)
from ace_nwb.interfaces.imaging_summary import summarise_imaging
from ace_nwb.interfaces.isxd_movie import SUFFIX, open_isxd, valid_frames

NAME = "inscopix"
DEVICE_TYPE = "Microscope Type"
ANIMAL = "Animal ID"


def find_recordings(folder_path: Path) -> list[Candidate]:
    """Return every folder with an .isxd file at or below a folder."""
    found = find_below(folder_path, lambda path: bool(_files(path)))
    return [
        Candidate(NAME, path, tuple(Evidence(5, f"file {file.name}") for file in _files(path)[:1]))
        for path in found
    ]


def read_recording(folder_path: Path, options: ReadOptions | None = None) -> ImagingRecording:
    """Read a recording; frames stay in the movie.

    Raises
    ------
    FormatError
        If the folder holds several movies.
    MissingPackageError
        If `isx` is not installed.
    """
    chosen = options or ReadOptions()
    path = _only_movie(folder_path)
    movie = open_isxd(path)
    device = chosen.attempt(partial(_read_device, path, movie, chosen), None)
    info = dict(movie.get_acquisition_info() or {})
    animal = str(info.get(ANIMAL) or "")
    return ImagingRecording(
        format_name=NAME,
        program="Inscopix",
        base_path=folder_path,
        start_time=_start_time(movie, chosen),
        devices=() if device is None else (device,),
        subject={"subject_id": animal} if animal else {},
        remarks=("Device time is counted from the first frame.",),
    )


def _read_device(path: Path, movie: Any, options: ReadOptions) -> DeviceRecording:
    """Put the movie and the times of its frames together."""
    files, noted = probe_files(
        [path], policies=options.policies, device="Miniscope", decode=options.decode
    )
    frames = valid_frames(movie)
    table = make_stamp_table(path, _times(movie, frames), frame_number=frames, daq_frame=frames)
    info = dict(movie.get_acquisition_info() or {})
    settings = {str(key): value for key, value in info.items() if value not in (None, "")}
    if DEVICE_TYPE in settings:
        settings["deviceType"] = settings[DEVICE_TYPE]
    return assemble_device(
        DeviceFolder("Miniscope", "scope", path.parent, settings),
        files,
        repair_table(table, policies=options.policies, device="Miniscope"),
        base_path=path.parent,
        policies=options.policies,
        noted=noted,
    )


def _times(movie: Any, frames: np.ndarray) -> np.ndarray:
    """Return the times of frames, s: the stamps of the hardware, else by the stated period."""
    try:
        stamps_us = np.array([movie.get_frame_timestamp(index) for index in frames.tolist()])
    except Exception:  # isx raises plain Exceptions where a movie holds no stamps
        return (frames - frames[0]) * float(movie.timing.period.secs_float)
    return (stamps_us - stamps_us[0]) / 1e6


def _start_time(movie: Any, options: ReadOptions) -> datetime | None:
    """Return when the first frame was taken; the file keeps seconds since 1970 and the offset."""
    start = movie.timing.start
    epoch_s = float(start._to_secs_since_epoch().secs_float)  # to_datetime drops the offset
    if epoch_s <= 0:
        return None
    instant = datetime.fromtimestamp(epoch_s, UTC)
    if options.zone is not None:
        return instant.astimezone(options.zone)
    local = start.to_datetime()
    offset_s = round((local - instant.replace(tzinfo=None)).total_seconds() / 900) * 900
    return instant.astimezone(timezone(timedelta(seconds=offset_s)))


def _only_movie(folder_path: Path) -> Path:
    """Return the movie of a folder; results of Inscopix' software are .isxd files, too."""
    movies = []
    errors: list[MovieError] = []
    for path in _files(folder_path):
        try:
            open_isxd(path)
            movies.append(path)
        except MovieError as error:
            errors.append(error)
    if not movies and errors:
        raise errors[0]
    if len(movies) != 1:
        raise FormatError(
            f"{folder_path} holds {', '.join(path.name for path in movies) or 'no movie'}. One raw "
            "movie was expected; move processed movies and other recordings away."
        )
    return movies[0]


def _files(folder_path: Path) -> list[Path]:
    """Return the .isxd files of a folder, in name order."""
    return sorted(
        path
        for path in folder_path.iterdir()
        if path.suffix.lower() == SUFFIX and path.is_file() and not path.name.startswith(".")
    )


FORMAT = Format(
    name=NAME,
    title="Inscopix (.isxd)",
    modality="imaging",
    find=find_recordings,
    summarise=partial(summarise_imaging, read_recording),
    interface_path="ace_nwb.interfaces.data_interfaces:InscopixInterface",
    looks_for="a movie .isxd",
)
