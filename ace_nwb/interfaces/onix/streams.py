"""Streams of an ONIX acquisition beside the Miniscope: RHS2116, digital and analog inputs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ace_nwb.errors import EphysError, InputError
from ace_nwb.forms.csv_rows import CsvRows
from ace_nwb.imaging.storage import sample_chunk_shape
from ace_nwb.interfaces.onix.files import (
    RHS2116,
    StartTime,
    check_clock,
    find_one,
    map_raw,
    read_start,
)
from ace_nwb.interfaces.policies import partial_streams
from ace_nwb.interfaces.summaries import ChannelSummary, LineSummary, RecordingSummary

AC_VOLT_PER_BIT = 0.195e-6
AC_ZERO = 32_768
DC_VOLT_PER_BIT = -19.23e-3
DC_ZERO = 512
ANALOG_CHANNELS = 12
GAP_STEPS = 1.5
"""A step of the sample clock longer than this many median steps is a gap."""


@dataclass(frozen=True)
class Stream:
    """Samples of one kind, shape (sample, channel), and their clock.

    Parameters
    ----------
    name
        Of the series in the NWB file.
    values
        Mapped samples.
    clock
        Counts of the acquisition clock, shape (sample,).
    segments
        (first sample, stop sample) of stretches without a gap.
    rate_hz
        Samples per second by the clock.
    """

    name: str
    values: np.ndarray
    clock: np.ndarray
    segments: tuple[tuple[int, int], ...]
    rate_hz: float


@dataclass(frozen=True)
class Edges:
    """Edges of one bit of a digital port: counts of the clock and levels."""

    name: str
    counts: np.ndarray
    levels: np.ndarray


@dataclass(frozen=True)
class OnixStreams:
    """Everything of an acquisition that is not the Miniscope."""

    folder_path: Path
    start: StartTime
    ac: Stream | None
    dc: Stream | None
    recovery: Stream | None
    analog: Stream | None
    single_analog: tuple[Stream, ...]
    lines: tuple[Edges, ...]
    port_status: tuple[tuple[int, int], ...]
    warnings: tuple[str, ...] = field(default=())

    @property
    def streams(self) -> tuple[Stream, ...]:
        """All streams of samples."""
        found = (self.ac, self.dc, self.recovery, self.analog, *self.single_analog)
        return tuple(stream for stream in found if stream is not None)


def read_streams(folder_path: Path) -> OnixStreams:
    """Read the structure of all streams; samples stay on disk.

    Raises
    ------
    EphysError
        If samples and clock of a stream do not fit, or a clock runs backwards.
    """
    start = read_start(folder_path)
    warnings: list[str] = []
    ac, dc, recovery = _read_rhs2116(folder_path, start.clock_hz, warnings)
    analog, single = _read_analog(folder_path, start.clock_hz, warnings)
    return OnixStreams(
        folder_path=folder_path,
        start=start,
        ac=ac,
        dc=dc,
        recovery=recovery,
        analog=analog,
        single_analog=single,
        lines=_read_digital(folder_path),
        port_status=_read_port_status(folder_path, warnings),
        warnings=tuple(warnings),
    )


def find_segments(clock: np.ndarray) -> tuple[tuple[int, int], ...]:
    """Return (first, stop) of the stretches of samples without a gap."""
    if len(clock) < 2:
        return ((0, len(clock)),)
    longest = round(GAP_STEPS * float(np.median(np.diff(clock[:100_000].astype(np.int64)))))
    cuts: list[int] = []
    block = 4_000_000
    for start in range(0, len(clock) - 1, block):
        steps = np.diff(clock[start : start + block + 1].astype(np.int64))
        cuts += (start + 1 + np.flatnonzero(steps > longest)).tolist()
    return tuple(zip([0, *cuts], [*cuts, len(clock)], strict=True))


def measure_rate(
    clock: np.ndarray, segments: Sequence[tuple[int, int]], *, clock_hz: float
) -> float:
    """Return samples per second by the clock, from the longest segment."""
    first, stop = max(segments, key=lambda part: part[1] - part[0])
    elapsed = int(clock[stop - 1]) - int(clock[first])
    return (stop - 1 - first) / elapsed * clock_hz if elapsed else 0.0


class StreamSource:
    """Samples of one segment, shape (sample, channel) or (sample,), as recorded."""

    def __init__(self, stream: Stream, segment: tuple[int, int]) -> None:
        self._values = stream.values[segment[0] : segment[1]]
        self.shape = self._values.shape
        self.dtype = self._values.dtype
        columns = self.shape[1] if len(self.shape) > 1 else 1
        chunk = sample_chunk_shape((self.shape[0], columns), itemsize=self.dtype.itemsize)
        self.chunk_shape = chunk[: len(self.shape)]

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return samples start..stop."""
        return np.array(self._values[start:stop])


