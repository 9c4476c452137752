"""Continuous channels (`.ncs`): their samples; gaps and rates are in `segments`."""

from collections.abc import Sequence
from dataclasses import dataclass
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
        The mapped records.
    rate_hz
        Samples per second by the time stamps.
    volt_per_bit
        Factor from stored integers to volts; negative if the input is inverted.
    segments
        Gap-free stretches in order.
    n_cut_bytes
        Bytes of a cut last record that were left out.
    """

    name: str
    file_path: Path
    entries: dict[str, str]
    records: np.ndarray
    rate_hz: float
    volt_per_bit: float
    segments: tuple[Segment, ...]
    n_cut_bytes: int

    @property
    def n_samples(self) -> int:
        """Samples in all segments."""
        return sum(segment.n_samples for segment in self.segments)


def read_channel(file_path: Path) -> Channel | None:
    """Read the structure of a channel, None if nothing was recorded on it.

    Raises
    ------
    EphysError
        If the header lacks rate or scale, or time runs backwards.
    """
    entries = read_header(file_path)
    records, n_cut_bytes = map_records(file_path, NCS_RECORD)
    if not len(records):
        return None
    nominal_hz = number_entry(entries, "SamplingFrequency", file_path=file_path)
    stamps = records["timestamp"].astype(np.int64)
    n_valid = np.minimum(records["n_valid"].astype(np.int64), RECORD_SAMPLES)
    _check_forwards(stamps, file_path)
    segments = find_segments(stamps, n_valid, nominal_hz=nominal_hz)
    sign = -1.0 if entries.get("InputInverted", "").lower() == "true" else 1.0
    return Channel(
        name=file_path.stem,
        file_path=file_path,
        entries=entries,
        records=records,
        rate_hz=measure_rate(stamps, n_valid, segments=segments, nominal_hz=nominal_hz),
        volt_per_bit=sign * number_entry(entries, "ADBitVolts", file_path=file_path),
        segments=segments,
        n_cut_bytes=n_cut_bytes,
    )


def segment_samples(channels: Sequence[Channel], segment_index: int) -> Samples:
    """Return a segment of channels that share their time stamps, int16 as recorded."""
    parts = []
    for channel in channels:
        segment = channel.segments[segment_index]
        records = channel.records[segment.first_record : segment.stop_record]
        n_valid = np.minimum(records["n_valid"], RECORD_SAMPLES)
        parts.append((records, np.concatenate([[0], np.cumsum(n_valid)])))
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


def _check_forwards(stamps: np.ndarray, file_path: Path) -> None:
    """Raise if a record begins before the one in front of it."""
    backwards = np.flatnonzero(np.diff(stamps) <= 0)
    if len(backwards):
        record = int(backwards[0]) + 1
        raise EphysError(
            f"{file_path} record {record} begins at {stamps[record]} us, after one at "
            f"{stamps[record - 1]} us. Times that increase were expected; the clock of the system "
            "was reset: split the recording there."
        )
