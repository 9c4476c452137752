"""What the pulses left over at the ends say about the first and the last row.

Pulses of the same gap-free run before the first row are frames that were lost, or strays that
stand on the lattice by chance; the record press says when the first frame was captured.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from ace_nwb.sync.decoding import FaultRates
from ace_nwb.sync.press import Press
from ace_nwb.sync.timeline import Timeline
from ace_nwb.sync.train import PulseTrain

_END_LOSS = 0.06
_MOST_STRAYS = 3  # in a row, on the lattice
_FALLS_SILENT, _CUT = 1e-4, 1e-2
_CUT_FRAMES = 2.0
_NEAR_FRAMES = 60
_UNSEEN = 0.1
_LATTICE_PULSES = 20
_OFF_LATTICE, _LEAST_SPREAD_S = 1.45, 5e-6  # of a pulse from where two others have it


@dataclass(frozen=True)
class Strays:
    """How often a pulse that is no frame stands on the lattice.

    Parameters
    ----------
    times_s
        Pulses that belong to no run, shape (n_strays,).
    jitter_s
        Standard deviation of the frames' own pulses about the lattice.
    """

    times_s: np.ndarray
    jitter_s: float

    @classmethod
    def of(cls, train: PulseTrain) -> Self:
        """Take them from a train."""
        return cls(train.stray_times_s, train.jitter_s)

    def log_odds(self, times_s: np.ndarray, inward_s: np.ndarray, period: float) -> np.ndarray:
        """Return the log odds that pulses at the end of a run are strays rather than frames.

        Parameters
        ----------
        times_s
            Pulses, shape (n,).
        inward_s
            Where their lattice has them by the pulses further inside the run, shape (n,).
        period
            Frame interval.
        """
        reach = _NEAR_FRAMES * period
        near = np.searchsorted(self.times_s, times_s + reach)
        near -= np.searchsorted(self.times_s, times_s - reach)
        spread = _OFF_LATTICE * self.jitter_s + _LEAST_SPREAD_S
        off = (times_s - inward_s) / spread
        as_frame = np.exp(-0.5 * off**2) / (spread * np.sqrt(2 * np.pi))
        odds = (near + _UNSEEN) / (2 * reach) / np.maximum(as_frame, 1e-300)
        return np.log(np.clip(odds, 1e-6, 0.05))


def price_runs(counts: np.ndarray, rate: float) -> np.ndarray:
    """Return the log probability of runs of so many faults each: a heavy tail, 0 for none."""
    some = np.maximum(counts, 1)
    return np.where(counts > 0, np.log(rate) - np.log(some * (some + 1.0)), 0.0)


def price_silence(counts: np.ndarray, missing: float, *, is_cut: bool) -> np.ndarray:
    """Return the log probability of so many frames in a row without a pulse, 0 for none.

    Either each is missing by itself, or the line fell silent, or ephys did not record there yet
    or any more.
    """
    alone = np.maximum(counts, 1) * np.log(missing)
    return np.where(
        counts > 0, np.logaddexp(alone, price_runs(counts, _CUT if is_cut else _FALLS_SILENT)), 0.0
    )


def is_cut_off(
    timeline: Timeline, first: int, last: int, recorded_s: tuple[float, float] | None
) -> bool:
    """Say whether ephys begins or ends where a silent stretch of the line meets its pulses."""
    if recorded_s is None:
        return False
    times, margin = timeline.times_s, _CUT_FRAMES * timeline.period_s[first]
    begins = first == 0 and times[last] < recorded_s[0] + margin
    ends = last == times.size and times[first - 1] > recorded_s[1] - margin
    return bool(begins or ends)


def score_start(
    frame: np.ndarray,
    timeline: Timeline,
    rates: FaultRates,
    strays: Strays,
    press: Press | None = None,
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
    press
        When the record was pressed if the first row is that frame; None if that is not to be
        asked.
    """
    times, period = timeline.times_s, _period_at(timeline, frame)
    real = np.flatnonzero(timeline.is_real)
    first = np.searchsorted(timeline.block[real], timeline.block[frame])
    n_before = np.where(timeline.is_held[frame], np.searchsorted(real, frame) - first, 0)
    outer = real[np.minimum(first, real.size - 1)]
    stray, scores = np.zeros(frame.size), []
    for n_strays in range(_MOST_STRAYS + 1):
        captured = real[np.minimum(first + n_strays, real.size - 1)]
        captured = np.where(n_strays < n_before, captured, frame)  # the first captured frame
        score = price_runs(_count(timeline, captured, frame), _END_LOSS + rates.lost)
        score += stray - _count_holes(timeline, outer, captured) * np.log(rates.missing)
        if press is not None:
            score += press.score(times[captured], period, rates.missing)
        scores.append(np.where(n_strays <= n_before, score, -np.inf))
        at = np.minimum(first + n_strays, real.size - 1)
        stray = stray + strays.log_odds(times[real[at]], _inward(timeline, real, at, 1), period)
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
    stray, scores = np.zeros(frame.size), []
    for n_strays in range(_MOST_STRAYS + 1):
        captured = np.where(n_strays < n_behind, real[np.maximum(last - n_strays, 0)], frame)
        score = price_runs(_count(timeline, frame + 1, captured + 1), _END_LOSS + rates.lost)
        holes = _count_holes(timeline, captured + 1, outer + 1)
        score += stray - holes * np.log(rates.missing)
        scores.append(np.where(n_strays <= n_behind, score, -np.inf))
        at = np.maximum(last - n_strays, 0)
        stray = stray + strays.log_odds(times[real[at]], _inward(timeline, real, at, -1), period)
    return np.asarray(np.logaddexp.reduce(scores))


def _inward(timeline: Timeline, real: np.ndarray, at: np.ndarray, step: int) -> np.ndarray:
    """Return where pulses (places among the real ones) should stand by the pulses beside them."""
    beside = np.clip(at + step, 0, real.size - 1)
    far = np.clip(at + _LATTICE_PULSES * step, 0, real.size - 1)
    far = np.where(timeline.block[real[far]] == timeline.block[real[at]], far, beside)
    at, beside, far = real[at], real[beside], real[far]
    times, period = timeline.times_s, timeline.period_s[at]
    apart = np.where(far == beside, 1, far - beside)
    period = np.where(far == beside, period, (times[far] - times[beside]) / apart)
    return times[beside] - (beside - at) * period


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