def summarise_streams(folder_path: Path, options: Any) -> RecordingSummary:
    """Say what an acquisition holds and what is wrong with it."""
    try:
        streams = read_streams(folder_path)
    except InputError as error:
        return RecordingSummary(start_time=None, problems=(str(error),))
    hz = streams.start.clock_hz
    noted = partial_streams(streams.warnings, policies=options.policies, device="ONIX")
    return RecordingSummary(
        start_time=streams.start.start,
        channels=tuple(_summarise(stream, hz) for stream in streams.streams),
        lines=tuple(_summarise_line(line, hz) for line in streams.lines),
        remarks=(f"Times are counts of the ONIX clock at {hz:.0f} Hz.",),
        problems=tuple(item.sentence for item in noted),
        irregularities=noted,
    )


def _summarise(stream: Stream, clock_hz: float) -> ChannelSummary:
    """Describe one stream."""
    ends = [int(stream.clock[stop - 1]) for _first, stop in stream.segments]
    starts = [int(stream.clock[first]) for first, _stop in stream.segments]
    gaps = [(b - a) / clock_hz for a, b in zip(ends, starts[1:], strict=False)]
    scale = {"RHS2116AC": AC_VOLT_PER_BIT, "RHS2116DC": abs(DC_VOLT_PER_BIT)}.get(stream.name, 1.0)
    return ChannelSummary(
        name=f"{stream.name} ({stream.values[0].size} channels)",
        rate_hz=stream.rate_hz,
        n_samples=len(stream.values),
        n_segments=len(stream.segments),
        duration_s=(ends[-1] - starts[0]) / clock_hz,
        gaps_s=tuple(round(gap, 6) for gap in gaps),
        microvolt_per_bit=scale * 1e6,
    )


def _summarise_line(line: Edges, clock_hz: float) -> LineSummary:
    """Describe one digital line."""
    times_s = line.counts / clock_hz
    median_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 0.0
    return LineSummary(
        name=line.name,
        n_edges=len(times_s),
        edge_rate_hz=1 / median_s if median_s > 0 else 0.0,
        first_s=float(times_s[0]),
        last_s=float(times_s[-1]),
    )


def _read_rhs2116(
    folder_path: Path, clock_hz: float, warnings: list[str]
) -> tuple[Stream | None, Stream | None, Stream | None]:
    """Read AC, DC and recovery of the amplifier, which share one clock."""
    paths = {
        kind: find_one(folder_path, [f"{prefix}-{kind}" for prefix in RHS2116], "raw")
        for kind in ("clock", "ac", "dc", "recovery")
    }
    if paths["clock"] is None:
        return None, None, None
    clock = map_raw(paths["clock"], np.uint64)
    check_clock(clock, paths["clock"])
    found = [
        _amplifier_stream(paths[kind], f"RHS2116{label}", clock, clock_hz, warnings)
        for kind, label in (("ac", "AC"), ("dc", "DC"), ("recovery", "Recovery"))
    ]
    return found[0], found[1], found[2]


