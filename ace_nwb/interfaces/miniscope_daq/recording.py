"""A Miniscope-DAQ recording as read from disk: devices, movies, times, orientation, notes."""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ace_nwb.errors import MetadataError, TimestampError
from ace_nwb.interfaces.base import clean_text
from ace_nwb.interfaces.frame_rows import probe_files
from ace_nwb.interfaces.frame_times import (
    FrameTimes,
    StampTable,
    make_stamp_table,
    repair_table,
    row_order,
    unwrap_daq_frames,
)
from ace_nwb.interfaces.imaging_recording import (
    DeviceFolder,
    DeviceRecording,
    HeadOrientation,
    ImagingRecording,
    Note,
    ReadOptions,
    assemble_device,
    fixed_offset,
    give_up,
    read_camera,
    read_or_note,
)
from ace_nwb.interfaces.miniscope_daq.folder import (
    METADATA_FILE,
    NAME,
    TIME_COLUMN,
    TIMESTAMPS_FILE,
    RecordingFolder,
    absent_cameras,
    folder_name,
    list_movies,
    read_folder,
)
from ace_nwb.interfaces.number_tables import NumberTable, read_table, table_irregularities
from ace_nwb.interfaces.policies import Irregularity, Policies
from ace_nwb.interfaces.texts import read_typed_text

PROGRAM = "Miniscope-DAQ-QT"
ORIENTATION_FILE = "headOrientation.csv"
NOTES_FILE = "notes.csv"
SIDE_FILES = "broken_side_files"
QUATERNION_COLUMNS = ("qw", "qx", "qy", "qz")
QUARTER_HOUR_S = 900  # seconds; offsets of time zones are multiples of it
START_OF_EARLY_VERSIONS = "msecSinceEpoch"
"""Entry of metaData.json itself with the start time in v0.1 to v1.02; since then nested."""
START_FIELDS = {"year", "month", "day", "hour", "minute", "second", "msec", "msecSinceEpoch"}
ORIENTATION_COLUMNS = (TIME_COLUMN, *QUATERNION_COLUMNS)
ORIENTATION_HEADERS = {(): ORIENTATION_COLUMNS, QUATERNION_COLUMNS: ORIENTATION_COLUMNS}
"""Header as written -> what the columns are: none in v0.1, without the time in v0.11 to v0.14."""
_SEPARATOR = re.compile("[,\t]")


def read_recording(folder_path: Path, options: ReadOptions | None = None) -> ImagingRecording:
    """Read a recording; movies are measured but not decoded.

    Raises
    ------
    FormatError, MovieError, TimestampError, MetadataError
        Naming the file, what is wrong in it, and what to do.
    """
    chosen = options or ReadOptions()
    folder = read_folder(folder_path)
    devices = [_read_any(device, folder.path, chosen) for device in folder.devices]
    names = {device.path.name for device in folder.devices}
    notes = read_or_note(
        partial(read_notes, folder.path / NOTES_FILE, device_names=names, policies=chosen.policies),
        policy=SIDE_FILES,
        name=NOTES_FILE,
        policies=chosen.policies,
    )
    return ImagingRecording(
        format_name=NAME,
        program=PROGRAM,
        base_path=folder.path,
        start_time=chosen.attempt(partial(read_start_time, folder, options=chosen), None),
        devices=tuple(device for device in devices if isinstance(device, DeviceRecording)),
        notes=() if isinstance(notes, Irregularity) else notes,
        session=_session(folder.metadata),
        subject={"subject_id": str(animal)} if (animal := _text(folder, "animalName")) else {},
        absent=tuple(absent_cameras(folder)),
        broken=tuple(item for item in [*devices, notes] if isinstance(item, Irregularity)),
    )


def _read_any(
    device: DeviceFolder, base_path: Path, options: ReadOptions
) -> DeviceRecording | Irregularity | None:
    """Read a scope or a camera, which may be left out; None where a problem was noted."""
    read = partial(read_device, device, base_path=base_path, options=options)
    if device.kind == "camera":
        return read_camera(read, name=device.name, policies=options.policies)
    return options.attempt(read, None)


