"""The alignment of the clocks: read, judged, drawn and worded."""

from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ace_nwb.nwb import layout
from ace_nwb.nwb.content.movie import NwbMovie
from ace_nwb.nwb.content.sync import (
    read_clock_fit,
    read_device_times,
    read_ledger,
    read_low_confidence,
)
from ace_nwb.nwb.objects.columns import read_columns
from ace_nwb.nwb.session import Session
from ace_nwb.report import theme
from ace_nwb.report.sections.frames import Frames, draw_lost_frames, frames_rows
from ace_nwb.report.sections.parts import Section, Verdict, grade, make_picture
from ace_nwb.report.wording import format_percent, format_signed, plain_label
from ace_nwb.sync.corrections import Correction

MIN_MATCHED_SHARE = (0.99, 0.9)  # below: look, problem
MAX_DRIFT_PPM = 500.0  # quartz clocks differ by less than 100 ppm; more means a wrong match


@dataclass(frozen=True)
class Flashes:
    """Flashes in the movie against their markers.

    Parameters
    ----------
    times_s, offset_frames
        Time of each marker, and frames from there to its flash, shape (marker,); NaN without one.
    summary
        The check in words.
    """

    times_s: np.ndarray
    offset_frames: np.ndarray
    summary: str

    @property
    def agree(self) -> bool:
        """Whether every marker has its flash within one frame."""
        return bool(len(self.times_s) and np.all(np.abs(self.offset_frames) <= 1))


@dataclass(frozen=True)
class SyncFit:
    """How well the camera's clock was aligned to the ephys clock.

    Parameters
    ----------
    times_s, residuals_ms
        Aligned time of each matched frame, and how late its device time is, shape (frame,).
    clock_times_s, clock_difference_ms
        The fitted device clock minus the session clock, less its first value, shape (frame,).
    drift_ppm
        How much faster the camera's clock runs, parts per million.
    n_matched, n_frames
        Frames with a pulse of their own, and all frames.
    verdict, reasons
        What the alignment says of itself ("pass" or "warn"), and why.
    line
        Name of the TTL line with the frames' pulses.
    method
        How the clocks were aligned.
    low_confidence_s
        (start, stop) of spans that were interpolated, shape (span, 2).
    evidence
        What the alignment rests on.
    corrections
        Corrections by people that it obeyed, one sentence each.
    flashes
        The independent check by flashes of light, if it was made.
    """

    times_s: np.ndarray
    residuals_ms: np.ndarray
    clock_times_s: np.ndarray
    clock_difference_ms: np.ndarray
    drift_ppm: float
    n_matched: int
    n_frames: int
    verdict: str = "pass"
    reasons: str = ""
    line: str = ""
    method: str = "pulses"
    low_confidence_s: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))
    evidence: str = ""
    corrections: tuple[str, ...] = ()
    flashes: "Flashes | None" = None


def read_sync(session: Session) -> SyncFit | None:
    """Return how well the clocks were aligned, or None before the stage sync."""
    if not session.has(layout.CLOCK_FIT):
        return None
    ledger, fit = read_ledger(session), read_clock_fit(session)
    device_s = read_device_times(session, layout.MOVIE)
    session_s = NwbMovie(session).timestamps
    frame = _saved_rows(ledger, len(session_s))
    has_pulses = "pulse" in ledger
    lateness_s = ledger["residual_s"] if has_pulses else np.zeros(len(ledger["confidence"]))
    is_matched = ledger["pulse"][frame] >= 0 if has_pulses else ledger["confidence"][frame] >= 1
    ahead_s = device_s - lateness_s[frame] - session_s  # without the jitter of the time stamps
    return SyncFit(
        times_s=session_s[is_matched],
        residuals_ms=1e3 * lateness_s[frame][is_matched],
        clock_times_s=session_s,
        clock_difference_ms=1e3 * (ahead_s - ahead_s[0]),
        drift_ppm=float(fit["drift_ppm"][0]),
        n_matched=int(is_matched.sum()),
        n_frames=len(session_s),
        verdict=str(fit["verdict"][0]),
        reasons=str(fit["reasons"][0]),
        line=str(fit["line"][0]) if "line" in fit else "",
        method=str(fit["method"][0]) if "method" in fit else "pulses",
        low_confidence_s=read_low_confidence(session),
        evidence=str(fit["evidence"][0]) if "evidence" in fit else "",
        corrections=_list_corrections(session),
        flashes=_read_flashes(session),
    )


