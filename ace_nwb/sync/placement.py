"""Decide, up to whole frames, where each jump-free segment of rows lies on the timeline.

The phase of the clock leaves a whole number of frames open. What tells is counted here: rows
that would stand where no pulse is, pulses left over at the ends and at jumps, the price of a
clock jump, DAQ numbers, and when the first frame was captured after the record press. The
segments form a chain, so the posterior over all placements is exact (forward-backward).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Self

import numpy as np
from scipy.special import logsumexp

from ace_nwb.sync.ends import End, Strays, price_runs, price_silence, score_end, score_start
from ace_nwb.sync.evidence import Evidence, score_pins
from ace_nwb.sync.press import Press
from ace_nwb.sync.prices import PRICES, FaultRates
from ace_nwb.sync.timeline import Timeline

_LONG_GAP = 30
_USUAL_SHIFT = 64
_BEYOND = 30
_MAX_SHIFT = 200
_LEVEL_ROWS = 50
"""Rows beside a cut that tell by how many seconds a shift moves them."""
_LEAST = 1e-300
"""Chance relative to the best shift below which one is as good as impossible."""


@dataclass(frozen=True)
class Segments:
    """Runs of rows between which the clock may have jumped.

    Parameters
    ----------
    starts
        First row of each segment, and the number of rows at the end.
    captured
        Captured frame of each row before any shift, shape (n_rows,).
    offset_s
        Clock offset followed at each row, shape (n_rows,).
    daq_step
        Captured frames from the last row of the segment before, from DAQ numbers; nan unknown.
    offset_error_s
        Standard error of the step of the offset at the start of each segment; None if the offset
        is known to a fraction of a frame.
    jump_price
        Log chance of a clock jump at the start of each segment; None for the usual one.
    """

    starts: np.ndarray
    captured: np.ndarray
    offset_s: np.ndarray
    daq_step: np.ndarray
    offset_error_s: np.ndarray | None = None
    jump_price: np.ndarray | None = None


@dataclass(frozen=True)
class Placement:
    """Whole-frame shift of each segment, with the posterior over the alternatives.

    Parameters
    ----------
    shift
        Frames to add to the captured frame of each segment's rows, shape (n_segments,).
    probability
        Posterior of that shift, shape (n_segments,).
    log_evidence
        Log probability of the observations under this start, for comparing starts.
    shifts
        The shifts weighed, shape (n_shifts,).
    posterior
        Probability of each shift of each segment, shape (n_segments, n_shifts).
    """

    shift: np.ndarray
    probability: np.ndarray
    log_evidence: float
    shifts: np.ndarray
    posterior: np.ndarray

    def mixed(self, other: Self, log_prior: float) -> Self:
        """Return what both say together, the other one with a log prior against this one."""
        total = np.logaddexp(self.log_evidence, other.log_evidence + log_prior)
        share = np.exp(self.log_evidence - total)
        posterior = share * self.posterior + (1 - share) * other.posterior
        chosen = self.shift if share > 0.5 else other.shift
        at = chosen - self.shifts[0]
        probability = posterior[np.arange(at.size), at]
        return replace(
            self,
            shift=chosen,
            probability=probability,
            log_evidence=float(total),
            posterior=posterior,
        )


@dataclass(frozen=True)
class Inside:
    """What rows and pulses say of every shift, the ends of the recording apart.

    Parameters
    ----------
    segments, timeline, rates
        As they were weighed.
    shifts
        Frames that segments may stand aside, shape (n_shifts,).
    scores
        Log probability of each segment by its shift, shape (n_segments, n_shifts).
    links
        Between neighbours: by the shift before (row) and behind (column), one each.
    """

    segments: Segments
    timeline: Timeline
    rates: FaultRates
    shifts: np.ndarray
    scores: np.ndarray
    links: list[np.ndarray]

    @classmethod
    def of(cls, segments: Segments, timeline: Timeline, rates: FaultRates) -> Self:
        """Weigh rows without pulses, lost frames, clock jumps and DAQ numbers."""
        shifts = allowed_shifts(segments.captured, timeline)
        scores = _segment_scores(segments, timeline, rates, shifts)
        links = [_link(segments, timeline, rates, shifts, g) for g in range(1, scores.shape[0])]
        return cls(segments, timeline, rates, shifts, scores, links)


def place_segments(
    inside: Inside,
    *,
    strays: Strays,
    evidence: Evidence,
    is_free: bool = False,
    press: Press | None = None,
    texture: Mapping[int, Mapping[int, float]] | None = None,
) -> Placement:
    """Return the most probable whole-frame shift of every segment.

    Parameters
    ----------
    inside
        What rows and pulses say.
    strays
        How often a pulse is no frame.
    evidence
        What people have stated about the ends and single frames.
    is_free
        Whether the line is taken to run whether or not frames are saved.
    press
        When the record was pressed by the rows as they stand, if that is to be asked.
    texture
        Segment -> shift -> what the texture of its intervals says.
    """
    segments, timeline, shifts = inside.segments, inside.timeline, inside.shifts
    scores = inside.scores.copy()
    first, last = segments.captured[[0, -1]]
    if press is not None:
        moved = timeline.times_s[first + shifts] - timeline.times_s[first]
        press = replace(press, at_s=press.at_s + moved)
    recorder, span = evidence.recorder, evidence.recorded_s
    free = is_free or not recorder.is_silent_before
    begin = End(recorder.start, evidence.lost_at_start, inside.rates, recorder.end_loss, free)
    after = {-n: share for n, share in recorder.stop.items()}
    finish = End(after, evidence.lost_at_end, inside.rates, recorder.end_loss, free)
    scores[0] += score_start(
        first + shifts, timeline, begin, strays=strays, recorded_s=span, press=press
    )
    scores[-1] += score_end(last + shifts, timeline, finish, strays=strays, recorded_s=span)
    for g, said in (texture or {}).items():
        scores[g] += [said.get(shift, 0.0) for shift in shifts.tolist()]
    pinned = evidence.find_pinned(timeline) if evidence.pins else {}
    for g, (start, stop) in enumerate(pairwise(segments.starts.tolist())):
        scores[g] += score_pins(segments.captured, shifts, pinned, range(start, stop))
    path = _best_path(scores, inside.links)
    posterior, total = _posterior(scores, inside.links)
    chosen = posterior[np.arange(path.size), path]
    return Placement(shifts[path], chosen, total, shifts, posterior)


def allowed_shifts(captured: np.ndarray, timeline: Timeline) -> np.ndarray:
    """Return the shifts worth weighing: a few hundred, and as many as bring all rows to pulses.

    A long gap in the rows may be a clock that jumped instead: rows behind it may be too late by it.
    """
    held = np.flatnonzero(timeline.is_held)
    first, last = int(captured.min()), int(captured.max())
    steps = np.diff(captured)
    skipped = int(steps[steps > _BEYOND].sum())
    low = min(-_USUAL_SHIFT, int(held[-1]) - last - _BEYOND, -skipped - _BEYOND)
    high = max(_USUAL_SHIFT, int(held[0]) - first + _BEYOND)
    low = max(low, -first, -_MAX_SHIFT)
    high = min(high, timeline.times_s.size - 1 - last, _MAX_SHIFT)
    return np.arange(low, high + 1)


def _best_path(scores: np.ndarray, links: list[np.ndarray]) -> np.ndarray:
    """Return the index of the most probable shift of each segment (Viterbi)."""
    best, origins = scores[0], []
    for link, score in zip(links, scores[1:], strict=True):
        through = best[:, None] + link
        origins.append(np.argmax(through, axis=0))
        best = through.max(axis=0) + score
    path = [int(np.argmax(best))]
    for origin in reversed(origins):
        path.append(int(origin[path[-1]]))
    return np.array(path[::-1])


def _posterior(scores: np.ndarray, links: list[np.ndarray]) -> tuple[np.ndarray, float]:
    """Return the posterior of each shift of each segment, and the log evidence."""
    forward, backward = scores.copy(), np.zeros_like(scores)
    chances = [np.exp(link) for link in links]
    for g, chance in enumerate(chances, start=1):
        forward[g] += _log_product(forward[g - 1], chance)
    for g in range(len(links) - 1, -1, -1):
        backward[g] = _log_product(scores[g + 1] + backward[g + 1], chances[g].T)
    total = forward + backward
    evidence = logsumexp(total, axis=1, keepdims=True)
    return np.exp(total - evidence), float(evidence[0, 0])


def _log_product(log_state: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Return the log of a product with a matrix; never -inf, which would spread."""
    top = float(log_state.max())
    return np.log(np.maximum(np.exp(log_state - top) @ chance, _LEAST)) + top


