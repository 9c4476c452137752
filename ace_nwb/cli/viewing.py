"""Verbs that show a session: report, movie."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from ace_nwb.cli.console import progress_bar, say
from ace_nwb.errors import ParameterError

Flag = Parameter(negative="")


def report(
    file: Path,
    /,
    *others: Path,
    output: Path | None = None,
    batch: Annotated[bool, Flag] = False,
) -> None:
    """Write a self-contained HTML page with the pictures of a session, or a table of sessions.

    Example: `ace-nwb report session.nwb`

    Example: `ace-nwb report --batch recordings --output overview.html`

    Parameters
    ----------
    file
        A session file; with --batch also a folder, whose session files are taken.
    others
        The page to write; with --batch more session files or folders.
    output
        The page to write: beside the file by default, with --batch sessions.html in the folder.
    batch
        Write the report of every session beside its file, and a table of all: a thumbnail, the
        verdicts, a link.
    """
    if batch:
        _report_batch([file, *others], output)
        return
    if len(others) > 1 or (others and output):
        raise ParameterError(
            f"{1 + len(others)} paths were given; one session file and the page to write were "
            "expected. Give --batch for a table of several sessions."
        )
    from ace_nwb.report import write_report

    target = output or (others[0] if others else file.with_suffix(".html"))
    findings, statuses = _check(file)
    write_report(file, target, findings=findings, stage_status=statuses)
    say(f"Wrote {target}.")


def movie(
    file: Path,
    /,
    *,
    out: Path | None = None,
    start: float | None = None,
    stop: float | None = None,
    channel: str | None = None,
    speed: float = 1.0,
) -> None:
    """Write an MP4 of raw, corrected, neural, background and residual movie above the signals.

    Example: `ace-nwb movie session.nwb --out clip.mp4 --start 120 --stop 150 --channel CSC1`

    Parts whose stage has not been run are left out.

    Parameters
    ----------
    file
        A session file.
    out
        The video to write; beside the file by default.
    start
        Seconds of the session clock; without start and stop the 30 s of most activity.
    stop
        Seconds of the session clock; 30 s after the start by default.
    channel
        Ephys channel to show; the first by default.
    speed
        How many times faster than life.
    """
    from ace_nwb.report.clip import ClipRequest, write_clip

    target = out or file.with_suffix(".mp4")
    request = ClipRequest(start, stop, channel, speed)
    with progress_bar("movie") as progress:
        clip = write_clip(file, target, request, progress=progress)
    names = ", ".join(panel.name for panel in clip.stage.panels)
    rois = "" if clip.n_rois is None else f", {clip.n_rois} ROIs"
    say(f"Wrote {target}: frames {clip.first_frame} to {clip.stop_frame - 1}, {names}{rois}.")


def _report_batch(paths: list[Path], output: Path | None) -> None:
    """Write the reports and the table of all sessions."""
    from ace_nwb.report.gallery import describe_states, find_sessions, write_gallery

    files = find_sessions(paths)
    folder = paths[0] if paths[0].is_dir() else paths[0].parent
    target = output or folder / "sessions.html"
    with progress_bar("report") as progress:
        entries = write_gallery(files, target, check=_check, progress=progress)
    for entry in entries:
        if entry.error:
            say(f"{entry.file_name}: {entry.error}")
    say(f"Wrote {target}. {describe_states(entries)}.")


def _check(file: Path) -> tuple[list[Any], list[Any]]:
    """Return the findings of a validation and the status of every stage."""
    from ace_nwb import pipeline
    from ace_nwb.archive import validate

    return validate(file), pipeline.status(file)
