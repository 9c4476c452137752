"""Align saved frames to pulses: the one entry of the package."""

from dataclasses import replace

import numpy as np

from ace_nwb.errors import SyncError
from ace_nwb.sync.evidence import Evidence
from ace_nwb.sync.frames import Rows, clean_rows
from ace_nwb.sync.matching import Match, match_rows
from ace_nwb.sync.result import (
    LEAST_MATCHED,
    STATUS,
    TRUSTED,
    Alignment,
    Stretch,
    SyncReport,
    find_doubtful,
    judge,
    say_evidence,
    say_terms,
)
from ace_nwb.sync.train import PulseTrain, build_train, divide_train

__all__ = ["TRUSTED", "Alignment", "SyncReport", "align_frames"]

_MOST_SHIFT = 60
"""Shifts either way that are weighed safely: beyond them others may not have been looked at."""

_UNNAMED = 1e-4
"""Probability of all shifts together that are not named: the truth is one of them once in ten
thousand ambiguous sessions (at 5e-4 it was, once in three thousand)."""


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
    rows = rows.check_numbers(np.unique(train.period_s) / known.frames_per_pulse)
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
    if real.mean() < LEAST_MATCHED:
        raise SyncError(
            f"Only {int(real.sum())} of {real.size} frames find a pulse. At least a fifth is "
            "needed. Check that line and movie belong to the same recording. "
            + " ".join(say_terms(match))
        )
    _refuse_anywhere(match)
    sure = match.placement.probability.min() >= TRUSTED
    if sure and np.mean(match.placed >= TRUSTED) < 0.5:
        _refuse_contradiction(match, known)


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
        "correction that pins one frame to its edge. " + " ".join(say_terms(match))
    )


def _refuse_contradiction(match: Match, known: Evidence) -> None:
    """Raise because each look at the frames places them, but not where the one before did."""
    stated = "The pins or numbers of lost frames that were stated contradict them; correct those."
    unstated = (
        "Check that line and movie belong to the same recording, state lost_at_start or "
        "lost_at_end, or pin one frame to its edge by a correction."
    )
    raise SyncError(
        "Time stamps, pulses and counts contradict each other about most frames. One placement "
        f"that fits them all was expected. {stated if known.is_stated else unstated} "
        + " ".join(say_terms(match))
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
    low = find_doubtful(times, confidence, kind, match, rows)
    stretches = tuple(
        Stretch(first, stop, dict(sorted(({0: 0.0} | shifts).items())))
        for first, stop, shifts in match.possible_shifts(_UNNAMED)
    )
    verdict, reasons = judge(report, match, stretches, rows.interval_s)
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
        evidence=say_evidence(report, match, rows, known),
        terms=say_terms(match),
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


def _check_pins(known: Evidence, train: PulseTrain) -> None:
    """Raise if a pinned pulse belongs to no regular train."""
    for row, pulse in known.pins.items():
        if pulse in train.stray or not np.any(train.pulse == pulse):
            raise SyncError(
                f"Frame {row} is pinned to pulse {pulse}, which stands apart from the regular "
                "train of the camera. A pulse of the train was expected; correct the pin."
            )
