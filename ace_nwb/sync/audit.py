"""Question a finished alignment: would frames more or less, from some row on, explain it better.

Placement decides before the clock and the jitter are known; here they are. The rows are cut where
frames were lost, where the camera paused, where its clock jumped and where DAQ numbers contradict
the alignment, and all shifts of all pieces are weighed again. What distinguishes pieces is not the
clock that was fitted through them (it bends with their errors) but the typical lateness that each
of them shows.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np
from scipy.ndimage import maximum_filter1d

from ace_nwb.sync.chain import Decoded
from ace_nwb.sync.clock import ClockFit, JitterModel
from ace_nwb.sync.ends import Press, Strays
from ace_nwb.sync.evidence import Evidence
from ace_nwb.sync.frames import Rows, Timeline
from ace_nwb.sync.placement import Inside, Placement, place_segments
from ace_nwb.sync.prices import PRICES, FaultRates
from ace_nwb.sync.starts import SETTLED, SILENT_FRAMES, daq_step_at
from ace_nwb.sync.terms import (
    BURST_S,
    JUMP_S,
    LEAST_LEVEL,
    NO_LEVEL,
    Segments,
    find_levels,
    frames_between,
)
from ace_nwb.sync.texture import score_lags
from ace_nwb.sync.train import PulseTrain

_LEAST_ROWS, _MOST_ROWS = 12, 300
"""Saved frames that a piece needs at least: fewer show no typical lateness, more show it no
better than an eighth of a frame."""
_MOST_PIECES = 40
"""Pieces that are placed: the cost grows with their number, and the largest gaps come first."""
_MOST_CUTS = 150
"""Cuts beside those at gaps: a second of work. Numbers that contradict rows in more places are no
numbers of frames; the rows there stay flagged.
"""

_BESIDE_ROWS = 200
"""Saved frames on either side of a gap that show the offset of the clock there: ten seconds at 20
frames per second, in which the clock's drift is far below a frame."""
_LATE_FRAMES, _MOST_STALLS = 0.8, 8
"""How late the last row of a queue is at least, frames (less cannot hide one), and how many queues
are questioned: the cost grows with each."""

_CLEARLY = 1.5  # times more probable: less is not worth moving all rows


@dataclass(frozen=True)
class Audit:
    """What the second look says; arrays have shape (n_rows,).

    Parameters
    ----------
    shift
        Frames to add to each row's captured frame.
    probability
        Posterior of that shift.
    segment
        Number of each row's stretch between clock jumps.
    placement
        The decision piece by piece.
    grounds
        What had to decide where counts left a choice: "press", "texture".
    starts
        First row of each piece, and the number of rows.
    """

    shift: np.ndarray
    probability: np.ndarray
    segment: np.ndarray
    placement: Placement
    grounds: frozenset[str]
    starts: np.ndarray

    @property
    def is_settled(self) -> bool:
        """Whether it agrees with the alignment."""
        return not self.shift.any()