def judge_sync(sync: SyncFit | None, file_name: str) -> Verdict:
    """Judge the alignment by how many frames found a pulse, by the drift, and by what it says."""
    if sync is None:
        command = f"ace-nwb sync {file_name}"
        return Verdict("Sync", "missing", "–", "clocks not aligned", f"Run `{command}`.")
    share = sync.n_matched / max(sync.n_frames, 1)
    state = grade(1 - share, tuple(1 - bound for bound in MIN_MATCHED_SHARE))
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


def sync_section(
    sync: SyncFit | None, frames: Frames | None, span_s: tuple[float, float], file_name: str
) -> Section:
    """Show the alignment, or lost frames alone."""
    anchors, title = ("sync", "frames"), "Clock alignment and lost frames"
    if sync is None:
        rows = frames_rows(frames, span_s)
        command = f"ace-nwb sync {file_name}"
        return Section(anchors, title, rows, f"Clocks not aligned yet: `{command}` aligns them.")
    line = f"Frames matched to {plain_label(sync.line)}. " if sync.line else ""
    with theme.figure_theme():
        figure = sync_figure(sync, frames, span_s)
    flashes = sync.flashes
    picture = make_picture(
        "sync",
        title,
        figure,
        caption=f"{line}From the top: how far the camera's clock has run from the ephys clock; "
        "how late its own time stamps are against the fitted clock; how long each frame lasted; "
        "frames that were lost"
        + ("; how far each flash of light stands from its marker." if flashes else "."),
        good="a straight drift, lateness of a few ms without steps, few lost frames"
        + (", flashes within one frame." if flashes else "."),
    )
    said = [sync.evidence]
    said += [f"Corrected by hand: {text}." for text in sync.corrections]
    said += [flashes.summary] if flashes else []
    return Section(anchors, title, ((picture,),), " ".join(filter(None, said)))


def sync_figure(sync: SyncFit, frames: Frames | None, span_s: tuple[float, float]) -> Figure:
    """Return drift, residuals, frame intervals and lost frames over time, below each other.

    Below them stands the check by flashes, if it was made.

    Parameters
    ----------
    sync
        The alignment.
    frames
        Where frames were lost; the strip is left out without it.
    span_s
        Time axis, from and to.
    """
    heights = [90, 110, 70]
    heights += [22] if frames is not None else []
    heights += [60] if sync.flashes is not None else []
    figure, panels = theme.stack_panels(heights)
    draw_drift(panels[0], sync, span_s)
    draw_residuals(panels[1], sync, span_s)
    draw_intervals(panels[2], sync, span_s)
    if frames is not None:
        draw_lost_frames(panels[3], frames.lost_times_s, span_s)
    if sync.flashes is not None:
        draw_flashes(panels[-1], sync.flashes, span_s)
    for panel in panels:
        theme.style_time_axis(panel, span_s, label=panel is panels[-1])
    theme.align_y_labels(panels)
    return figure


def draw_drift(panel: Axes, sync: SyncFit, span_s: tuple[float, float]) -> None:
    """Draw how far the two clocks have drifted apart."""
    theme.plot_line(
        panel, sync.clock_times_s, sync.clock_difference_ms, colour=theme.THIRD, span_s=span_s
    )
    theme.name_lines(panel, ((format_signed(sync.drift_ppm, "ppm"), theme.THIRD),))
    theme.style_value_axis(panel, "drift (ms)", n_ticks=3)


