"""Rows decoded with the clock and the jitter that they show themselves, again and again.

And which of them not to trust, whatever their posterior says: where the model does not hold.
"""

from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from scipy.ndimage import convolve1d, uniform_filter1d

from ace_nwb.sync.audit import Audit, audit_placement
from ace_nwb.sync.chain import Decoded, decode_rows
from ace_nwb.sync.clock import ClockFit, JitterModel, fit_clock
from ace_nwb.sync.evidence import Evidence
from ace_nwb.sync.frames import Rows, Timeline
from ace_nwb.sync.prices import FaultRates
from ace_nwb.sync.starts import find_rates
from ace_nwb.sync.terms import JUMP_S
from ace_nwb.sync.train import PulseTrain

BESIDE = 8
"""Rows beside a doubtful segment: they had to make room for it."""

NEIGHBOURS = 101
"""Rows around one that must fit the clock as well."""

_EARLY_S = 5e-3  # a time stamp off the clock by more than that, or later than jitter, is doubtful
_MIN_FITTING = 0.9  # with fewer rows on the clock, the clock is wrong
_LATE_SHARE = 0.3  # frames that stamps may be late where the rate changes: else a phase is open
_QUEUED_SHARE = 0.5
"""Share of a frame interval within which a frame taken out of the queue follows the one before."""
_BUSY_ROWS = 2
"""Late time stamps within `BESIDE` saved frames either way that make a burst: one alone is weighed
as it is."""

_LATE_TIMES, _LATE_FRAMES = 3.0, 0.5
"""How late those are at least: times what is typical of the session (a uniform jitter reaches
twice that), and frames: in less, none is taken for its neighbour."""

_HIDING_FRAMES, _CROWD_TIMES = 0.8, 3.0
"""How late one of them is, frames, where others may be as late as one (with less, a loss shows);
and how many times more of them than usual come together: late ones apart are weighed as they are.
"""

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
    trusted &= ~_hides_losses(rows, captured, late_s / timeline.period_s[captured])
    used = timeline.period_s[captured]
    if np.ptp(used) > 0.02 * used.min():
        # a wrong phase after a change of rate looks like a jump, or hides in late time stamps
        late = float(np.quantile(late_s, 0.95))
        trusted &= bool(segment[-1] == 0 and late < _LATE_SHARE * used.min())
    return np.where(trusted, 1.0, 0.5)


def _count_beside(which: np.ndarray) -> np.ndarray:
    """Count those of some rows within `BESIDE` rows of each."""
    return convolve1d(which.astype(int), np.ones(2 * BESIDE + 1, dtype=int), mode="constant")


def _hides_losses(rows: Rows, captured: np.ndarray, late: np.ndarray) -> np.ndarray:
    """Say which rows belong to a burst of late time stamps that a frame was lost in or beside.

    Frames that a busy host delays are late together; each by itself they would tell where the
    lost one belongs. Late is in frames; a number that counts the lost one tells.
    """
    usual = max(_LATE_TIMES * float(np.median(late)), _LATE_FRAMES)
    # what is no time stamp at all is as good a sign of a busy host
    n_late = _count_beside((late > usual) | rows.is_junk)
    busy = n_late >= _BUSY_ROWS
    # a burst as late as a frame: those taken for the frame behind seem in time, so it goes on there
    crowd = busy & (n_late >= _CROWD_TIMES * n_late.mean())
    busy |= _count_beside(crowd & (_count_beside((late > _HIDING_FRAMES) | rows.is_junk) > 0)) > 0
    edges = np.flatnonzero(np.diff(np.concatenate([[0], busy.astype(int), [0]])))
    lost = np.flatnonzero((np.diff(captured) > 1) & (rows.daq_step[1:] == 0)) + 1
    hides = np.zeros(busy.size, dtype=bool)
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        hides[start:stop] = bool(((lost >= start) & (lost <= stop)).any())
    return hides


def doubt_junk(decoded: Decoded, rows: Rows) -> np.ndarray:
    """Return the probability of each row, low where neither time stamp nor neighbours tell."""
    around = np.full(rows.is_junk.size, 0)
    around[1:-1] = decoded.captured[2:] - decoded.captured[:-2]
    by_number = (rows.daq_step > 0) | np.append(rows.daq_step[1:] > 0, False)
    doubtful = rows.is_junk & (around != 2) & ~by_number
    return np.where(doubtful, np.minimum(decoded.probability, 0.5), decoded.probability)


_N_ROUNDS = 3
"""Times that jitter and clock are learned from the decoded rows: the fourth changes nothing."""

_LEAST_ROWS = 5
"""Matched rows that a clock needs for itself: fewer show no floor of the jitter."""


@dataclass(frozen=True)
class Refined:
    """Rows decoded; arrays have shape (n_rows,).

    Parameters
    ----------
    decoded
        Captured frame of each row, and its posterior.
    segment
        Stretch between clock jumps.
    late_s
        Time stamp minus the clock at the captured frame.
    clock, rates
        What the rows show of clock and faults.
    joined
        Rows of stretches too short for a clock of their own.
    stamps
        Log likelihood of the time stamps' lateness by their own jitter.
    """

    decoded: Decoded
    segment: np.ndarray
    late_s: np.ndarray
    clock: ClockFit
    rates: FaultRates
    joined: np.ndarray
    stamps: float

    @property
    def captured(self) -> np.ndarray:
        """Captured frame of each row."""
        return self.decoded.captured


