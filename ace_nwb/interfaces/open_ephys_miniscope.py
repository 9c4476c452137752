"""Open Ephys Miniscope GUI and the Bonsai tutorial: one movie and one table of its frames.

GUI: `<stem>.avi` beside `<stem>.csv` with FrameNumber, HardwareTime (ms), Quaternion_X/Y/Z/W,
DigitalIn0/1, Timestamp (ISO). Bonsai: `uclaminiscopev4-image_<s>.avi` beside
`uclaminiscopev4-quat_<s>.csv` with Timestamp, FrameNumber, W, X, Y, Z. Columns are read by name.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np

from ace_nwb.errors import FormatError, TimestampError
from ace_nwb.forms.csv_rows import CsvRows
from ace_nwb.interfaces.base import Candidate, Evidence, Format, find_below
from ace_nwb.interfaces.frame_rows import probe_files
from ace_nwb.interfaces.frame_times import make_stamp_table, repair_table, row_order
from ace_nwb.interfaces.imaging_recording import (
    ClockFacts,
    DeviceFolder,
    DeviceRecording,
    FrameLine,
    HeadOrientation,
    ImagingRecording,
    ReadOptions,
    assemble_device,
)
from ace_nwb.interfaces.imaging_summary import summarise_imaging
from ace_nwb.interfaces.number_tables import (
    BAD_CELL_EXPECTED,
    describe_bad_cell,
    read_table,
    table_irregularities,
)
from ace_nwb.interfaces.onix.files import parse_iso

NAME = "open-ephys-miniscope"
IMAGE, QUATERNION = "uclaminiscopev4-image_", "uclaminiscopev4-quat_"
GUI_QUATERNION = ("Quaternion_W", "Quaternion_X", "Quaternion_Y", "Quaternion_Z")
BONSAI_QUATERNION = ("W", "X", "Y", "Z")
TIMESTAMP, HARDWARE_TIME, FRAME = "Timestamp", "HardwareTime", "FrameNumber"


@dataclass(frozen=True)
class MoviePair:
    """A movie and the table of its frames."""

    movie: Path
    table: Path
    is_gui: bool


def find_recordings(folder_path: Path) -> list[Candidate]:
    """Return every such recording at or below a folder."""
    return [_candidate(path) for path in find_below(folder_path, lambda path: bool(_pairs(path)))]


def read_recording(folder_path: Path, options: ReadOptions | None = None) -> ImagingRecording:
    """Read a recording; movies are measured but not decoded.

    Raises
    ------
    FormatError
        If the folder holds several recordings.
    """
    chosen = options or ReadOptions()
    pairs = _pairs(folder_path)
    if len(pairs) != 1:
        names = ", ".join(pair.movie.name for pair in pairs) or "no movie with its table"
        raise FormatError(
            f"{folder_path} holds {names}. One movie and the table of its frames were expected; "
            "move every recording into a folder of its own."
        )
    read = chosen.attempt(lambda: _read_pair(pairs[0], chosen), None)
    start: datetime | None = None
    if read is not None:
        start = read[1] if chosen.zone is None else read[1].astimezone(chosen.zone)
    program = "Open Ephys Miniscope GUI" if pairs[0].is_gui else "Bonsai"
    return ImagingRecording(
        format_name=NAME,
        program=program,
        base_path=folder_path,
        start_time=start,
        devices=() if read is None else (read[0],),
        remarks=("Device time is counted from the first frame.",),
    )


def _read_pair(pair: MoviePair, options: ReadOptions) -> tuple[DeviceRecording, datetime]:
    """Read movie and table."""
    table = read_table(pair.table, required=(FRAME,), skip=(TIMESTAMP,))
    if table.bad_cells:
        raise TimestampError(f"{describe_bad_cell(table)}. {BAD_CELL_EXPECTED}")
    order = row_order(table.columns[FRAME].astype(np.int64))
    columns = {name: values[order] for name, values in table.columns.items()}
    is_sorted = bool((np.diff(order) == 1).all())
    read = _read_stamps(pair.table, len(order), first_only=pair.is_gui and is_sorted)
    stamps = read if is_sorted else [read[row] for row in order]
    if pair.is_gui:
        raw_s = (columns[HARDWARE_TIME] - columns[HARDWARE_TIME][0]) / 1000.0
        clock = ClockFacts("Miniscope hardware clock", 1000.0, int(columns[HARDWARE_TIME][0]))
    else:
        raw_s = np.array([(stamp - stamps[0]).total_seconds() for stamp in stamps])
        clock = None
    frame = columns[FRAME].astype(np.int64)
    times = repair_table(
        make_stamp_table(
            pair.table, raw_s, frame_number=frame, daq_frame=frame, lines=table.first_line + order
        ),
        policies=options.policies,
        device="Miniscope",
        irregularities=table_irregularities(table, policies=options.policies, device="Miniscope"),
    )
    files, noted = probe_files(
        [pair.movie], policies=options.policies, device="Miniscope", decode=options.decode
    )
    names = GUI_QUATERNION if pair.is_gui else BONSAI_QUATERNION
    quaternions = np.stack([columns[name] for name in names], axis=1)
    device = assemble_device(
        DeviceFolder("Miniscope", "scope", pair.movie.parent, {"deviceType": "Miniscope_V4"}),
        files,
        times,
        base_path=pair.movie.parent,
        policies=options.policies,
        noted=noted,
        orientation=HeadOrientation(times.device_time_s, quaternions, times.raw_s, times.repair),
    )
    lines = _lines(columns, times.device_time_s)
    return replace(device, lines=lines, clock=clock), stamps[0]


def _lines(columns: dict[str, np.ndarray], times_s: np.ndarray) -> tuple[FrameLine, ...]:
    """Return the edges of the digital inputs, as seen at the frames."""
    lines = []
    for name in ("DigitalIn0", "DigitalIn1"):
        if name not in columns:
            continue
        levels = (columns[name] != 0).astype(np.uint8)
        edges = np.flatnonzero(np.diff(levels.astype(np.int8))) + 1
        if len(edges):
            lines.append(FrameLine(f"Scope{name}", times_s[edges], levels[edges]))
    return tuple(lines)


def _read_stamps(file_path: Path, n_rows: int, *, first_only: bool) -> list[datetime]:
    """Return the ISO time stamps of the rows, or of the first row."""
    with file_path.open(encoding="utf-8-sig", newline="") as file:
        rows = CsvRows(file, file_path)
        header = [name.strip() for name in next(rows, [])]
        if TIMESTAMP not in header:
            raise TimestampError(
                f'{file_path} has no column "{TIMESTAMP}". The ISO time of every frame was '
                "expected; is this the file of the recorder?"
            )
        index = header.index(TIMESTAMP)
        stamps: list[datetime] = []
        for line, row in enumerate(rows, start=2):
            if not row or len(stamps) == (1 if first_only else n_rows):
                break
            try:
                stamps.append(parse_iso(row[index]))
            except (ValueError, IndexError) as error:
                raise TimestampError(
                    f'{file_path} line {line}, column "{TIMESTAMP}" is no ISO time ({error}). '
                    "Such as 2026-03-01T12:34:56.1234567-05:00 was expected; correct the cell."
                ) from error
    return stamps


def _pairs(path: Path) -> list[MoviePair]:
    """Return the movies of a folder with a table of frames of the right columns."""
    pairs = []
    for movie in sorted(path.glob("*.avi")):
        if movie.name.startswith(IMAGE):
            table = movie.with_name(f"{QUATERNION}{movie.stem.removeprefix(IMAGE)}.csv")
            wanted: set[str] = {TIMESTAMP, FRAME, *BONSAI_QUATERNION}
        else:
            table = movie.with_suffix(".csv")
            wanted = {FRAME, HARDWARE_TIME, *GUI_QUATERNION}
        if wanted <= _header(table):
            pairs.append(MoviePair(movie, table, HARDWARE_TIME in wanted))
    return pairs


def _header(file_path: Path) -> set[str]:
    """Return the names of the columns of a CSV file."""
    if not file_path.is_file():
        return set()
    with file_path.open(encoding="utf-8-sig", errors="replace") as file:
        return {name.strip() for name in file.readline().split(",")}


def _candidate(path: Path) -> Candidate:
    """Collect what speaks for a recording in a folder."""
    pair = _pairs(path)[0]
    evidence = (
        Evidence(2, f"movie {pair.movie.name} with the table {pair.table.name}"),
        Evidence(4, f"its columns {HARDWARE_TIME if pair.is_gui else 'W, X, Y, Z'} and {FRAME}"),
    )
    return Candidate(NAME, path, evidence)


FORMAT = Format(
    name=NAME,
    title="Open Ephys Miniscope GUI or Bonsai",
    modality="imaging",
    find=find_recordings,
    summarise=partial(summarise_imaging, read_recording),
    interface_path="ace_nwb.interfaces.data_interfaces:OpenEphysMiniscopeInterface",
    looks_for="a movie .avi beside a table .csv of its frames",
)
