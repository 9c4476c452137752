"""Which rows not to trust, whatever their posterior says: where the model itself does not hold."""

import numpy as np
from scipy.ndimage import uniform_filter1d

from ace_nwb.sync.chain import Decoded
from ace_nwb.sync.rows import Rows
from ace_nwb.sync.timeline import Timeline

BESIDE = 8
"""Rows beside a doubtful segment: they had to make room for it."""

NEIGHBOURS = 101
"""Rows around one that must fit the clock as well."""

_EARLY_S = 5e-3  # a time stamp off the clock by more than that, or later than jitter, is doubtful
_MIN_FITTING = 0.9  # with fewer rows on the clock, the clock is wrong
_LATE_SHARE = 0.3  # frames that stamps may be late where the rate changes: else a phase is open
_QUEUED_SHARE = 0.5
"""Share of a frame interval within which a frame taken out of the queue follows the one before."""
_USUAL, _LONGEST_S = 0.99, 0.25
"""Share of time stamps whose lateness is the session's own jitter, and the most that is taken for
jitter rather than for a wrong clock, seconds: three times the worst of Windows hosts."""


def judge_rows(
    rows: Rows,
    timeline: Timeline,
    captured: np.ndarray,
    segment: np.ndarray,
    late_s: np.ndarray,
    max_jitter_s: float,
) -> np.ndarray:
    """Return the most that each row may be trusted, whatever its posterior says.

    The posterior holds only where the model does: not where time stamps are off the clock, at the
    very rows of a clock jump, and where a pulse is missing just where the frame rate changes;
    nor anywhere if the rate changes and time stamps are too late to follow it, or the clock jumps.
    """
    shown_s = min(float(np.quantile(late_s, _USUAL)), _LONGEST_S)
    fits = (late_s > -_EARLY_S) & (late_s < max(max_jitter_s, shown_s) + _EARLY_S)
    # frames that a stall kept waiting follow each other fast: they say nothing against the clock
    since_s = np.diff(rows.device_time_s, prepend=-np.inf)
    fits |= (late_s > -_EARLY_S) & (since_s < _QUEUED_SHARE * rows.interval_s)
    around = uniform_filter1d(fits.astype(float), NEIGHBOURS, mode="nearest")
    trusted = fits & (around > _MIN_FITTING) & (fits.mean() > _MIN_FITTING)
    for jump in np.flatnonzero(np.diff(segment)):
        trusted[max(jump - 1, 0) : jump + 3] = False
    changes = np.flatnonzero(np.abs(np.diff(timeline.period_s)) > 0.02 * timeline.period_s[1:])
    at_change = np.zeros(timeline.times_s.size, dtype=bool)
    for change in changes:
        at_change[max(change - BESIDE, 0) : change + BESIDE] = True
    trusted &= timeline.is_real[captured] | ~at_change[captured]
    used = timeline.period_s[captured]
    if np.ptp(used) > 0.02 * used.min():
        # a wrong phase after a change of rate looks like a jump, or hides in late time stamps
        late = float(np.quantile(late_s, 0.95))
        trusted &= bool(segment[-1] == 0 and late < _LATE_SHARE * used.min())
    return np.where(trusted, 1.0, 0.5)


def doubt_junk(decoded: Decoded, rows: Rows) -> np.ndarray:
    """Return the probability of each row, low where neither time stamp nor neighbours tell."""
    around = np.full(rows.is_junk.size, 0)
    around[1:-1] = decoded.captured[2:] - decoded.captured[:-2]
    by_number = (rows.daq_step > 0) | np.append(rows.daq_step[1:] > 0, False)
    doubtful = rows.is_junk & (around != 2) & ~by_number
    return np.where(doubtful, np.minimum(decoded.probability, 0.5), decoded.probability)