def _segment_scores(
    segments: Segments,
    timeline: Timeline,
    rates: FaultRates,
    shifts: np.ndarray,
) -> np.ndarray:
    """Price of rows without pulses and pulses without rows inside each segment."""
    scores = np.zeros((segments.starts.size - 1, shifts.size))
    edges = np.flatnonzero(np.diff(np.concatenate([[1], timeline.is_held, [1]])))
    begins, ends = edges[::2], edges[1::2]  # silent stretches
    held = timeline.held_before
    for g, (start, stop) in enumerate(zip(segments.starts[:-1], segments.starts[1:], strict=True)):
        rows = segments.captured[start:stop]
        occupied = _count_before(np.bincount(rows, minlength=held.size - 1) > 0)
        reached = slice(
            np.searchsorted(ends, rows[0] + shifts[0], side="right"),
            np.searchsorted(begins, rows[-1] + shifts[-1], side="right"),
        )
        for first, last in zip(begins[reached], ends[reached], strict=True):
            reach = np.clip(np.array([first, last])[:, None] - shifts, 0, held.size - 1)
            unseen = occupied[reach[1]] - occupied[reach[0]]
            # where the recording begins or ends in silence this is weighed there
            outside = _lies_in(segments.captured[0] + shifts, first, last)
            outside |= _lies_in(segments.captured[-1] + shifts, first, last)
            scores[g] += price_silence(np.where(outside, 0, unseen), rates.missing)
        scores[g] += _lost_inside(rows, held, rates, shifts)
    return scores


