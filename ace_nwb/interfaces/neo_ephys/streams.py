"""Samples and digital lines of an ephys system, whichever reader they come from."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ace_nwb.errors import EphysError, MissingPackageError
from ace_nwb.imaging.storage import sample_chunk_shape
from ace_nwb.interfaces.imaging_recording import ClockFacts
from ace_nwb.interfaces.policies import Irregularity, Policies
from ace_nwb.interfaces.summaries import ChannelSummary, LineSummary, RecordingSummary

BLOCK_SAMPLES = 4_000_000
"""Samples of a digital word that are looked at together."""


@dataclass(frozen=True)
class SampleStream:
    """Samples of one kind and one clock.

    Parameters
    ----------
    name
        Of the stream, as its program calls it.
    label
        What tells its series apart in the file; empty where there is only one.
    kind
        Electrodes, or inputs of a board.
    recording
        SpikeInterface's recording.
    channel_ids, channel_names
        Of the channels that belong to the stream.
    unit
        Of the samples times `scale` plus `offset`, in SI.
    scale, offset
        Shape (channel,).
    starts_s
        Time of the first sample of each gap-free segment, s from the first of the system.
    clock
        The clock that its samples are counted on; None if all streams share one.
    """

    name: str
    label: str
    kind: Literal["electrodes", "inputs"]
    recording: Any
    channel_ids: tuple[Any, ...]
    channel_names: tuple[str, ...]
    unit: str
    scale: np.ndarray
    offset: np.ndarray
    starts_s: tuple[float, ...]
    clock: ClockFacts | None = None

    @property
    def rate_hz(self) -> float:
        """Samples per second."""
        return float(self.recording.get_sampling_frequency())

    @property
    def lengths(self) -> tuple[int, ...]:
        """Samples of each segment."""
        return tuple(
            int(self.recording.get_num_samples(segment_index=index))
            for index in range(len(self.starts_s))
        )


@dataclass(frozen=True)
class DigitalLine:
    """Edges of one digital line: seconds from the first sample of the system, and levels."""

    name: str
    times_s: np.ndarray
    levels: np.ndarray


@dataclass(frozen=True)
class SystemRecording:
    """Everything that an ephys system recorded.

    Parameters
    ----------
    system, manufacturer, description
        Name of the device in the file, who makes it, and what it is.
    start_time
        Of the recording by the system's local clock, which names no time zone.
    """

    folder_path: Path
    system: str
    manufacturer: str
    description: str
    streams: tuple[SampleStream, ...]
    lines: tuple[DigitalLine, ...]
    start_time: datetime | None = None
    warnings: tuple[str, ...] = ()
    irregularities: tuple[Irregularity, ...] = ()


class StreamSource:
    """Samples of one segment, shape (sample, channel), as recorded."""

    def __init__(self, stream: SampleStream, index: int) -> None:
        self._stream = stream
        self._index = index
        self.shape = (stream.lengths[index], len(stream.channel_ids))
        self.dtype = np.dtype(stream.recording.get_dtype())
        self.chunk_shape = sample_chunk_shape(self.shape, itemsize=self.dtype.itemsize)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return samples start..stop."""
        return read_samples(self._stream.recording, self._stream.channel_ids, self._index)(
            start, stop
        )


def import_readers() -> Any:
    """Return SpikeInterface's module of readers.

    Raises
    ------
    MissingPackageError
        If it or neo is not installed.
    """
    try:
        import neo  # noqa: F401 - the readers import it only when they are used
        import spikeinterface.extractors as readers
    except ImportError as error:
        raise MissingPackageError(
            f"This format is read by SpikeInterface and neo ({error}). Both were expected; install "
            'them with: pip install "ace-nwb[ephys]".'
        ) from error
    return readers


def call_reader(read: Callable[[], Any], path: Path) -> Any:
    """Return what a reader gives; whatever it raises becomes an error that names the file."""
    try:
        return read()
    except Exception as error:
        raise EphysError(
            f"{path} cannot be read ({type(error).__name__}: {str(error)[:300]}). A whole "
            "recording of one run was expected; copy the files again, or move foreign files away."
        ) from error


