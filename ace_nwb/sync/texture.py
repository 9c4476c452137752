"""The fine structure of the frame intervals, where both clocks saw it.

No camera is exactly regular. Where the time stamps are fine, their lateness is spread least if each
frame is compared with its own pulse: a pulse aside adds the irregularity of both. What chance does
is seen in the many places that are wrong; by how much the true one stands out is not known before,
and mostly it does not. Weighed over both, a sharpness becomes a likelihood.
"""

import numpy as np

from ace_nwb.sync.timeline import Timeline

LAGS = np.arange(-100, 101)
"""Shifts compared, frames: enough to see what chance does."""

_LEAST_ROWS = 200
_LEAST_IRREGULAR_S = 2e-6
_MOST_ROWS = 20_000
_BINS_PER_WIDTH = 2
_WANDERS = 3.0
"""Times the spread of one interval by which a hundred of them vary where each stands on the one
before (an exposure that varies: ten times); where pulses jitter about a lattice it is once."""

_TELLS = 0.3  # share of recordings in which the true place stands out, by 0 to 10 deviations
_GAINS = np.linspace(0.0, 10.0, 101)
_MOST_Z = 6.0


def score_lags(aligned_s: np.ndarray, captured: np.ndarray, timeline: Timeline) -> np.ndarray:
    """Return the log likelihood of each lag of rows against the pulses whose texture they carry.

    Parameters
    ----------
    aligned_s
        Time stamps of a stretch of rows by the fitted clock, shape (n_rows,).
    captured
        Captured frame that each was taken for, shape (n_rows,).
    timeline
        Possible captured frames.

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
    late = aligned[:, None] - (beside - np.median(beside - times[frame][:, None], axis=0))
    if float(np.std(beside[:, -1] - times[frame])) > _WANDERS * float(np.std(intervals)):
        late = np.diff(late, axis=0)  # else places far apart differ by the wandering alone
    return _weigh(np.array([_sharpness(column, irregular_s) for column in late.T]))


def _weigh(sharpness: np.ndarray) -> np.ndarray:
    """Return the log likelihood of each lag by how it stands out from the others."""
    middle = float(np.median(sharpness))
    spread = 1.4826 * float(np.median(np.abs(sharpness - middle))) + 1e-9
    z = np.minimum((sharpness - middle) / spread, _MOST_Z)
    stands_out = np.exp(_GAINS * z[:, None] - 0.5 * _GAINS**2).mean(axis=1)
    return np.log(1 - _TELLS + _TELLS * stands_out)


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
    step = width_s / _BINS_PER_WIDTH
    half = 4 * _BINS_PER_WIDTH
    bins = ((values - values.min()) / step).astype(np.int64)
    kernel = np.exp(-0.5 * (np.arange(-half, half + 1) / _BINS_PER_WIDTH) ** 2)
    density = np.convolve(np.bincount(bins), kernel / kernel.sum())[half:]
    return float(np.log(density[bins]).sum())
