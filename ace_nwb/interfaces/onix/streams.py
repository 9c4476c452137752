"""Samples of an ONIX acquisition beside the Miniscope: RHS2116 and analog inputs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ace_nwb.errors import EphysError
from ace_nwb.interfaces.ephys_recording import (
    Electrode,
    EphysRecording,
    Samples,
    SampleSegment,
    SampleStream,
    System,
)
from ace_nwb.interfaces.imaging_recording import ClockFacts
from ace_nwb.interfaces.onix.digital import read_digital, read_port_status
from ace_nwb.interfaces.onix.files import (
    ANALOG,
    CLOCK,
    RHS2116,
    SINGLE_ANALOG,
    check_clock,
    check_one_start,
    describe_unread,
    find_one,
    map_raw,
    read_start,
)
from ace_nwb.interfaces.onix.findings import Findings
from ace_nwb.interfaces.policies import Policies

AC_VOLT_PER_BIT = 0.195e-6  # volt; Intan RHS2116 data sheet, AC amplifier
AC_ZERO = 32_768  # counts at 0 V: offset binary, 16 bits
DC_VOLT_PER_BIT = -19.23e-3  # volt; data sheet, DC amplifier, which inverts
DC_ZERO = 512  # counts at 0 V: offset binary, 10 bits
ANALOG_CHANNELS = 12  # of the breakout board, always all written
GAP_STEPS = 1.5
"""A step of the sample clock longer than this many median steps is a gap."""

UNEVEN_S = 0.05
"""By so much the files of one stream may end apart, s: Bonsai writes them in blocks of a
millisecond, and stops them one after the other. Beyond it, one of them is cut off."""

AMPLIFIER = {"ac": "AC", "dc": "DC", "recovery": "Recovery"}
"""What is recorded of an amplifier: in the names of files -> in the names of series."""

SCALES = {
    "RHS2116AC": (AC_VOLT_PER_BIT, -AC_ZERO * AC_VOLT_PER_BIT),
    "RHS2116DC": (DC_VOLT_PER_BIT, -DC_ZERO * DC_VOLT_PER_BIT),
}
"""Streams of electrodes -> volts per bit, and volts at zero bits."""

KINDS = {"RHS2116AC": "wide-band", "RHS2116DC": "DC"}

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
    check_one_start(folder_path)
    start, findings = read_start(folder_path), Findings(policies or Policies())
    found = [
        *_read_rhs2116(folder_path, start.clock_hz, findings),
        *_read_analog(folder_path, findings),
    ]
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
        lines=tuple(read_digital(folder_path, start.clock_hz, findings)),
        events=read_port_status(folder_path, start.clock_hz, findings),
        start_time=start.start,
        remarks=(
            f"Times are counts of the ONIX clock at {start.clock_hz:.0f} Hz.",
            *describe_unread(folder_path),
        ),
        irregularities=tuple(findings.found),
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
        kind=KINDS.get(item.name, ""),
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


def _read_rhs2116(
    folder_path: Path, clock_hz: float, findings: Findings
) -> Iterator[ClockedSamples]:
    """Yield AC, DC and recovery of the amplifier, which share one clock."""
    paths = {
        kind: find_one(folder_path, [f"{prefix}-{kind}" for prefix in RHS2116], "raw")
        for kind in ("clock", *AMPLIFIER)
    }
    clock_path = paths.pop("clock")
    samples = {kind: path for kind, path in paths.items() if path is not None}
    if clock_path is None:
        findings.without_clock(samples.values(), clock="rhs2116pair-clock")
        return
    clock = map_raw(clock_path, np.uint64)
    check_clock(clock, clock_path)
    n_channels = _count_channels(clock_path, [samples[k] for k in ("ac", "dc") if k in samples])
    step = float(np.median(np.diff(clock[:100_000].astype(np.int64)))) if len(clock) > 1 else 0.0
    uneven = UNEVEN_S * clock_hz / step if step else 0.0
    for kind, path in samples.items():
        values = _amplifier_samples(path, kind, len(clock), n_channels)
        n_read = min(len(values), len(clock))
        _tell_uneven(path, values, len(clock), findings, uneven=uneven)
        yield _clocked(f"RHS2116{AMPLIFIER[kind]}", values[:n_read], clock)


def _count_channels(clock_path: Path, sample_paths: Sequence[Path]) -> int:
    """Return the channels of an amplifier: 32 of a pair, 16 of a single one if not written as 32.

    The clock has a value per sample, so the files say it too, unless one of them is cut off.
    """
    if clock_path.name.lower().startswith(RHS2116[0]):
        return 32
    n_bytes = max((path.stat().st_size for path in sample_paths), default=0)
    return 32 if n_bytes / (clock_path.stat().st_size / 8) > 48 else 16  # between 2 x 16 and 2 x 32


def _amplifier_samples(file_path: Path, kind: str, n_clock: int, n_channels: int) -> np.ndarray:
    """Return the whole samples of a file, shape (sample, channel)."""
    dtype: np.dtype = np.dtype("<u2")
    if kind == "recovery":  # of channels as words or bytes, or of all channels as bits of a word
        others: dict[int, tuple[np.dtype, int]] = {
            n_channels: (np.dtype("u1"), n_channels),
            4: (np.dtype("<u4"), 1),
            2: (dtype, 1),
            1: (np.dtype("u1"), 1),
        }
        per_sample = round(file_path.stat().st_size / n_clock)
        dtype, n_channels = others.get(per_sample, (dtype, n_channels))
    values = map_raw(file_path, dtype)
    return values[: len(values) // n_channels * n_channels].reshape(-1, n_channels)


def _tell_uneven(
    file_path: Path, values: np.ndarray, n_clock: int, findings: Findings, *, uneven: float
) -> None:
    """Note that samples and clock differ: by a block at the end, or because one is cut off."""
    n_bytes = file_path.stat().st_size
    if n_bytes == n_clock * values[:1].nbytes:
        return
    n_held = n_bytes / max(1, values[:1].nbytes)
    found = f"holds {n_held:.2f} samples of {values.shape[1]} channels, its clock {n_clock}"
    if abs(n_held - n_clock) > uneven:
        findings.cut(file_path, f"it {found}")
    else:
        n_read = min(len(values), n_clock)
        findings.incomplete(f"{file_path} {found}; the {n_read} whole ones are read.")


def _read_analog(folder_path: Path, findings: Findings) -> Iterator[ClockedSamples]:
    """Yield the analog inputs of the breakout board, and streams that labs write one by one."""
    clock_path = find_one(folder_path, ANALOG[:1], "raw")
    data_path = find_one(folder_path, ANALOG[1:], "raw")
    single = {prefix: find_one(folder_path, (prefix,), "raw") for prefix in SINGLE_ANALOG}
    if clock_path is None:
        present = [path for path in (data_path, *single.values()) if path is not None]
        findings.without_clock(present, clock=ANALOG[0])
        return
    clock = map_raw(clock_path, np.uint64)
    check_clock(clock, clock_path)
    if data_path is not None:
        values = map_raw(data_path, np.float32)
        n_samples = min(len(values) // ANALOG_CHANNELS, len(clock))
        if n_samples != len(clock) or n_samples * ANALOG_CHANNELS != len(values):
            findings.incomplete(
                f"{data_path} holds {len(values) / ANALOG_CHANNELS:.2f} samples of "
                f"{ANALOG_CHANNELS} channels, its clock {len(clock)}; {n_samples} are read."
            )
        shaped = values[: n_samples * ANALOG_CHANNELS].reshape(n_samples, ANALOG_CHANNELS)
        yield _clocked("AnalogInput", shaped, clock)
    for prefix, path in single.items():
        if path is None:
            continue
        values = map_raw(path, np.float32)
        if len(values) != len(clock):
            findings.incomplete(
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
