"""Judge a session in five words: sync, frames, motion, ROIs, validation.

Each verdict has a state, the one number that matters, and what to do when it is not good. The
bounds are for the eye of a reader; no computation depends on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ace_nwb.archive import Finding, is_valid
from ace_nwb.report.content import Frames, Motion, Rois, SessionContent, SyncFit
from ace_nwb.report.wording import format_percent, format_signed

State = Literal["good", "look", "problem", "missing"]

MAX_LOST_SHARE = (0.01, 0.05)  # above: look, problem
MIN_MATCHED_SHARE = (0.99, 0.9)  # below: look, problem
MAX_DRIFT_PPM = 500.0  # quartz clocks differ by less than 100 ppm; more means a wrong match
MAX_BOUND_SHARE = 0.001  # frames whose shift lies at the edge of the search
MIN_ACCEPTED_SHARE = 0.4


@dataclass(frozen=True)
class Verdict:
    """The judgement of one aspect.

    Parameters
    ----------
    topic
        Aspect, also the anchor of its section.
    state
        good, look (worth a look), problem, or missing (not known yet).
    figure
        The number that matters, with its unit.
    note
        What the number says.
    advice
        What to do; empty when good.
    spark
        A series that shows the aspect in small, shape (point,); may be empty.
    """

    topic: str
    state: State
    figure: str
    note: str
    advice: str = ""
    spark: np.ndarray = field(default_factory=lambda: np.empty(0))


def judge(
    content: SessionContent, findings: Sequence[Finding] | None, file_name: str
) -> list[Verdict]:
    """Return the verdicts of a session in the order of the page.

    Parameters
    ----------
    content
        What was read from the file.
    findings
        Result of a validation, or None if there was none.
    file_name
        Name of the session file, for commands in the advice.
    """
    return [
        judge_sync(content.sync, file_name),
        judge_frames(content.frames),
        judge_motion(content.motion, file_name),
        judge_rois(content.rois, file_name),
        judge_findings(findings, file_name),
    ]


def judge_sync(sync: SyncFit | None, file_name: str) -> Verdict:
    """Judge the alignment by how many frames found a pulse, by the drift, and by what it says."""
    if sync is None:
        command = f"ace-nwb sync {file_name}"
        return Verdict("Sync", "missing", "–", "clocks not aligned", f"Run `{command}`.")
    share = sync.n_matched / max(sync.n_frames, 1)
    state = _grade(1 - share, tuple(1 - bound for bound in MIN_MATCHED_SHARE))
    advice = ""
    if abs(sync.drift_ppm) > MAX_DRIFT_PPM:
        state = "problem"
        advice = "Clocks do not differ that much: check the line with `ace-nwb sync --line`."
    elif sync.flashes is not None and not sync.flashes.agree:
        state, advice = "problem", f"Flashes contradict the alignment. {sync.flashes.summary}"
    elif sync.verdict != "pass" or state != "good":
        state = "look" if state == "good" else state
        advice = sync.reasons or "Check the TTL cable and the name of the line."
    ground = "stand on a pulse" if sync.method == "pulses" else f"timed by {sync.method}"
    note = f"of frames {ground}; camera's clock {format_signed(sync.drift_ppm, 'ppm')}"
    return Verdict("Sync", state, format_percent(share), note, advice, sync.residuals_ms)


def judge_frames(frames: Frames | None) -> Verdict:
    """Judge the movie by the share of frames lost and by its time stamps."""
    if frames is None:
        return Verdict("Frames", "missing", "–", "no movie in this file")
    share = frames.n_lost / max(frames.n_lost + frames.n_recorded, 1)
    state = _grade(share, MAX_LOST_SHARE)
    advice = "" if state == "good" else "Record to a faster disk or at a lower frame rate."
    note = f"lost {frames.n_lost} of {frames.n_recorded + frames.n_lost} frames"
    note += f", longest gap {frames.longest_gap_s:.2g} s"
    if frames.n_irregular:
        state = "problem"
        note += f"; {frames.n_irregular} time stamps do not increase"
        advice = "Look into the frame ledger, `processing/sync/FrameLedger`."
    return Verdict("Frames", state, format_percent(1 - share), note, advice, frames.intervals_s)


def judge_motion(motion: Motion | None, file_name: str) -> Verdict:
    """Judge the registration by its largest shifts and by how many lie at the search's edge."""
    if motion is None:
        command = f"ace-nwb process motion {file_name}"
        return Verdict("Motion", "missing", "–", "not registered", f"Run `{command}`.")
    lengths = np.hypot(*motion.shifts_px.T)
    lengths = lengths[np.isfinite(lengths)]
    usual = float(np.percentile(lengths, 95)) if lengths.size else 0.0
    largest = float(lengths.max(initial=0.0))
    state: State = "good"
    advice = ""
    note = f"95 % of frames shift less than this; largest {largest:.1f} px"
    if motion.max_shift_px:
        at_bound = np.abs(motion.shifts_px).max(axis=1) >= 0.97 * motion.max_shift_px
        if at_bound.mean() > MAX_BOUND_SHARE:
            state = "look"
            note = f"{format_percent(float(at_bound.mean()))} of frames at the edge of the search"
            advice = "Raise it: `--set motion.max_shift_px=…`, or look for a loose baseplate."
    return Verdict("Motion", state, f"{usual:.1f} px", note, advice, lengths)


