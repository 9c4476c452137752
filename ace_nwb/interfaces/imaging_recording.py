"""What every imaging format reads: devices with movies, times and ledgers, notes, start time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from ace_nwb.errors import FormatError, InputError, MetadataError
from ace_nwb.interfaces.frame_ledger import FrameLedger, build_ledger, join_ledgers, shift_ledger
from ace_nwb.interfaces.frame_rows import MovieFile, assign_rows, usable_probes
from ace_nwb.interfaces.frame_times import FrameTimes
from ace_nwb.interfaces.policies import Irregularity, Policies
from ace_nwb.interfaces.video import MovieProbe, check_movies_alike

Result = TypeVar("Result")
Default = TypeVar("Default")


@dataclass(frozen=True)
class ReadOptions:
    """How a recording is to be read.

    Parameters
    ----------
    policies
        What to do where it is irregular.
    zone
        Time zone of the recorder's clock, in place of the one that the recording says or implies.
    mapping
        For files of no known program: which file and column is what.
    decode
        Count frames by decoding instead of by packets.
    problems
        Where to note what is wrong with one part, to go on with the others; None to raise it.
    """

    policies: Policies = field(default_factory=Policies)
    zone: tzinfo | None = None
    mapping: Mapping[str, Any] | None = None
    decode: bool = False
    problems: list[str] | None = None

    def attempt(self, action: Callable[[], Result], default: Default) -> Result | Default:
        """Do something that may find bad input; note it and go on where problems are noted."""
        if self.problems is None:
            return action()
        try:
            return action()
        except InputError as error:
            self.problems.append(str(error))
            return default


@dataclass(frozen=True)
class DeviceFolder:
    """One device of a recording."""

    name: str
    kind: Literal["scope", "camera"]
    path: Path
    settings: dict[str, Any]


@dataclass(frozen=True)
class HeadOrientation:
    """Orientation of the scope: times (s) after repair and as written, quaternions (n, w x y z).

    `repair` is the policy by which a time was made, empty where it is the raw stamp.
    """

    device_time_s: np.ndarray
    quaternions: np.ndarray
    raw_s: np.ndarray
    repair: np.ndarray


@dataclass(frozen=True)
class FrameLine:
    """A digital input that was read with every frame: times and levels (0/1) of its edges."""

    name: str
    times_s: np.ndarray
    levels: np.ndarray


@dataclass(frozen=True)
class Signal:
    """A slow signal of a device: times (s, device clock) and values (sample,) or (sample, n)."""

    name: str
    description: str
    unit: str
    times_s: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class ClockFacts:
    """The clock that a device's times are counted on, where the source says.

    Parameters
    ----------
    clock
        Name; devices that name the same clock need no alignment.
    rate_hz
        Counts per second.
    first_count
        Count of the first frame.
    """

    clock: str
    rate_hz: float
    first_count: int


@dataclass(frozen=True)
class DeviceRecording:
    """One scope or camera of a recording; movie, rows of time stamps and ledger fit together."""

    folder: DeviceFolder
    probes: tuple[MovieProbe, ...]
    times: FrameTimes
    ledger: FrameLedger
    orientation: HeadOrientation | None = None
    lines: tuple[FrameLine, ...] = ()
    signals: tuple[Signal, ...] = ()
    clock: ClockFacts | None = None
    irregularities: tuple[Irregularity, ...] = ()

    @property
    def n_frames(self) -> int:
        """Frames in the movie."""
        return sum(probe.n_frames for probe in self.probes)

    @property
    def movie_times_s(self) -> np.ndarray:
        """Device times of the frames of the movie."""
        return self.ledger.movie_times_s


@dataclass(frozen=True)
class Note:
    """A note typed during the recording, or a control changed (device, control, value)."""

    device_time_s: float
    text: str
    change: tuple[str, str, str] | None


@dataclass(frozen=True)
class Segment:
    """A stretch of a recording: start and stop in device time, its folder's name."""

    name: str
    start_s: float
    stop_s: float