def read_device(
    device: DeviceFolder, *, base_path: Path, options: ReadOptions | None = None
) -> DeviceRecording:
    """Read one device folder; what is irregular is noted."""
    chosen = options or ReadOptions()
    movies = list_movies(device.path)
    files, noted = probe_files(
        movies.present,
        missing=movies.missing,
        order=movies.ordered,
        policies=chosen.policies,
        device=device.name,
        frames_per_file=_frames_per_file(device.settings),
        decode=chosen.decode,
    )
    times = read_frame_times(device.path, policies=chosen.policies, device=device.name)
    orientation, of_orientation = _read_orientation(device, chosen.policies)
    return assemble_device(
        device,
        files,
        times,
        base_path=base_path,
        policies=chosen.policies,
        noted=[*noted, *of_orientation],
        orientation=orientation,
    )


def _read_orientation(
    device: DeviceFolder, policies: Policies
) -> tuple[HeadOrientation | None, tuple[Irregularity, ...]]:
    """Return the head orientation of a scope, None if it is left out."""
    read = partial(
        read_orientation, device.path / ORIENTATION_FILE, policies=policies, device=device.name
    )
    found = read_or_note(read, policy=SIDE_FILES, name=device.name, policies=policies)
    if isinstance(found, Irregularity):
        return None, (found,)
    left_out = give_up(found[1], SIDE_FILES, policies=policies)
    return found if left_out is None else (None, (left_out,))


def read_start_time(
    folder: RecordingFolder, *, options: ReadOptions | None = None
) -> datetime | None:
    """Return when the record button was pressed, with the UTC offset of the recorder's clock.

    The offset is the recorder's local clock fields minus its milliseconds since the epoch,
    rounded to a quarter of an hour. A stated zone replaces it: the local fields are of that zone.
    """
    fields = folder.metadata.get("recordingStartTime")
    if fields is None and START_OF_EARLY_VERSIONS in folder.metadata:
        fields = {name: value for name, value in folder.metadata.items() if name in START_FIELDS}
    if not isinstance(fields, dict):
        return None
    stated = None if options is None else options.zone
    try:
        date = (int(fields["year"]), int(fields["month"]), int(fields["day"]))
        time = (int(fields["hour"]), int(fields["minute"]), int(fields["second"]))
        local = datetime(*date, *time, int(fields["msec"]) * 1000, UTC)
        if stated is not None:
            return fixed_offset(local.replace(tzinfo=stated))
        epoch_s = int(fields["msecSinceEpoch"]) / 1000
        quarters = round((local.timestamp() - epoch_s) / QUARTER_HOUR_S)
        zone = timezone(timedelta(seconds=quarters * QUARTER_HOUR_S))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise MetadataError(
            f"{folder.path / METADATA_FILE}: recordingStartTime is {str(fields)[:300]} "
            f"({error!r}). Numbers year, month, day, hour, minute, second, msec and "
            "msecSinceEpoch were expected; mend the file, give --timezone if only msecSinceEpoch "
            "is wrong, or state NWBFile.session_start_time in the metadata file after removing it."
        ) from error
    return local.replace(tzinfo=zone)


def read_orientation(
    file_path: Path, *, policies: Policies, device: str
) -> tuple[HeadOrientation | None, tuple[Irregularity, ...]]:
    """Return the head orientation beside a movie, None if the scope has no sensor."""
    if not file_path.is_file():
        return None, ()
    table = read_table(file_path, required=ORIENTATION_COLUMNS, headers=ORIENTATION_HEADERS)
    stamps = make_stamp_table(file_path, table.columns[TIME_COLUMN] / 1000.0)
    noted = table_irregularities(table, policies=policies, device=device)
    times = repair_table(stamps, policies=policies, device=device, irregularities=noted)
    quaternions = np.stack([table.columns[name] for name in QUATERNION_COLUMNS], axis=1)
    orientation = HeadOrientation(times.device_time_s, quaternions, times.raw_s, times.repair)
    return orientation, times.irregularities


def read_notes(
    file_path: Path, *, device_names: set[str], policies: Policies | None = None
) -> tuple[Note, ...]:
    """Return the notes of a recording; a line "device,control,value" is a change.

    There is a header since v1.11; v0.1 separates by a tab, all others by a comma.
    """
    if not file_path.is_file():
        return ()
    lines = read_typed_text(file_path, policies or Policies()).splitlines()
    return tuple(
        _note(line, file_path, number=number, device_names=device_names)
        for number, line in enumerate(lines, start=1)
        if line.strip("\0 \t") and not (number == 1 and line.startswith(TIME_COLUMN))
    )


