"""Global, monotone matching of saved frames (rows) to captured frames (pulses).

Steps: possible starts from blocks and pauses, each followed and placed up to whole frames
(starts.py); then each row decoded (chain.py) with a jitter distribution and a clock learned
from the rows themselves.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.ndimage import minimum_filter1d

from ace_nwb.errors import SyncError
from ace_nwb.sync.clock import ClockFit
from ace_nwb.sync.evidence import Evidence
from ace_nwb.sync.frames import Rows, Timeline
from ace_nwb.sync.placement import Placement
from ace_nwb.sync.prices import PRICES, FaultRates
from ace_nwb.sync.refinement import (
    BESIDE,
    Refined,
    Refiner,
    doubt_junk,
    find_clock_segments,
    judge_rows,
)
from ace_nwb.sync.starts import Start, follow_start, possible_offsets
from ace_nwb.sync.train import PulseTrain

_N_AUDITS = 2
"""Times that an alignment is questioned and decoded again: what moves twice and would move again
does not settle, and is flagged."""

_CERTAIN = 0.9999  # rows are many: less would let some pass wrongly


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
    grounds
        What had to decide where counts left a choice: "press", "texture".
    pieces
        First row of each stretch that was placed, and the number of rows.
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
    grounds: frozenset[str]
    pieces: np.ndarray

    def possible_shifts(self, most_left: float) -> list[tuple[int, int, dict[int, float]]]:
        """Return first row, end, and shift -> probability of each stretch, the most probable ones.

        The shifts that are not named have no more than `most_left` of the probability together.
        Shifts are relative to the frames that were chosen: 0 is the result itself.
        """
        found = self.placement
        possible = []
        for g, (start, stop) in enumerate(pairwise(self.pieces.tolist())):
            order = np.argsort(-found.posterior[g], kind="stable")
            total = np.cumsum(found.posterior[g, order])
            at = np.sort(order[: 1 + np.searchsorted(total, 1 - most_left)])
            shares = found.posterior[g, at].tolist()
            possible.append(
                (start, stop, dict(zip(found.shifts[at].tolist(), shares, strict=True)))
            )
        return possible


def match_rows(rows: Rows, train: PulseTrain, *, max_jitter_s: float, evidence: Evidence) -> Match:
    """Match every row to a captured frame.

    Parameters
    ----------
    rows
        Saved frames.
    train
        Captured frames by the pulses.
    max_jitter_s
        Largest grab jitter of a time stamp.
    evidence
        What is known beside time stamps and pulses.

    Raises
    ------
    SyncError
        If two starts explain the rows nearly equally well.
    """
    starts: list[Start] = []
    for offset in possible_offsets(rows, train, evidence):
        start = follow_start(
            rows,
            train,
            offset,
            max_jitter_s=max_jitter_s,
            evidence=evidence,
            known_s=[other.first_time_s for other in starts if other.is_settled],
        )
        starts += [] if start is None else [start]
    starts.sort(key=lambda start: -start.score)
    _refuse_rival(starts)
    best = starts[0]
    starts.clear()  # the others take the memory of hours of rows
    return _refine(Refiner(rows, train, best.timeline, max_jitter_s, evidence), best)


def _refuse_rival(starts: list[Start]) -> None:
    """Raise if another start, elsewhere on the timeline, does nearly as well."""
    best = starts[0]
    for other in starts[1:]:
        lead = best.score - other.score
        apart = abs(other.first_time_s - best.first_time_s)
        within_reach = apart < 200 * best.timeline.period_s[0]  # then placement weighs them
        if lead < PRICES.clear_start and not within_reach:
            terms = ", ".join(
                f"{name} {here - there:+.1f}"
                for (name, here), there in zip(
                    best.terms.items(), other.terms.values(), strict=True
                )
            )
            raise SyncError(
                f"The frames fit the pulses in two places nearly equally well: first frame at "
                f"{best.first_time_s:.3f} s or at {other.first_time_s:.3f} s of the ephys clock "
                f"(natural log odds {lead:+.1f} for the first: {terms}). To decide, state "
                "start_s and stop_s, the part of the ephys session that holds this recording, or "
                "pin one frame to its edge."
            )


def _refine(refiner: Refiner, start: Start) -> Match:
    """Decode the rows, question the result, and decode again until nothing changes."""
    segments, times = start.segments, refiner.timeline.times_s
    sizes = np.diff(segments.starts)
    placed_at = segments.captured + np.repeat(start.placement.shift, sizes)
    grounds: frozenset[str] = frozenset()
    offset = segments.offset_s + times[placed_at] - times[segments.captured]
    segment = find_clock_segments(segments.starts, offset)
    refined = refiner.decode(placed_at, offset, segment, rates=start.rates)
    audit = refiner.audit(refined, placed_at)
    contested, n_jumps = np.ones(placed_at.size), int(refined.segment[-1])
    terms, stamps = -np.inf, -np.inf
    for _ in range(_N_AUDITS):
        if audit.is_settled:
            break
        if np.ptp(audit.shift):  # pieces moved against each other: by how sure a guess
            contested = np.minimum(contested, audit.probability)
            terms, stamps = max((terms, stamps), (audit.placement.log_evidence, refined.stamps))
        refined, placed_at = refiner.decode_again(refined, audit)
        grounds |= audit.grounds
        audit = refiner.audit(refined, placed_at)
    grounds |= audit.grounds
    placed = audit.probability
    # the first look kept them apart from those before: what it doubted remains in doubt
    behind = np.maximum.accumulate(refined.joined & np.maximum.accumulate(~refined.joined))
    if behind.any():
        # what it doubted beside the start that all rows share, from the first such row on
        first = np.repeat(start.placement.probability, sizes)
        placed = np.minimum(placed, np.where(behind, first / first.max(), 1.0))
    # a guess became a clock jump, which now explains itself, but all together less than before
    fewer = terms - audit.placement.log_evidence
    loses = fewer + stamps - refined.stamps
    is_worse = loses > -PRICES.clock_jump  # the stamps of a clock fitted again move by less
    if refined.segment[-1] >= max(n_jumps, 1) and (is_worse or min(fewer, loses) > 0):
        placed = np.minimum(placed, contested * (0.5 if is_worse else 1.0))
    placed = minimum_filter1d(placed, 2 * BESIDE + 1)
    if not audit.is_settled or _share_a_frame(refiner.rows, refined.captured):
        placed = np.minimum(placed, 0.5)
    return Match(
        timeline=refiner.timeline,
        captured=refined.captured,
        probability=_judge(refiner, refined) * placed,
        placed=placed,
        segment=refined.segment,
        late_s=refined.late_s,
        clock=refined.clock,
        placement=audit.placement if audit.is_settled else audit.placement.widened(),
        rates=refined.rates,
        grounds=grounds,
        pieces=audit.starts,
    )


def _share_a_frame(rows: Rows, captured: np.ndarray) -> bool:
    """Whether two rows have one frame: then one side is off, as where a clock jumps by a frame."""
    return bool((np.diff(captured[~rows.is_junk]) <= 0).any())


def _judge(refiner: Refiner, refined: Refined) -> np.ndarray:
    """Return the probability of each row, the placement apart."""
    plausible = judge_rows(
        refiner.rows,
        refiner.timeline,
        refined.captured,
        refined.segment,
        refined.late_s,
        refiner.max_jitter_s,
    )
    plausible[refined.joined] = 0.5
    plausible[refined.decoded.probability < _CERTAIN] *= 0.99
    return np.minimum(doubt_junk(refined.decoded, refiner.rows), plausible)
