"""An alignment in words: what it rests on, term by term, the verdict, and where it is doubtful."""

import numpy as np

from ace_nwb.sync.evidence import Evidence
from ace_nwb.sync.matching import Match
from ace_nwb.sync.placement import SAYS_NOTHING
from ace_nwb.sync.result import TRUSTED, Stretch, SyncReport, Verdict
from ace_nwb.sync.rows import Rows

LEAST_MATCHED = 0.2
"""Least share of frames with a pulse: with ephys started late the rest is timed by the clock, and
flagged; with fewer it is hardly the same recording."""

_USUAL_OUTSIDE = 3
"""Frames before the first or after the last edge that a recorder makes in the usual way."""

_NEGLIGIBLE = 1e-3
"""Shifts less probable than that stay out of the one number that sums an ambiguity up: a thousand
to one is what counts as certain."""

_MOST_RIVALS = 2
"""Other placements that the terms are given for: with the recorder's own doubt of a frame either
way, those are all that matter."""

_LEAST_ODDS = 1e-12
"""Least probability of another placement whose log odds are compared with the sum of its terms."""


def say_terms(match: Match) -> tuple[str, ...]:
    """Say, term by term, what speaks for the placement and against the likeliest others.

    It is said of the longest stretch that is open, or of the longest one.
    """
    found, sizes = match.placement, np.diff(match.pieces)
    stands = int(-found.shifts[0])
    is_open = found.posterior[:, stands] < TRUSTED
    g = int(np.argmax(np.where(is_open | ~is_open.any(), sizes, -1)))
    chances = found.posterior[g].copy()
    chances[stands] = -1.0
    rivals = np.argsort(-chances, kind="stable")[:_MOST_RIVALS]
    where = f"frames {match.pieces[g]}-{match.pieces[g + 1] - 1}"
    return tuple(_say_rival(match, g, int(at), where) for at in rivals if at != stands)


def _say_rival(match: Match, g: int, at: int, where: str) -> str:
    """Say what speaks for the placement and against one other."""
    found = match.placement
    shift, chance = int(found.shifts[at]), float(found.posterior[g, at])
    terms = found.weigh_against(g, shift)
    standing = float(found.posterior[g, -found.shifts[0]])
    rest = np.log(max(standing, _LEAST_ODDS) / max(chance, _LEAST_ODDS)) - sum(terms.values())
    if chance > _LEAST_ODDS and abs(rest) > SAYS_NOTHING:
        terms["a line that runs freely, and other stretches placed otherwise"] = float(rest)
    ordered = sorted(terms.items(), key=lambda item: -abs(item[1]))
    said = ", ".join(f"{name} {odds:+.1f}" for name, odds in ordered) or "no term"
    return (
        f"Against {where} captured {abs(shift)} frame(s) {'later' if shift > 0 else 'earlier'} "
        f"(probability {chance:.2g}), in natural log odds: {said}; sum {sum(terms.values()):+.1f}."
    )


def find_doubtful(
    times: np.ndarray, confidence: np.ndarray, kind: np.ndarray, match: Match, rows: Rows
) -> tuple[tuple[float, float, str], ...]:
    """Return runs of flagged frames with their reason."""
    low = confidence < TRUSTED
    edges = np.flatnonzero(np.diff(np.concatenate([[0], low.astype(int), [0]])))
    result = []
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        inside = slice(start, stop)
        if (kind[inside] == 2).any():
            reason = "no pulses: times predicted by the clock model"
        elif (match.placed[inside] < TRUSTED).any():
            reason = "shift by whole frames not excluded: a clock jump or a loss explains as much"
        elif rows.is_junk[inside].any():
            reason = "unusable time stamp"
        else:
            reason = "lost frame beside late time stamps: its place is not certain"
        half = 0.5 * rows.interval_s
        result.append((float(times[start] - half), float(times[stop - 1] + half), reason))
    return tuple(result)


