"""What the pulses left over at the ends say about the first and the last row.

Pulses of the same gap-free run before the first row are frames that were lost, or strays that
stand on the lattice by chance; the record press says when the first frame was captured.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from ace_nwb.sync.decoding import FaultRates
from ace_nwb.sync.timeline import Timeline
from ace_nwb.sync.train import PulseTrain, lattice_tolerance

MAX_LATENCY_S = 0.015
"""Longest constant delay from a frame's pulse to its time stamp, for the record-press evidence."""

_END_LOSS = 0.06
_MOST_STRAYS = 3  # in a row, on the lattice
_NEAR_FRAMES = 60
_UNSEEN = 0.2
_PREMISE = -20.0  # that the line toggles before the press after all


@dataclass(frozen=True)
class Strays:
    """How often a pulse that is no frame stands on the lattice.

    Parameters
    ----------
    times_s
        Pulses that belong to no run, shape (n_strays,).
    on_lattice_s
        Width of the lattice, seconds: a pulse in it is taken for a frame.
    """

    times_s: np.ndarray
    on_lattice_s: float

    @classmethod
    def of(cls, train: PulseTrain) -> Self:
        """Take them from a train."""
        period = np.median(train.period_s, keepdims=True)
        width = 2 * float(lattice_tolerance(period, train.jitter_s)[0])
        return cls(train.stray_times_s, width)

    def log_odds(self, from_s: np.ndarray, to_s: np.ndarray) -> np.ndarray:
        """Return the log probability of a stray on the lattice by the strays in an interval."""
        n_near = np.searchsorted(self.times_s, to_s) - np.searchsorted(self.times_s, from_s)
        return np.log(np.clip((n_near + _UNSEEN) / (to_s - from_s) * self.on_lattice_s, 1e-6, 0.05))


def price_runs(counts: np.ndarray, rate: float) -> np.ndarray:
    """Return the log probability of runs of so many faults each: a heavy tail, 0 for none."""
    some = np.maximum(counts, 1)
    return np.where(counts > 0, np.log(rate) - np.log(some * (some + 1.0)), 0.0)


def score_start(
    frame: np.ndarray,
    timeline: Timeline,
    rates: FaultRates,
    strays: Strays,
    press_s: np.ndarray | None = None,
) -> np.ndarray:
    """Return the log probability of what stands before the first row.

    Parameters
    ----------
    frame
        Captured frames that the first row may be, shape (n,).
    timeline
        Possible captured frames.
    rates
        Shares of faults.
    strays
        How often a pulse is no frame.
    press_s
        When the record was pressed if the first row is that frame, session clock, shape (n,);
        None if that is not to be asked.
    """
    times, period = timeline.times_s, _period_at(timeline, frame)
    real = np.flatnonzero(timeline.is_real)
    first = np.searchsorted(timeline.block[real], timeline.block[frame])
    n_before = np.where(timeline.is_held[frame], np.searchsorted(real, frame) - first, 0)
    outer = real[np.minimum(first, real.size - 1)]
    stray = strays.log_odds(times[outer] - _NEAR_FRAMES * period, times[outer])
    scores = []
    for n_strays in range(_MOST_STRAYS + 1):
        captured = real[np.minimum(first + n_strays, real.size - 1)]
        captured = np.where(n_strays < n_before, captured, frame)  # the first captured frame
        score = price_runs(_count(timeline, captured, frame), _END_LOSS + rates.lost)
        score += n_strays * stray - _count_holes(timeline, outer, captured) * np.log(rates.missing)
        if press_s is not None:
            score += _score_press(times[captured] - press_s, period, rates.missing)
        scores.append(np.where(n_strays <= n_before, score, -np.inf))
    return np.asarray(np.logaddexp.reduce(scores))


def score_end(
    frame: np.ndarray, timeline: Timeline, rates: FaultRates, strays: Strays
) -> np.ndarray:
    """Return the log probability of what stands behind the last row, as `score_start`."""
    times, period = timeline.times_s, _period_at(timeline, frame)
    real = np.flatnonzero(timeline.is_real)
    last = np.searchsorted(timeline.block[real], timeline.block[frame], side="right") - 1
    n_behind = last + 1 - np.searchsorted(real, frame, side="right")
    n_behind = np.where(timeline.is_held[frame], n_behind, 0)
    outer = real[np.maximum(last, 0)]
    stray = strays.log_odds(times[outer] + 1e-6, times[outer] + _NEAR_FRAMES * period)
    scores = []
    for n_strays in range(_MOST_STRAYS + 1):
        captured = np.where(n_strays < n_behind, real[np.maximum(last - n_strays, 0)], frame)
        score = price_runs(_count(timeline, frame + 1, captured + 1), _END_LOSS + rates.lost)
        holes = _count_holes(timeline, captured + 1, outer + 1)
        score += n_strays * stray - holes * np.log(rates.missing)
        scores.append(np.where(n_strays <= n_behind, score, -np.inf))
    return np.asarray(np.logaddexp.reduce(scores))


def _period_at(timeline: Timeline, frame: np.ndarray) -> float:
    """Return the frame interval around the middle one of some frames."""
    return float(timeline.period_s[frame[frame.size // 2]])


def _count(timeline: Timeline, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return how many frames inside runs stand from low to before high; 0 if high is not higher."""
    held = timeline.held_before
    return np.maximum(held[high] - held[low], 0)


def _count_holes(timeline: Timeline, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return how many of those have no pulse: beyond the recording they are no faults."""
    real = timeline.real_before
    return np.maximum(_count(timeline, low, high) - np.maximum(real[high] - real[low], 0), 0)


def _score_press(after_s: np.ndarray, period: float, missing: float) -> np.ndarray:
    """Return the log density of a first capture so long after the record press.

    The capture falls anywhere within a frame interval; the constant delay of the time stamps adds
    up to `MAX_LATENCY_S`, any as likely as another. Beyond that, 0.3 ms are one nat, unless so
    many pulses are missing.
    """
    shortest = min(MAX_LATENCY_S, period)
    rising = np.minimum(after_s, period + MAX_LATENCY_S - after_s) / shortest
    off = np.maximum(-after_s, after_s - period - MAX_LATENCY_S)
    in_time = np.log(np.clip(rising, 0.05, 1.0)) - np.maximum(off - 2e-3, 0.0) / 3e-4
    n_missing = np.ceil(np.maximum(after_s - period - MAX_LATENCY_S, 0.0) / period)
    too_late = np.where(n_missing > 0, n_missing * np.log(missing), _PREMISE)
    return np.maximum(np.maximum(in_time, too_late), _PREMISE)
