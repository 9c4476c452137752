"""Streams of an ONIX acquisition beside the Miniscope: RHS2116, digital and analog inputs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ace_nwb.errors import EphysError
from ace_nwb.forms.csv_rows import CsvRows
from ace_nwb.interfaces.ephys_recording import (
    DigitalLine,
    Electrode,
    EphysRecording,
    EventList,
    Samples,
    SampleSegment,
    SampleStream,
    System,
)
from ace_nwb.interfaces.imaging_recording import ClockFacts
from ace_nwb.interfaces.onix.files import (
    CLOCK,
    RHS2116,
    check_clock,
    find_one,
    map_raw,
    read_start,
)
from ace_nwb.interfaces.policies import Policies, partial_streams

AC_VOLT_PER_BIT = 0.195e-6
AC_ZERO = 32_768
DC_VOLT_PER_BIT = -19.23e-3
DC_ZERO = 512
ANALOG_CHANNELS = 12
GAP_STEPS = 1.5
"""A step of the sample clock longer than this many median steps is a gap."""


SCALES = {
    "RHS2116AC": (AC_VOLT_PER_BIT, -AC_ZERO * AC_VOLT_PER_BIT),
    "RHS2116DC": (DC_VOLT_PER_BIT, -DC_ZERO * DC_VOLT_PER_BIT),
}
"""Streams of electrodes -> volts per bit, and volts at zero bits."""

TEXTS = {
    "RHS2116AC": "Amplified samples of the RHS2116 as recorded.",
    "RHS2116DC": "Samples of the low-gain (DC) amplifier of the RHS2116 as recorded.",
    "RHS2116Recovery": "Recovery of the amplifiers from stimulation, as recorded.",
    "AnalogInput": "Analog inputs of the breakout board.",
}
"""SampleStream -> description of its series."""


@dataclass(frozen=True)
class ClockedSamples:
    """Samples of one kind, shape (sample, channel), and the clock that counts them.

    Parameters
    ----------
    name
        Such as "RHS2116AC".
    values
        Mapped samples.
    clock
        Counts of the acquisition clock, shape (sample,).
    """

    name: str
    values: np.ndarray
    clock: np.ndarray


def read_streams(folder_path: Path, policies: Policies | None = None) -> EphysRecording:
    """Read the structure of all streams beside the Miniscope; samples stay on disk.

    Times are counts of the acquisition clock / its rate; the Miniscope is on the same clock.

    Raises
    ------
    EphysError
        If samples and clock of a stream do not fit, or a clock runs backwards.
    """
    start = read_start(folder_path)
    incomplete: list[str] = []
    found = [*_read_rhs2116(folder_path, incomplete), *_read_analog(folder_path, incomplete)]
    widths = [item.values.shape[1] for item in found if item.name in SCALES]
    n_electrodes = widths[0] if widths else 0
    return EphysRecording(
        folder_path=folder_path,
        system=System(
            name="ONIX",
            description="ONIX acquisition system with RHS2116 headstage.",
            electrodes="All channels of the RHS2116.",
        ),
        content=(
            f"onix {start.start}",
            *(f"{item.name} {item.values.shape} {int(item.clock[0])}" for item in found),
        ),
        electrodes=tuple(Electrode(f"RHS2116_{channel}") for channel in range(n_electrodes)),
        streams=tuple(_stream(item, start.clock_hz) for item in found),
        lines=tuple(_read_digital(folder_path, start.clock_hz)),
        events=_read_port_status(folder_path, start.clock_hz, incomplete),
        start_time=start.start,
        remarks=(f"Times are counts of the ONIX clock at {start.clock_hz:.0f} Hz.",),
        irregularities=partial_streams(incomplete, policies=policies or Policies(), device="ONIX"),
    )


def _stream(item: ClockedSamples, clock_hz: float) -> SampleStream:
    """Return a stream with its gap-free segments."""
    spans = find_segments(item.clock)
    is_electrode = item.name in SCALES
    scale, offset = SCALES.get(item.name, (1.0, 0.0))
    n_channels = item.values[0].size
    segments = []
    for first, stop in spans:
        count = int(item.clock[first])
        facts = ClockFacts(CLOCK, clock_hz, count)
        segments.append(SampleSegment(count / clock_hz, Samples.of(item.values[first:stop]), facts))
    return SampleStream(
        name=f"ElectricalSeries{item.name}" if is_electrode else item.name,
        description=TEXTS.get(item.name, "Analog stream as recorded."),
        segments=tuple(segments),
        rate_hz=measure_rate(item.clock, spans, clock_hz=clock_hz),
        scale=np.full(n_channels, scale),
        listed=(f"{item.name} ({n_channels} channels)",),
        electrodes=tuple(range(n_channels)) if is_electrode else (),
        unit="n.a." if item.name == "RHS2116Recovery" else "volts",
        offset=offset,
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


def _read_rhs2116(folder_path: Path, incomplete: list[str]) -> Iterator[ClockedSamples]:
    """Yield AC, DC and recovery of the amplifier, which share one clock."""
    paths = {
        kind: find_one(folder_path, [f"{prefix}-{kind}" for prefix in RHS2116], "raw")
        for kind in ("clock", "ac", "dc", "recovery")
    }
    if paths["clock"] is None:
        return
    clock = map_raw(paths["clock"], np.uint64)
    check_clock(clock, paths["clock"])
    for kind, label in (("ac", "AC"), ("dc", "DC"), ("recovery", "Recovery")):
        path = paths[kind]
        if path is not None:
            yield _amplifier_stream(path, f"RHS2116{label}", clock, incomplete)


def _amplifier_stream(
    file_path: Path, name: str, clock: np.ndarray, incomplete: list[str]
) -> ClockedSamples:
    """Return the samples of one file, as many as the clock has."""
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
        incomplete.append(
            f"{file_path} holds {len(values) / n_channels:.2f} samples, its clock {len(clock)}; "
            f"the {n_samples} whole ones are read."
        )
    return _clocked(name, values[: n_samples * n_channels].reshape(n_samples, n_channels), clock)


def _read_analog(folder_path: Path, incomplete: list[str]) -> Iterator[ClockedSamples]:
    """Yield the analog inputs of the breakout board, and streams that labs write one by one."""
    clock_path = find_one(folder_path, ("analog-clock",), "raw")
    data_path = find_one(folder_path, ("analog-data",), "raw")
    if clock_path is None:
        if data_path is not None:
            incomplete.append(
                f"{data_path} has no analog-clock file beside it; the analog inputs are left out, "
                "as nothing says when their samples were taken."
            )
        return
    clock = map_raw(clock_path, np.uint64)
    check_clock(clock, clock_path)
    if data_path is not None:
        values = map_raw(data_path, np.float32)
        n_samples = min(len(values) // ANALOG_CHANNELS, len(clock))
        if n_samples != len(clock) or n_samples * ANALOG_CHANNELS != len(values):
            incomplete.append(
                f"{data_path} holds {len(values) / ANALOG_CHANNELS:.2f} samples of "
                f"{ANALOG_CHANNELS} channels, its clock {len(clock)}; {n_samples} are read."
            )
        shaped = values[: n_samples * ANALOG_CHANNELS].reshape(n_samples, ANALOG_CHANNELS)
        yield _clocked("AnalogInput", shaped, clock)
    for prefix in ("o2", "co2", "iso", "sev"):
        path = find_one(folder_path, (prefix,), "raw")
        if path is None:
            continue
        values = map_raw(path, np.float32)
        if len(values) != len(clock):
            incomplete.append(
                f"{path} holds {len(values)} values, the analog clock {len(clock)}; it is left "
                "out, as nothing says when its values were taken."
            )
            continue
        yield _clocked(f"Analog{prefix.upper()}", values, clock)


def _clocked(name: str, values: np.ndarray, clock: np.ndarray) -> ClockedSamples:
    """Put samples and clock together."""
    if not len(values):
        raise EphysError(f"{name} holds no whole sample. One was expected; copy the files again.")
    return ClockedSamples(name, values, clock[: len(values)])


def _read_digital(folder_path: Path, clock_hz: float) -> Iterator[DigitalLine]:
    """Yield the digital inputs and buttons: raw files, or one CSV file."""
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
    for name, counts, words in ports:
        yield from _edges(name, counts / clock_hz, words)


def _words(file_path: Path, n_words: int) -> np.ndarray:
    """Return the words of a port, of the width that the clock implies."""
    width = file_path.stat().st_size / max(1, n_words)
    if width not in (1, 2, 4, 8):
        raise EphysError(
            f"{file_path} holds {file_path.stat().st_size} bytes for {n_words} values of its "
            "clock. 1, 2, 4 or 8 bytes a value were expected; copy the files again."
        )
    return map_raw(file_path, np.dtype(f"<u{int(width)}")).astype(np.int64)


def _edges(prefix: str, times_s: np.ndarray, words: np.ndarray) -> Iterator[DigitalLine]:
    """Yield every bit that changes; the first word is the state at the start."""
    for bit in range(16):
        levels = ((words >> bit) & 1).astype(np.uint8)
        changed = np.flatnonzero(np.diff(levels.astype(np.int8))) + 1
        if len(changed):
            yield DigitalLine(f"{prefix}{bit}", times_s[changed], levels[changed])


def _read_port_status(
    folder_path: Path, clock_hz: float, incomplete: list[str]
) -> tuple[EventList, ...]:
    """Return the messages of the port (time, clock, code); there may be a header."""
    path = find_one(folder_path, ("port-status",), "csv")
    if path is None:
        return ()
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        cells = list(CsvRows((line.replace("\0", "") for line in file), path))
    messages = [
        (int(row[1]), int(row[2]))
        for row in cells
        if len(row) >= 3 and row[1].strip().isdigit() and row[2].strip().isdigit()
    ]
    n_other = sum(map(bool, cells)) - len(messages)
    if n_other > 1:
        incomplete.append(
            f"{path} holds {n_other} rows that are no message (time, clock, code); they are left "
            "out."
        )
    if not messages:
        return ()
    counts, codes = np.array(messages, np.int64).T
    return (
        EventList(
            name="PortStatus",
            description="Status messages of the port to the headstage.",
            times_s=counts / clock_hz,
            columns={"code": ("Status code.", codes)},
        ),
    )


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