@dataclass(frozen=True)
class Refiner:
    """One recording on its timeline, to be decoded from different beginnings."""

    rows: Rows
    train: PulseTrain
    timeline: Timeline
    max_jitter_s: float
    evidence: Evidence

    def decode(
        self,
        captured: np.ndarray,
        offset_s: np.ndarray,
        segment: np.ndarray,
        *,
        rates: FaultRates,
        joined: np.ndarray | None = None,
    ) -> Refined:
        """Decode the rows, beginning with a clock offset and captured frames right to a frame.

        Rows `joined` before, to a clock not their own, are still so.
        """
        rows, timeline = self.rows, self.timeline
        times, good = timeline.times_s, ~rows.is_junk
        pinned = self.evidence.find_pinned(timeline) if self.evidence.pins else {}
        aligned = rows.device_time_s + offset_s
        learn = partial(JitterModel.learn, period_s=rows.interval_s)
        jitter = learn((aligned - times[captured])[good])
        joined = np.zeros(captured.size, dtype=bool) if joined is None else joined.copy()
        for _ in range(_N_ROUNDS):
            decoded = decode_rows(rows, aligned, timeline, rates, jitter, pinned=pinned)
            if not pinned:
                attached = np.minimum(rows.attach_junk_ends(decoded.captured), times.size - 1)
                decoded = decoded.attached(attached)
            before = segment
            clock, segment = self._fit(decoded.captured, segment, aligned - rows.device_time_s)
            joined |= _is_joined(before, segment)
            aligned = clock.to_session_time(rows.device_time_s, segment)
            aligned[~good] = times[decoded.captured[~good]]
            late = aligned - times[decoded.captured]
            jitter = learn(late[good])
            rates = find_rates(timeline, decoded.captured)
        stamps = float(jitter.score(late[good]).sum())
        return Refined(decoded, segment, late, clock, rates, joined, stamps)

    def decode_again(self, refined: Refined, audit: Audit) -> tuple[Refined, np.ndarray]:
        """Move the rows as an audit says and decode; return also where they were moved to."""
        times = self.timeline.times_s
        moved = np.clip(refined.captured + audit.shift, 0, times.size - 1)
        device = self.rows.device_time_s
        clock, segment = self._fit(moved, audit.segment, times[moved] - device)
        offset = clock.to_session_time(device, segment) - device
        again = self.decode(
            moved, offset, audit.segment, rates=refined.rates, joined=refined.joined
        )
        return again, moved

    def audit(self, refined: Refined, placed_at: np.ndarray) -> Audit:
        """Question the placement of what was decoded, also where decoding left what was placed."""
        aside = (refined.captured != placed_at).astype(float)
        moved = uniform_filter1d(aside, NEIGHBOURS) > 0.5
        return audit_placement(
            self.rows,
            self.train,
            self.timeline,
            refined.decoded,
            segment=refined.segment,
            apart=[refined.joined, moved],
            clock=refined.clock,
            rates=refined.rates,
            evidence=self.evidence,
        )

    def _fit(
        self, captured: np.ndarray, segment: np.ndarray, offset_s: np.ndarray
    ) -> tuple[ClockFit, np.ndarray]:
        """Fit the clock through rows with a pulse; return also the segments that it has."""
        rows, timeline = self.rows, self.timeline
        matched = np.flatnonzero(~rows.is_junk & timeline.is_real[captured])
        segment = _join_empty(segment, matched, offset_s)
        session_s = timeline.times_s[captured[matched]]
        return fit_clock(rows.device_time_s[matched], session_s, segment[matched]), segment


def find_clock_segments(starts: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Return the number of each row's stretch between true jumps: where the offset itself steps."""
    edges = starts[1:-1]
    jumped = edges[np.abs(offset[edges] - offset[edges - 1]) > JUMP_S]
    mark = np.zeros(offset.size, dtype=int)
    mark[jumped] = 1
    return np.cumsum(mark)


def _join_empty(segment: np.ndarray, matched: np.ndarray, offset_s: np.ndarray) -> np.ndarray:
    """Join segments with hardly a matched row to the neighbour whose clock is nearer."""
    counts = np.bincount(segment[matched], minlength=int(segment.max()) + 1)
    kept = np.flatnonzero(counts >= _LEAST_ROWS)
    if kept.size == 0:
        return np.zeros_like(segment)
    level = np.array([np.median(offset_s[segment == s]) for s in range(counts.size)])
    after = np.searchsorted(kept, np.arange(counts.size))
    before = np.clip(np.searchsorted(kept, np.arange(counts.size), side="right") - 1, 0, None)
    after = np.minimum(after, kept.size - 1)
    is_nearer = np.abs(level - level[kept[after]]) < np.abs(level - level[kept[before]])
    number = np.maximum.accumulate(np.where(is_nearer, after, before))
    return number[segment]


def _is_joined(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Say which rows belong to a segment that was too short to stand alone."""
    edges = np.flatnonzero(np.diff(before)) + 1
    lost = np.zeros(before.size, dtype=bool)
    for start, stop in pairwise([0, *edges.tolist(), before.size]):
        apart_before = start > 0 and after[start] != after[start - 1]
        apart_after = stop < before.size and after[stop] != after[stop - 1]
        kept = (start == 0 or apart_before) and (stop == before.size or apart_after)
        lost[start:stop] = not kept and stop - start < _LEAST_ROWS + BESIDE
    return lost
