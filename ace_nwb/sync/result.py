"""What an alignment is, and says: times, confidence, possible shifts, counts, verdict, evidence."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ace_nwb.sync.clock import ClockFit
from ace_nwb.sync.evidence import Evidence
from ace_nwb.sync.frames import Rows
from ace_nwb.sync.matching import Match
from ace_nwb.sync.placement import SAYS_NOTHING

TRUSTED = 0.999
"""Least confidence of a frame that is not flagged."""

STATUS = ("matched", "interpolated", "predicted")


@dataclass(frozen=True)
class SyncReport:
    """Numbers of one alignment.

    Parameters
    ----------
    n_frames, n_pulses
        Saved frames; pulses given.
    n_matched
        Frames that stand on a pulse of their own.
    n_interpolated
        Frames whose own pulse is missing, timed between the pulses around.
    n_predicted
        Frames where no pulses are, timed by the clock model.
    n_lost
        Pulses between the first and the last frame without a saved frame.
    n_spurious
        Pulses between the first and the last frame that belong to no captured frame.
    n_before, n_after
        Pulses before the first and after the last saved frame.
    n_flagged
        Frames with confidence below `TRUSTED`.
    drift_ppm
        Device clock against the ephys clock, positive if the device runs fast.
    residual_ms
        Percentiles 1, 5, 50, 95, 99 of the time-stamp lateness against the fitted clock.
    """

    n_frames: int
    n_pulses: int
    n_matched: int
    n_interpolated: int
    n_predicted: int
    n_lost: int
    n_spurious: int
    n_before: int
    n_after: int
    n_flagged: int
    drift_ppm: float
    residual_ms: tuple[float, float, float, float, float]


Verdict = Literal["pass", "warn", "ambiguous", "fail"]


@dataclass(frozen=True)
class Stretch:
    """Frames that were placed together.

    Parameters
    ----------
    first, stop
        First frame, and the one after the last.
    shifts
        Frames by which all of them may stand aside (0: as aligned; +1: each was captured one frame
        later) -> probability.
    """

    first: int
    stop: int
    shifts: Mapping[int, float]

    def reach_of(self, least: float) -> int:
        """Return the most frames by which they may stand aside with some probability.

        If no other shift is as probable by itself, it is the most probable other one.
        """
        others = {shift: chance for shift, chance in self.shifts.items() if shift}
        if not others:
            return 0
        likely = [abs(shift) for shift, chance in others.items() if chance >= least]
        most_probable = max(others, key=lambda shift: others[shift])
        return max(likely, default=abs(most_probable))


@dataclass(frozen=True)
class Alignment:
    """Saved frames on the ephys clock; per-frame arrays have shape (n_frames,).

    Parameters
    ----------
    session_time_s
        Capture time, ephys clock, strictly increasing.
    pulse
        Index of the frame's pulse, -1 if it has none.
    confidence
        Probability that the frame is the one it was taken for.
    status
        "matched", "interpolated" or "predicted" (see `SyncReport`).
    residual_s
        Time stamp minus fitted clock (grab jitter); nan for unusable time stamps.
    segment
        Jump-free segment of the device clock.
    clock
        Device clock against ephys clock.
    report
        Counts and percentiles.
    verdict, reasons
        Whether to trust it: "pass", "warn", "ambiguous" (up to whole frames, as the first reason
        says) or "fail", and why not "pass".
    evidence
        What the alignment rests on, one sentence each.
    terms
        What speaks for it and against the likeliest other placements, term by term.
    low_confidence
        Intervals (start_s, stop_s, reason) of flagged frames, ephys clock.
    stretches
        Stretches of frames that were placed together, with the shifts that remain possible.
    """

    session_time_s: np.ndarray
    pulse: np.ndarray
    confidence: np.ndarray
    status: np.ndarray
    residual_s: np.ndarray
    segment: np.ndarray
    clock: ClockFit
    report: SyncReport
    verdict: Verdict
    reasons: tuple[str, ...]
    evidence: tuple[str, ...]
    terms: tuple[str, ...]
    low_confidence: tuple[tuple[float, float, str], ...]
    stretches: tuple[Stretch, ...]

    @property
    def shifts(self) -> tuple[tuple[int, float], ...]:
        """Possible shifts of the longest stretch (0: as aligned) and their probabilities."""
        longest = max(self.stretches, key=lambda one: one.stop - one.first)
        return tuple(longest.shifts.items())

    def to_session_time(self, device_time_s: np.ndarray) -> np.ndarray:
        """Map other times of the same device clock, in recorded order, to the ephys clock.

        Parameters
        ----------
        device_time_s
            Shape (n,), device clock. At a backward jump of the clock the order decides on which
            side of it a time lies.
        """
        times = np.asarray(device_time_s, dtype=float)
        return self.clock.to_session_time(times, self.clock.find_segments(times))


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


def _share_open(stretches: tuple[Stretch, ...]) -> float:
    """Return the share of frames that may stand aside by shifts that are named."""
    n_open = sum(one.stop - one.first for one in stretches if one.shifts[0] < TRUSTED)
    return n_open / stretches[-1].stop


def say_ambiguity(stretches: tuple[Stretch, ...], interval_s: float) -> str | None:
    """Say by how many frames most frames may stand aside, or None."""
    if _share_open(stretches) < 0.5:
        return None
    open_to = [one for one in stretches if one.shifts[0] < TRUSTED]
    reach = max(one.reach_of(_NEGLIGIBLE) for one in open_to)
    longest = max(open_to, key=lambda one: one.stop - one.first)
    ranked = sorted(longest.shifts.items(), key=lambda item: -item[1])[:5]
    chances = ", ".join(f"{shift:+d}: {chance:.3g}" for shift, chance in ranked)
    by = f"{reach} frame{'s' if reach > 1 else ''} ({reach * interval_s * 1e3:.0f} ms)"
    return f"ambiguous by {by}: counts, stamps and the recorder's start leave the shifts {chances}"


def judge(
    report: SyncReport, match: Match, stretches: tuple[Stretch, ...], interval_s: float
) -> tuple[Verdict, tuple[str, ...]]:
    """Return the verdict and what speaks against "pass"."""
    n = report.n_frames
    ambiguity = say_ambiguity(stretches, interval_s)
    unknown = 0.5 + _share_open(stretches)  # a doubt that is named is a result
    flagged = report.n_flagged if ambiguity is None else 0
    outside = report.n_predicted if report.n_predicted > _USUAL_OUTSIDE else 0
    problems = [
        (flagged / n, 0.005, unknown, "frames have low confidence"),
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
