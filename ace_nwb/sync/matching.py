"""Global, monotone matching of saved frames (rows) to captured frames (pulses).

Steps: possible starts from blocks and pauses, each followed and placed up to whole frames
(starts.py); then each row decoded (decoding.py) with a jitter distribution and a clock learned
from the rows themselves.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.ndimage import minimum_filter1d, uniform_filter1d

from ace_nwb.errors import SyncError
from ace_nwb.sync.audit import audit_placement
from ace_nwb.sync.clock import ClockFit, fit_clock
from ace_nwb.sync.decoding import Decoded, FaultRates
from ace_nwb.sync.emission import JitterModel, decode_rows
from ace_nwb.sync.placement import Placement
from ace_nwb.sync.rows import Rows
from ace_nwb.sync.starts import Start, find_rates, follow_start, possible_offsets
from ace_nwb.sync.timeline import Timeline
from ace_nwb.sync.train import PulseTrain

_CLEAR_CUT = 7.0  # nats between two starts
_N_ROUNDS = 3
_N_AUDITS = 3
_LEAST_ROWS = 5
_EARLY_S = 5e-3  # a time stamp off the clock by more than that, or later than jitter, is doubtful
_MIN_FITTING = 0.9  # with fewer rows on the clock, the clock is wrong
_CERTAIN = 0.9999  # rows are many: less would let some pass wrongly
_NEIGHBOURS = 101
_LATE_SHARE = 0.3
_BESIDE = 8  # rows beside a doubtful segment: they had to make room for it


@dataclass(frozen=True)
class Match:
    """Rows matched to the timeline; arrays have shape (n_rows,).

    Parameters
    ----------
    timeline
        Possible captured frames.
    captured
        Captured frame of each row.
    probability
        Posterior that it is this one, placement and decoding together.
    placed
        Posterior of the placement alone.
    segment
        Jump-free segment of the device clock.
    late_s
        Time stamp minus the clock at the captured frame: the grab jitter.
    clock
        Device clock against ephys clock.
    placement
        Whole-frame decision and its rivals.
    rates
        Shares of lost rows and missing pulses found inside the recording.
    rests_on_press
        Whether the record press had to decide the placement.
    """

    timeline: Timeline
    captured: np.ndarray
    probability: np.ndarray
    placed: np.ndarray
    segment: np.ndarray
    late_s: np.ndarray
    clock: ClockFit
    placement: Placement
    rates: FaultRates
    rests_on_press: bool


def match_rows(
    rows: Rows, train: PulseTrain, *, max_jitter_s: float, record_press_s: float | None
) -> Match:
    """Match every row to a captured frame.

    Parameters
    ----------
    rows
        Saved frames.
    train
        Captured frames by the pulses.
    max_jitter_s
        Largest grab jitter of a time stamp.
    record_press_s
        Device time at which recording began, if the line toggles only from then on; None if
        that is not known.

    Raises
    ------
    SyncError
        If two starts explain the rows nearly equally well.
    """
    starts: list[Start] = []
    for offset in possible_offsets(rows, train):
        start = follow_start(
            rows,
            train,
            offset,
            max_jitter_s=max_jitter_s,
            record_press_s=record_press_s,
            known_s=[other.first_time_s for other in starts if other.is_settled],
        )
        starts += [] if start is None else [start]
    starts.sort(key=lambda start: -start.score)
    _refuse_rival(starts)
    return _refine(rows, train, starts[0], max_jitter_s, record_press_s)


def _refuse_rival(starts: list[Start]) -> None:
    """Raise if another start, elsewhere on the timeline, does nearly as well."""
    best = starts[0]
    for other in starts[1:]:
        lead = best.score - other.score
        apart = abs(other.first_time_s - best.first_time_s)
        within_reach = apart < 200 * best.timeline.period_s[0]  # then placement weighs them
        if lead < _CLEAR_CUT and not within_reach:
            raise SyncError(
                f"The frames fit the pulses in two places nearly equally well: first frame at "
                f"{best.first_time_s:.3f} s or at {other.first_time_s:.3f} s of the ephys clock "
                f"(log odds {lead:.1f}). DAQ frame numbers, the known start time, or the pulses "
                "of this recording alone would decide."
            )


@dataclass(frozen=True)
class _Refined:
    """Rows decoded with the clock and the jitter that they show."""

    captured: np.ndarray
    probability: np.ndarray
    segment: np.ndarray
    late_s: np.ndarray
    clock: ClockFit
    rates: FaultRates
    joined: np.ndarray


def _refine(
    rows: Rows,
    train: PulseTrain,
    start: Start,
    max_jitter_s: float,
    record_press_s: float | None,
) -> Match:
    """Decode the rows, question the result, and decode again until nothing changes."""
    timeline, segments = start.timeline, start.segments
    sizes = np.diff(segments.starts)
    placed_at = segments.captured + np.repeat(start.placement.shift, sizes)
    times = timeline.times_s
    offset = segments.offset_s + times[placed_at] - times[segments.captured]
    segment = _clock_segments(segments.starts, offset)
    aligned = rows.device_time_s + offset
    placed = np.repeat(start.placement.probability, sizes)
    refined = _decode(rows, timeline, placed_at, aligned, segment, start.rates, max_jitter_s)
    is_settled = False
    for _ in range(_N_AUDITS):
        audit = audit_placement(
            rows,
            train,
            timeline,
            refined.captured,
            segment=refined.segment,
            clock=refined.clock,
            rates=refined.rates,
            record_press_s=record_press_s,
        )
        is_settled = audit.is_settled
        if is_settled:
            break
        moved = np.clip(refined.captured + audit.shift, 0, times.size - 1)
        placed_at = moved
        placed = np.ones(moved.size)
        aligned = _realign(rows, timeline, moved, audit.segment)
        refined = _decode(
            rows, timeline, moved, aligned, audit.segment, refined.rates, max_jitter_s
        )
    plausible = _judge_rows(
        timeline, refined.captured, refined.segment, refined.late_s, max_jitter_s
    )
    moved = uniform_filter1d((refined.captured != placed_at).astype(float), _NEIGHBOURS)
    # decoding refines the placement, no more
    plausible[refined.joined | (np.abs(moved) > 0.5)] = 0.5
    plausible[refined.probability < _CERTAIN] *= 0.99
    placed = minimum_filter1d(np.minimum(placed, audit.probability), 2 * _BESIDE + 1)
    if not is_settled:
        placed = np.minimum(placed, 0.5)
    decoded = Decoded(refined.captured, refined.probability)
    return Match(
        timeline=timeline,
        captured=refined.captured,
        probability=np.minimum(_doubt_junk(decoded, rows), plausible) * placed,
        placed=placed,
        segment=refined.segment,
        late_s=refined.late_s,
        clock=refined.clock,
        placement=audit.placement,
        rates=refined.rates,
        rests_on_press=start.rests_on_press or audit.rests_on_press,
    )


def _realign(
    rows: Rows, timeline: Timeline, captured: np.ndarray, segment: np.ndarray
) -> np.ndarray:
    """Return the rows on the ephys clock by a clock fitted through these captured frames."""
    matched = np.flatnonzero(~rows.is_junk & timeline.is_real[captured])
    offset = timeline.times_s[captured] - rows.device_time_s
    whole = _join_empty(segment, matched, offset)
    clock = fit_clock(
        rows.device_time_s[matched], timeline.times_s[captured[matched]], whole[matched]
    )
    return clock.to_session_time(rows.device_time_s, whole)


def _decode(
    rows: Rows,
    timeline: Timeline,
    captured: np.ndarray,
    aligned: np.ndarray,
    segment: np.ndarray,
    rates: FaultRates,
    max_jitter_s: float,
) -> _Refined:
    """Decode the rows again and again with the jitter and the clock that they show."""
    times, good = timeline.times_s, ~rows.is_junk
    jitter = JitterModel.learn((aligned - times[captured])[good], max_jitter_s)
    joined = np.zeros(captured.size, dtype=bool)
    for _ in range(_N_ROUNDS):
        decoded = decode_rows(rows, aligned, timeline, rates, jitter)
        matched = np.flatnonzero(good & timeline.is_real[decoded.captured])
        before = segment
        segment = _join_empty(segment, matched, aligned - rows.device_time_s)
        joined |= _is_joined(before, segment)
        clock = fit_clock(
            rows.device_time_s[matched], times[decoded.captured[matched]], segment[matched]
        )
        mapped = clock.to_session_time(rows.device_time_s, segment)
        aligned = np.where(good, mapped, times[decoded.captured])
        jitter = JitterModel.learn((aligned - times[decoded.captured])[good], max_jitter_s)
        rates = find_rates(timeline, decoded.captured)
    late = aligned - times[decoded.captured]
    return _Refined(decoded.captured, decoded.probability, segment, late, clock, rates, joined)


def _judge_rows(
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
    fits = (late_s > -_EARLY_S) & (late_s < max_jitter_s + _EARLY_S)
    around = uniform_filter1d(fits.astype(float), _NEIGHBOURS, mode="nearest")
    trusted = fits & (around > _MIN_FITTING) & (fits.mean() > _MIN_FITTING)
    for jump in np.flatnonzero(np.diff(segment)):
        trusted[max(jump - 1, 0) : jump + 3] = False
    changes = np.flatnonzero(np.abs(np.diff(timeline.period_s)) > 0.02 * timeline.period_s[1:])
    at_change = np.zeros(timeline.times_s.size, dtype=bool)
    for change in changes:
        at_change[max(change - _BESIDE, 0) : change + _BESIDE] = True
    trusted &= timeline.is_real[captured] | ~at_change[captured]
    used = timeline.period_s[captured]
    if np.ptp(used) > 0.02 * used.min():
        # a wrong phase after a change of rate looks like a jump, or hides in late time stamps
        late = float(np.quantile(late_s, 0.95))
        trusted &= bool(segment[-1] == 0 and late < _LATE_SHARE * used.min())
    return np.where(trusted, 1.0, 0.5)


def _doubt_junk(decoded: Decoded, rows: Rows) -> np.ndarray:
    """Return the probability of each row, low where neither time stamp nor neighbours tell."""
    around = np.full(rows.is_junk.size, 0)
    around[1:-1] = decoded.captured[2:] - decoded.captured[:-2]
    by_number = (rows.daq_step > 0) | np.append(rows.daq_step[1:] > 0, False)
    doubtful = rows.is_junk & (around != 2) & ~by_number
    return np.where(doubtful, np.minimum(decoded.probability, 0.5), decoded.probability)


def _clock_segments(starts: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Return the number of each row's stretch between true jumps: where the offset itself steps."""
    edges = starts[1:-1]
    jumped = edges[np.abs(offset[edges] - offset[edges - 1]) > 5e-3]
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
        lost[start:stop] = not kept and stop - start < _LEAST_ROWS + _BESIDE
    return lost
