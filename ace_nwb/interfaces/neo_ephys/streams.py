"""Samples and digital words as the readers of SpikeInterface and neo give them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ace_nwb.errors import EphysError, MissingPackageError
from ace_nwb.interfaces.ephys_recording import (
    DigitalLine,
    Electrode,
    Samples,
    SampleSegment,
    SampleStream,
)
from ace_nwb.interfaces.imaging_recording import ClockFacts

BLOCK_SAMPLES = 4_000_000
"""Samples of a digital word that are looked at together."""


class StreamTable:
    """The streams of a system as they are read, and the table of their electrodes.

    Streams of the same channels (a probe's AP and LF, an amplifier's AC and DC) share electrodes.
    """

    def __init__(self) -> None:
        self.streams: list[SampleStream] = []
        self.facts: list[str] = []
        self._rows: dict[str, int] = {}

    @property
    def electrodes(self) -> tuple[Electrode, ...]:
        """The table of electrodes."""
        return tuple(map(Electrode, self._rows))

    def add(
        self,
        name: str,
        label: str,
        recording: Any,
        *,
        channels: Mapping[Any, str],
        has_electrodes: bool,
        starts_s: Sequence[float],
        scale: np.ndarray,
        offset: np.ndarray,
        unit: str = "volts",
        kind: str = "",
        clock: ClockFacts | None = None,
    ) -> None:
        """Add a stream.

        Parameters
        ----------
        name, label
            Of the stream, as its program calls it, and what tells its series apart in the file.
        recording
            SpikeInterface's recording.
        channels
            Id -> name of the channels that are meant.
        has_electrodes
            Whether they are electrodes, not inputs of a board.
        starts_s
            Time of the first sample of each gap-free segment, seconds from the first of the system.
        scale, offset, unit
            Unit per bit, and at zero bits, shape (channel,).
        kind
            Of its signals, if the program says.
        clock
            The clock that its samples are counted on; None if all streams share one.
        """
        names = tuple(channels.values())
        what = "Raw samples" if has_electrodes else "Inputs"
        sites = map(_site, names if has_electrodes else ())
        rows = tuple(self._rows.setdefault(site, len(self._rows)) for site in sites)
        stream = SampleStream(
            name=f"ElectricalSeries{label}" if has_electrodes else label,
            description=f"{what} as recorded: {name if has_electrodes else ', '.join(names)}.",
            segments=tuple(
                SampleSegment(start_s, _samples(recording, tuple(channels), index), clock)
                for index, start_s in enumerate(starts_s)
            ),
            rate_hz=float(recording.get_sampling_frequency()),
            scale=scale,
            listed=(f"{name} ({len(names)} channels)",),
            electrodes=rows,
            unit=unit,
            offset=float(offset[0]),
            kind=kind,
        )
        self.streams.append(stream)
        self.facts.append(f"{name} {stream.lengths} {names}")


def _samples(recording: Any, channel_ids: tuple[Any, ...], index: int) -> Samples:
    """Return a segment of a recording of SpikeInterface."""
    return Samples(
        (int(recording.get_num_samples(segment_index=index)), len(channel_ids)),
        np.dtype(recording.get_dtype()),
        read_samples(recording, channel_ids, index),
    )


def describe_lines(lines: Iterable[DigitalLine]) -> list[str]:
    """Return facts that tell the edges of digital lines from any others."""
    return [f"{line.name} {line.times_s.sum()!r}" for line in lines]


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


def _site(channel: str) -> str:
    """Return what the streams of one site share: "imec0.ap AP3", "imec0.lf LF3" -> "imec0 3"."""
    device, _, name = channel.rpartition(" ")
    name = name.removeprefix("AP").removeprefix("LF").removesuffix("_DC")
    return f"{device.partition('.')[0]} {name}".strip()
