"""Align saved frames to pulses: the one entry of the package."""

from dataclasses import replace

import numpy as np

from ace_nwb.errors import SyncError
from ace_nwb.sync.evidence import Evidence
from ace_nwb.sync.matching import Match, match_rows
from ace_nwb.sync.result import STATUS, TRUSTED, Alignment, Stretch, SyncReport, Verdict
from ace_nwb.sync.rows import Rows, clean_rows
from ace_nwb.sync.train import PulseTrain, build_train, divide_train

__all__ = ["TRUSTED", "Alignment", "SyncReport", "align_frames"]

_MIN_MATCHED = 0.2
"""Least share of frames with a pulse: with ephys started late the rest is timed by the clock, and
flagged; with fewer it is hardly the same recording."""

_MOST_SHIFT = 60
"""Shifts either way that are weighed safely: beyond them others may not have been looked at."""

_USUAL_OUTSIDE = 3
"""Frames before the first or after the last edge that a recorder makes in the usual way."""

_NEGLIGIBLE = 1e-3
"""Shifts less probable than that stay out of the one number that sums an ambiguity up: a thousand
to one is what counts as certain."""

_UNNAMED = 5e-4
"""Probability of all shifts together that are not named."""


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
        One time per captured frame, or per nth (see `Evidence`), ephys clock, increasing, shape
        (n_pulses,), as `pulses.find_pulses` returns them.
    daq_frame
        Unwrapped DAQ frame number of each saved frame, -1 if unknown, shape (n_frames,).
    max_jitter_ms
        Largest lateness of a time stamp.
    evidence
        What is known beside them: the record press, stated losses at the ends, pinned frames.

    Raises
    ------
    SyncError
        If the pulses do not follow the camera, too few frames match, or the frames fit two places
        far from each other.
    """
    pulses = np.asarray(pulse_times_s, dtype=float)
    if pulses.size < 10:
        raise SyncError(
            f"The line carries {pulses.size} pulses for {np.size(device_time_s)} frames; "
            "about one per frame is expected. Choose another line."
        )
    rows = clean_rows(device_time_s, daq_frame, max_jitter_s=max_jitter_ms / 1e3)
    known = evidence or Evidence()
    train = build_train(pulses, frame_interval_s=rows.interval_s * known.frames_per_pulse)
    _check_pins(known, train)
    if known.frames_per_pulse > 1:
        return _align_divided(rows, train, known, max_jitter_s=max_jitter_ms / 1e3)
    match = match_rows(rows, train, max_jitter_s=max_jitter_ms / 1e3, evidence=known)
    _refuse_nothing(match, known)
    return _summarise(match, rows, train, pulses, known)


def _align_divided(
    rows: Rows, train: PulseTrain, known: Evidence, *, max_jitter_s: float
) -> Alignment:
    """Align frames to a line that marks every nth of them, those between interpolated."""
    frames_s, source = divide_train(train, known.frames_per_pulse)
    place = {int(pulse): k for k, pulse in enumerate(source) if pulse >= 0}
    known = replace(
        known,
        recorder=known.recorder.divided(known.frames_per_pulse),
        pins={row: place[pulse] for row, pulse in known.pins.items()},
    )
    divided = build_train(frames_s, frame_interval_s=rows.interval_s)
    match = match_rows(rows, divided, max_jitter_s=max_jitter_s, evidence=known)
    _refuse_nothing(match, known)
    found = _summarise(match, rows, divided, frames_s, known)
    pulse = np.where(found.pulse >= 0, source[found.pulse], -1)
    status = np.where((found.pulse >= 0) & (pulse < 0), "interpolated", found.status)
    return replace(found, pulse=pulse, status=status)


def _refuse_nothing(match: Match, known: Evidence) -> None:
    """Raise if too little matches, or if what is known contradicts itself about most frames."""
    real = match.timeline.is_real[match.captured]
    if real.mean() < _MIN_MATCHED:
        raise SyncError(
            f"Only {int(real.sum())} of {real.size} frames find a pulse. At least a fifth is "
            "needed. Check that line and movie belong to the same recording."
        )
    _refuse_anywhere(match)
    sure = match.placement.probability.min() >= TRUSTED
    if sure and np.mean(match.placed >= TRUSTED) < 0.5:
        _refuse_contradiction(known)


def _refuse_anywhere(match: Match) -> None:
    """Raise if most frames fit so many places that no shifts of them can be named."""
    open_to = [
        (stop - start, shifts)
        for start, stop, shifts in match.possible_shifts(_UNNAMED)
        if sum(chance for shift, chance in shifts.items() if abs(shift) > _MOST_SHIFT) > 1 - TRUSTED
    ]
    n_frames = match.captured.size
    if sum(size for size, _ in open_to) < 0.5 * n_frames:
        return
    shifts = max(open_to, key=lambda one: one[0])[1]
    raise SyncError(
        f"{n_frames} frames fit {int(match.timeline.is_real.sum())} pulses in more than one way: "
        f"moving them by any of {len(shifts)} numbers of frames, from {min(shifts):+d} to "
        f"{max(shifts):+d}, explains as much. At most {_MOST_SHIFT} either way were expected. To "
        "decide, state what you know: lost_at_start or lost_at_end, the number of pulses before "
        "the first or after the last saved frame (0 if the first pulse is the first frame), "
        "start_s and stop_s, the part of the ephys session that holds this recording, or a "
        "correction that pins one frame to its edge."
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
    stretches = tuple(
        Stretch(first, stop, dict(sorted(({0: 0.0} | shifts).items())))
        for first, stop, shifts in match.possible_shifts(_UNNAMED)
    )
    verdict, reasons = _judge(report, match, _say_ambiguity(stretches, rows.interval_s))
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
        stretches=stretches,
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


def _say_ambiguity(stretches: tuple[Stretch, ...], interval_s: float) -> str | None:
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


def _judge(
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
        (outside / n, 0.0, 1 - _MIN_MATCHED, "frames lie outside the pulses"),
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


def _evidence(report: SyncReport, match: Match, rows: Rows, stated: Evidence) -> tuple[str, ...]:
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


def _check_pins(known: Evidence, train: PulseTrain) -> None:
    """Raise if a pinned pulse belongs to no regular train."""
    for row, pulse in known.pins.items():
        if pulse in train.stray or not np.any(train.pulse == pulse):
            raise SyncError(
                f"Frame {row} is pinned to pulse {pulse}, which stands apart from the regular "
                "train of the camera. A pulse of the train was expected; correct the pin."
            )