def judge_rois(rois: Rois | None, file_name: str) -> Verdict:
    """Judge the extraction by how many ROIs were found and accepted."""
    if rois is None:
        command = f"ace-nwb process extract {file_name}"
        return Verdict("ROIs", "missing", "–", "no neurons sought", f"Run `{command}`.")
    n_accepted = int(rois.accepted.sum())
    if rois.n_rois == 0 or n_accepted == 0:
        advice = "Lower `extract.min_correlation` and check `extract.cell_diameter_px`."
        return Verdict("ROIs", "problem", str(n_accepted), "no neuron accepted", advice)
    if not rois.is_evaluated or rois.snr is None:
        command = f"ace-nwb process evaluate {file_name}"
        note = "found; not evaluated yet"
        return Verdict("ROIs", "look", str(rois.n_rois), note, f"Run `{command}`.")
    snr = np.sort(rois.snr[np.isfinite(rois.snr)])[::-1]
    accepted_snr = rois.snr[rois.accepted & np.isfinite(rois.snr)]
    note = f"accepted of {rois.n_rois} found"
    if accepted_snr.size:
        note += f", median SNR {np.median(accepted_snr):.1f}"
    few = n_accepted / rois.n_rois < MIN_ACCEPTED_SHARE
    advice = "Many were rejected: compare the outlines with the images below." if few else ""
    return Verdict("ROIs", "look" if few else "good", str(n_accepted), note, advice, snr)


def judge_findings(findings: Sequence[Finding] | None, file_name: str) -> Verdict:
    """Judge the file by its validation."""
    if findings is None:
        command = f"ace-nwb validate {file_name}"
        return Verdict("Validation", "missing", "–", "not validated here", f"Run `{command}`.")
    n_failing = sum(not is_valid([finding]) for finding in findings)
    n_others = len(findings) - n_failing
    hints = f"{n_others} {'hint' if n_others == 1 else 'hints'}"
    if n_failing:
        advice = "Mend them before sharing; they are listed below."
        note = f"{'finding' if n_failing == 1 else 'findings'} to mend, {hints}"
        return Verdict("Validation", "problem", str(n_failing), note, advice)
    return Verdict("Validation", "good", "valid", f"no errors, {hints}")


def _grade(excess: float, bounds: tuple[float, ...]) -> State:
    """Return the state of a number that should not exceed either bound."""
    look, problem = bounds
    if excess > problem:
        return "problem"
    return "look" if excess > look else "good"
