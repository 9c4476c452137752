"""The fine structure of the frame intervals, where both clocks saw it.

No camera is exactly regular. A frame that comes some microseconds late is stamped as much later, on
average over thousands of rounded and jittered stamps: where the density of their lateness falls or
rises, a shift of it shows. By how much the true place stands out against chance follows from that
density and from the irregularity of the pulses; what chance does is seen in the many places that
are wrong. Where the exposure varies, each interval stands on the one before, and the unevenness of
a few frames exceeds what chance does: there the sharpness of the lateness is its likelihood.
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d, uniform_filter1d

from ace_nwb.sync.frames import Timeline
from ace_nwb.sync.prices import PRICES

LAGS = np.arange(-100, 101)
"""Shifts compared, frames: enough to see what chance does."""

_LEAST_ROWS, _MOST_ROWS = 200, 20_000
"""Saved frames compared: fewer show no texture, more cost a second."""

_LEAST_IRREGULAR_S = 2e-6
"""Least irregularity of intervals, seconds: below, it is the sampling of ephys."""

_BINS_PER_WIDTH = 2
"""Bins of a histogram within the irregularity that it is to show."""
_WANDERS = 3.0
"""Times the spread of one interval by which a hundred of them vary where each stands on the one
before (an exposure that varies: ten times); where pulses jitter about a lattice it is once."""

_EVEN_ROWS = 51
"""Saved frames over which the mean interval is even: the irregularity of fewer is compared, and the
clock that was fitted may bend over more."""

_LARGE_S = 2e-4
"""Irregularity from which on it reaches across what time stamps resolve, seconds: their density is
not straight over so much, and its slope says too little."""

_GAINS = np.linspace(0.0, 10.0, 101)
"""By how many deviations the true place may stand out there; it is not known before."""

_ODD_CHANCE, _ODD_WIDTH = 0.02, 2.0
"""Share of wrong places that stand out by more than chance does, and how many times more: counted
among 46,000 places of simulated sessions (one in 2,500 by more than four deviations)."""

_WIDTHS_S = (5e-5, 1e-4, 2e-4, 4e-4)
"""Smoothing of the density of lateness, seconds: stamps without jitter, rounded to a millisecond,
have edges that 50 us show; with jitter a wider one is less noisy. The one that shows most is taken.
"""

_BINS_PER_SMOOTHING = 4
"""Bins of that density within its smoothing: enough for its slope."""

_SPAN_S = (-0.02, 0.06)
"""Lateness that is asked, seconds from its median: three frames at 60 a second. What a stall makes
later tells nothing by microseconds."""

_OUTER, _OUTER_DEVIATIONS = 0.98, 2.33
"""Share of the places within so many deviations of chance: where stamps repeat every few frames,
several places stand out alike, and chance is as wide as they are."""


def score_lags(
    aligned_s: np.ndarray, captured: np.ndarray, timeline: Timeline, *, edge_at: str = "end"
) -> np.ndarray:
    """Return the log likelihood of each lag of rows against the pulses whose texture they carry.

    Parameters
    ----------
    aligned_s
        Time stamps of a stretch of rows by the fitted clock, shape (n_rows,).
    captured
        Captured frame that each was taken for, shape (n_rows,).
    timeline
        Possible captured frames.
    edge_at
        At which end of the exposure the edge of a frame stands: start, end or unknown.

    Returns
    -------
        Of `LAGS`, up to a constant; all 0 if the time stamps cannot tell.
    """
    frame, aligned = _inside_regular(captured, aligned_s, timeline)
    if frame.size < _LEAST_ROWS:
        return np.zeros(LAGS.size)
    times = timeline.times_s
    intervals = times[frame + 1] - times[frame]
    irregular_s = 1.05 * float(np.median(np.abs(intervals - np.median(intervals))))
    if irregular_s < _LEAST_IRREGULAR_S:
        return np.zeros(LAGS.size)
    ahead = times[frame + int(LAGS[-1])] - times[frame]
    if float(np.std(ahead)) > _WANDERS * float(np.std(intervals)):
        sharpness = _score_sharpness(frame, aligned, times, irregular_s)
        return _temper(sharpness, edge_at)
    if irregular_s > _LARGE_S:
        return _stand_out(_score_sharpness(frame, aligned, times, irregular_s))
    return _score_pull(frame, aligned, times)


def _score_sharpness(
    frame: np.ndarray, aligned_s: np.ndarray, times_s: np.ndarray, irregular_s: float
) -> np.ndarray:
    """Return the log likelihood of the lateness against the pulses at each lag."""
    kept = np.linspace(0, frame.size - 1, min(frame.size, _MOST_ROWS)).astype(int)
    frame, aligned = frame[kept], aligned_s[kept]
    ahead = times_s[frame[:, None] + LAGS] - times_s[frame][:, None]
    even = uniform_filter1d(ahead, _EVEN_ROWS, axis=0, mode="nearest")
    late = (aligned - times_s[frame])[:, None] - (ahead - even)
    return np.array([_sharpness(column, irregular_s) for column in late.T])


def _spread(values: np.ndarray) -> float:
    """Return the standard deviation of what chance does at lags, by most of them."""
    off = np.abs(values - np.median(values))
    outer = float(np.quantile(off, _OUTER)) / _OUTER_DEVIATIONS
    return max(1.4826 * float(np.median(off)), outer, 1e-300)


def _stand_out(sharpness: np.ndarray) -> np.ndarray:
    """Return the log likelihood of each lag by how it stands out from the others."""
    z = np.minimum((sharpness - np.median(sharpness)) / _spread(sharpness), _GAINS[-1])[:, None]
    true = np.exp(-0.5 * (z - _GAINS) ** 2).mean(axis=1)
    odd = _ODD_CHANCE / _ODD_WIDTH * np.exp(-0.5 * (z[:, 0] / _ODD_WIDTH) ** 2)
    chance = (1 - _ODD_CHANCE) * np.exp(-0.5 * z[:, 0] ** 2) + odd
    return np.log(1 - PRICES.texture_tells + PRICES.texture_tells * true / chance)


def _score_pull(frame: np.ndarray, aligned_s: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """Return the log likelihood of each lag by how far stamps follow the pulses there.

    A score test (Rao 1948): the stamps' score against the unevenness of the pulses at each lag,
    chance being the spread of it over the lags. As pulses may be uneven where frames are not, the
    place stands out with a chance of `texture_tells` only.
    """
    uneven = times_s - uniform_filter1d(times_s, _EVEN_ROWS, mode="nearest")
    late = aligned_s - (times_s - uneven)[frame]
    pull, gain = max((_learn_pull(late, width) for width in _WIDTHS_S), key=lambda one: one[1])
    size, reach = times_s.size, int(LAGS[-1])
    weights = np.bincount(frame, weights=pull, minlength=size)[reach : size - reach]
    follows = np.array([weights @ uneven[reach + lag : size - reach + lag] for lag in LAGS])
    expected = gain * float(np.sqrt(np.sum(uneven[frame] ** 2)))
    odds = expected * (follows - np.median(follows)) / _spread(follows) - 0.5 * expected**2
    return np.logaddexp(np.log(1 - PRICES.texture_tells), np.log(PRICES.texture_tells) + odds)


def _learn_pull(late_s: np.ndarray, width_s: float) -> tuple[np.ndarray, float]:
    """Return the score of each time stamp, and deviations of chance per second of a shift.

    The score is minus the slope of the log density; each half of the rows has that of the other.
    """
    bin_s = width_s / _BINS_PER_SMOOTHING
    n_bins = int((_SPAN_S[1] - _SPAN_S[0]) / bin_s)
    bins = np.floor((late_s - np.median(late_s) - _SPAN_S[0]) / bin_s).astype(int)
    inside = (bins >= 0) & (bins < n_bins)
    pull, moves = np.zeros(late_s.size), np.zeros(late_s.size)
    for half in (0, 1):
        mine, other = inside.copy(), inside.copy()
        mine[1 - half :: 2] = other[half::2] = False
        counts = np.bincount(bins[other], minlength=n_bins).astype(float)
        density = gaussian_filter1d(counts, _BINS_PER_SMOOTHING) + 0.5  # half a row: not none
        slope = -np.gradient(np.log(density), bin_s)
        pull[mine] = slope[bins[mine]]
        moves[mine] = np.gradient(slope, bin_s)[bins[mine]]
    pull[inside] -= pull[inside].mean()
    return pull, float(max(moves.mean(), 0.0) / max(np.sqrt(np.mean(pull**2)), 1e-300))


def _temper(sharpness: np.ndarray, edge_at: str) -> np.ndarray:
    """Return the log likelihood of each lag where the sharpness is one, less what it rests on.

    Where an edge may stand at the start of an exposure that varies, the time stamp may follow the
    readout at its end, and then agrees with the edge of the frame behind.
    """
    scores = np.maximum(PRICES.texture_share * (sharpness - sharpness.max()), PRICES.texture_most)
    if edge_at == "end":
        return np.asarray(scores)
    return np.asarray(np.logaddexp(scores, np.append(scores[1:], scores[-1])) - np.log(2.0))


def _inside_regular(
    captured: np.ndarray, aligned_s: np.ndarray, timeline: Timeline
) -> tuple[np.ndarray, np.ndarray]:
    """Return frames and times of the rows around which the train is regular."""
    reach = int(LAGS[-1]) + _EVEN_ROWS // 2
    inside = (captured >= reach) & (captured < timeline.times_s.size - reach - 1)
    frame, aligned = captured[inside], aligned_s[inside]
    before, behind = frame - reach, frame + reach + 1
    held, period = timeline.held_before, timeline.period_s
    regular = (held[behind] - held[before] == 2 * reach + 1) & (period[before] == period[behind])
    kept = regular & timeline.is_real[frame]
    return frame[kept], aligned[kept]


def _sharpness(values: np.ndarray, width_s: float) -> float:
    """Return the log likelihood of values under their own smoothed histogram."""
    half = 4 * _BINS_PER_WIDTH
    bins = ((values - values.min()) * _BINS_PER_WIDTH / width_s).astype(np.int64)
    counts = np.bincount(bins + half, minlength=int(bins.max()) + 2 * half + 1)
    kernel = np.exp(-0.5 * (np.arange(-half, half + 1) / _BINS_PER_WIDTH) ** 2)
    # a stall stretches the histogram to many empty bins: only those that hold a value count
    held = np.flatnonzero(counts)
    density = counts[held[:, None] + np.arange(-half, half + 1)] @ (kernel / kernel.sum())
    return float(counts[held] @ np.log(density))