def _lies_in(frame: np.ndarray, first: int, last: int) -> np.ndarray:
    """Say which captured frames lie from the first to before the last."""
    return (frame >= first) & (frame < last)


def _lost_inside(
    rows: np.ndarray, held: np.ndarray, rates: FaultRates, shifts: np.ndarray
) -> np.ndarray:
    """Price of the frames lost within a segment, by shift."""
    gap = np.flatnonzero(np.diff(rows) > 1)
    before, after = rows[gap], rows[gap + 1]
    # far from silence a gap costs the same under every shift
    low, high = before + shifts[0], np.minimum(after + shifts[-1] + 1, held.size - 1)
    near = held[high] - held[low] < high - low
    before, after = before[near][:, None] + shifts, after[near][:, None] + shifts
    lost = held[after] - held[before + 1]
    in_silence = held[after + 1] == held[before]
    return price_runs(np.where(in_silence, after - before - 1, lost), rates.lost).sum(axis=0)


def _count_before(mask: np.ndarray) -> np.ndarray:
    """Return how many are set before each place, shape (n + 1,)."""
    return np.concatenate([[0], np.cumsum(mask)])


def _moved_s(times_s: np.ndarray, frames: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Return by how many seconds frames are moved by shifts, typically.

    Intervals are not all alike, and at the edge of silence the lattice is broken.
    """
    moved = times_s[frames[:, None] + shifts] - times_s[frames][:, None]
    return np.asarray(np.median(moved, axis=0))


def _link(
    segments: Segments, timeline: Timeline, rates: FaultRates, shifts: np.ndarray, g: int
) -> np.ndarray:
    """Log probability of the shift of segment g (column) after that of the one before (row)."""
    row = int(segments.starts[g])
    before, after = segments.captured[row - 1], segments.captured[row]
    times, period = timeline.times_s, timeline.period_s[before]
    beside_before = segments.captured[max(row - _LEVEL_ROWS, segments.starts[g - 1]) : row]
    beside_after = segments.captured[row : min(row + _LEVEL_ROWS, segments.starts[g + 1])]
    moved_before = segments.offset_s[row - 1] + _moved_s(times, beside_before, shifts)
    moved_after = segments.offset_s[row] + _moved_s(times, beside_after, shifts)
    jump = np.abs(moved_after[None, :] - moved_before[:, None])
    # without numbers a very long step is as likely a jump of the clock as a loss of just that many
    is_long = after - before > _LONG_GAP and not np.isfinite(segments.daq_step[g])
    price = PRICES.clock_jump if segments.jump_price is None else float(segments.jump_price[g])
    if is_long:
        price = max(price, float(price_runs(after - before - 1, rates.lost)))
    if segments.offset_error_s is None:
        link = np.where(jump > max(4e-3, 0.15 * period), price, 0.0)
    else:
        link = np.logaddexp(-0.5 * (jump / segments.offset_error_s[g]) ** 2, price)
    step = (after + shifts)[None, :] - (before + shifts)[:, None]
    held = timeline.held_before
    left = (
        held[after + shifts][None, :]
        - held[np.minimum(before + shifts + 1, held.size - 1)][:, None]
    )
    # beyond an end of the ephys recording frames go on, unheard
    unheard = (held[after + shifts + 1] == 0)[None, :] | (held[before + shifts] == held[-1])[
        :, None
    ]
    left = np.where(unheard, np.maximum(step - 1, 0), left)
    link += price_runs(left, rates.lost)
    if np.isfinite(segments.daq_step[g]):
        number = segments.daq_step[g]  # a silent frame between may have been captured or not
        agrees = (number > left) & (number <= step)
        link += np.where(agrees, 0.0, PRICES.daq_mismatch)
    return np.where(step >= 1, link, -1e6).astype(np.float32)  # there are many of them
