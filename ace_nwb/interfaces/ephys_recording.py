"""An ephys recording as every reader gives it: streams of samples, digital lines, texts.

`ephys_interface` writes it into the file, `summarise_ephys` says what `inspect` prints of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ace_nwb.errors import EphysError, InputError, MissingPackageError
from ace_nwb.imaging.storage import sample_chunk_shape
from ace_nwb.interfaces.imaging_recording import ClockFacts
from ace_nwb.interfaces.policies import (
    PARTIAL_STREAMS,
    RULES,
    Irregularity,
    Policies,
)
from ace_nwb.interfaces.summaries import ChannelSummary, LineSummary, RecordingSummary

LEAST_HZ, MOST_HZ = 0.01, 1e7
"""Rates of any ephys system and its slow inputs by far, Hz; a damaged header says 1e300."""

BETWEEN_GAPS = "Raw samples as recorded, between two gaps of the recording."
"""Description of a series of a system that may have gaps."""


class Samples:
    """Samples without a gap, as recorded; they are read block by block.

    Parameters
    ----------
    shape
        (sample, channel), or (sample,) of a single input.
    dtype
        As recorded.
    read
        Gives samples start..stop.
    """

    def __init__(
        self, shape: tuple[int, ...], dtype: np.dtype, read: Callable[[int, int], np.ndarray]
    ) -> None:
        self.shape, self.dtype, self.read = shape, dtype, read
        columns = shape[1] if len(shape) > 1 else 1
        chunk = sample_chunk_shape((shape[0], columns), itemsize=dtype.itemsize)
        self.chunk_shape = chunk[: len(shape)]

    @classmethod
    def of(cls, values: np.ndarray) -> "Samples":
        """Return samples that are mapped."""
        return cls(values.shape, values.dtype, lambda start, stop: np.array(values[start:stop]))


@dataclass(frozen=True)
class SampleSegment:
    """A gap-free stretch of a stream.

    Parameters
    ----------
    start_s
        Time of its first sample, seconds from the first of the system.
    samples
        Its samples.
    clock
        What its samples are counted on, where that is not the clock of all streams.
    shift_s, times_s
        Where somebody aligned it: by how much, or the time of every sample, seconds.
    """

    start_s: float
    samples: Samples
    clock: ClockFacts | None = None
    shift_s: float = 0.0
    times_s: np.ndarray | None = None

    def sample_times(self, rate_hz: float) -> np.ndarray:
        """Return the time of every sample, shape (sample,), seconds."""
        if self.times_s is not None:
            return self.times_s
        return self.start_s + np.arange(self.samples.shape[0]) / rate_hz + self.shift_s


@dataclass(frozen=True)
class SampleStream:
    """Samples of channels that share their times.

    Parameters
    ----------
    name
        Of its series in the file.
    description
        Of its series.
    segments
        Gap-free stretches in order.
    rate_hz
        Sampling rate.
    scale
        Unit per bit of each channel, shape (channel,).
    listed
        What `inspect` calls it: one name, or one per channel.
    electrodes
        Rows of its channels in the table of electrodes; empty for inputs that are no electrodes.
    unit, offset
        Of samples times `scale` plus `offset`.
    filtering
        Filters of the system, if it says.
    kind
        "LFP", "wide-band", "DC" or "auxiliary", where the system says which.
    """

    name: str
    description: str
    segments: tuple[SampleSegment, ...]
    rate_hz: float
    scale: np.ndarray
    listed: tuple[str, ...]
    electrodes: tuple[int, ...] = ()
    unit: str = "volts"
    offset: float = 0.0
    filtering: str | None = None
    kind: str = ""

    @property
    def n_samples(self) -> int:
        """Samples of all segments."""
        return sum(self.lengths)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Samples of each segment."""
        return tuple(segment.samples.shape[0] for segment in self.segments)

    @property
    def stops_s(self) -> tuple[float, ...]:
        """Time after the last sample of each segment, seconds."""
        return tuple(s.start_s + s.samples.shape[0] / self.rate_hz for s in self.segments)

    @property
    def gaps_s(self) -> tuple[float, ...]:
        """Lengths of the gaps between segments, seconds, to the microsecond."""
        starts_s = [segment.start_s for segment in self.segments[1:]]
        return tuple(
            round(start - stop, 6) for stop, start in zip(self.stops_s, starts_s, strict=False)
        )


@dataclass(frozen=True)
class DigitalLine:
    """Edges of one digital (TTL) line: seconds from the first sample of the system, and levels."""

    name: str
    times_s: np.ndarray
    levels: np.ndarray


