"""Legacy UCLA Miniscope V3 recordings of Miniscope_DAQ_Software.

`msCam1.avi ...` and `behavCam1.avi ...` from 1, `timestamp.dat` with the rows of all cameras
interleaved, `settings_and_notes.dat`. The number of a camera in `timestamp.dat` is that of the
operating system: which one is the scope follows from the counts of frames.
"""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ace_nwb.errors import TimestampError
from ace_nwb.interfaces.base import Candidate, Evidence, Format, clean_text, find_below
from ace_nwb.interfaces.frame_rows import MovieFile, probe_files
from ace_nwb.interfaces.frame_times import StampTable, make_stamp_table, repair_table, row_order
from ace_nwb.interfaces.imaging_recording import (
    DeviceFolder,
    DeviceRecording,
    ImagingRecording,
    Note,
    ReadOptions,
    assemble_device,
    fixed_offset,
    read_camera,
)
from ace_nwb.interfaces.imaging_summary import summarise_imaging
from ace_nwb.interfaces.numbered_files import list_numbered
from ace_nwb.interfaces.policies import Irregularity, Policies
from ace_nwb.interfaces.texts import read_typed_text

NAME = "miniscope-v3"
PROGRAM = "Miniscope_DAQ_Software"
TIMESTAMPS_FILE = "timestamp.dat"
SETTINGS_FILE = "settings_and_notes.dat"
NOTE_HEADER = "elapsedTime"
STAMP_COLUMNS = ("camNum", "frameNum", "sysClock", "buffer")
_TIME_FOLDER = re.compile(r"H(\d+)_M(\d+)_S(\d+)")
_DATE_FOLDER = re.compile(r"(\d{1,2})_(\d{1,2})_(\d{4})")


class _Prefix:
    """Names of the movie files of each kind of camera."""

    scope = re.compile(r"msCam(\d+)\.avi", re.IGNORECASE)
    camera = re.compile(r"behavCam(\d+)\.avi", re.IGNORECASE)


def find_recordings(folder_path: Path) -> list[Candidate]:
    """Return every V3 recording at or below a folder."""
    return [_candidate(path) for path in find_below(folder_path, _is_recording)]


def read_recording(folder_path: Path, options: ReadOptions | None = None) -> ImagingRecording:
    """Read a recording; movies are measured but not decoded.

    Raises
    ------
    MovieError, TimestampError
        Naming the file, what is wrong in it, and what to do.
    """
    chosen = options or ReadOptions()
    tables = read_timestamps(folder_path / TIMESTAMPS_FILE)
    settings, notes = read_settings(folder_path / SETTINGS_FILE, chosen.policies)
    kinds: list[Literal["scope", "camera"]] = ["scope", "camera"]
    folders = [
        DeviceFolder(name, kind, folder_path, settings if kind == "scope" else {})
        for kind, name in zip(kinds, ("Miniscope", "BehavCam"), strict=True)
        if _has_movies(folder_path, kind)
    ]
    files = {folder.name: _read_files(folder, chosen) for folder in folders}
    numbers = match_cameras(
        {
            name: sum(f.n_expected or f.n_frames for f in found)
            for name, (found, _) in files.items()
        },
        tables,
        file_path=folder_path / TIMESTAMPS_FILE,
    )
    devices: list[DeviceRecording | Irregularity | None] = []
    for folder in folders:
        read = partial(_device, folder, files[folder.name], tables[numbers[folder.name]], chosen)
        devices.append(
            read_camera(read, name=folder.name, policies=chosen.policies)
            if folder.kind == "camera"
            else chosen.attempt(read, None)
        )
    animal = settings.get("animal")
    return ImagingRecording(
        format_name=NAME,
        program=PROGRAM,
        base_path=folder_path,
        start_time=read_start_time(folder_path, chosen),
        devices=tuple(device for device in devices if isinstance(device, DeviceRecording)),
        broken=tuple(device for device in devices if isinstance(device, Irregularity)),
        notes=notes,
        subject={"subject_id": animal} if animal else {},
        remarks=tuple(
            f"Camera {numbers[name]} of {TIMESTAMPS_FILE} is {name}, by its count of frames."
            for name in files
        ),
    )


