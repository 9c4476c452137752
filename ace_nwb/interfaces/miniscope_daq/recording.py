"""A Miniscope-DAQ recording as read from disk: devices, movies, times, orientation, notes."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np

from ace_nwb.errors import MetadataError, TimestampError
from ace_nwb.interfaces.base import clean_text
from ace_nwb.interfaces.miniscope_daq.folder import (
    METADATA_FILE,
    TIME_COLUMN,
    DeviceFolder,
    RecordingFolder,
    folder_name,
    movie_paths,
    read_folder,
)
from ace_nwb.interfaces.miniscope_daq.ledger import FrameLedger, build_ledger
from ace_nwb.interfaces.miniscope_daq.timestamps import (
    FrameTimes,
    count_junk_stamps,
    read_frame_times,
    read_number_table,
    repair_leading_stamps,
)
from ace_nwb.interfaces.video import MovieProbe, check_movies_alike, probe_movie

ORIENTATION_FILE = "headOrientation.csv"
NOTES_FILE = "notes.csv"
QUATERNION_COLUMNS = ("qw", "qx", "qy", "qz")
QUARTER_HOUR_S = 900


@dataclass(frozen=True)
class HeadOrientation:
    """Orientation of the scope: times (s, device clock) and quaternions (sample, w x y z)."""

    device_time_s: np.ndarray
    quaternions: np.ndarray


@dataclass(frozen=True)
class DeviceRecording:
    """One scope or camera of a recording, checked: as many time stamps as frames."""

    folder: DeviceFolder
    probes: tuple[MovieProbe, ...]
    times: FrameTimes
    ledger: FrameLedger
    orientation: HeadOrientation | None

    @property
    def n_frames(self) -> int:
        """Frames in the movie."""
        return sum(probe.n_frames for probe in self.probes)


@dataclass(frozen=True)
class Note:
    """A note typed during the recording, or a control changed (device, control, value)."""

    device_time_s: float
    text: str
    change: tuple[str, str, str] | None


@dataclass(frozen=True)
class MiniscopeRecording:
    """A whole recording."""

    folder: RecordingFolder
    start_time: datetime | None
    devices: tuple[DeviceRecording, ...]
    notes: tuple[Note, ...]

    @property
    def scopes(self) -> tuple[DeviceRecording, ...]:
        """The devices that image the brain."""
        return tuple(device for device in self.devices if device.folder.kind == "scope")

    @property
    def cameras(self) -> tuple[DeviceRecording, ...]:
        """The devices that film the animal."""
        return tuple(device for device in self.devices if device.folder.kind == "camera")


def read_recording(folder_path: Path) -> MiniscopeRecording:
    """Read a recording and check it; movies are measured but not decoded.

    Raises
    ------
    FormatError, MovieError, TimestampError, MetadataError
        Naming the file, what is wrong in it, and what to do.
    """
    folder = read_folder(folder_path)
    devices = tuple(read_device(device, base_path=folder.path) for device in folder.devices)
    names = {device.folder.path.name for device in devices}
    return MiniscopeRecording(
        folder=folder,
        start_time=read_start_time(folder),
        devices=devices,
        notes=read_notes(folder.path / NOTES_FILE, device_names=names),
    )


def read_device(device: DeviceFolder, *, base_path: Path) -> DeviceRecording:
    """Read one device folder and check that movie and time stamps belong together."""
    probes = tuple(probe_movie(path) for path in movie_paths(device.path))
    check_movies_alike(probes)
    times = read_frame_times(device.path)
    check_counts(probes, times)
    return DeviceRecording(
        folder=device,
        probes=probes,
        times=times,
        ledger=build_ledger(times, probes, base_path=base_path),
        orientation=read_orientation(device.path / ORIENTATION_FILE),
    )


def check_counts(probes: tuple[MovieProbe, ...], times: FrameTimes) -> None:
    """Raise if a movie has not as many frames as time stamps."""
    n_frames = sum(probe.n_frames for probe in probes)
    n_rows = len(times.raw_s)
    if n_frames == n_rows:
        return
    which = "fewer" if n_rows < n_frames else "more"
    raise TimestampError(
        f"{times.file_path} has {n_rows} rows, {which} than the {n_frames} frames in "
        f"{probes[0].file_path.name} to {probes[-1].file_path.name}. One row per frame was "
        "expected; complete the copy of the folder, or correct the file of time stamps."
    )


def read_start_time(folder: RecordingFolder) -> datetime | None:
    """Return when the record button was pressed, with the UTC offset of the recorder's clock.

    The offset is the recorder's local clock fields minus its milliseconds since the epoch,
    rounded to a quarter of an hour.
    """
    fields = folder.metadata.get("recordingStartTime")
    if not isinstance(fields, dict):
        return None
    try:
        date = (int(fields["year"]), int(fields["month"]), int(fields["day"]))
        time = (int(fields["hour"]), int(fields["minute"]), int(fields["second"]))
        local = datetime(*date, *time, int(fields["msec"]) * 1000, UTC)
        epoch_s = int(fields["msecSinceEpoch"]) / 1000
        quarters = round((local.timestamp() - epoch_s) / QUARTER_HOUR_S)
        zone = timezone(timedelta(seconds=quarters * QUARTER_HOUR_S))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise MetadataError(
            f"{folder.path / METADATA_FILE}: recordingStartTime is {fields} ({error!r}). Numbers "
            "year, month, day, hour, minute, second, msec and msecSinceEpoch were expected; mend "
            "the file, or state NWBFile.session_start_time in the metadata file after removing it."
        ) from error
    return local.replace(tzinfo=zone)


def read_orientation(file_path: Path) -> HeadOrientation | None:
    """Return the head orientation beside a movie, None if the scope has no sensor."""
    if not file_path.is_file():
        return None
    columns = read_number_table(file_path, required=(TIME_COLUMN, *QUATERNION_COLUMNS))
    raw_s = columns[TIME_COLUMN] / 1000.0
    device_time_s = repair_leading_stamps(raw_s, n_junk=count_junk_stamps(raw_s), daq_frame=None)
    if not (np.diff(device_time_s) > 0).all():
        raise TimestampError(
            f"{file_path} holds time stamps that do not increase. Increasing stamps were expected; "
            "the file was edited, or the clock of the computer jumped."
        )
    quaternions = np.stack([columns[name] for name in QUATERNION_COLUMNS], axis=1)
    return HeadOrientation(device_time_s, quaternions)


def read_notes(file_path: Path, *, device_names: set[str]) -> tuple[Note, ...]:
    """Return the notes of a recording; a line "device,control,value" is a change."""
    if not file_path.is_file():
        return ()
    lines = file_path.read_text(encoding="utf-8-sig", errors="replace").splitlines()[1:]
    return tuple(
        _note(line, file_path, number=number, device_names=device_names)
        for number, line in enumerate(lines, start=2)
        if line.strip()
    )


def _note(line: str, file_path: Path, *, number: int, device_names: set[str]) -> Note:
    """Read one line of the notes, split at its first comma only."""
    stamp, _, text = line.partition(",")
    try:
        device_time_s = float(stamp) / 1000.0
    except ValueError as error:
        raise TimestampError(
            f"{file_path} line {number} begins with {stamp!r}. A time in milliseconds was "
            "expected; correct the line."
        ) from error
    text = clean_text(text).strip()
    parts = [part.strip() for part in text.split(",", 2)]
    is_change = len(parts) == 3 and folder_name(parts[0]) in device_names
    return Note(device_time_s, text, (parts[0], parts[1], parts[2]) if is_change else None)
