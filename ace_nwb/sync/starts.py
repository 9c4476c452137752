"""Possible starts of the rows on the timeline, each followed to the end of the recording."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ace_nwb.sync.chain import decode_rows
from ace_nwb.sync.clock import JitterModel
from ace_nwb.sync.ends import CUT_FRAMES, Strays
from ace_nwb.sync.evidence import Evidence
from ace_nwb.sync.frames import Rows, Timeline, continue_train
from ace_nwb.sync.placement import Inside, Placement, allowed_shifts, place_segments
from ace_nwb.sync.prices import PRICES, FaultRates
from ace_nwb.sync.terms import Segments
from ace_nwb.sync.tracking import follow_clock
from ace_nwb.sync.train import PulseTrain

_MAX_SEGMENTS, _MAX_CELLS = 60, 3e6
"""Most pieces that are placed, and cells of the matrices between them: a second of work, and 12 MB.
The largest gaps come first."""

_MAX_STARTS = 6
"""Starts that are followed, best covered first: recordings of one ephys session are fewer."""

_MARGIN_FRAMES = 40
"""Starts nearer to each other than that lead to the same place, frames: placement weighs 64."""

_OUTSIDE_FRAMES = 110
"""Frames beyond the pulses on the timeline: shifts of 64 and rows lost there have room."""

_FAR_FRAMES, _N_FOLLOWED = 2, 4
"""Shift beyond which the clock is followed again from where it was placed, frames (a clock followed
beside its frames by one or two is as good), and how often at most."""

_JUMP_S = 8e-3
"""Steps of the placed offset that are clock jumps to be followed from, seconds: beyond the error of
the phase of a rough clock."""

_LEAST_JUMP_S, _LASTING_ROWS = 0.15, 301
"""Seconds, and rows, that DAQ numbers move rows for good where the clock has jumped: more than time
stamps are late by a busy host, and longer than it stalls (2 s at 60 frames a second)."""

SILENT_FRAMES = 3
"""Frames without lattice or number from which on the line was silent: fewer pulses are missing."""

_MOST_SCORED = 200
"""Rows whose lateness counts between starts: by how much their clocks are off is common to all."""

FIRST_RATES = FaultRates(0.01, 0.005)
"""Shares of lost frames and missing pulses before anything is learned: the worst usual ones."""

_FLOOR, _ASIDE_S = 0.05, 0.1
"""Share of time stamps before the instant that counts as not late, and how far from the typical one
they are asked, seconds: beyond, the clock was followed aside, by frames."""

_LEAST_SCORE = -8.0
"""Log density that a time stamp costs at most between starts: that of a stall of a second."""

SETTLED = 0.999
"""Probability of a placement that needs no more evidence: what counts as certain of a frame."""


@dataclass(frozen=True)
class Start:
    """One start followed to the end.

    Parameters
    ----------
    timeline, segments, placement, rates
        What was found from this start.
    late_score
        Log likelihood of the time stamps' lateness.
    n_unheard
        Rows without pulses although ephys recorded: the line should have spoken there.
    """

    timeline: Timeline
    segments: Segments
    placement: Placement
    rates: FaultRates
    late_score: float
    n_unheard: int

    @property
    def is_settled(self) -> bool:
        """Whether following it again would lead to the same."""
        near = np.abs(self.placement.shift).max() <= _FAR_FRAMES
        return bool(near and self.placement.probability.min() >= SETTLED)

    @property
    def terms(self) -> dict[str, float]:
        """Log probabilities for the comparison with other starts."""
        return {
            "lateness of the time stamps": self.late_score,
            "ends, lost frames and missing pulses": self.placement.log_evidence,
            "frames in silence": -PRICES.unheard * self.n_unheard,
        }

    @property
    def score(self) -> float:
        """Their sum."""
        return sum(self.terms.values())

    @property
    def first_time_s(self) -> float:
        """Capture time of the first row."""
        frame = self.segments.captured[0] + self.placement.shift[0]
        return float(self.timeline.times_s[frame])


def possible_offsets(rows: Rows, train: PulseTrain, evidence: Evidence) -> list[float]:
    """Return clock offsets under which blocks, pauses or pinned frames coincide, best first."""
    times = rows.device_time_s
    for pinned, pulse in evidence.pins.items():
        place = np.flatnonzero(train.pulse == pulse)
        if place.size:
            return [float(train.times_s[place[0]] - times[pinned])]
    bounds = train.block_starts
    starts, stops = train.times_s[bounds[:-1]], train.times_s[bounds[1:] - 1]
    steps = np.diff(times)
    pauses = np.flatnonzero(steps > max(3 * rows.interval_s, 0.1))
    pauses = pauses[np.argsort(-steps[pauses])][:20]
    offsets = np.concatenate([starts - times[0], stops - times[-1]])
    if starts.size > 1:
        silent = starts[1:] - stops[:-1]
        row, block = np.nonzero(np.abs(steps[pauses][:, None] - silent[None, :]) < 0.05)
        offsets = np.append(offsets, starts[block + 1] - times[pauses[row] + 1])
    begins, ends = _cut_ends(starts, stops, rows.interval_s, evidence.recorded_s)
    cover = np.array([_coverage(times + offset, begins, ends) for offset in offsets])
    # where no start covers all rows the clock has jumped, and cover says little
    worst = cover.max() - (0.1 if cover.max() > 0.98 else 0.6)
    kept: list[float] = []
    for index in np.argsort(-cover, kind="stable"):
        is_new = all(abs(offsets[index] - k) > _MARGIN_FRAMES * rows.interval_s for k in kept)
        if cover[index] > worst and is_new and len(kept) < _MAX_STARTS:
            kept.append(float(offsets[index]))
    return kept


def _cut_ends(
    starts: np.ndarray, stops: np.ndarray, interval_s: float, recorded_s: tuple[float, float] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the runs, those that ephys cut off without end: rows may go on there."""
    if recorded_s is None:
        return starts, stops
    begins, ends = starts.copy(), stops.copy()
    if abs(starts[0] - recorded_s[0]) < CUT_FRAMES * interval_s:
        begins[0] = -np.inf
    if abs(stops[-1] - recorded_s[1]) < CUT_FRAMES * interval_s:
        ends[-1] = np.inf
    return begins, ends


