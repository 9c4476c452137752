"""Decide, up to whole frames, where each jump-free segment of rows lies on the timeline.

The phase of the clock leaves a whole number of frames open. What tells is counted here: rows
that would stand where no pulse is, pulses left over at the ends and at jumps, the price of a
clock jump, DAQ numbers, and when the first frame was captured after the record press. The
segments form a chain, so the posterior over all placements is exact (forward-backward).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any, Self

import numpy as np
from scipy.special import logsumexp

from ace_nwb.sync.ends import End, Press, Strays, score_end, score_start
from ace_nwb.sync.evidence import Evidence, score_pins
from ace_nwb.sync.frames import Aside, Timeline
from ace_nwb.sync.prices import FaultRates
from ace_nwb.sync.terms import (
    CUT_TERMS,
    END,
    INNER_TERMS,
    PINS,
    PRESS,
    START,
    TEXTURE,
    Cut,
    Segments,
)
from ace_nwb.sync.texture import LAGS

_USUAL_SHIFT, _MAX_SHIFT = 64, 200
"""Frames either way that are always weighed, and that are weighed at most where silence is within
reach: the cost grows with the square. What is farther off is found from another start."""

_BEYOND = 30
"""Frames weighed beyond those that bring all rows to pulses: a second or two, so that the first of
them is seen not to be the best."""

_LEAST = 1e-300
"""Chance relative to the best shift below which one is as good as impossible."""

_UNSETTLED, _NAMED = 0.02, 1e-3
"""Probability left to all shifts around where a placement does not settle: twenty times what makes
a frame certain, so that each is named; and the least probability of those they lie around."""

SAYS_NOTHING = 0.05
"""Log odds of a term that is not worth a word: five per cent."""

_NEVER = -1e9
"""Added to what a path may not take: beyond any sum of terms."""


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
    inside
        What rows and pulses say.
    terms
        Name -> log probability of each shift of each segment, as `posterior`; the terms between
        neighbours are in `inside`.
    """

    shift: np.ndarray
    probability: np.ndarray
    log_evidence: float
    shifts: np.ndarray
    posterior: np.ndarray
    inside: "Inside"
    terms: Mapping[str, np.ndarray]

    def mixed(self, other: Self, log_prior: float) -> Self:
        """Return what both say together, the other one with a log prior against this one."""
        total = np.logaddexp(self.log_evidence, other.log_evidence + log_prior)
        share = np.exp(self.log_evidence - total)
        posterior = share * self.posterior + (1 - share) * other.posterior
        likelier = self if share > 0.5 else other
        at = likelier.shift - self.shifts[0]
        probability = posterior[np.arange(at.size), at]
        return replace(
            likelier, probability=probability, log_evidence=float(total), posterior=posterior
        )

    def widened(self) -> Self:
        """Return the placement with some doubt about every shift among those named and beside them.

        For a placement that does not settle: that it moves at all says that the terms miss some.
        """
        posterior = self.posterior * (1 - _UNSETTLED)
        for row, shares in zip(posterior, self.posterior, strict=True):
            named = np.flatnonzero(shares > _NAMED)
            reach = slice(max(int(named[0]) - 1, 0), int(named[-1]) + 2)
            row[reach] += _UNSETTLED / row[reach].size
        at = self.shift - self.shifts[0]
        return replace(self, posterior=posterior, probability=posterior[np.arange(at.size), at])

    def weigh_against(self, segment: int, shift: int) -> dict[str, float]:
        """Return name -> log odds of the rows as they stand over a segment moved by some frames.

        The other segments are moved as is best then. Terms that say nothing are left out.
        """
        scores = np.add.reduce(list(self.terms.values()))
        wanted = self.shifts == shift
        scores[segment] += np.where(wanted, 0.0, _NEVER)
        rival = _best_path(scores, self.inside.links)
        stands = np.full(rival.size, -self.shifts[0])
        every = np.arange(rival.size)
        odds = {
            name: float((said[every, stands] - said[every, rival]).sum())
            for name, said in self.terms.items()
        }
        for g in range(1, rival.size):
            for name, one in self.inside.weigh_cut(g, stands, rival).items():
                odds[name] = odds.get(name, 0.0) + one
        return {name: one for name, one in odds.items() if abs(one) > SAYS_NOTHING}


