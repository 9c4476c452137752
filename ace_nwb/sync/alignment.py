"""Align saved frames to pulses: the one entry of the package, and its result."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ace_nwb.errors import SyncError
from ace_nwb.sync.clock import ClockFit
from ace_nwb.sync.evidence import Evidence
from ace_nwb.sync.matching import Match, match_rows
from ace_nwb.sync.rows import Rows, clean_rows
from ace_nwb.sync.train import PulseTrain, build_train

TRUSTED = 0.999
"""Least confidence of a frame that is not flagged."""

_MIN_MATCHED = 0.5
_USUAL_END_LOSS = 0.004
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
        Whether to trust it: "pass", "warn" or "fail", and why not "pass".
    evidence
        What the alignment rests on, one sentence each.
    low_confidence
        Intervals (start_s, stop_s, reason) of flagged frames, ephys clock.
    """

    session_time_s: np.ndarray
    pulse: np.ndarray
    confidence: np.ndarray
    status: np.ndarray
    residual_s: np.ndarray
    segment: np.ndarray
    clock: ClockFit
    report: SyncReport
    verdict: Literal["pass", "warn", "fail"]
    reasons: tuple[str, ...]
    evidence: tuple[str, ...]
    low_confidence: tuple[tuple[float, float, str], ...]

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


def align_frames(
    device_time_s: np.ndarray,
    pulse_times_s: np.ndarray,
    *,
    daq_frame: np.ndarray | None = None,
    max_jitter_ms: float = 30.0,
    evidence: Evidence | None = None,
) -> Alignment:
    """Align saved frames to the pulses of their line.

    Parameters
    ----------
    device_time_s
        Software time stamp of each saved frame, device clock, shape (n_frames,); nan if unknown.
    pulse_times_s
        One time per captured frame, ephys clock, increasing, shape (n_pulses,), as
        `pulses.find_pulses` returns them.
    daq_frame
        Unwrapped DAQ frame number of each saved frame, -1 if unknown, shape (n_frames,).
    max_jitter_ms
        Largest lateness of a time stamp.
    evidence
        What is known beside them: the record press, stated losses at the ends, pinned frames.

    Raises
    ------
    SyncError
        If the pulses do not follow the camera, too few frames match, or two alignments explain
        the data nearly equally well.
    """
    pulses = np.asarray(pulse_times_s, dtype=float)
    if pulses.size < 10:
        raise SyncError(
            f"The line carries {pulses.size} pulses for {np.size(device_time_s)} frames; "
            "about one per frame is expected. Choose another line."
        )
    rows = clean_rows(device_time_s, daq_frame, max_jitter_s=max_jitter_ms / 1e3)
    train = build_train(pulses, frame_interval_s=rows.interval_s)
    known = evidence or Evidence()
    _check_pins(known, train)
    match = match_rows(rows, train, max_jitter_s=max_jitter_ms / 1e3, evidence=known)
    _refuse_doubt(match, known)
    return _summarise(match, rows, train, pulses, known)


def _refuse_doubt(match: Match, known: Evidence) -> None:
    """Raise if the whole-frame placement of most frames is in doubt, or too little matches."""
    real = match.timeline.is_real[match.captured]
    if real.mean() < _MIN_MATCHED:
        raise SyncError(
            f"Only {int(real.sum())} of {real.size} frames find a pulse. At least half are needed. "
            "Check that line and movie belong to the same recording."
        )
    if np.mean(match.placed >= TRUSTED) >= 0.5:
        _refuse_endless(match)
        return
    if match.placement.probability.min() >= TRUSTED:
        _refuse_contradiction(known)
    rivals = ", ".join(f"{s:+d} frames: {p:.3g}" for s, p in match.placement.rivals[:4])
    row = match.placement.rivals_from_row
    where = "all frames" if row == 0 else f"the frames from number {row} on"
    at = match.timeline.times_s[match.captured[row]]
    raise SyncError(
        f"{real.size} frames fit {int(match.timeline.is_real.sum())} pulses in more than one way. "
        f"Moving {where} (now from {at:.4f} s of the ephys clock) by so many frames is as likely "
        f"as {rivals}; a thousand to one is needed. To decide, state what you know: lost_at_start "
        "or lost_at_end, the number of pulses before the first or after the last saved frame (0 "
        "if the first pulse is the first frame), start_s and stop_s, the part of the ephys "
        "session that holds this recording, or a correction that pins one frame to its edge."
    )


def _refuse_contradiction(known: Evidence) -> None:
    """Raise because each look at the frames places them, but not where the one before did."""
    stated = "The pins or numbers of lost frames that were stated contradict them; correct those."
    unstated = (
        "Check that line and movie belong to the same recording, state lost_at_start or "
        "lost_at_end, or pin one frame to its edge by a correction."
    )
    raise SyncError(
        "Time stamps, pulses and counts contradict each other about most frames. One placement "
        f"that fits them all was expected. {stated if known.is_stated else unstated}"
    )