def read_timestamps(file_path: Path) -> dict[int, StampTable]:
    """Return the stamps of every camera number, as written.

    Raises
    ------
    TimestampError
        If the file is missing or holds something else.
    """
    lines = _read_lines(file_path)
    header = lines[0].split()
    if list(header[:3]) != list(STAMP_COLUMNS[:3]):
        raise TimestampError(
            f"{file_path} begins with {lines[0][:60]!r}. The columns {' '.join(STAMP_COLUMNS)} "
            "were expected; is this the file of the recorder?"
        )
    rows = [
        [*_row(line, file_path, number=number), number]
        for number, line in enumerate(lines[1:], start=2)
        if line.strip("\0 \t\r")
    ]
    if not rows:
        raise TimestampError(
            f"{file_path} has a header but no rows. One row per frame was expected; copy the file "
            "again."
        )
    table = np.array(rows, np.int64)
    return {
        int(number): _stamp_table(table[table[:, 0] == number], file_path)
        for number in np.unique(table[:, 0])
    }


def match_cameras(
    n_frames: dict[str, int], tables: dict[int, StampTable], *, file_path: Path
) -> dict[str, int]:
    """Return which camera number each movie is: the one with as many rows as it has frames.

    Raises
    ------
    TimestampError
        If no number fits, or several do.
    """
    counts = {number: len(table.raw_s) for number, table in tables.items()}
    numbers: dict[str, int] = {}
    free = dict(counts)
    for name, n in n_frames.items():
        fitting = [number for number, count in free.items() if count == n]
        if len(fitting) > 1:
            raise TimestampError(
                f"{file_path}: the cameras {fitting} all have {n} rows, as many as {name} has "
                "frames. Counts that tell cameras apart were expected; move the movies of one "
                "camera and its rows to another folder."
            )
        if fitting:
            numbers[name] = fitting[0]
            free.pop(fitting[0])
    for name, n in n_frames.items():
        if name not in numbers:
            if not free:
                raise TimestampError(
                    f"{file_path} has rows of the cameras {counts}. One more camera was expected, "
                    f"for the {n} frames of {name}; copy the file again."
                )
            nearest = min(free, key=lambda number: abs(free[number] - n))
            numbers[name] = nearest
            free.pop(nearest)
    return numbers


def read_settings(
    file_path: Path, policies: Policies | None = None
) -> tuple[dict[str, str], tuple[Note, ...]]:
    """Return the settings of a recording, and its notes.

    Raises
    ------
    MetadataError
        If it is text in an unknown code page.
    """
    if not file_path.is_file():
        return {}, ()
    text = read_typed_text(file_path, policies or Policies())
    lines = [clean_text(line) for line in text.splitlines()] or [""]
    names = lines[0].split("\t")
    values = lines[1].split("\t") if len(lines) > 1 else []
    pairs = zip(names, values, strict=False)
    settings = {name.strip(): value.strip() for name, value in pairs if value.strip()}
    return settings, _read_notes(lines[2:])


def _read_notes(lines: list[str]) -> tuple[Note, ...]:
    """Return the notes, "ms <tab> text"; a line without a time belongs to the one before it.

    Before all others it stands at 0 s.
    """
    notes: list[Note] = []
    for line in filter(str.strip, lines):
        stamp, _, text = line.partition("\t")
        if stamp.strip().isdigit():
            notes.append(Note(int(stamp) / 1000.0, text.strip(), None))
        elif notes:
            notes[-1] = replace(notes[-1], text=f"{notes[-1].text}\n{line.strip()}")
        elif stamp.strip() != NOTE_HEADER:
            notes.append(Note(0.0, line.strip(), None))
    return tuple(notes)


def read_start_time(folder_path: Path, options: ReadOptions) -> datetime | None:
    """Return when recording began, by the names of the folders; the zone has to be stated."""
    time = _TIME_FOLDER.fullmatch(folder_path.name)
    date = _DATE_FOLDER.fullmatch(folder_path.parent.name)
    if time is None or date is None or options.zone is None:
        return None
    month, day, year = map(int, date.groups())
    try:
        midnight = datetime(year, month, day, tzinfo=options.zone)
    except ValueError:
        return None
    hour, minute, second = map(int, time.groups())
    return fixed_offset(midnight + timedelta(hours=hour, minutes=minute, seconds=second))


