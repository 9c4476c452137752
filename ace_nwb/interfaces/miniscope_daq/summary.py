"""What `inspect` says about a Miniscope-DAQ recording: problems become sentences."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from ace_nwb.errors import InputError
from ace_nwb.interfaces.base import MovieSummary, RecordingSummary
from ace_nwb.interfaces.miniscope_daq.folder import (
    DeviceFolder,
    RecordingFolder,
    absent_cameras,
    movie_paths,
    read_folder,
)
from ace_nwb.interfaces.miniscope_daq.ledger import build_ledger
from ace_nwb.interfaces.miniscope_daq.recording import (
    NOTES_FILE,
    ORIENTATION_FILE,
    check_counts,
    read_notes,
    read_orientation,
    read_start_time,
)
from ace_nwb.interfaces.miniscope_daq.timestamps import FrameTimes, read_frame_times
from ace_nwb.interfaces.video import MovieProbe, check_movies_alike, probe_movie

Result = TypeVar("Result")
Default = TypeVar("Default")


def summarise_recording(folder_path: Path, decode: bool) -> RecordingSummary:
    """Say what a recording holds and what is wrong with it.

    Parameters
    ----------
    folder_path
        Base or device folder.
    decode
        Count frames by decoding instead of by packets.
    """
    folder = read_folder(folder_path)
    problems: list[str] = []
    movies = [
        _summarise_device(device, folder, problems=problems, decode=decode)
        for device in folder.devices
    ]
    names = {device.path.name for device in folder.devices}
    notes = _attempt(
        problems, lambda: read_notes(folder.path / NOTES_FILE, device_names=names), default=()
    )
    problems += [
        f"The camera {name!r} is listed but has no folder." for name in absent_cameras(folder)
    ]
    start_time = _attempt(problems, lambda: read_start_time(folder), default=None)
    if start_time is None:
        problems.append("The recording does not say when it began (recordingStartTime).")
    return RecordingSummary(
        start_time=start_time,
        subject_id=folder.metadata.get("animalName") or None,
        movies=tuple(movie for movie in movies if movie is not None),
        notes=tuple(f"{note.device_time_s:.3f} s: {note.text}" for note in notes),
        problems=tuple(problems),
    )


def _summarise_device(
    device: DeviceFolder, folder: RecordingFolder, *, problems: list[str], decode: bool
) -> MovieSummary | None:
    """Describe one device; what cannot be read becomes a problem."""
    probes = _attempt(
        problems,
        lambda: tuple(probe_movie(path, decode=decode) for path in movie_paths(device.path)),
        default=(),
    )
    if not probes:
        return None
    _attempt(problems, lambda: check_movies_alike(probes), default=None)
    times = _attempt(problems, lambda: read_frame_times(device.path), default=None)
    n_dropped = None
    if times is not None:
        _attempt(problems, lambda: check_counts(probes, times), default=None)
        n_dropped = _count_drops(times, probes, base_path=folder.path)
        if times.n_repaired:
            problems.append(_repair_sentence(times))
    _attempt(problems, lambda: read_orientation(device.path / ORIENTATION_FILE), default=None)
    return _movie_summary(device, probes, times=times, n_dropped=n_dropped)


def _movie_summary(
    device: DeviceFolder,
    probes: tuple[MovieProbe, ...],
    *,
    times: FrameTimes | None,
    n_dropped: int | None,
) -> MovieSummary:
    """Put together what was measured of one device."""
    times_s = np.empty(0) if times is None else times.device_time_s
    return MovieSummary(
        device=device.name,
        kind=device.kind,
        device_type=str(device.settings.get("deviceType", "")),
        n_files=len(probes),
        codec=probes[0].codec,
        n_rows=probes[0].n_rows,
        n_columns=probes[0].n_columns,
        n_frames=sum(probe.n_frames for probe in probes),
        counted_by=probes[0].counted_by,
        n_timestamps=len(times_s),
        frame_rate_hz=0.0 if times is None else times.frame_rate_hz,
        duration_s=float(times_s[-1] - times_s[0]) if len(times_s) else 0.0,
        n_dropped=n_dropped,
        settings={key: str(value) for key, value in device.settings.items()},
        has_head_orientation=(device.path / ORIENTATION_FILE).is_file(),
    )


def _count_drops(
    times: FrameTimes, probes: tuple[MovieProbe, ...], *, base_path: Path
) -> int | None:
    """Return the number of lost frames, None where nothing can be known."""
    has_counts = sum(probe.n_frames for probe in probes) == len(times.raw_s)
    if times.daq_frame is None or not has_counts:
        return None
    return build_ledger(times, probes, base_path=base_path).n_dropped


def _repair_sentence(times: FrameTimes) -> str:
    """Say how the first time stamps will be repaired."""
    raw_ms = ", ".join(f"{value * 1000:.0f}" for value in times.raw_s[: times.n_repaired])
    new_ms = ", ".join(f"{value * 1000:.1f}" for value in times.device_time_s[: times.n_repaired])
    return (
        f"{times.file_path}: the first {times.n_repaired} time stamp(s) ({raw_ms} ms) cannot be "
        f"true; convert will take {new_ms} ms (counted back from the next one) and keep the raw "
        "value in the frame ledger."
    )


def _attempt(
    problems: list[str], action: Callable[[], Result], *, default: Default
) -> Result | Default:
    """Do something that may find bad input; note the problem and go on."""
    try:
        return action()
    except InputError as error:
        problems.append(str(error))
        return default
