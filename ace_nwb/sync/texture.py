"""The fine structure of the frame intervals, where both clocks saw it.

No camera is exactly regular. Where the time stamps are fine, their lateness is spread least if each
frame is compared with its own pulse: a pulse aside adds the irregularity of both. What chance does
is seen in the many places that are wrong; by how much the true one stands out is not known before,
and mostly it does not. Weighed over both, a sharpness becomes a likelihood. Where the exposure
varies, each interval stands on the one before, and the irregularity of a few frames exceeds what
chance does: there the sharpness is the likelihood.
"""

import numpy as np
from scipy.ndimage import uniform_filter1d

from ace_nwb.sync.prices import PRICES
from ace_nwb.sync.timeline import Timeline

LAGS = np.arange(-100, 101)
"""Shifts compared, frames: enough to see what chance does."""

_LEAST_ROWS, _MOST_ROWS = 200, 20_000
"""Saved frames compared: fewer show no texture, more cost a second and say no more."""

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

_GAINS = np.linspace(0.0, 10.0, 101)
"""By how many deviations the true place may stand out."""

_MOST_Z = 6.0
"""Deviations beyond which a place stands out no further: the spread of chance is known from two
hundred places only."""


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
    nothing = np.zeros(LAGS.size)
    if frame.size < _LEAST_ROWS:
        return nothing
    times = timeline.times_s
    intervals = times[frame + 1] - times[frame]
    irregular_s = 1.05 * float(np.median(np.abs(intervals - np.median(intervals))))
    if irregular_s < _LEAST_IRREGULAR_S:
        return nothing
    beside = times[frame[:, None] + LAGS]
    ahead = beside - times[frame][:, None]
    wanders = float(np.std(ahead[:, -1])) > _WANDERS * float(np.std(intervals))
    if wanders:
        even = uniform_filter1d(ahead, _EVEN_ROWS, axis=0, mode="nearest")
    else:
        even = np.median(ahead, axis=0)
    late = (aligned - times[frame])[:, None] - (ahead - even)
    sharpness = np.array([_sharpness(column, irregular_s) for column in late.T])
    return _temper(sharpness, edge_at) if wanders else _weigh(sharpness)


def _temper(sharpness: np.ndarray, edge_at: str) -> np.ndarray:
    """Return the log likelihood of each lag where the sharpness is one, less what it rests on.

    Where an edge may stand at the start of an exposure that varies, the time stamp may follow the
    readout at its end, and then agrees with the edge of the frame behind.
    """
    scores = np.maximum(PRICES.texture_share * (sharpness - sharpness.max()), PRICES.texture_most)
    if edge_at == "end":
        return np.asarray(scores)
    return np.asarray(np.logaddexp(scores, np.append(scores[1:], scores[-1])) - np.log(2.0))


def _weigh(sharpness: np.ndarray) -> np.ndarray:
    """Return the log likelihood of each lag by how it stands out from the others."""
    middle = float(np.median(sharpness))
    spread = 1.4826 * float(np.median(np.abs(sharpness - middle))) + 1e-9
    z = np.minimum((sharpness - middle) / spread, _MOST_Z)
    stands_out = np.exp(_GAINS * z[:, None] - 0.5 * _GAINS**2).mean(axis=1)
    return np.log(1 - PRICES.texture_tells + PRICES.texture_tells * stands_out)


def _inside_regular(
    captured: np.ndarray, aligned_s: np.ndarray, timeline: Timeline
) -> tuple[np.ndarray, np.ndarray]:
    """Return frames and times of the rows around which the train is regular, not too many."""
    reach = int(LAGS[-1])
    inside = (captured >= reach) & (captured < timeline.times_s.size - reach - 1)
    frame, aligned = captured[inside], aligned_s[inside]
    before, behind = frame - reach, frame + reach + 1
    held, period = timeline.held_before, timeline.period_s
    regular = (held[behind] - held[before] == 2 * reach + 1) & (period[before] == period[behind])
    kept = np.flatnonzero(regular & timeline.is_real[frame])
    kept = kept[np.linspace(0, max(kept.size - 1, 0), min(kept.size, _MOST_ROWS)).astype(int)]
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
