"""Simulated recordings with known truth: what a camera, its DAQ and the ephys see of each frame."""

from dataclasses import dataclass, field

import numpy as np

SAMPLE_HZ = 32000.0


@dataclass(frozen=True)
class Faults:
    """What goes wrong in one recording; shares are per captured frame."""

    fps: float = 30.0
    n_captured: int = 1500
    lost: float = 0.0
    lost_in_bursts: bool = False
    lost_at_start: int = 0
    lost_at_end: int = 0
    missing: float = 0.0
    spurious: float = 0.0
    extra_before: int = 0
    extra_after: int = 0
    extra_kind: str = "irregular"  # irregular | apart | regular
    jitter_s: float = 0.004
    jitter_shape: str = "exponential"  # exponential | uniform | spikes | stalls
    drift_ppm: float = 50.0
    curvature_s: float = 0.0
    jumps: int = 0
    pauses: int = 0
    rate_change: bool = False
    daq: bool = False
    daq_reseeded: bool = False
    junk_first: bool = False
    camera_jitter_s: float = 2e-5
    latency_s: float = 0.003
    first_level: int = 0
    jump_sizes_s: tuple[float, ...] = ()

    @property
    def share(self) -> float:
        """Faults per captured frame, all kinds together."""
        ends = (self.lost_at_start + self.lost_at_end) / self.n_captured
        return self.lost + ends + self.missing + self.spurious


@dataclass(frozen=True)
class Recording:
    """What is observed, and the truth beside it."""

    faults: Faults
    device_time_s: np.ndarray
    daq_frame: np.ndarray | None
    pulse_times_s: np.ndarray
    true_time_s: np.ndarray
    true_pulse: np.ndarray
    levels: np.ndarray = field(repr=False)
    # of every captured frame: its time, the device clock then (latency included, no jitter, not
    # rounded); and which of them were saved
    captured_s: np.ndarray = field(repr=False)
    clock_s: np.ndarray = field(repr=False)
    saved: np.ndarray = field(repr=False)


def simulate(faults: Faults, *, seed: int) -> Recording:
    """Draw one recording."""
    rng = np.random.default_rng(seed)
    captured = _capture_times(faults, rng)
    saved = _saved_frames(faults, rng)
    pulses, owner = _pulses(faults, captured, rng)
    clock = _device_clock(faults, captured, rng)
    device = (np.round((clock + draw_jitter(faults, captured.size, rng)) * 1e3) / 1e3)[saved]
    if faults.junk_first:
        device[0] = rng.choice([935703.178, -0.9, device[0] - 40.0])
    pulse_of = np.full(captured.size, -1)
    pulse_of[owner[owner >= 0]] = np.flatnonzero(owner >= 0)
    levels = (np.arange(pulses.size) + 1 + faults.first_level) % 2
    daq = _daq_numbers(faults, captured.size, rng)[saved] if faults.daq else None
    times = device, daq, pulses, captured[saved]
    return Recording(faults, *times, pulse_of[saved], levels, captured, clock, saved)


