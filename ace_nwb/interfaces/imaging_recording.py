"""What every imaging format reads: devices with movies, times and ledgers, notes, start time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import numpy as np

from ace_nwb.errors import InputError, MetadataError
from ace_nwb.interfaces.frame_ledger import FrameLedger, build_ledger
from ace_nwb.interfaces.frame_rows import MovieFile, assign_rows, usable_probes
from ace_nwb.interfaces.frame_times import FrameTimes
from ace_nwb.interfaces.policies import REFUSE, Irregularity, Policies
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
    """One scope or camera of a recording; movie, rows of time stamps and ledger fit together.

    `aligned_s` are times of its frames that somebody aligned, where they are not the device's own.
    """

    folder: DeviceFolder
    probes: tuple[MovieProbe, ...]
    times: FrameTimes
    ledger: FrameLedger
    orientation: HeadOrientation | None = None
    lines: tuple[FrameLine, ...] = ()
    signals: tuple[Signal, ...] = ()
    clock: ClockFacts | None = None
    irregularities: tuple[Irregularity, ...] = ()
    aligned_s: np.ndarray | None = None

    @property
    def n_frames(self) -> int:
        """Frames in the movie."""
        return sum(probe.n_frames for probe in self.probes)

    @property
    def movie_times_s(self) -> np.ndarray:
        """Times of the frames of the movie, device clock unless they were aligned, s."""
        return self.ledger.movie_times_s if self.aligned_s is None else self.aligned_s


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
    broken
        Cameras and files of notes that could not be read, and what becomes of them.
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
    broken: tuple[Irregularity, ...] = ()

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
        return (
            *self.broken,
            *(item for device in self.devices for item in device.irregularities),
        )


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


def read_camera(
    read: Callable[[], DeviceRecording], *, name: str, policies: Policies
) -> DeviceRecording | Irregularity:
    """Read a camera; one that cannot be converted is noted, to be refused or left out."""
    device = read_or_note(read, policy="broken_cameras", name=name, policies=policies)
    if isinstance(device, Irregularity):
        return device
    return give_up(device.irregularities, "broken_cameras", policies=policies) or device


def read_or_note(
    read: Callable[[], Result], *, policy: str, name: str, policies: Policies
) -> Result | Irregularity:
    """Read what a recording can do without; what cannot be read is noted under a policy."""
    try:
        return read()
    except InputError as error:
        return Irregularity(
            policy, policies[policy], name, 1, error.found, error.expected, type(error)
        )


def give_up(
    noted: Sequence[Irregularity], policy: str, *, policies: Policies
) -> Irregularity | None:
    """Return what leaves out a part in which something is refused, if a policy says so."""
    refused = next((item for item in noted if item.is_refused), None)
    if refused is None or policies[policy] == REFUSE:
        return None
    return replace(refused, policy=policy, choice=policies[policy], has_way_out=True)


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
        city = text.strip().replace(" ", "_").casefold()
        meant = [n for n in sorted(available_timezones()) if n.casefold().endswith(f"/{city}")]
        hint = f" Did you mean {meant[0]!r}?" if meant else ""
        raise MetadataError(
            f"The time zone {text!r} is not known.{hint} A name such as America/New_York or an "
            "offset such as -04:00 was expected; correct it."
        ) from error


def fixed_offset(local: datetime) -> datetime:
    """Return a zone-aware time with its UTC offset as a plain number."""
    offset = local.utcoffset() or timedelta(0)
    return local.replace(tzinfo=timezone(offset))