def _refuse_endless(match: Match) -> None:
    """Raise if the record press decided, but the line goes on as if nobody was recording."""
    last = int(match.captured[-1])
    timeline = match.timeline
    same = timeline.is_real & (timeline.block == timeline.block[last])
    n_after = int(same[last + 1 :].sum())
    alone = "press" in match.grounds and "texture" not in match.grounds
    if alone and n_after > 1 + _USUAL_END_LOSS * match.captured.size:
        raise SyncError(
            f"Counts leave open which frame is the first. That the line toggles only while "
            f"recording would decide, but {n_after} pulses follow the last frame without a pause, "
            "so it may run freely. State lost_at_start or lost_at_end if you know them, or pin "
            "one frame to its edge by a correction."
        )


def _summarise(
    match: Match, rows: Rows, train: PulseTrain, pulses: np.ndarray, known: Evidence
) -> Alignment:
    """Turn a match into the result."""
    timeline, frame = match.timeline, match.captured
    pulse = timeline.pulse[frame]
    held = timeline.is_held[frame]
    kind = np.where(pulse >= 0, 0, np.where(held, 1, 2))
    confidence = np.where(kind == 2, np.minimum(match.probability, 0.5), match.probability)
    times = timeline.times_s[frame]
    report = _count(match, rows, train, pulses, kind, confidence)
    low = _low_intervals(times, confidence, kind, match, rows)
    verdict, reasons = _judge(report, match)
    return Alignment(
        session_time_s=times,
        pulse=pulse,
        confidence=confidence,
        status=np.array(STATUS)[kind],
        residual_s=np.where(rows.is_junk, np.nan, match.late_s),
        segment=match.segment,
        clock=match.clock,
        report=report,
        verdict=verdict,
        reasons=reasons,
        evidence=_evidence(report, match, rows, known),
        low_confidence=low,
    )


def _count(
    match: Match,
    rows: Rows,
    train: PulseTrain,
    pulses: np.ndarray,
    kind: np.ndarray,
    confidence: np.ndarray,
) -> SyncReport:
    """Count frames and pulses by what became of them."""
    first, last = match.timeline.times_s[match.captured[[0, -1]]]
    slack = 1e-6
    inside = (pulses >= first - slack) & (pulses <= last + slack)
    n_matched = int((kind == 0).sum())
    n_stray = int(inside[train.stray].sum())
    late = match.late_s[~rows.is_junk] * 1e3
    percentiles = tuple(float(v) for v in np.percentile(late, [1, 5, 50, 95, 99]))
    return SyncReport(
        n_frames=kind.size,
        n_pulses=pulses.size,
        n_matched=n_matched,
        n_interpolated=int((kind == 1).sum()),
        n_predicted=int((kind == 2).sum()),
        n_lost=int(inside.sum()) - n_stray - n_matched,
        n_spurious=n_stray,
        n_before=int((pulses < first - slack).sum()),
        n_after=int((pulses > last + slack).sum()),
        n_flagged=int((confidence < TRUSTED).sum()),
        drift_ppm=match.clock.drift_ppm,
        residual_ms=percentiles,  # type: ignore[arg-type]
    )


def _low_intervals(
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


def _judge(
    report: SyncReport, match: Match
) -> tuple[Literal["pass", "warn", "fail"], tuple[str, ...]]:
    """Return the verdict and what speaks against "pass"."""
    n = report.n_frames
    problems = [
        (report.n_flagged / n, 0.005, 0.5, "frames have low confidence"),
        (report.n_lost / (n + report.n_lost), 0.02, 0.3, "captured frames were not saved"),
        (report.n_interpolated / n, 0.02, 0.3, "frames have no pulse of their own"),
        (report.n_predicted / n, 0.0, 0.2, "frames lie outside the pulses"),
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
    if "press" in match.grounds:
        reasons.append("which frame is the first rests on the record press alone")
    if abs(report.drift_ppm) > 500:
        reasons.append(f"the clocks drift by {report.drift_ppm:.0f} ppm")
    return ("fail" if failed else "warn" if reasons else "pass"), tuple(reasons)


def _evidence(report: SyncReport, match: Match, rows: Rows, stated: Evidence) -> tuple[str, ...]:
    """Say what decides the alignment."""
    blocks = int(match.timeline.block.max()) + 1
    sentences = [
        f"{report.n_matched} of {report.n_frames} frames stand on a pulse of their own; "
        f"{report.n_before} pulses before and {report.n_after} after them.",
        f"Pulses in {blocks} gap-free run(s); whole-frame placement has probability "
        f"{match.placement.probability.min():.6f}.",
    ]
    known = np.count_nonzero(rows.daq_step)
    if known:
        sentences.append(f"DAQ frame numbers tell the step of {known} frames.")
    if "press" in match.grounds:
        sentences.append(
            "Counts left a choice; the record press decided: the line toggles from then on."
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


def _check_pins(known: Evidence, train: PulseTrain) -> None:
    """Raise if a pinned pulse belongs to no regular train."""
    for row, pulse in known.pins.items():
        if pulse in train.stray or not np.any(train.pulse == pulse):
            raise SyncError(
                f"Frame {row} is pinned to pulse {pulse}, which stands apart from the regular "
                "train of the camera. A pulse of the train was expected; correct the pin."
            )
