"""Movies of no known program: a mapping says which file and column is what.

The mapping is given with `--mapping`, or stands in the folder as `ace-nwb.yaml`.
"""

import re
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from ace_nwb.errors import MetadataError, MovieError
from ace_nwb.forms.fields import explain
from ace_nwb.forms.yaml_files import read_yaml
from ace_nwb.interfaces.base import Candidate, Evidence, Format, find_below
from ace_nwb.interfaces.frame_rows import MovieFile, probe_files
from ace_nwb.interfaces.frame_times import FrameTimes, make_stamp_table, repair_table, row_order
from ace_nwb.interfaces.imaging_recording import (
    DeviceFolder,
    DeviceRecording,
    ImagingRecording,
    ReadOptions,
    assemble_device,
)
from ace_nwb.interfaces.imaging_summary import summarise_imaging
from ace_nwb.interfaces.number_tables import read_table, table_irregularities

NAME = "movie-files"
MAPPING_FILE = "ace-nwb.yaml"
UNITS_S = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_NUMBER = re.compile(r"\d+|\D+")


class MovieMapping(BaseModel):
    """What is what in a folder of movies."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    movies: str = Field(description="Pattern of the movie files' names, taken in numeric order.")
    device: str = Field(default="Miniscope", description="Name of the scope.")
    times: str | None = Field(default=None, description="CSV file with one row per frame.")
    time_column: str | None = Field(default=None, description="Column of the times.")
    time_unit: Literal["s", "ms", "us", "ns"] = Field(default="s", description="Unit of the times.")
    frame_column: str | None = Field(
        default=None, description="Column of a number that counts lost frames too."
    )
    frame_rate_hz: float | None = Field(
        default=None, gt=0, description="Frames per second where there is no table of times."
    )
    start_time: AwareDatetime | None = Field(
        default=None, description="When time was zero, with UTC offset."
    )


def find_recordings(folder_path: Path) -> list[Candidate]:
    """Return every folder at or below one that holds a mapping."""
    found = find_below(folder_path, lambda path: (path / MAPPING_FILE).is_file())
    return [Candidate(NAME, path, (Evidence(6, f"mapping {MAPPING_FILE}"),)) for path in found]


def read_recording(folder_path: Path, options: ReadOptions | None = None) -> ImagingRecording:
    """Read movies and times as the mapping says.

    Raises
    ------
    MetadataError
        If there is no mapping or it does not fit.
    """
    chosen = options or ReadOptions()
    mapping = load_mapping(folder_path, chosen)
    device = chosen.attempt(partial(_device, folder_path, mapping, chosen), None)
    start: datetime | None = mapping.start_time
    return ImagingRecording(
        format_name=NAME,
        program="a program that the user's mapping describes",
        base_path=folder_path,
        start_time=start,
        devices=() if device is None else (device,),
        remarks=(f"Read by the mapping {_describe(mapping)}.",),
    )


def _describe(mapping: MovieMapping) -> str:
    """Return what a mapping states, in one line, folders left out."""
    stated = mapping.model_dump(mode="json", exclude_none=True)
    return ", ".join(f"{key}={Path(str(value)).name}" for key, value in stated.items())


def load_mapping(folder_path: Path, options: ReadOptions) -> MovieMapping:
    """Return the mapping that was given, or that stands in the folder."""
    content: Any = options.mapping
    if content is None:
        content = read_yaml(
            folder_path / MAPPING_FILE, expected="A YAML mapping of files", error=MetadataError
        ).content
    try:
        mapping = MovieMapping.model_validate(content)
    except ValidationError as error:
        problems = "\n".join(f"  {fault.message}" for fault in explain(error, MovieMapping))
        raise MetadataError(
            f"The mapping for {folder_path} does not fit:\n{problems}\nThe keys "
            f"{', '.join(MovieMapping.model_fields)} were expected; correct it."
        ) from error
    if (mapping.times is None) == (mapping.frame_rate_hz is None):
        raise MetadataError(
            f"The mapping for {folder_path} states times={mapping.times} and "
            f"frame_rate_hz={mapping.frame_rate_hz}. Either a table of times or a rate was "
            "expected; give one of them."
        )
    return mapping


def _device(folder_path: Path, mapping: MovieMapping, options: ReadOptions) -> DeviceRecording:
    """Read the movie and its times."""
    paths = sorted(folder_path.glob(mapping.movies), key=_natural_key)
    outside = [path for path in paths if not path.resolve().is_relative_to(folder_path.resolve())]
    if not paths or outside:
        raise MovieError(
            f"{folder_path} holds no file {mapping.movies}. The movie files were expected within "
            "it; correct `movies` in the mapping."
        )
    files, noted = probe_files(
        paths, policies=options.policies, device=mapping.device, decode=options.decode
    )
    return assemble_device(
        DeviceFolder(mapping.device, "scope", folder_path, {}),
        files,
        _times(folder_path, mapping, files, options),
        base_path=folder_path,
        policies=options.policies,
        noted=noted,
    )


def _times(
    folder_path: Path,
    mapping: MovieMapping,
    files: tuple[MovieFile, ...],
    options: ReadOptions,
) -> FrameTimes:
    """Return the times of the frames, from the table or by the rate."""
    if mapping.times is None or mapping.time_column is None:
        if mapping.frame_rate_hz is None:
            raise MetadataError(
                f"The mapping for {folder_path} states no time_column. The column of "
                f"{mapping.times} that holds the times was expected; name it."
            )
        n_frames = sum(file.n_expected or file.n_frames for file in files)
        raw_s = np.arange(n_frames) / mapping.frame_rate_hz
        table, noted = make_stamp_table(folder_path, raw_s), []
    else:
        wanted = [name for name in (mapping.time_column, mapping.frame_column) if name]
        read = read_table(folder_path / mapping.times, required=wanted)
        used = tuple(cell for cell in read.bad_cells if cell[1] == mapping.time_column)
        noted = table_irregularities(
            replace(read, bad_cells=used), policies=options.policies, device=mapping.device
        )
        raw_s = read.columns[mapping.time_column] * UNITS_S[mapping.time_unit]
        frame, order = None, np.arange(len(raw_s))
        if mapping.frame_column is not None:
            values = read.columns[mapping.frame_column]
            frame = np.where(np.isfinite(values), values, -1).astype(np.int64)
            order = row_order(frame)
        table = make_stamp_table(
            folder_path / mapping.times,
            raw_s[order],
            frame_number=None if frame is None else frame[order],
            daq_frame=None if frame is None else frame[order],
            lines=read.first_line + order,
        )
    return repair_table(
        table, policies=options.policies, device=mapping.device, irregularities=noted
    )


def _natural_key(path: Path) -> list[tuple[int, str]]:
    """Return a key that sorts 2.avi before 10.avi."""
    parts = _NUMBER.findall(path.name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


FORMAT = Format(
    name=NAME,
    title="Movie files with a mapping",
    modality="imaging",
    find=find_recordings,
    summarise=partial(summarise_imaging, read_recording),
    interface_path="ace_nwb.interfaces.data_interfaces:MappedMovieInterface",
    looks_for=f"{MAPPING_FILE} beside the movies, or --format {NAME} with --mapping FILE",
)