def read_samples(
    recording: Any, channel_ids: tuple[Any, ...], segment: int
) -> Callable[[int, int], np.ndarray]:
    """Return a function that reads samples start..stop of a segment, shape (sample, channel)."""

    def read(start: int, stop: int) -> np.ndarray:
        samples: np.ndarray = recording.get_traces(
            segment_index=segment,
            start_frame=start,
            end_frame=stop,
            channel_ids=list(channel_ids),
            return_in_uV=False,
        )
        return np.ascontiguousarray(samples)

    return read


def find_edges(
    read: Callable[[int, int], np.ndarray], n_samples: int, *, bit: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return (sample, level) of the edges of one bit; the first sample is the state at the start.

    Parameters
    ----------
    read
        Gives the words of samples start..stop, any shape of that length.
    n_samples
        Words in all.
    bit
        Which bit of the word.
    """
    found: list[np.ndarray] = []
    levels: list[np.ndarray] = []
    for start in range(0, n_samples - 1, BLOCK_SAMPLES):
        words = read(start, min(n_samples, start + BLOCK_SAMPLES + 1)).reshape(-1)
        level = ((words.astype(np.int64) >> bit) & 1).astype(np.uint8)
        at = np.flatnonzero(level[1:] != level[:-1]) + 1
        found.append(start + at)
        levels.append(level[at])
    if not found:
        return np.empty(0, np.int64), np.empty(0, np.uint8)
    return np.concatenate(found), np.concatenate(levels)


def summarise_streams(
    read: Callable[[Path, Policies], SystemRecording], folder_path: Path, options: Any
) -> RecordingSummary:
    """Say what a recording holds and what is wrong with it."""
    try:
        recording = read(folder_path, options.policies)
    except (EphysError, MissingPackageError) as error:
        return RecordingSummary(start_time=None, problems=(str(error),))
    clocks = dict.fromkeys(s.clock.clock for s in recording.streams if s.clock is not None)
    remarks = (f"Clocks of their own: {', '.join(clocks)}.",) if len(clocks) > 1 else ()
    return RecordingSummary(
        start_time=recording.start_time,
        channels=tuple(_summarise(stream) for stream in recording.streams),
        lines=tuple(_summarise_line(line) for line in recording.lines),
        remarks=remarks,
        problems=(*recording.warnings, *(item.sentence for item in recording.irregularities)),
        irregularities=recording.irregularities,
    )


def _summarise(stream: SampleStream) -> ChannelSummary:
    """Describe one stream."""
    stops = [s + n / stream.rate_hz for s, n in zip(stream.starts_s, stream.lengths, strict=True)]
    return ChannelSummary(
        name=f"{stream.name} ({len(stream.channel_ids)} channels)",
        rate_hz=stream.rate_hz,
        n_samples=sum(stream.lengths),
        n_segments=len(stream.starts_s),
        duration_s=stops[-1] - stream.starts_s[0],
        gaps_s=tuple(_gaps(stops, stream.starts_s)),
        microvolt_per_bit=float(stream.scale[0]) * 1e6,
    )


def _gaps(stops: list[float], starts: tuple[float, ...]) -> Iterator[float]:
    """Yield the pauses between segments, s."""
    for stop, start in zip(stops, starts[1:], strict=False):
        yield round(start - stop, 6)


def _summarise_line(line: DigitalLine) -> LineSummary:
    """Describe one digital line."""
    median_s = float(np.median(np.diff(line.times_s))) if len(line.times_s) > 1 else 0.0
    return LineSummary(
        name=line.name,
        n_edges=len(line.times_s),
        edge_rate_hz=1 / median_s if median_s > 0 else 0.0,
        first_s=float(line.times_s[0]),
        last_s=float(line.times_s[-1]),
    )