@dataclass(frozen=True)
class Inside:
    """What rows and pulses say of every shift, the ends of the recording apart.

    Parameters
    ----------
    segments, timeline, rates
        As they were weighed.
    shifts
        Frames that segments may stand aside, shape (n_shifts,).
    terms
        Name -> log probability of each segment by its shift, shape (n_segments, n_shifts).
    links
        Between neighbours: by the shift before (row) and behind (column), one each.
    """

    segments: Segments
    timeline: Timeline
    rates: FaultRates
    shifts: np.ndarray
    terms: dict[str, np.ndarray]
    links: list[np.ndarray]

    @classmethod
    def of(cls, segments: Segments, timeline: Timeline, rates: FaultRates) -> Self:
        """Weigh rows without pulses, lost frames, clock jumps and DAQ numbers."""
        shifts = allowed_shifts(segments.captured, timeline)
        terms = {
            name: weigh(segments, timeline, rates, shifts) for name, weigh in INNER_TERMS.items()
        }
        cuts = [
            Cut(segments, timeline, rates, shifts, g) for g in range(1, segments.starts.size - 1)
        ]
        # there are many of them
        links = [_add_up([weigh(cut) for weigh in CUT_TERMS.values()]) for cut in cuts]
        return cls(segments, timeline, rates, shifts, terms, links)

    def weigh_cut(self, g: int, stands: np.ndarray, rival: np.ndarray) -> dict[str, float]:
        """Return name -> log odds at the cut before a segment between two paths (indices)."""
        used = np.unique([stands[g - 1], stands[g], rival[g - 1], rival[g]])
        cut = Cut(self.segments, self.timeline, self.rates, self.shifts[used], g)
        at = [tuple(np.searchsorted(used, path[g - 1 : g + 1])) for path in (stands, rival)]
        said = {name: weigh(cut) for name, weigh in CUT_TERMS.items()}
        return {name: float(one[at[0]] - one[at[1]]) for name, one in said.items()}


def _add_up(terms: list[np.ndarray]) -> np.ndarray:
    """Return the sum of terms, in half the memory."""
    return np.add.reduce(terms).astype(np.float32)


def place_segments(
    inside: Inside,
    *,
    strays: Strays,
    evidence: Evidence,
    is_free: bool = False,
    press: Press | None = None,
    texture: Mapping[int, np.ndarray] | None = None,
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
        Segment -> what the texture of its intervals says of each of `texture.LAGS`.
    """
    segments, timeline, shifts = inside.segments, inside.timeline, inside.shifts
    first, last = segments.captured[[0, -1]]
    recorder, span = evidence.recorder, evidence.recorded_s
    free = is_free or not recorder.is_silent_before
    begin = End(recorder.start, evidence.lost_at_start, inside.rates, recorder.end_loss, free)
    after = {-n: share for n, share in recorder.stop.items()}
    finish = End(after, evidence.lost_at_end, inside.rates, recorder.end_loss, free)
    known: dict[str, Any] = {"timeline": timeline, "strays": strays, "recorded_s": span}
    start = partial(score_start, end=begin, **known)
    n_frames = timeline.times_s.size
    begins = partial(_score_aside, first + shifts, segments.first, n_frames)
    ends = partial(_score_aside, last + shifts, segments.last, n_frames)
    terms = inside.terms | {
        name: np.zeros((segments.starts.size - 1, shifts.size))
        for name in (START, PRESS, END, TEXTURE, PINS)
    }
    terms[START][0] = begins(start)
    if press is not None:
        moved = timeline.times_s[first + shifts] - timeline.times_s[first]
        pressed = partial(start, press=replace(press, at_s=press.at_s + moved))
        terms[PRESS][0] = begins(pressed) - terms[START][0]
    terms[END][-1] = ends(partial(score_end, end=finish, **known))
    for g, said in (texture or {}).items():
        terms[TEXTURE][g] = np.interp(shifts, LAGS, said, left=0.0, right=0.0)
    pinned = evidence.find_pinned(timeline) if evidence.pins else {}
    for g, rows in enumerate(pairwise(segments.starts.tolist())):
        terms[PINS][g] = score_pins(segments.captured, shifts, pinned, range(*rows))
    scores = np.add.reduce(list(terms.values()))
    path = _best_path(scores, inside.links)
    posterior, total = _posterior(scores, inside.links)
    chosen = posterior[np.arange(path.size), path]
    return Placement(shifts[path], chosen, total, shifts, posterior, inside, terms)


def _score_aside(
    frame: np.ndarray, aside: Aside, n_frames: int, score: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Return what an end says of frames of the outermost row, which may itself stand aside."""
    scores = [
        np.log(chance) + score(np.clip(frame + n, 0, n_frames - 1)) for n, chance in aside.items()
    ]
    return np.asarray(np.logaddexp.reduce(scores))


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
