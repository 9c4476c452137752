"""Continuous channels (`.ncs`): their samples; gaps and rates are in `segments`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ace_nwb.errors import EphysError
from ace_nwb.interfaces.ephys_recording import Samples
from ace_nwb.interfaces.neuralynx.header import map_records, number_entry, read_header
from ace_nwb.interfaces.neuralynx.segments import (
    RECORD_SAMPLES,
    Segment,
    find_segments,
    measure_rate,
)

NCS_RECORD = np.dtype(
    [
        ("timestamp", "<u8"),
        ("channel", "<u4"),
        ("rate", "<u4"),
        ("n_valid", "<u4"),
        ("samples", "<i2", (RECORD_SAMPLES,)),
    ]
)


@dataclass(frozen=True)
class Channel:
    """One continuous channel.

    Parameters
    ----------
    name
        Name of the file without its ending.
    entries
        Header of the file.
    records
        The mapped records of each start of the recorder.
    rate_hz
        Samples per second by the time stamps.
    volt_per_bit
        Factor from stored integers to volts; negative if the input is inverted.
    segments
        Gap-free stretches in order.
    n_cut_bytes
        Bytes of a cut last record that were left out.
    n_repeated
        Records that stood twice, left out once.
    """

    name: str
    file_path: Path
    entries: dict[str, str]
    records: tuple[np.ndarray, ...]
    rate_hz: float
    volt_per_bit: float
    segments: tuple[Segment, ...]
    n_cut_bytes: int
    n_repeated: int = 0

    @property
    def n_samples(self) -> int:
        """Samples in all segments."""
        return sum(segment.n_samples for segment in self.segments)


def read_starts(file_path: Path, name: str | None = None) -> tuple[Channel, ...]:
    """Read the structure of a file, start by start; nothing if it holds no samples.

    A start ends where the clock of the system begins anew.

    Parameters
    ----------
    file_path
        The file.
    name
        Of the channel; that of the file if not given.

    Raises
    ------
    EphysError
        If the header lacks rate or scale, or a record cannot be.
    """
    entries = read_header(file_path)
    mapped, n_cut_bytes = map_records(file_path, NCS_RECORD)
    if not len(mapped):
        return ()
    nominal_hz = number_entry(entries, "SamplingFrequency", file_path=file_path)
    _check_counts(mapped["n_valid"], file_path)
    kept = _without_repeated(mapped)
    sign = -1.0 if entries.get("InputInverted", "").lower() == "true" else 1.0
    volt_per_bit = sign * number_entry(entries, "ADBitVolts", file_path=file_path)
    found: list[Channel] = []
    for records in split_starts(kept, kept["timestamp"].astype(np.int64)):
        stamps, n_valid = (records[key].astype(np.int64) for key in ("timestamp", "n_valid"))
        segments = find_segments(stamps, n_valid, nominal_hz=nominal_hz)
        found.append(
            Channel(
                name=name or file_path.stem,
                file_path=file_path,
                entries=entries,
                records=(records,),
                rate_hz=measure_rate(stamps, n_valid, segments=segments, nominal_hz=nominal_hz),
                volt_per_bit=volt_per_bit,
                segments=segments,
                n_cut_bytes=0 if found else n_cut_bytes,
                n_repeated=0 if found else len(mapped) - len(kept),
            )
        )
    return tuple(found)


def split_starts(records: np.ndarray, stamps: np.ndarray, *, back_us: int = 0) -> list[np.ndarray]:
    """Return the records between the places where stamps do not go on, but back.

    Parameters
    ----------
    records, stamps
        Records and their times, microseconds, shape (record,).
    back_us
        By so much they may go back within a start.
    """
    return np.split(records, np.flatnonzero(np.diff(stamps) <= -back_us) + 1)


def join_starts(starts: Sequence[Channel]) -> Channel:
    """Put the starts of one channel behind each other; its rate is that of the longest."""
    longest = max(starts, key=lambda start: start.n_samples)
    return replace(
        longest,
        records=tuple(records for start in starts for records in start.records),
        segments=tuple(
            replace(segment, start=index)
            for index, start in enumerate(starts)
            for segment in start.segments
        ),
        n_cut_bytes=sum(start.n_cut_bytes for start in starts),
        n_repeated=sum(start.n_repeated for start in starts),
    )


def segment_samples(channels: Sequence[Channel], segment_index: int) -> Samples:
    """Return a segment of channels that share their time stamps, int16 as recorded."""
    parts = []
    for channel in channels:
        segment = channel.segments[segment_index]
        records = channel.records[segment.start][segment.first_record : segment.stop_record]
        parts.append((records, np.concatenate([[0], np.cumsum(records["n_valid"])])))
    shape = (channels[0].segments[segment_index].n_samples, len(channels))

    def read(start: int, stop: int) -> np.ndarray:
        block = np.empty((stop - start, len(parts)), np.int16)
        for index, (records, first_sample) in enumerate(parts):
            block[:, index] = _read_samples(records, first_sample, start=start, stop=stop)
        return block

    return Samples(shape, np.dtype(np.int16), read)


def _read_samples(
    records: np.ndarray, first_sample: np.ndarray, *, start: int, stop: int
) -> np.ndarray:
    """Return samples start..stop of mapped records whose first samples are given."""
    first = int(np.searchsorted(first_sample, start, side="right")) - 1
    last = int(np.searchsorted(first_sample, stop, side="left"))
    samples = records["samples"][first:last]
    n_valid = np.diff(first_sample[first : last + 1])
    if (n_valid == RECORD_SAMPLES).all():
        flat = samples.reshape(-1)
    else:
        flat = samples[np.arange(RECORD_SAMPLES) < n_valid[:, None]]
    offset = start - int(first_sample[first])
    return flat[offset : offset + stop - start]


def _check_counts(n_valid: np.ndarray, file_path: Path) -> None:
    """Raise if a record says that it holds more samples than it can."""
    wrong = np.flatnonzero(n_valid > RECORD_SAMPLES)
    if len(wrong):
        record = int(wrong[0])
        raise EphysError(
            f"{file_path} record {record} says that it holds {n_valid[record]} samples "
            f"({len(wrong)} such records)",
            f"At most {RECORD_SAMPLES} were expected; the file is damaged: copy it again.",
        )


def _without_repeated(records: np.ndarray) -> np.ndarray:
    """Return records without those that repeat, byte for byte, the ones in front of them."""
    stamps = records["timestamp"].astype(np.int64)
    repeated: list[int] = []
    for record in (np.flatnonzero(np.diff(stamps) <= 0) + 1).tolist():
        first = int(np.searchsorted(stamps[:record], stamps[record]))
        again = slice(record, 2 * record - first)
        if records[first:record].tobytes() == records[again].tobytes():
            repeated.extend(range(record, again.stop))
    return np.delete(records, repeated) if repeated else records
