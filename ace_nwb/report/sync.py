"""Figures of the clock alignment and of lost frames.

Arrays in, matplotlib figures out; call inside `theme.figure_theme`.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ace_nwb.report import theme
from ace_nwb.report.content import Flashes, Frames, SyncFit
from ace_nwb.report.wording import format_signed


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


def frames_figure(frames: Frames, span_s: tuple[float, float]) -> Figure:
    """Return where frames were lost, when there is no alignment to show."""
    figure, (panel,) = theme.stack_panels([26])
    draw_lost_frames(panel, frames.lost_times_s, span_s)
    theme.style_time_axis(panel, span_s)
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


def draw_lost_frames(panel: Axes, lost_times_s: np.ndarray, span_s: tuple[float, float]) -> None:
    """Draw one tick where each lost frame should have been."""
    divisor = theme.time_unit(span_s)[0]
    times = np.unique(np.round(lost_times_s / divisor, 3))
    x = np.repeat(times, 3)
    y = np.tile([0.0, 1.0, np.nan], len(times))
    panel.plot(x, y, color=theme.ALERT, linewidth=1.2, solid_capstyle="butt")
    panel.set_ylim(0, 1)
    panel.set_yticks([])
    panel.spines["left"].set_visible(False)
    panel.annotate(
        "lost",
        (0, 0.5),
        xycoords="axes fraction",
        xytext=(-10, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        annotation_clip=False,
    )
    if not len(times):
        panel.annotate(
            "no frame lost",
            (0.5, 0.5),
            xycoords="axes fraction",
            ha="center",
            va="center",
            color=theme.MUTED,
        )
