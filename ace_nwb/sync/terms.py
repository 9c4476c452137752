"""The terms by which whole-frame shifts of stretches of rows are weighed, each with its name.

A term says how probable it makes what is seen: of each stretch by its shift, or of two neighbours
by the shifts of both. What the ends of the recording say is in ends.py, what the
irregularity of intervals says in texture.py; placement.py adds all of them up.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import pairwise

import numpy as np

from ace_nwb.sync.ends import price_runs, price_silence
from ace_nwb.sync.frames import SURE, Aside, Timeline
from ace_nwb.sync.prices import PRICES, FaultRates

START, PRESS, END = "start of the recorder", "record press", "end of the recorder"
TEXTURE, PINS = "irregular intervals in the time stamps", "pinned frames"
MISSING, LOST = "missing pulses", "lost frames"
CLOCK, DAQ, ORDER = "steps of the device clock", "DAQ numbers", "order of frames"

_LONG_GAP = 30
"""Frames skipped from which on, without DAQ numbers, a clock that jumped is as likely as a loss: a
second or two, longer than a buffer lasts."""

_LEVEL_ROWS = 50
"""Rows beside a cut that tell by how many seconds a shift moves them."""

_SAME_CLOCK_S, _SAME_CLOCK_FRAMES = 4e-3, 0.15
"""Steps of the offset that are none, seconds or frames, where their error is not known: what the
phase of time stamps rounded to milliseconds is followed to."""


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
    first, last
        Frames by which the first and the last row may stand aside from what they were taken for.
    """

    starts: np.ndarray
    captured: np.ndarray
    offset_s: np.ndarray
    daq_step: np.ndarray
    offset_error_s: np.ndarray | None = None
    jump_price: np.ndarray | None = None
    first: Aside = field(default_factory=lambda: SURE)
    last: Aside = field(default_factory=lambda: SURE)


_BESIDE_ROWS = 200
"""Saved frames on either side of a gap that show the offset of the clock there: ten seconds at 20
frames per second, in which the clock's drift is far below a frame."""

_STEP_ROWS = 25
"""Saved frames that show the offset between bursts: half a second to a second, which bursts that
follow each other leave, and enough for a level to a quarter of the spread of late time stamps."""

_EARLY, BURST_S = 0.8, 4.0
"""Share of stamps that are later than their level, and seconds that a burst of late ones may last
(twice the longest of busy Windows hosts): a level is seen between bursts."""

JUMP_S = 5e-3
"""Steps of the clock's offset from which on it is a jump, seconds, if they exceed four times their
error: a clock that drifts does not step, and stamps in milliseconds show no less."""

_LEAST_ERROR_S, _WANDER = 1e-3, 1e-4
"""Least error of a step of the offset, seconds (time stamps in milliseconds), and how much a clock
may change its rate in a pause (100 ppm, a computer that warms up)."""

LEAST_LEVEL, NO_LEVEL = 3, (0.0, 10.0)
"""Saved frames that show a level of the clock, and so a reason to move them by themselves; and what
is said of fewer: a level that no clock has, and an error beyond any shift that is weighed, seconds.
"""