@dataclass(frozen=True)
class ImagingRecording:
    """A whole recording of scopes and cameras.

    Parameters
    ----------
    format_name, program
        The format in the registry, and the program that recorded.
    base_path
        Its folder.
    start_time
        Zero of device time, with UTC offset.
    session, subject
        What the source says, by the names of NWB.
    absent
        Devices that the recording lists and that are not there.
    """

    format_name: str
    program: str
    base_path: Path
    start_time: datetime | None
    devices: tuple[DeviceRecording, ...]
    notes: tuple[Note, ...] = ()
    session: Mapping[str, Any] = field(default_factory=dict)
    subject: Mapping[str, Any] = field(default_factory=dict)
    segments: tuple[Segment, ...] = ()
    absent: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def scopes(self) -> tuple[DeviceRecording, ...]:
        """The devices that image the brain."""
        return tuple(device for device in self.devices if device.folder.kind == "scope")

    @property
    def cameras(self) -> tuple[DeviceRecording, ...]:
        """The devices that film the animal."""
        return tuple(device for device in self.devices if device.folder.kind == "camera")

    @property
    def irregularities(self) -> tuple[Irregularity, ...]:
        """What is irregular in any device."""
        return tuple(item for device in self.devices for item in device.irregularities)


def assemble_device(
    folder: DeviceFolder,
    files: tuple[MovieFile, ...],
    times: FrameTimes,
    *,
    base_path: Path,
    policies: Policies,
    noted: Sequence[Irregularity] = (),
    orientation: HeadOrientation | None = None,
) -> DeviceRecording:
    """Put movie files and times of a device together.

    Raises
    ------
    MovieError
        If the files are not of one movie.
    """
    probes = usable_probes(files)
    check_movies_alike(probes)
    rows, times, counted = assign_rows(files, times, policies=policies, device=folder.name)
    return DeviceRecording(
        folder=folder,
        probes=probes,
        times=times,
        ledger=build_ledger(times, rows, files, base_path=base_path),
        orientation=orientation,
        irregularities=(*noted, *times.irregularities, *counted),
    )


def parse_zone(text: str | None) -> tzinfo | None:
    """Return a time zone from "America/New_York", "-04:00" or "UTC".

    Raises
    ------
    MetadataError
        If there is none of that name.
    """
    if text is None:
        return None
    try:
        return datetime.fromisoformat(f"2000-01-01T00:00:00{text.strip()}").tzinfo or ZoneInfo(text)
    except ValueError:
        pass
    try:
        return ZoneInfo(text.strip())
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise MetadataError(
            f"The time zone {text!r} is not known. A name such as America/New_York or an offset "
            "such as -04:00 was expected; correct it."
        ) from error


def fixed_offset(local: datetime) -> datetime:
    """Return a zone-aware time with its UTC offset as a plain number."""
    offset = local.utcoffset() or timedelta(0)
    return local.replace(tzinfo=timezone(offset))


def join_recordings(recordings: Sequence[ImagingRecording], *, base_path: Path) -> ImagingRecording:
    """Return recordings of the same devices as segments of one, with true gaps between them.

    Raises
    ------
    FormatError
        If a start time is not known, segments overlap, or their devices differ.
    """
    unknown = [item.base_path for item in recordings if item.start_time is None]
    if unknown:
        raise FormatError(
            f"{unknown[0]} does not say when it began. The start time of every segment was "
            "expected; convert it by itself, with the start in the metadata file."
        )
    ordered = sorted(recordings, key=lambda item: item.start_time or datetime.max)
    offsets_s = [_seconds_between(ordered[0], item) for item in ordered]
    shifted = [
        _shift(item, offset_s, base_path=base_path)
        for item, offset_s in zip(ordered, offsets_s, strict=True)
    ]
    devices = _join_devices(shifted)
    first = ordered[0]
    segments = tuple(
        Segment(item.base_path.name, float(times[0]), float(times[-1]))
        for item in shifted
        for times in [np.concatenate([scope.movie_times_s for scope in item.scopes])]
    )
    return replace(
        first,
        base_path=base_path,
        devices=devices,
        notes=tuple(note for item in shifted for note in item.notes),
        segments=segments,
        absent=tuple(dict.fromkeys(name for item in shifted for name in item.absent)),
        remarks=(
            *(remark for item in shifted for remark in item.remarks),
            f"{len(ordered)} recordings were joined as segments by their start times.",
        ),
    )


