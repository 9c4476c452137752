"""Verbs that show a session: report, movie."""

from pathlib import Path

from ace_nwb.cli.console import progress_bar


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
    print(f"Wrote {target}: frames {clip.first_frame} to {clip.stop_frame - 1}, {names}.")