def _capture_times(faults: Faults, rng: np.random.Generator) -> np.ndarray:
    n, period = faults.n_captured, 1 / faults.fps
    intervals = np.full(n, period)
    if faults.rate_change:
        start = rng.integers(n // 4, n // 2)
        intervals[start : start + n // 4] *= rng.choice([0.5, 2 / 3, 1.5])
    for _ in range(faults.pauses):
        intervals[rng.integers(n // 20, n - n // 20)] += rng.uniform(3 * period, 3 * period + 8)
    times = np.cumsum(intervals) + rng.normal(0, faults.camera_jitter_s, n)
    return times - times[0] + rng.uniform(2.0, 40.0)


def _saved_frames(faults: Faults, rng: np.random.Generator) -> np.ndarray:
    n = faults.n_captured
    keep = np.ones(n, dtype=bool)
    keep[: faults.lost_at_start] = False
    keep[n - faults.lost_at_end :] = False
    n_lost = rng.binomial(n, faults.lost)
    first, last = faults.lost_at_start + 1, n - faults.lost_at_end - 1
    while n_lost > 0:  # interior losses: the frames at the ends are lost on request only
        size = min(n_lost, int(rng.geometric(0.15))) if faults.lost_in_bursts else 1
        start = int(rng.integers(first, last - size))
        keep[start : start + size] = False
        n_lost -= size
    return np.flatnonzero(keep)


def _pulses(
    faults: Faults, captured: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    present = rng.random(captured.size) >= faults.missing
    n_spurious = rng.binomial(captured.size, faults.spurious)
    spurious = rng.uniform(captured[0], captured[-1], n_spurious)
    before = captured[0] - _extra(faults, faults.extra_before, rng)
    after = captured[-1] + _extra(faults, faults.extra_after, rng)
    times = np.concatenate([captured[present], spurious, before, after])
    owner = np.concatenate([np.flatnonzero(present), np.full(times.size - present.sum(), -1)])
    times = np.round(times * SAMPLE_HZ) / SAMPLE_HZ
    order = np.argsort(times, kind="stable")
    return times[order], owner[order].astype(int)


def _extra(faults: Faults, count: int, rng: np.random.Generator) -> np.ndarray:
    """Distances from the recording of pulses outside it, seconds."""
    period = 1 / faults.fps
    steps = np.arange(1, count + 1) * period
    if faults.extra_kind == "irregular":
        return np.cumsum(rng.exponential(2.5 * period, count) + 2e-3)
    if faults.extra_kind == "apart":
        return steps + rng.uniform(4 * period, 4 * period + 6.0)
    return steps


def _device_clock(faults: Faults, captured: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    since_press = captured - captured[0] + rng.uniform(0, 1 / faults.fps)
    share = since_press / since_press[-1]
    device = since_press * (1 + faults.drift_ppm * 1e-6) + faults.latency_s
    device += faults.curvature_s * np.sin(2 * np.pi * (share + rng.random()))
    sizes = faults.jump_sizes_s or tuple(
        rng.choice([-1, 1]) * rng.uniform(0.1, 6.0) for _ in range(faults.jumps)
    )
    for size in sizes:
        device[rng.integers(captured.size // 20, captured.size * 19 // 20) :] += size
    return device


def draw_jitter(faults: Faults, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw how late the time stamps of so many frames are, seconds."""
    top = faults.jitter_s
    if faults.jitter_shape == "uniform":
        return rng.uniform(0, top, n)
    if faults.jitter_shape == "spikes":
        return np.where(rng.random(n) < 0.05, rng.uniform(0, top, n), rng.uniform(0, top / 10, n))
    jitter = np.minimum(rng.exponential(top / 4, n), top)
    if faults.jitter_shape == "stalls":  # frames wait behind a late one and arrive together
        for i in np.flatnonzero(rng.random(n) < 0.02):
            late = top - np.arange(3) / faults.fps
            width = jitter[i : i + 3].size
            jitter[i : i + 3] = np.maximum(jitter[i : i + 3], late[:width])
    return jitter


def _daq_numbers(faults: Faults, n: int, rng: np.random.Generator) -> np.ndarray:
    numbers = np.arange(n) + int(rng.integers(0, 60000))
    if faults.daq_reseeded:
        numbers[rng.integers(n // 4, n * 3 // 4) :] -= int(rng.integers(-5000, 5000))
    numbers[rng.random(n) < 0.005] = -1
    return numbers


def draw_faults(seed: int, *, with_rate_changes: bool = False) -> Faults:
    """Draw one recording of the benchmark: all faults crossing, half of them mild (up to 1 %)."""
    rng = np.random.default_rng([seed, 77])
    mild = rng.random() < 0.5
    fps = float(rng.choice([5, 10, 15, 20, 25, 29.97, 30, 50, 60]))
    n = int(rng.integers(600, 4000))
    share = rng.dirichlet([1, 1, 1]) * rng.uniform(0, 0.01) if mild else None
    lost, missing, spurious = (
        share if mild else (rng.uniform(0, 0.05), rng.uniform(0, 0.02), rng.uniform(0, 0.01))
    )
    lost, missing, spurious = (
        0.0 if rng.random() < 0.25 else float(x) for x in (lost, missing, spurious)
    )
    at_ends = rng.random() < 0.15
    most = max(1, round(n * (0.003 if mild else 0.02)))
    ends = [
        int(rng.integers(1, most + 1)) if at_ends and rng.random() < 0.6 else 0 for _ in range(2)
    ]
    extra = [int(rng.integers(0, 51)) if rng.random() < 0.5 else 0 for _ in range(2)]
    return Faults(
        fps=fps,
        n_captured=n,
        lost=lost,
        lost_in_bursts=bool(rng.random() < 0.5),
        lost_at_start=ends[0],
        lost_at_end=ends[1],
        missing=missing,
        spurious=spurious,
        extra_before=extra[0],
        extra_after=extra[1],
        extra_kind=str(rng.choice(["irregular", "apart"])),
        jitter_s=float(rng.choice([0.0, 0.002, 0.005, 0.01, 0.02, 0.03])),
        jitter_shape=str(rng.choice(["exponential", "uniform", "spikes", "stalls"])),
        drift_ppm=float(rng.uniform(-300, 300)),
        curvature_s=float(rng.choice([0, 0, 0.002])),
        jumps=int(rng.choice([0, 0, 0, 0, 1, 2])),
        pauses=int(rng.choice([0, 0, 0, 1, 2])),
        rate_change=bool(rng.random() < 0.05) and with_rate_changes,
        daq=bool(rng.random() < 0.5),
        daq_reseeded=bool(rng.random() < 0.1),
        junk_first=bool(rng.random() < 0.15),
        latency_s=float(rng.uniform(0, 0.01)),
        first_level=int(rng.integers(0, 2)),
    )
