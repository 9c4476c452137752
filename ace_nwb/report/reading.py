"""Take everything a report shows from a session file, in one pass over it."""

from collections.abc import Sequence
from pathlib import Path

from ace_nwb.nwb.content.imaging import read_pixel_size
from ace_nwb.nwb.history import current_runs, read_runs
from ace_nwb.nwb.session import Session, open_session
from ace_nwb.report import recording, results
from ace_nwb.report.content import Frames, SessionContent
from ace_nwb.report.relations import read_relations
from ace_nwb.stages.running.status import StageStatus, stage_statuses, with_applicability


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
    frames = recording.read_frames(session)
    span_s = _span(frames)
    rois, outlines = results.read_rois(session)
    events = results.read_calcium_events(session, rois, span_s)
    phases = results.read_phases(session, rois, events)
    return SessionContent(
        facts=recording.read_facts(session, frames),
        span_s=span_s,
        frames=frames,
        sync=recording.read_sync(session),
        motion=results.read_shifts(session, runs),
        brightness=results.read_brightness(session),
        images=results.read_images(session),
        pixel_size_um=read_pixel_size(session),
        outlines=outlines,
        rois=rois,
        traces=results.read_traces(session, rois),
        events=events,
        spectrograms=results.read_spectrograms(session, phases.channel if phases else None),
        phases=phases,
        relations=read_relations(session),
        stages=results.list_stages(stage_status, runs),
        history=results.list_history(read_runs(session)),
    )


def _span(frames: Frames | None) -> tuple[float, float]:
    """Return the time axis of all figures: from the first frame to the last."""
    if frames is None or not frames.duration_s > 0:
        return 0.0, 1.0
    return frames.start_s, frames.start_s + frames.duration_s