def _seconds_between(first: ImagingRecording, later: ImagingRecording) -> float:
    """Return how much later a recording began."""
    if first.start_time is None or later.start_time is None:
        return 0.0
    return (later.start_time - first.start_time).total_seconds()


def _shift(recording: ImagingRecording, offset_s: float, *, base_path: Path) -> ImagingRecording:
    """Return a recording whose times count from an earlier zero."""
    prefix = recording.base_path.relative_to(base_path).as_posix()
    devices = tuple(
        replace(
            device,
            ledger=shift_ledger(device.ledger, offset_s, file_prefix=prefix),
            orientation=_shift_orientation(device.orientation, offset_s),
            lines=tuple(replace(line, times_s=line.times_s + offset_s) for line in device.lines),
        )
        for device in recording.devices
    )
    notes = tuple(replace(n, device_time_s=n.device_time_s + offset_s) for n in recording.notes)
    return replace(recording, devices=devices, notes=notes)


def _shift_orientation(
    orientation: HeadOrientation | None, offset_s: float
) -> HeadOrientation | None:
    """Return head orientation on times that count from an earlier zero."""
    if orientation is None:
        return None
    return replace(orientation, device_time_s=orientation.device_time_s + offset_s)


def _join_devices(recordings: Sequence[ImagingRecording]) -> tuple[DeviceRecording, ...]:
    """Join the devices of all segments by their names."""
    names = [device.folder.name for device in recordings[0].devices]
    for item in recordings[1:]:
        others = [device.folder.name for device in item.devices]
        if sorted(others) != sorted(names):
            raise FormatError(
                f"{item.base_path} has the devices {', '.join(others)}, "
                f"{recordings[0].base_path.name} has {', '.join(names)}. The same devices in all "
                "segments were expected; convert the recordings one by one."
            )
    return tuple(
        _join_device([d for item in recordings for d in item.devices if d.folder.name == name])
        for name in names
    )


def _join_device(parts: Sequence[DeviceRecording]) -> DeviceRecording:
    """Join the stretches of one device."""
    probes = tuple(probe for part in parts for probe in part.probes)
    check_movies_alike(probes)
    ledger = join_ledgers([part.ledger for part in parts])
    times_s = ledger.movie_times_s
    if not (np.diff(times_s) > 0).all():
        raise FormatError(
            f"The segments of {parts[0].folder.name} overlap in time by their start times. One "
            "after the other was expected; convert the recordings one by one."
        )
    found = [vars(part.orientation) for part in parts if part.orientation is not None]
    orientation = None
    if found:
        joined = {name: np.concatenate([item[name] for item in found]) for name in found[0]}
        orientation = HeadOrientation(**joined)
    return replace(
        parts[0],
        probes=probes,
        ledger=ledger,
        orientation=orientation,
        lines=_join_lines([line for part in parts for line in part.lines]),
        irregularities=tuple(item for part in parts for item in part.irregularities),
    )


def _join_lines(lines: Sequence[FrameLine]) -> tuple[FrameLine, ...]:
    """Join the stretches of digital inputs by their names."""
    joined: dict[str, FrameLine] = {}
    for line in lines:
        before = joined.get(line.name)
        joined[line.name] = (
            line
            if before is None
            else FrameLine(
                line.name,
                np.concatenate([before.times_s, line.times_s]),
                np.concatenate([before.levels, line.levels]),
            )
        )
    return tuple(joined.values())