def _device(
    folder: DeviceFolder,
    measured: tuple[tuple[MovieFile, ...], list[Irregularity]],
    table: StampTable,
    options: ReadOptions,
) -> DeviceRecording:
    """Put movie files and rows of one camera together.

    The stamp of its first frame is junk, its time is 0; it may be among the missing rows.
    """
    files, noted = measured
    is_first = table.frame_number == table.first_number
    counted = replace(table, raw_s=np.where(is_first, 0.0, table.raw_s))
    times = repair_table(counted, policies=options.policies, device=folder.name)
    repair = np.where(is_first, "junk_stamps", times.repair)
    times = replace(times, raw_s=table.raw_s, repair=repair)
    return assemble_device(
        folder, files, times, base_path=folder.path, policies=options.policies, noted=noted
    )


def _read_files(
    folder: DeviceFolder, options: ReadOptions
) -> tuple[tuple[MovieFile, ...], list[Irregularity]]:
    """Measure the movie files of one camera."""
    movies = list_numbered(folder.path, getattr(_Prefix, folder.kind), first=1)
    return probe_files(
        movies.present,
        missing=movies.missing,
        order=movies.ordered,
        policies=options.policies,
        device=folder.name,
        decode=options.decode,
    )


def _stamp_table(rows: np.ndarray, file_path: Path) -> StampTable:
    """Return the stamps of one camera in the order of its frame numbers, which begin at 1."""
    _camera, frame_number, clock_ms, waiting, lines = rows[row_order(rows[:, 1])].T.copy()
    return make_stamp_table(
        file_path,
        clock_ms / 1000.0,
        frame_number=frame_number,
        buffer_index=waiting,
        lines=lines,
        first_number=1,
    )


def _row(line: str, file_path: Path, *, number: int) -> list[int]:
    """Return one row as whole numbers."""
    cells = line.split()
    try:
        values = [int(cell) for cell in cells[:4]]
        if len(values) < 3 or any(abs(value) > 2**53 for value in values):
            raise ValueError(line)
    except ValueError as error:
        raise TimestampError(
            f"{file_path} line {number} holds {line[:60]!r}. Whole numbers {STAMP_COLUMNS} were "
            "expected; correct the line or copy the file again."
        ) from error
    return [*values, -1][:4]


def _read_lines(file_path: Path) -> list[str]:
    """Return the lines of a text file."""
    if not file_path.is_file():
        raise TimestampError(
            f"{file_path} does not exist. The time stamps that the recorder writes beside the "
            "movies were expected; copy the file from the acquisition computer."
        )
    lines = file_path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    return lines or [""]


def _has_movies(folder_path: Path, kind: str) -> bool:
    """Whether there are movies of a kind of camera."""
    pattern: Any = getattr(_Prefix, kind)
    return any(pattern.fullmatch(path.name) for path in folder_path.iterdir())


def _is_recording(path: Path) -> bool:
    """Whether a folder holds movies of a V3 scope."""
    return _has_movies(path, "scope")


def _candidate(path: Path) -> Candidate:
    """Collect what speaks for a V3 recording in a folder."""
    n_movies = sum(bool(_Prefix.scope.fullmatch(item.name)) for item in path.iterdir())
    evidence = [Evidence(3, f"{n_movies} files msCam<n>.avi")]
    if (path / TIMESTAMPS_FILE).is_file():
        evidence.append(Evidence(3, TIMESTAMPS_FILE))
    if (path / SETTINGS_FILE).is_file():
        evidence.append(Evidence(1, SETTINGS_FILE))
    if _has_movies(path, "camera"):
        evidence.append(Evidence(1, "files behavCam<n>.avi"))
    return Candidate(NAME, path, tuple(evidence))


FORMAT = Format(
    name=NAME,
    title="UCLA Miniscope V3 (Miniscope_DAQ_Software)",
    modality="imaging",
    find=find_recordings,
    summarise=partial(summarise_imaging, read_recording),
    interface_path="ace_nwb.interfaces.data_interfaces:MiniscopeV3Interface",
    looks_for="msCam1.avi, msCam2.avi, ... with timestamp.dat",
)