def find_levels(
    offset_s: np.ndarray,
    starts: np.ndarray,
    *,
    wait_s: np.ndarray,
    period_s: np.ndarray,
    usual_s: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the clock offset, drift removed, at head and tail of each piece, and its error.

    It is that of rows that are hardly late; the error belongs to the step from the piece before.
    Time stamps scatter by `usual_s` in the whole recording: few rows may do less by chance.
    """
    bounds = list(pairwise(starts.tolist()))
    n_burst = int(BURST_S / max(float(np.median(wait_s)), 1e-3))
    beside = partial(_level_beside, usual_s=usual_s, n_burst=n_burst)
    heads = [beside(offset_s[a:b]) for a, b in bounds]
    tails = [beside(offset_s[a:b][::-1]) for a, b in bounds]
    cut = starts[1:-1] - 1
    wait = np.concatenate([[0.0], wait_s[cut]])
    period = period_s[starts[:-1]]
    before = np.array([0.0, *[error for _, error in tails[:-1]]])
    after = np.array([error for _, error in heads])
    floor = _LEAST_ERROR_S + 0.02 * period + _WANDER * np.clip(wait, 0, 600)
    errors = np.sqrt(before**2 + after**2 + floor**2)
    head, tail = (np.array([level for level, _ in ends]) for ends in (heads, tails))
    return head, tail, errors


def _level_beside(offset: np.ndarray, *, usual_s: float, n_burst: int) -> tuple[float, float]:
    """Return the level at the beginning of some rows and its error, or behind a burst there."""
    level, error = _early_level(offset[:_BESIDE_ROWS], usual_s)
    last = min(n_burst + _BESIDE_ROWS, offset.size - _STEP_ROWS + 1)
    for start in range(_STEP_ROWS, last, _STEP_ROWS):
        behind, its_error = _early_level(offset[start : start + _STEP_ROWS], usual_s)
        if behind - level > max(JUMP_S, 4 * np.hypot(error, its_error)):
            level, error = behind, its_error
    return level, error


def _early_level(offset: np.ndarray, usual_s: float) -> tuple[float, float]:
    """Return the level of the rows that are hardly late and its error; 0, large, for nothing."""
    good = offset[np.isfinite(offset)]
    if good.size < LEAST_LEVEL:
        return NO_LEVEL
    level, middle = np.quantile(good, [_EARLY, 0.5])
    spread = max(1.4826 * float(np.median(np.abs(good - middle))), usual_s)
    return float(level), 1.25 * spread / good.size**0.5


@dataclass(frozen=True)
class Cut:
    """The cut before one segment under all shifts: before it (row) and behind it (column)."""

    segments: Segments
    timeline: Timeline
    rates: FaultRates
    shifts: np.ndarray
    number: int

    @cached_property
    def frames(self) -> tuple[int, int]:
        """Captured frame of the row before and the row behind, before any shift."""
        row = int(self.segments.starts[self.number])
        return int(self.segments.captured[row - 1]), int(self.segments.captured[row])

    @cached_property
    def step(self) -> np.ndarray:
        """Captured frames from the row before to the row behind."""
        before, after = self.frames
        return np.asarray((after + self.shifts)[None, :] - (before + self.shifts)[:, None])

    @cached_property
    def left(self) -> np.ndarray:
        """Captured frames between them that no row has."""
        before, after = (frame + self.shifts for frame in self.frames)
        return frames_between(self.timeline, before[:, None], after[None, :])

    @cached_property
    def jump_s(self) -> np.ndarray:
        """Step of the clock's offset."""
        starts, captured, g = self.segments.starts, self.segments.captured, self.number
        row, times = int(starts[g]), self.timeline.times_s
        beside_before = captured[max(row - _LEVEL_ROWS, starts[g - 1]) : row]
        beside_after = captured[row : min(row + _LEVEL_ROWS, starts[g + 1])]
        offset = self.segments.offset_s
        moved_before = offset[row - 1] + _moved_s(times, beside_before, self.shifts)
        moved_after = offset[row] + _moved_s(times, beside_after, self.shifts)
        return np.abs(moved_after[None, :] - moved_before[:, None])


def frames_between(timeline: Timeline, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return how many captured frames lie between two.

    Within the recording the line marks them: a silent one may not have been captured. Before the
    first pulse and after the last one frames go on, unheard.
    """
    count = timeline.captured_before
    return np.asarray(count[after] - count[np.minimum(before + 1, count.size - 1)])


def _moved_s(times_s: np.ndarray, frames: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Return by how many seconds frames are moved by shifts, typically.

    Intervals are not all alike, and at the edge of silence the lattice is broken.
    """
    moved = times_s[frames[:, None] + shifts] - times_s[frames][:, None]
    return np.asarray(np.median(moved, axis=0))


def _score_clock(cut: Cut) -> np.ndarray:
    """Price of a clock jump: time stamps of one clock leave its offset as it was."""
    segments, g, (before, after) = cut.segments, cut.number, cut.frames
    # without numbers a very long step is as likely a jump of the clock as a loss of just that many
    is_long = after - before > _LONG_GAP and not np.isfinite(segments.daq_step[g])
    price = PRICES.clock_jump if segments.jump_price is None else segments.jump_price[g]
    # only set back, by as many frames as those behind it come later, does it spare the late stamps
    is_set_back = cut.shifts[None, :] > cut.shifts[:, None]
    price = np.where(is_set_back, price, PRICES.clock_jump)
    if is_long:
        lost = float(price_runs(np.array(after - before - 1), cut.rates.lost))
        price = np.maximum(price, lost)
    if segments.offset_error_s is None:
        same_s = max(_SAME_CLOCK_S, _SAME_CLOCK_FRAMES * cut.timeline.period_s[before])
        return np.where(cut.jump_s > same_s, price, 0.0)
    off = cut.jump_s / segments.offset_error_s[g]
    return np.asarray(np.logaddexp(-0.5 * off**2, price))


def _score_left(cut: Cut) -> np.ndarray:
    """Price of the frames lost between two segments."""
    return price_runs(cut.left, cut.rates.lost)


def _score_numbers(cut: Cut) -> np.ndarray:
    """Price of a step that DAQ numbers contradict."""
    number = cut.segments.daq_step[cut.number]
    # a silent frame between may have been captured or not
    agrees = (number > cut.left) & (number <= cut.step) | ~np.isfinite(number)
    return np.where(agrees, 0.0, PRICES.daq_mismatch)


def _score_order(cut: Cut) -> np.ndarray:
    """Price of frames saved twice."""
    return np.where(cut.step >= 1, 0.0, PRICES.twice)


def _score_missing(
    segments: Segments, timeline: Timeline, rates: FaultRates, shifts: np.ndarray
) -> np.ndarray:
    """Price of the rows without a pulse inside each segment."""
    counts = _count_silent(segments, timeline, shifts)
    # a line falls silent once, for whoever has most rows there; others add to it
    others = np.repeat(counts.max(axis=0, keepdims=True), counts.shape[0], axis=0)
    np.put_along_axis(others, counts.argmax(axis=0)[None], 0, axis=0)
    some = counts > 0
    scores = np.zeros(counts.shape)
    scores[some] = price_silence((others + counts)[some], rates.missing)
    scores[some] -= price_silence(others[some], rates.missing)
    return np.asarray(scores.sum(axis=-1))


def _count_silent(segments: Segments, timeline: Timeline, shifts: np.ndarray) -> np.ndarray:
    """Return how many rows lie in silent stretches, shape (n_segments, n_shifts, n_stretches)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[1], timeline.is_held, [1]])))
    first, last = edges[::2], edges[1::2]
    counts = []
    for start, stop in zip(segments.starts[:-1], segments.starts[1:], strict=True):
        rows = np.unique(segments.captured[start:stop])
        low, high = (np.searchsorted(rows, edge - shifts[:, None]) for edge in (first, last))
        counts.append(high - low)
    # where the recording begins or ends in silence this is weighed there
    outside = _lies_in(segments.captured[0] + shifts[:, None], first, last)
    outside |= _lies_in(segments.captured[-1] + shifts[:, None], first, last)
    return np.where(outside, 0, np.array(counts))


def _lies_in(frame: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Say which captured frames lie from the first to before the last."""
    return (frame >= first) & (frame < last)


def _score_lost(
    segments: Segments, timeline: Timeline, rates: FaultRates, shifts: np.ndarray
) -> np.ndarray:
    """Price of the frames lost inside each segment, and of those that are not."""
    scores, held = [], timeline.held_before
    for start, stop in zip(segments.starts[:-1], segments.starts[1:], strict=True):
        rows = segments.captured[start:stop]
        gap = np.flatnonzero(np.diff(rows) > 1)
        before, after = rows[gap], rows[gap + 1]
        # far from silence a gap costs the same under every shift
        low, high = before + shifts[0], np.minimum(after + shifts[-1] + 1, held.size - 1)
        near = held[high] - held[low] < high - low
        same = price_runs((after - before - 1)[~near], rates.lost).sum()
        same += rows.size * np.log1p(-rates.lost)
        before, after = before[near][:, None] + shifts, after[near][:, None] + shifts
        lost = frames_between(timeline, before, after)
        in_silence = held[after + 1] == held[before]
        lost = np.where(in_silence, after - before - 1, lost)
        scores.append(same + price_runs(lost, rates.lost).sum(axis=0))
    return np.array(scores)


Inner = Callable[[Segments, Timeline, FaultRates, np.ndarray], np.ndarray]
INNER_TERMS: Mapping[str, Inner] = {MISSING: _score_missing, LOST: _score_lost}
"""Terms inside each segment: log probabilities, shape (n_segments, n_shifts)."""

CUT_TERMS: Mapping[str, Callable[[Cut], np.ndarray]] = {
    CLOCK: _score_clock,
    LOST: _score_left,
    DAQ: _score_numbers,
    ORDER: _score_order,
}
"""Terms between neighbours: log probabilities, shape (n_shifts before, n_shifts behind)."""