def say_ambiguity(stretches: tuple[Stretch, ...], interval_s: float) -> str | None:
    """Say by how many frames most frames may stand aside, or None."""
    n_frames = stretches[-1].stop
    open_to = [one for one in stretches if one.shifts[0] < TRUSTED]
    if sum(one.stop - one.first for one in open_to) < 0.5 * n_frames:
        return None
    reach = max(one.reach_of(_NEGLIGIBLE) for one in open_to)
    longest = max(open_to, key=lambda one: one.stop - one.first)
    ranked = sorted(longest.shifts.items(), key=lambda item: -item[1])[:5]
    chances = ", ".join(f"{shift:+d}: {chance:.3g}" for shift, chance in ranked)
    by = f"{reach} frame{'s' if reach > 1 else ''} ({reach * interval_s * 1e3:.0f} ms)"
    return f"ambiguous by {by}: counts, stamps and the recorder's start leave the shifts {chances}"


def judge(
    report: SyncReport, match: Match, ambiguity: str | None
) -> tuple[Verdict, tuple[str, ...]]:
    """Return the verdict and what speaks against "pass"."""
    n = report.n_frames
    flagged = report.n_flagged if ambiguity is None else 0
    outside = report.n_predicted if report.n_predicted > _USUAL_OUTSIDE else 0
    problems = [
        (flagged / n, 0.005, 0.5, "frames have low confidence"),
        (report.n_lost / (n + report.n_lost), 0.02, 0.3, "captured frames were not saved"),
        (report.n_interpolated / n, 0.02, 0.3, "frames have no pulse of their own"),
        (outside / n, 0.0, 1 - LEAST_MATCHED, "frames lie outside the pulses"),
        (report.n_spurious / report.n_pulses, 0.02, 0.3, "pulses belong to no frame"),
    ]
    reasons = [
        f"{share:.1%} of the {text}" if "captured" in text else f"{share:.1%} of {text}"
        for share, limit, _, text in problems
        if share > limit
    ]
    failed = any(share > worst for share, _, worst, _ in problems)
    # frames outside the pulses, while as many pulses lack a frame: a stretch stands aside
    failed |= min(report.n_lost, report.n_predicted) > 0.02 * n
    if match.clock.breaks_s.size:
        reasons.append(f"the device clock jumped {match.clock.breaks_s.size} time(s)")
    if "press" in match.grounds and ambiguity is None:
        reasons.append("which frame is the first rests on the record press alone")
    if abs(report.drift_ppm) > 500:
        reasons.append(f"the clocks drift by {report.drift_ppm:.0f} ppm")
    if ambiguity is not None:
        reasons.insert(0, ambiguity)
        return "fail" if failed else "ambiguous", tuple(reasons)
    return ("fail" if failed else "warn" if reasons else "pass"), tuple(reasons)


def say_evidence(report: SyncReport, match: Match, rows: Rows, stated: Evidence) -> tuple[str, ...]:
    """Say what decides the alignment."""
    blocks = int(match.timeline.block.max()) + 1
    sentences = [
        f"{report.n_matched} of {report.n_frames} frames stand on a pulse of their own; "
        f"{report.n_before} pulses before and {report.n_after} after them.",
        f"Pulses in {blocks} gap-free run(s); whole-frame placement has probability "
        f"{match.placed.min():.6f}.",
    ]
    known = np.count_nonzero(rows.daq_step)
    if known:
        sentences.append(f"DAQ frame numbers tell the step of {known} frames.")
    sentences.append(f"Start and stop of {stated.recorder.name}: {stated.recorder.source}.")
    if "press" in match.grounds:
        sentences.append(
            "Counts left a choice; the record press weighed it: the line toggles from then on."
        )
    if "texture" in match.grounds:
        sentences.append(
            "The irregularity of the single frame intervals, which time stamps and pulses both "
            "show, agrees with this placement and with no other."
        )
    for number, end in (
        (stated.lost_at_start, "before the first"),
        (stated.lost_at_end, "after the last"),
    ):
        if number is not None:
            sentences.append(
                f"It was stated that {number} captured frames are lost {end} saved one."
            )
    if stated.pins:
        sentences.append(f"{len(stated.pins)} frame(s) pinned to a pulse by hand.")
    return tuple(sentences)