def audit_placement(
    rows: Rows,
    train: PulseTrain,
    timeline: Timeline,
    decoded: Decoded,
    *,
    segment: np.ndarray,
    apart: Iterable[np.ndarray],
    clock: ClockFit,
    rates: FaultRates,
    evidence: Evidence,
) -> Audit:
    """Weigh all whole-frame shifts of the pieces of an alignment.

    Parameters
    ----------
    rows, train, timeline
        Saved frames, pulses, possible captured frames.
    decoded
        Captured frame of each row.
    segment
        Clock segment of each row, shape (n_rows,).
    apart
        Masks of rows, shape (n_rows,), whose frames may stand aside from their neighbours': rows
        too few between clock jumps for a clock of their own, rows that decoding moved.
    clock
        Fitted through all rows.
    rates
        Shares of faults found.
    evidence
        What else is known; the record press is asked only if counts leave a choice.
    """
    captured = decoded.captured
    jumped = np.diff(segment) != 0
    beside = maximum_filter1d(jumped, 2 * _LEAST_ROWS + 1) & (np.diff(captured) > 1)
    moved = np.any([np.diff(one) for one in apart], axis=0)
    known = (
        jumped | beside,  # too few rows between a loss and a jump tell which of the two it was
        _crosses_silence(timeline, captured),
        contradicts_numbers(rows.daq_step, timeline, captured)[1:],
    )
    kept = _first_of(*known[:2], moved, known[2])
    aligned_s = clock.to_session_time(rows.device_time_s, segment)
    stalled = _find_stalls(rows, timeline, captured, aligned_s)
    known_at = np.flatnonzero(np.any(known, axis=0)) + 1
    pieces = _cut_pieces(
        rows, timeline, captured, kept=kept + 1, known=known_at, stalled=stalled, clock=clock
    )
    late_s = np.where(rows.is_junk, 0.0, aligned_s - timeline.times_s[captured])
    jump = _price_jumps(rows, late_s, pieces.starts[:-1], stalled)
    pieces = replace(pieces, jump_price=jump, first=decoded.first, last=decoded.last)
    inside = Inside.of(pieces, timeline, rates)
    place = partial(place_segments, inside, strays=Strays.of(train), evidence=evidence)
    found, grounds = _place_both(place, None), set()
    # between the pulses of every nth frame no interval was seen
    if found.probability.min() < SETTLED and evidence.frames_per_pulse == 1:
        aligned_s[rows.is_junk] = np.nan
        edge_at = evidence.recorder.edge_at
        texture = _weigh_texture(pieces, timeline, aligned_s, segment, edge_at=edge_at)
        place = partial(place, texture=texture)
        found = _place_both(place, None)
        grounds |= {"texture"} if found.probability.min() >= SETTLED else set()
    # only a line whose first edge is the first frame tells by the press which frame that is
    at_once = evidence.recorder.is_silent_before and set(evidence.recorder.start) == {0}
    if found.probability[0] < SETTLED and at_once:
        first = (segment == 0) & ~rows.is_junk
        late_s = (aligned_s - timeline.times_s[captured])[first]
        offset_s = float((aligned_s - rows.device_time_s)[first][0]) if first.any() else 0.0
        press = Press.of(evidence, offset_s=offset_s, late_s=late_s, tick_s=rows.tick_s)
        if press is not None:
            found = _place_both(place, press)
            grounds.add("press")
    return _conclude(found, pieces, timeline, segment=segment, grounds=frozenset(grounds))


def _first_of(*reasons: np.ndarray) -> np.ndarray:
    """Return between which rows to cut, in order, the first reasons first if there are too many."""
    order = np.select(reasons, range(len(reasons)), len(reasons))
    kept = np.argsort(order, kind="stable")[: min(int(np.any(reasons, axis=0).sum()), _MOST_CUTS)]
    return np.sort(kept)


def _place_both(place: Callable[..., Placement], press: Press | None) -> Placement:
    """Place with a line that rests before the recording, and with one that runs freely."""
    return place(press=press).mixed(place(is_free=True), PRICES.runs_freely)