@dataclass(frozen=True)
class EventList:
    """Events that are no edges; `columns` are name -> (description, values)."""

    name: str
    description: str
    times_s: np.ndarray
    columns: Mapping[str, tuple[str, Any]]


@dataclass(frozen=True)
class Electrode:
    """A channel of the headstage, the number of its input, and its kind, if they are known."""

    name: str
    input_number: int | None = None
    kind: str = ""


@dataclass(frozen=True)
class System:
    """The acquisition system: its name, what it is, its model and maker, if they are known."""

    name: str
    description: str | None = None
    model: str = ""
    model_description: str = ""
    manufacturer: str = ""
    electrodes: str = "All continuous channels of the system."


@dataclass(frozen=True)
class EphysRecording:
    """Everything that an ephys system recorded.

    Parameters
    ----------
    folder_path
        The recording.
    content
        Facts that tell it from any other, whatever its folder is called.
    start_time
        When it began; without a time zone if the system does not say one.
    remarks
        What `inspect` says about it beside its streams.
    warnings
        What was left out, in sentences.
    irregularities
        What a policy decides on.
    """

    folder_path: Path
    system: System
    content: tuple[str, ...]
    electrodes: tuple[Electrode, ...]
    streams: tuple[SampleStream, ...]
    lines: tuple[DigitalLine, ...]
    events: tuple[EventList, ...] = ()
    start_time: datetime | None = None
    remarks: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    irregularities: tuple[Irregularity, ...] = ()

    def __post_init__(self) -> None:
        """Raise if a stream has a rate that no system has."""
        for stream in self.streams:
            if stream.n_samples > 1 and not LEAST_HZ <= stream.rate_hz <= MOST_HZ:
                raise EphysError(
                    f"{self.folder_path}: {stream.listed[0]} has {stream.rate_hz:g} samples a "
                    f"second. A rate from {LEAST_HZ:g} to {MOST_HZ:g} Hz was expected; the file "
                    "that states it is damaged: copy the recording again."
                )

    def told(self) -> list[str]:
        """Return what was left out and let pass, in sentences."""
        passed = [
            f"{item.device} is cut off, read up to its break ({item.policy}={item.choice})."
            if item.policy == "cut_samples"
            else f"{item.found}."
            if item.policy == PARTIAL_STREAMS
            else f"{item.found}; {RULES[item.policy][item.choice]} ({item.policy}={item.choice})."
            for item in self.irregularities
        ]
        return [*self.warnings, *passed]


def summarise_ephys(
    read: Callable[[Path, Policies], EphysRecording], folder_path: Path, options: Any
) -> RecordingSummary:
    """Say what a recording holds and what is wrong with it."""
    try:
        recording = read(folder_path, options.policies)
    except (InputError, MissingPackageError) as error:
        return RecordingSummary(start_time=None, problems=(str(error),))
    return RecordingSummary(
        start_time=recording.start_time,
        channels=tuple(one for stream in recording.streams for one in _summarise(stream)),
        lines=tuple(_summarise_line(line) for line in recording.lines),
        notes=tuple(
            f"{time_s:.3f} s: {text}"
            for events in recording.events
            if "text" in events.columns
            for time_s, text in zip(events.times_s, events.columns["text"][1], strict=True)
        ),
        remarks=recording.remarks,
        problems=(*recording.warnings, *(item.sentence for item in recording.irregularities)),
        irregularities=recording.irregularities,
    )


def _summarise(stream: SampleStream) -> list[ChannelSummary]:
    """Describe a stream, or each of its channels."""
    return [
        ChannelSummary(
            name=name,
            rate_hz=stream.rate_hz,
            n_samples=stream.n_samples,
            n_segments=len(stream.segments),
            duration_s=stream.stops_s[-1] - stream.segments[0].start_s,
            gaps_s=stream.gaps_s,
            microvolt_per_bit=float(scale) * 1e6,
        )
        for name, scale in zip(stream.listed, stream.scale, strict=False)
    ]


def _summarise_line(line: DigitalLine) -> LineSummary:
    """Describe a digital line; its rate is by the median interval of edges."""
    median_s = float(np.median(np.diff(line.times_s))) if len(line.times_s) > 1 else 0.0
    return LineSummary(
        name=line.name,
        n_edges=len(line.times_s),
        edge_rate_hz=1 / median_s if median_s > 0 else 0.0,
        first_s=float(line.times_s[0]) if len(line.times_s) else 0.0,
        last_s=float(line.times_s[-1]) if len(line.times_s) else 0.0,
    )
