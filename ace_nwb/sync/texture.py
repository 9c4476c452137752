"""The fine structure of the frame intervals, where both clocks saw it.

No camera is exactly regular. Where the time stamps are good to a fraction of a millisecond, their
lateness is spread least if each frame is compared with its own pulse: a pulse aside adds the
irregularity of both. A place that is sharper than all others beyond chance is the true one.
"""

import numpy as np

from ace_nwb.sync.timeline import Timeline

LAGS = np.arange(-100, 101)
"""Shifts compared, frames: enough to see what chance does."""

_LEAST_ROWS = 300
_LEAST_IRREGULAR_S = 2e-6
_LEAST_Z, _LEAST_LEAD = 6.0, 3.0
_AGAIN_Z = 3.5  # for the place that it has shown before
_MOST_ROWS = 20_000


def find_sharpest_lag(
    aligned_s: np.ndarray, captured: np.ndarray, timeline: Timeline, *, is_known: bool = False
) -> int | None:
    """Return by how many frames rows stand beside the pulses whose texture they carry.

    Parameters
    ----------
    aligned_s
        Time stamps of a stretch of rows by the fitted clock, shape (n_rows,).
    captured
        Captured frame that each was taken for, shape (n_rows,).
    timeline
        Possible captured frames.
    is_known
        Whether the rows were moved here because of their texture.

    Returns
    -------
        0 if they stand right; None if the time stamps are too coarse to tell.
    """
    frame, aligned = _inside_regular(captured, aligned_s, timeline)
    if frame.size < _LEAST_ROWS:
        return None
    times = timeline.times_s
    beside = times[frame[:, None] + LAGS]
    intervals = times[frame + 1] - times[frame]
    irregular_s = 1.05 * float(np.median(np.abs(intervals - np.median(intervals))))
    if irregular_s < _LEAST_IRREGULAR_S:
        return None
    late = aligned[:, None] - (beside - np.median(beside - times[frame][:, None], axis=0))
    bins = np.floor(late / irregular_s).astype(np.int32)
    return _clear_peak(
        np.array([_negative_entropy(column) for column in bins.T]), is_known=is_known
    )


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


def _negative_entropy(bins: np.ndarray) -> float:
    """Return the log likelihood of values under their own histogram."""
    _, counts = np.unique(bins, return_counts=True)
    return float((counts * np.log(counts)).sum())


def _clear_peak(order: np.ndarray, *, is_known: bool) -> int | None:
    """Return the lag of the one peak that chance does not make, or None."""
    middle = float(np.median(order))
    spread = 1.4826 * float(np.median(np.abs(order - middle)))
    z = (order - middle) / max(spread, 1e-9)
    best, second = np.argsort(-z)[:2]
    if is_known and LAGS[best] == 0 and z[best] > _AGAIN_Z:
        return 0
    if z[best] < _LEAST_Z or z[best] - z[second] < _LEAST_LEAD:
        return None
    return int(LAGS[best])