def _note(line: str, file_path: Path, *, number: int, device_names: set[str]) -> Note:
    """Read one line of the notes, split at its first comma or tab only."""
    stamp, text = [*_SEPARATOR.split(line, maxsplit=1), ""][:2]
    try:
        device_time_s = float(stamp) / 1000.0
        if not np.isfinite(device_time_s):
            raise ValueError(stamp)
    except ValueError as error:
        raise TimestampError(
            f"{file_path} line {number} begins with {stamp[:40]!r}",
            "A time in milliseconds was expected; correct the line.",
        ) from error
    text = clean_text(text).strip()
    parts = [part.strip() for part in text.split(",", 2)]
    is_change = len(parts) == 3 and folder_name(parts[0]) in device_names
    return Note(device_time_s, text, (parts[0], parts[1], parts[2]) if is_change else None)


def _session(metadata: dict[str, Any]) -> dict[str, Any]:
    """Return what the recording says about the session, by the names of NWB."""
    session: dict[str, Any] = {}
    if researcher := metadata.get("researcherName"):
        session["experimenter"] = [str(researcher)]
    if experiment := metadata.get("experimentName"):
        session["experiment_description"] = str(experiment)
    return session


def _text(folder: RecordingFolder, key: str) -> str | None:
    """Return an entry of the recording's metaData.json as text."""
    value = folder.metadata.get(key)
    return None if value in (None, "") or isinstance(value, (dict, list)) else str(value)


def _frames_per_file(settings: dict[str, Any]) -> int | None:
    """Return how many frames the recorder puts into a file."""
    value = settings.get("framesPerFile")
    return value if isinstance(value, int) and 0 < value < 10_000_000 else None


FRAME_COLUMN = "Frame Number"
BUFFER_COLUMN = "Buffer Index"
DAQ_COLUMN = "DAQ Frame Number"
UNIX_COLUMN = "Unix Time Stamp (ms)"
HEADERS: dict[tuple[str, ...], tuple[str, ...]] = {(): (FRAME_COLUMN, TIME_COLUMN, BUFFER_COLUMN)}
"""Columns of v0.1, which wrote no header and separated by tabs."""


def read_frame_times(
    device_path: Path, *, policies: Policies | None = None, device: str = ""
) -> FrameTimes:
    """Read the time stamps of a device folder; what is irregular in them is noted, not raised.

    Raises
    ------
    TimestampError
        If the file is missing, empty, lacks the time column, or is no CSV text.
    """
    chosen = policies or Policies()
    table = read_table(device_path / TIMESTAMPS_FILE, required=(TIME_COLUMN,), headers=HEADERS)
    noted = table_irregularities(table, policies=chosen, device=device)
    return repair_table(_stamp_table(table), policies=chosen, device=device, irregularities=noted)


def _stamp_table(table: NumberTable) -> StampTable:
    """Return the columns that matter, unknown ones marked."""
    n_rows = len(table.columns[TIME_COLUMN])
    numbers = _whole(table.columns.get(FRAME_COLUMN, np.arange(n_rows, dtype=float)))
    order = row_order(numbers)
    columns = {name: values[order] for name, values in table.columns.items()}
    raw_s = columns[TIME_COLUMN] / 1000.0
    daq_frame = None
    if DAQ_COLUMN in columns:
        daq_frame = unwrap_daq_frames(_whole(columns[DAQ_COLUMN]))
    unix_s = columns[UNIX_COLUMN] / 1000.0 if UNIX_COLUMN in columns else None
    return StampTable(
        file_path=table.file_path,
        frame_number=numbers[order],
        raw_s=raw_s,
        daq_frame=daq_frame,
        buffer_index=_whole(columns.get(BUFFER_COLUMN, np.full(n_rows, -1.0))),
        unix_time_s=unix_s,
        lines=table.first_line + order,
    )


def _whole(values: np.ndarray) -> np.ndarray:
    """Return whole numbers, -1 where a cell is no number."""
    return np.where(np.isfinite(values), values, -1).astype(np.int64)