def _amplifier_stream(
    file_path: Path | None, name: str, clock: np.ndarray, clock_hz: float, warnings: list[str]
) -> Stream | None:
    """Return the samples of one file, as many as the clock has."""
    if file_path is None:
        return None
    n_bytes = file_path.stat().st_size
    per_sample = round(n_bytes / len(clock))
    dtype: np.dtype
    if per_sample in (32, 64):
        dtype, n_channels = np.dtype("<u2"), per_sample // 2
    elif per_sample in (1, 16):
        dtype, n_channels = np.dtype("u1"), per_sample
    elif per_sample in (2, 4):
        dtype, n_channels = np.dtype(f"<u{per_sample}"), 1
    else:
        raise EphysError(
            f"{file_path} holds {n_bytes} bytes for {len(clock)} samples. 64 bytes a sample (32 "
            "channels) or 32 (16 channels) were expected; do samples and clock belong together?"
        )
    values = map_raw(file_path, dtype)
    n_samples = min(len(values) // n_channels, len(clock))
    if n_samples * n_channels != len(values) or n_samples != len(clock):
        warnings.append(
            f"{file_path} holds {len(values) / n_channels:.2f} samples, its clock {len(clock)}; "
            f"the {n_samples} whole ones are read."
        )
    return _stream(
        name, values[: n_samples * n_channels].reshape(n_samples, n_channels), clock, clock_hz
    )


def _read_analog(
    folder_path: Path, clock_hz: float, warnings: list[str]
) -> tuple[Stream | None, tuple[Stream, ...]]:
    """Read the analog inputs of the breakout board, and streams that labs write one by one."""
    clock_path = find_one(folder_path, ("analog-clock",), "raw")
    if clock_path is None:
        lone = find_one(folder_path, ("analog-data",), "raw")
        if lone is not None:
            warnings.append(
                f"{lone} has no analog-clock file beside it; the analog inputs are left out, as "
                "nothing says when their samples were taken."
            )
        return None, ()
    clock = map_raw(clock_path, np.uint64)
    check_clock(clock, clock_path)
    data_path = find_one(folder_path, ("analog-data",), "raw")
    analog = None
    if data_path is not None:
        values = map_raw(data_path, np.float32)
        n_samples = min(len(values) // ANALOG_CHANNELS, len(clock))
        if n_samples != len(clock) or n_samples * ANALOG_CHANNELS != len(values):
            warnings.append(
                f"{data_path} holds {len(values) / ANALOG_CHANNELS:.2f} samples of "
                f"{ANALOG_CHANNELS} channels, its clock {len(clock)}; {n_samples} are read."
            )
        shaped = values[: n_samples * ANALOG_CHANNELS].reshape(n_samples, ANALOG_CHANNELS)
        analog = _stream("AnalogInput", shaped, clock, clock_hz)
    single = []
    for prefix in ("o2", "co2", "iso", "sev"):
        path = find_one(folder_path, (prefix,), "raw")
        if path is None:
            continue
        values = map_raw(path, np.float32)
        if len(values) != len(clock):
            warnings.append(
                f"{path} holds {len(values)} values, the analog clock {len(clock)}; it is left "
                "out, as nothing says when its values were taken."
            )
            continue
        single.append(_stream(f"Analog{prefix.upper()}", values, clock, clock_hz))
    return analog, tuple(single)


def _stream(name: str, values: np.ndarray, clock: np.ndarray, clock_hz: float) -> Stream:
    """Put samples and clock together."""
    if not len(values):
        raise EphysError(f"{name} holds no whole sample. One was expected; copy the files again.")
    counts = clock[: len(values)]
    segments = find_segments(counts)
    return Stream(name, values, counts, segments, measure_rate(counts, segments, clock_hz=clock_hz))


def _read_digital(folder_path: Path) -> tuple[Edges, ...]:
    """Read the digital inputs and buttons: raw files, or one CSV file."""
    clock_path = find_one(folder_path, ("digital-clock",), "raw")
    ports: list[tuple[str, np.ndarray, np.ndarray]] = []
    if clock_path is not None:
        clock = map_raw(clock_path, np.uint64).astype(np.int64)
        for name, prefix in (("DigitalInput", "digital-pins"), ("Button", "digital-buttons")):
            path = find_one(folder_path, (prefix,), "raw")
            if path is not None:
                ports.append((name, clock, _words(path, len(clock))))
    else:
        path = find_one(folder_path, ("digital-input", "digital-inputs", "digital"), "csv")
        if path is not None:
            table = _read_rows(path, n_columns=2)
            ports.append(("DigitalInput", table[:, 0], table[:, 1]))
            if table.shape[1] > 2:
                ports.append(("Button", table[:, 0], table[:, 2]))
    return tuple(edges for port in ports for edges in _edges(*port))


def _words(file_path: Path, n_words: int) -> np.ndarray:
    """Return the words of a port, of the width that the clock implies."""
    width = file_path.stat().st_size / max(1, n_words)
    if width not in (1, 2, 4, 8):
        raise EphysError(
            f"{file_path} holds {file_path.stat().st_size} bytes for {n_words} values of its "
            "clock. 1, 2, 4 or 8 bytes a value were expected; copy the files again."
        )
    return map_raw(file_path, np.dtype(f"<u{int(width)}")).astype(np.int64)


def _edges(prefix: str, counts: np.ndarray, words: np.ndarray) -> list[Edges]:
    """Return the edges of every bit that changes; the first word is the state at the start."""
    found = []
    for bit in range(16):
        levels = ((words >> bit) & 1).astype(np.uint8)
        changed = np.flatnonzero(np.diff(levels.astype(np.int8))) + 1
        if len(changed):
            found.append(Edges(f"{prefix}{bit}", counts[changed], levels[changed]))
    return found


def _read_port_status(folder_path: Path, warnings: list[str]) -> tuple[tuple[int, int], ...]:
    """Return (clock, code) of the port's messages; there may be a header."""
    path = find_one(folder_path, ("port-status",), "csv")
    if path is None:
        return ()
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        cells = list(CsvRows((line.replace("\0", "") for line in file), path))
    messages = tuple(
        (int(row[1]), int(row[2]))
        for row in cells
        if len(row) >= 3 and row[1].strip().isdigit() and row[2].strip().isdigit()
    )
    n_other = sum(map(bool, cells)) - len(messages)
    if n_other > 1:
        warnings.append(
            f"{path} holds {n_other} rows that are no message (time, clock, code); they are left "
            "out."
        )
    return messages


def _read_rows(file_path: Path, *, n_columns: int) -> np.ndarray:
    """Return the rows of whole numbers of a CSV file, with or without a header."""
    rows = []
    with file_path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        for row in CsvRows((line.replace("\0", "") for line in file), file_path):
            cells = [cell.strip() for cell in row]
            if len(cells) >= n_columns and all(cell.isdigit() for cell in cells):
                rows.append([int(cell) for cell in cells])
    if not rows or len({len(row) for row in rows}) != 1:
        raise EphysError(
            f"{file_path} holds no rows of whole numbers. Clock, inputs and buttons were expected; "
            "copy the file again."
        )
    return np.array(rows, np.int64)