def _cut_pieces(
    rows: Rows,
    timeline: Timeline,
    captured: np.ndarray,
    *,
    kept: np.ndarray,
    known: np.ndarray,
    stalled: np.ndarray,
    clock: ClockFit,
) -> Segments:
    """Return the pieces that may stand aside from each other, and the levels of their clocks."""
    offset = timeline.times_s[captured] - clock.slope * rows.device_time_s
    # neighbours: free of drift and jumps
    usual_s = 1.05 * float(np.median(np.abs(np.diff(offset[~rows.is_junk]))))
    offset[rows.is_junk] = np.nan
    period_s = timeline.period_s[captured]
    least_rows = _least_rows(usual_s, float(np.median(period_s)))
    skipped = np.diff(captured).astype(float)
    skipped[np.abs(np.diff(period_s)) > 0.02 * period_s[1:]] = np.inf
    skipped[rows.daq_step[1:] == np.diff(captured)] = 0.0  # a number ties both sides
    starts = _cut(skipped, kept, least_rows=least_rows)
    # a piece that a burst of late stamps fills shows no level: it belongs to what follows it
    apart = max(_LEAST_ROWS, round(BURST_S / rows.interval_s))
    for row in stalled.tolist():
        if np.abs(starts - row).min() >= apart:
            starts = np.sort(np.append(starts, row))
    find = partial(
        find_levels,
        offset,
        wait_s=np.diff(rows.device_time_s),
        period_s=period_s,
        usual_s=usual_s,
    )
    starts = _join_bursts(starts, known, *find(starts), n_burst=apart)
    heads, tails, errors = find(starts)
    steps = np.full(starts.size - 1, np.nan)
    for g in range(1, starts.size - 1):
        bounds = int(starts[g - 1]), int(starts[g + 1])
        steps[g] = daq_step_at(rows, captured, int(starts[g]), *bounds)
    offset = np.concatenate(
        [
            np.repeat([head, tail], [size // 2, size - size // 2])
            for head, tail, size in zip(heads, tails, np.diff(starts), strict=True)
        ]
    )
    return Segments(starts, captured, offset, steps, errors)


def _join_bursts(
    starts: np.ndarray,
    known: np.ndarray,
    heads: np.ndarray,
    tails: np.ndarray,
    errors: np.ndarray,
    *,
    n_burst: int,
) -> np.ndarray:
    """Return the first rows of the pieces without those that lie in a burst of late time stamps.

    They show no level of the clock, and belong to what follows: but for cuts known for a reason.
    """
    sizes = np.diff(starts)
    long = np.flatnonzero(sizes >= n_burst)
    joined = []
    for g in np.flatnonzero((sizes < n_burst) & (heads != NO_LEVEL[0])).tolist():
        at = int(np.searchsorted(long, g))
        if at in (0, long.size) or starts[g + 1] in known:
            continue
        late_s = min(tails[long[at - 1]], heads[long[at]]) - max(heads[g], tails[g])
        if late_s > max(JUMP_S, 4 * errors[g]):
            joined.append(g + 1)
    return np.delete(starts, joined)


def _find_stalls(
    rows: Rows, timeline: Timeline, captured: np.ndarray, aligned_s: np.ndarray
) -> np.ndarray:
    """Return the rows before which a queue ends that no DAQ number vouches for, the worst ones."""
    late = np.where(rows.is_junk, 0.0, aligned_s - timeline.times_s[captured])
    late /= timeline.period_s[captured]
    ends = (late[:-1] > _LATE_FRAMES) & (late[1:] < 0.5 * late[:-1]) & (rows.daq_step[1:] == 0)
    found = np.flatnonzero(ends)
    return np.sort(found[np.argsort(-late[found], kind="stable")][:_MOST_STALLS]) + 1


def _price_jumps(
    rows: Rows, late_s: np.ndarray, starts: np.ndarray, stalled: np.ndarray
) -> np.ndarray:
    """Return the log chance of a clock jump at each start.

    At the end of a stall, a jump back explains the late time stamps too, and spares their cost.
    """
    price = np.full(starts.size, PRICES.clock_jump)
    jitter = JitterModel.learn(late_s, period_s=rows.interval_s)
    since_s = np.maximum(np.diff(rows.device_time_s, prepend=0.0), 0.0)
    queued = np.log(PRICES.queued / (PRICES.service_s * 1e3)) - since_s / PRICES.service_s
    as_stamped = jitter.score(late_s)
    cost = np.maximum(np.median(as_stamped) - np.maximum(as_stamped, queued), 0.0)
    for row in stalled.tolist():
        in_time = np.flatnonzero(late_s[:row] < 0.5 * late_s[row - 1])
        begin = int(in_time[-1]) + 1 if in_time.size else 0
        # the first of them came at any time, those behind it may have waited in the queue
        spared = max(np.median(as_stamped) - as_stamped[begin], 0.0) + cost[begin + 1 : row].sum()
        price[starts == row] = min(PRICES.clock_jump + spared, PRICES.jump_at_stall)
    return price


def contradicts_numbers(
    daq_step: np.ndarray, timeline: Timeline, captured: np.ndarray
) -> np.ndarray:
    """Say before which rows the DAQ numbers tell of more or fewer frames, shape (n_rows,)."""
    step = np.diff(captured, prepend=captured[0])
    before = np.concatenate([captured[:1], captured[:-1]])
    left = frames_between(timeline, before, captured)
    return (daq_step > 0) & ((daq_step > step) | (daq_step <= left))


def _crosses_silence(timeline: Timeline, captured: np.ndarray) -> np.ndarray:
    """Say between which rows the line was silent: there frames may belong to either side."""
    held = timeline.held_before
    between = held[captured[1:]] - held[captured[:-1] + 1]
    block = timeline.block[captured]
    changes = (np.diff(block) != 0) & (block[:-1] >= 0)  # before the first pulse: see ends.py
    return changes | (np.diff(captured) - 1 - between > SILENT_FRAMES)


def _weigh_texture(
    pieces: Segments,
    timeline: Timeline,
    aligned_s: np.ndarray,
    segment: np.ndarray,
    *,
    edge_at: str,
) -> dict[int, np.ndarray]:
    """Return what the texture of each stretch says of the lags of its longest piece."""
    sizes, found = np.diff(pieces.starts), {}
    for number in range(int(segment[-1]) + 1):
        here = (segment == number) & np.isfinite(aligned_s)
        inside = segment[pieces.starts[:-1]] == number
        longest = int(np.argmax(np.where(inside, sizes, -1)))
        captured = pieces.captured[here]
        found[longest] = score_lags(aligned_s[here], captured, timeline, edge_at=edge_at)
    return found


def _conclude(
    found: Placement,
    pieces: Segments,
    timeline: Timeline,
    *,
    segment: np.ndarray,
    grounds: frozenset[str],
) -> Audit:
    """Spread the decision over the rows, and join pieces between which the clock did not jump."""
    sizes = np.diff(pieces.starts)
    # a choice that is as good as another moves nothing
    zero = found.posterior[:, -found.shifts[0]]
    moves = (found.probability > _CLEARLY * zero) & (sizes >= LEAST_LEVEL)
    shift = np.repeat(np.where(moves, found.shift, 0), sizes)
    probability = np.where(moves, found.probability, zero)
    times = timeline.times_s
    offset = pieces.offset_s + times[pieces.captured + shift] - times[pieces.captured]
    jumped = _find_jumps(pieces, offset, segment)
    number = np.concatenate([[0], np.cumsum(jumped)])
    return Audit(
        shift,
        np.repeat(probability, sizes),
        np.repeat(number, sizes),
        found,
        grounds,
        pieces.starts,
    )


def _find_jumps(pieces: Segments, offset_s: np.ndarray, segment: np.ndarray) -> np.ndarray:
    """Say at which cuts the clock jumps, shape (n_pieces - 1,).

    Rows too few for a level tie those around them to no clock: across them it jumps where it did.
    """
    starts, errors = pieces.starts, pieces.offset_error_s
    jumped = np.zeros(starts.size - 2, dtype=bool)
    if errors is None:
        return jumped
    usual_s = float(np.median(errors))
    shown = np.flatnonzero(pieces.offset_s[starts[:-1]] != NO_LEVEL[0])
    for one, other in pairwise(shown.tolist()):
        step_s = abs(offset_s[starts[other]] - offset_s[starts[one + 1] - 1])
        error_s = errors[other] if other == one + 1 else usual_s
        cuts = np.arange(one + 1, other + 1)
        did = segment[starts[cuts]] != segment[starts[cuts] - 1]
        if step_s > max(JUMP_S, 4 * error_s) and (cuts.size == 1 or did.any()):
            jumped[cuts[np.argmax(did)] - 1] = True
    return jumped


def _least_rows(usual_s: float, period_s: float) -> int:
    """Return how many rows show their typical lateness to an eighth of a frame."""
    return int(np.clip((8 * 1.8 * usual_s / period_s) ** 2, _LEAST_ROWS, _MOST_ROWS))


def _cut(skipped: np.ndarray, known: np.ndarray, *, least_rows: int) -> np.ndarray:
    """Return the first row of each piece, and the number of rows: where known, then at gaps."""
    kept = [0, *known.tolist(), skipped.size + 1]
    for row in (np.argsort(-skipped, kind="stable") + 1).tolist():
        if skipped[row - 1] <= 1 or len(kept) > _MOST_PIECES:
            break
        if min(abs(row - other) for other in kept) >= least_rows:
            kept.append(row)
    return np.array(sorted(set(kept)))