def draw_residuals(panel: Axes, sync: SyncFit, span_s: tuple[float, float]) -> None:
    """Draw the distance of frames from the fit, and shade spans without pulses of their own."""
    divisor = theme.time_unit(span_s)[0]
    kept = theme.scatter_indices(sync.residuals_ms, n_points=1000)
    panel.plot(
        sync.times_s[kept] / divisor,
        sync.residuals_ms[kept],
        ".",
        color=theme.CALCIUM,
        markersize=3.8,
        markeredgewidth=0,
    )
    for start_s, stop_s in sync.low_confidence_s:
        panel.axvspan(
            start_s / divisor, stop_s / divisor, color=theme.ALERT, alpha=0.15, linewidth=0
        )
    lowest = float(np.nanmin(sync.residuals_ms, initial=-0.5))
    largest = float(np.nanmax(sync.residuals_ms, initial=0.5))
    margin = 0.1 * (largest - lowest)
    panel.set_ylim(lowest - margin, largest + margin)
    theme.style_value_axis(panel, "residual (ms)")
    panel.axhline(0, color=theme.MUTED, linewidth=0.8)


def draw_intervals(panel: Axes, sync: SyncFit, span_s: tuple[float, float]) -> None:
    """Draw how long each frame lasted on the ephys clock: multiples where frames were lost."""
    divisor = theme.time_unit(span_s)[0]
    intervals_ms = 1e3 * np.diff(sync.clock_times_s)
    if not len(intervals_ms):
        return
    kept = theme.scatter_indices(intervals_ms, n_points=1000)
    panel.plot(
        sync.clock_times_s[1:][kept] / divisor,
        intervals_ms[kept],
        ".",
        color=theme.EPHYS,
        markersize=3.8,
        markeredgewidth=0,
    )
    panel.set_ylim(0, 1.15 * float(np.nanmax(intervals_ms)))
    theme.style_value_axis(panel, "interval (ms)", n_ticks=3)


def draw_flashes(panel: Axes, flashes: Flashes, span_s: tuple[float, float]) -> None:
    """Draw how many frames each flash stands from its marker; beyond one it contradicts."""
    divisor = theme.time_unit(span_s)[0]
    away = np.abs(flashes.offset_frames) > 1
    for kept, colour in ((~away, theme.CALCIUM), (away, theme.ALERT)):
        x, y = flashes.times_s[kept] / divisor, flashes.offset_frames[kept]
        panel.plot(x, y, ".", color=colour, markersize=5, markeredgewidth=0)
    reach = 1.5 + float(np.nanmax(np.abs(flashes.offset_frames), initial=1.0))
    panel.set_ylim(-reach, reach)
    panel.axhspan(-1, 1, color=theme.MUTED, alpha=0.15, linewidth=0)
    theme.style_value_axis(panel, "flash (frames)", n_ticks=3)


def _list_corrections(session: Session) -> tuple[str, ...]:
    """Return the corrections by people, in words."""
    if not session.has(layout.CORRECTIONS):
        return ()
    columns = read_columns(session.get(layout.CORRECTIONS))
    order = ("kind", "frame", "first_edge", "last_edge", "reason", "author")
    return tuple(
        str(Correction(*row))
        for row in zip(*(columns[name].tolist() for name in order), strict=True)
    )


def _read_flashes(session: Session) -> Flashes | None:
    """Return the check by flashes, or None if it was not made."""
    if not session.has(layout.FLASH_CHECK):
        return None
    table = session.get(layout.FLASH_CHECK)
    columns = read_columns(table)
    return Flashes(columns["marker_time_s"], columns["offset_frames"], str(table.description))


def _saved_rows(ledger: dict[str, np.ndarray], n_frames: int) -> np.ndarray:
    """Return the ledger's row of each frame of the movie, shape (frame,)."""
    frame = ledger["movie_frame"].astype(int)
    rows = np.empty(n_frames, int)
    saved = np.flatnonzero((frame >= 0) & (frame < n_frames))
    rows[frame[saved]] = saved
    return rows