def _coverage(aligned: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> float:
    """Return the share of rows inside blocks, and a little for each pause that they bridge."""
    sample = aligned[:: max(aligned.size // 4000, 1)]
    slack = 0.02 + 3e-4 * abs(float(aligned[-1] - aligned[0]))
    block = np.clip(np.searchsorted(starts, sample + slack, side="right") - 1, 0, None)
    inside = (sample >= starts[block] - slack) & (sample <= stops[block] + slack)
    bridged = np.count_nonzero((stops > aligned[0]) & (stops < aligned[-1] - slack))
    return float(inside.mean()) + 1e-3 * bridged / stops.size


def follow_start(
    rows: Rows,
    train: PulseTrain,
    offset_s: float,
    *,
    max_jitter_s: float,
    evidence: Evidence,
    known_s: list[float],
) -> Start | None:
    """Follow the clock from one start, decode the rows, and place the segments.

    Parameters
    ----------
    rows, train
        Saved and captured frames.
    offset_s
        Ephys time minus device time at the first row.
    max_jitter_s
        Largest grab jitter.
    evidence
        What else is known.
    known_s
        Capture times of the first row under the starts followed before; None is returned if
        this one leads to the same.
    """
    offsets, strays = {0: offset_s}, Strays.of(train)
    for _ in range(_N_FOLLOWED):  # what proves many frames off is followed again from there
        timeline, segments, late_score = _follow(rows, train, offsets, max_jitter_s)
        rates = find_rates(timeline, segments.captured)
        inside = Inside.of(segments, timeline, rates)
        placement = place_segments(inside, strays=strays, evidence=evidence)
        frame = int(segments.captured[0] + placement.shift[0])
        if np.any(np.abs(timeline.times_s[frame] - known_s) < 0.5 * rows.interval_s):
            return None
        if np.abs(placement.shift).max() <= _FAR_FRAMES:
            break
        offsets = _moved_offsets(segments, timeline, placement)
    n_unheard = _count_unheard(segments, placement, timeline, evidence.recorded_s)
    return Start(timeline, segments, placement, rates, late_score, n_unheard)


def _count_unheard(
    segments: Segments,
    placement: Placement,
    timeline: Timeline,
    recorded_s: tuple[float, float] | None,
) -> int:
    """Count the rows in silence, but for those beyond an end at which ephys cut the line off."""
    frame = segments.captured + np.repeat(placement.shift, np.diff(segments.starts))
    silent = ~timeline.is_held[np.clip(frame, 0, timeline.is_held.size - 1)]
    if recorded_s is not None:
        held = timeline.times_s[timeline.is_held]
        near_s = CUT_FRAMES * timeline.period_s[0]
        times = timeline.times_s[np.clip(frame, 0, timeline.is_held.size - 1)]
        if abs(held[0] - recorded_s[0]) < near_s:
            silent &= times >= held[0]
        if abs(held[-1] - recorded_s[1]) < near_s:
            silent &= times <= held[-1]
    return int(silent.sum())


def _order_segments(
    captured: np.ndarray, offset: np.ndarray, segment: np.ndarray, timeline: Timeline
) -> tuple[np.ndarray, np.ndarray]:
    """Move segments on that would begin before the last one ended: no frame is saved twice."""
    count = np.arange(captured.size)
    moved = captured.copy()
    for number in range(1, int(segment[-1]) + 1):
        here = segment == number
        first = int(np.argmax(here))
        behind = (
            int(moved[first - 1])
            + 1
            - int(np.median(captured[here][:20] - count[here][:20] + first))
        )
        moved[here] += max(behind, 0)
    moved = np.maximum.accumulate(moved - count) + count
    moved = np.minimum(moved, timeline.times_s.size - 1)
    times = timeline.times_s
    return moved, offset + times[moved] - times[captured]


def _moved_offsets(
    segments: Segments, timeline: Timeline, placement: Placement
) -> dict[int, float]:
    """Return the offsets at row 0 and at each clock jump, as placed."""
    shift = np.repeat(placement.shift, np.diff(segments.starts))
    times = timeline.times_s
    offset = segments.offset_s + times[segments.captured + shift] - times[segments.captured]
    rows = segments.starts[:-1]
    jumped = rows[1:][np.abs(offset[rows[1:]] - offset[rows[1:] - 1]) > _JUMP_S]
    return {int(row): float(offset[row]) for row in [0, *jumped]}


def _follow(
    rows: Rows, train: PulseTrain, offsets_s: dict[int, float], max_jitter_s: float
) -> tuple[Timeline, Segments, float]:
    """Follow the clock and decode the rows; return also the log likelihood of their lateness."""
    good = np.flatnonzero(~rows.is_junk)
    at_good = {int(np.searchsorted(good, row)): value for row, value in offsets_s.items()}
    track = follow_clock(
        rows.device_time_s[good], train, offsets_s=at_good, max_jitter_s=max_jitter_s
    )
    nearest = np.clip(np.searchsorted(good, np.arange(rows.is_junk.size)), 0, good.size - 1)
    offset, segment = track.offset_s[nearest], track.segment[nearest]
    aligned = rows.device_time_s + offset
    overhang = max(train.times_s[0] - aligned.min(), aligned.max() - train.times_s[-1], 0.0)
    n_outside = int(overhang / train.period_s.min()) + _OUTSIDE_FRAMES
    timeline = continue_train(train, n_outside=n_outside)
    jitter = JitterModel.broad()
    # where the clock jumped frames may seem to go back: each segment is decoded by itself
    bounds = [0, *(np.flatnonzero(np.diff(segment)) + 1).tolist(), segment.size]
    captured = np.concatenate(
        [
            decode_rows(rows.part(a, b), aligned[a:b], timeline, FIRST_RATES, jitter).captured
            for a, b in pairwise(bounds)
        ]
    )
    captured[: good[0]] = captured[good[0]] - np.arange(good[0], 0, -1)
    captured[good[-1] :] = captured[good[-1]] + np.arange(captured.size - good[-1])
    captured = np.clip(captured, 0, timeline.times_s.size - 1)
    captured, offset = _order_segments(captured, offset, segment, timeline)
    settled = settle_by_numbers(rows, captured, timeline)
    moved_s = timeline.times_s[settled] - timeline.times_s[captured]
    segment = segment + np.cumsum(_jumps(moved_s))
    offset, captured = offset + moved_s, settled
    aligned = rows.device_time_s + offset
    late_s = (aligned - timeline.times_s[captured])[good]
    heard = timeline.is_held[captured[good]]
    late_score = _score_lateness(late_s[heard], segment[good][heard], jitter)
    late_score *= min(good.size, _MOST_SCORED)
    return timeline, _cut(rows, segment, timeline, captured, offset), late_score


def _score_lateness(late_s: np.ndarray, segment: np.ndarray, jitter: JitterModel) -> float:
    """Return the mean log density of lateness behind where it begins in each clock segment.

    In silence nothing tells the clock; and where the jitter begins is known to a millisecond or
    two, which hours of rows would add up.
    """
    if late_s.size == 0:
        return -np.inf
    scores = np.full(late_s.size, _LEAST_SCORE)
    for number in np.unique(segment):
        here = late_s[segment == number]
        near = here[np.abs(here - np.median(here)) < _ASIDE_S]
        if near.size:
            scores[segment == number] = jitter.score(here - np.quantile(near, _FLOOR))
    return float(np.maximum(scores, _LEAST_SCORE).mean())


def find_rates(timeline: Timeline, captured: np.ndarray) -> FaultRates:
    """Return the shares of lost rows and missing pulses between first and last row."""
    inside = slice(int(captured[0]), int(captured[-1]) + 1)
    held, real = timeline.is_held[inside], timeline.is_real[inside]
    seen = np.zeros(timeline.times_s.size, dtype=bool)
    seen[captured] = True
    lost = int((held & ~seen[inside]).sum())
    missing = int((held & ~real).sum())
    n_held = int(held.sum()) + 1
    # a short recording without a missing pulse says little about how rare they are
    return FaultRates((lost + 0.5) / n_held, (missing + 0.2) / (n_held + 1000))


def _cut(
    rows: Rows, segment: np.ndarray, timeline: Timeline, captured: np.ndarray, offset: np.ndarray
) -> Segments:
    """Cut the rows where the clock has jumped, and where a jump might hide: gaps, rate changes."""
    n_rows = captured.size
    period = timeline.period_s[captured]
    certain = (np.diff(segment) != 0) | (np.abs(np.diff(period)) > 0.02 * period[1:])
    skipped = np.where(certain, np.inf, np.diff(captured))
    n_shifts = allowed_shifts(captured, timeline).size
    most = int(np.clip(_MAX_CELLS / n_shifts**2, 8, _MAX_SEGMENTS))
    order = np.argsort(-skipped, kind="stable")[: min(int((skipped > 1).sum()), most)]
    starts = np.concatenate([[0], np.sort(order) + 1, [n_rows]]).astype(int)
    steps = np.full(starts.size - 1, np.nan)
    for g in range(1, starts.size - 1):
        steps[g] = daq_step_at(
            rows, captured, int(starts[g]), int(starts[g - 1]), int(starts[g + 1])
        )
    return Segments(starts, captured, offset, steps)


def settle_by_numbers(rows: Rows, captured: np.ndarray, timeline: Timeline) -> np.ndarray:
    """Return the captured frames with those that DAQ numbers tie together moved as one.

    Where time stamps are late by frames, following them breaks into stretches that stand frames
    aside. Numbers do not count the frames of a silence: they tie no frames across one.
    """
    held = timeline.held_before
    behind = np.concatenate([captured[:1], captured[:-1] + 1])
    silent = captured - behind > held[captured] - held[np.minimum(behind, captured)]
    begins = (rows.daq_step == 0) | silent | (np.diff(timeline.block[captured], prepend=0) != 0)
    begins[0] = True
    settled = captured.copy()
    number = np.cumsum(rows.daq_step)
    bounds = np.append(np.flatnonzero(begins), captured.size)
    tied = np.flatnonzero(np.diff(bounds) > 1)  # without numbers every row is a stretch of its own
    for start, stop in zip(bounds[tied].tolist(), bounds[tied + 1].tolist(), strict=True):
        aside = captured[start:stop] - number[start:stop]
        settled[start:stop] = number[start:stop] + int(np.median(aside))
    in_order = (np.diff(settled) > 0).all() and settled[0] >= 0
    return settled if in_order and settled[-1] < timeline.times_s.size else captured


def _jumps(moved_s: np.ndarray) -> np.ndarray:
    """Say at which rows what numbers moved steps for good: a loss of so many was a clock jump."""
    steps = np.abs(np.diff(moved_s, prepend=moved_s[0]))
    jumps = steps > _LEAST_JUMP_S
    for row in np.flatnonzero(jumps).tolist():
        later = float(np.median(moved_s[row : row + _LASTING_ROWS]))
        jumps[row] = abs(later - moved_s[row]) < 0.5 * steps[row]
    return jumps


def daq_step_at(rows: Rows, captured: np.ndarray, row: int, start: int, stop: int) -> float:
    """Return the frames from the row before a cut to the row after it, by DAQ numbers."""
    if rows.daq_step[row] == 0:
        return float("nan")
    start, stop = max(start, row - 40), min(stop, row + 40)
    # numbers do not count the frames of a silence: rows beyond it say nothing about the cut
    steps = np.diff(captured[max(start - 1, 0) : stop], prepend=captured[max(start - 1, 0)])[
        -(stop - start) :
    ]
    unknown = (rows.daq_step[start:stop] == 0) | (steps > rows.daq_step[start:stop] + SILENT_FRAMES)
    before = np.arange(start, row)[::-1]
    breaks = np.flatnonzero(unknown[before - start])
    before = before[: breaks[0] + 1] if breaks.size else before
    after = np.arange(row, stop)
    breaks = np.flatnonzero(unknown[after[1:] - start])
    after = after[: breaks[0] + 1] if breaks.size else after
    number = np.cumsum(rows.daq_step[start:stop])
    lag = np.median(captured[before] - number[before - start])
    lead = np.median(captured[after] - number[after - start])
    return float(captured[row] - captured[row - 1] - np.round(lead - lag))
