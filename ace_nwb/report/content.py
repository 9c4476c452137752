"""Everything a report shows of a session: read in one pass, judged, and laid out in sections.

Each section is a file of `sections`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ace_nwb.archive import Finding
from ace_nwb.nwb.content.imaging import read_pixel_size
from ace_nwb.nwb.history import current_runs, read_runs
from ace_nwb.nwb.session import Session, open_session
from ace_nwb.report.sections.brightness import (
    BrightnessTrend,
    brightness_section,
    read_brightness,
)
from ace_nwb.report.sections.conditions import Effects, conditions_section, read_effects
from ace_nwb.report.sections.coupling import Relations, coupling_section, read_relations
from ace_nwb.report.sections.events import EventRaster, events_section, read_calcium_events
from ace_nwb.report.sections.facts import Facts, read_facts
from ace_nwb.report.sections.field import (
    Outlines,
    Rois,
    field_section,
    judge_rois,
    read_images,
    read_rois,
)
from ace_nwb.report.sections.frames import Frames, judge_frames, read_frames
from ace_nwb.report.sections.motion import ShiftCourse, judge_motion, motion_section, read_shifts
from ace_nwb.report.sections.parts import Section, Verdict
from ace_nwb.report.sections.phase import EventPhases, phase_section, read_phases
from ace_nwb.report.sections.spectrograms import (
    SpectrogramPiece,
    read_spectrograms,
    spectrogram_section,
)
from ace_nwb.report.sections.stages import HistoryRow, StageRow, list_history, list_stages
from ace_nwb.report.sections.sync import SyncFit, judge_sync, read_sync, sync_section
from ace_nwb.report.sections.traces import Traces, read_traces, traces_section
from ace_nwb.report.sections.validation import judge_findings
from ace_nwb.stages.running.status import StageStatus, stage_statuses, with_applicability

_REST_ON_TRACES = frozenset({"events", "spectrogram", "phase", "coupling"})
"""Sections that there cannot be where no ROI was found."""


@dataclass(frozen=True)
class SessionContent:
    """Everything a report can show of a session; `span_s` is the time axis of all figures."""

    facts: Facts
    span_s: tuple[float, float]
    frames: Frames | None = None
    sync: SyncFit | None = None
    motion: ShiftCourse | None = None
    brightness: BrightnessTrend | None = None
    images: dict[str, np.ndarray] = field(default_factory=dict)
    pixel_size_um: float | None = None
    outlines: Outlines | None = None
    rois: Rois | None = None
    traces: Traces | None = None
    events: EventRaster | None = None
    spectrograms: tuple[SpectrogramPiece, ...] = ()
    phases: EventPhases | None = None
    relations: Relations = field(default_factory=Relations)
    effects: tuple[Effects, ...] = ()
    stages: tuple[StageRow, ...] = ()
    history: tuple[HistoryRow, ...] = ()


def read_content(
    nwb_path: Path, stage_status: Sequence[StageStatus] | None = None
) -> SessionContent:
    """Read a session file; parts whose stage has not been run are left out.

    Parameters
    ----------
    nwb_path
        A session file.
    stage_status
        Status of every stage; derived from the history if not given.

    Raises
    ------
    SessionFileError
        If it is no readable session file.
    """
    with open_session(nwb_path) as session:
        return collect(session, stage_status)


def collect(session: Session, stage_status: Sequence[StageStatus] | None = None) -> SessionContent:
    """Return the content of an open session; see `read_content`."""
    runs = current_runs(session)
    if stage_status is None:
        stage_status = stage_statuses(runs, session.identifier)
    stage_status = with_applicability(stage_status, session)
    frames = read_frames(session)
    span_s = _span(frames)
    rois, outlines = read_rois(session)
    events = read_calcium_events(session, rois, span_s)
    phases = read_phases(session, rois, events)
    return SessionContent(
        facts=read_facts(session, frames),
        span_s=span_s,
        frames=frames,
        sync=read_sync(session),
        motion=read_shifts(session, runs),
        brightness=read_brightness(session),
        images=read_images(session),
        pixel_size_um=read_pixel_size(session),
        outlines=outlines,
        rois=rois,
        traces=read_traces(session, rois),
        events=events,
        spectrograms=read_spectrograms(session, phases.channel if phases else None),
        phases=phases,
        relations=read_relations(session),
        effects=read_effects(session),
        stages=list_stages(stage_status, runs),
        history=list_history(read_runs(session)),
    )


def build_sections(content: SessionContent, file_name: str) -> list[Section]:
    """Draw every section of the page.

    Parameters
    ----------
    content
        What was read from the session file.
    file_name
        Name of the file, for the commands that make what is missing.
    """
    span_s = content.span_s
    is_ranked = content.rois is not None and content.rois.is_evaluated
    sections = [
        field_section(content.images, content.outlines, content.pixel_size_um, file_name),
        brightness_section(content.brightness, span_s, file_name),
        motion_section(content.motion, span_s, file_name),
        traces_section(content.traces, span_s, file_name, is_ranked=is_ranked),
        sync_section(content.sync, content.frames, span_s, file_name),
        events_section(content.events, span_s, file_name),
        spectrogram_section(content.spectrograms, span_s, file_name),
        phase_section(content.phases, file_name),
        coupling_section(content.relations, span_s, file_name),
        conditions_section(content.effects),
    ]
    if content.rois is not None and not content.rois.n_rois:
        sections = _without_rois(sections)
    return [section for section in sections if section.rows or section.absent]


def _without_rois(sections: Sequence[Section]) -> list[Section]:
    """Return the sections of a session in which extraction has found nothing; they say it once."""
    words = "0 ROIs: extraction has found none, so there are no traces, events or relations."
    return [
        Section(one.anchors, one.title, absent=words) if "traces" in one.anchors else one
        for one in sections
        if not _REST_ON_TRACES.intersection(one.anchors)
    ]


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


def _span(frames: Frames | None) -> tuple[float, float]:
    """Return the time axis of all figures: from the first frame to the last."""
    if frames is None or not frames.duration_s > 0:
        return 0.0, 1.0
    return frames.start_s, frames.start_s + frames.duration_s
