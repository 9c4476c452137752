"""Figures of how calcium and ephys relate.

Arrays in, matplotlib figures out; call inside `theme.figure_theme`.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ace_nwb.report import theme
from ace_nwb.report.content import Band, Course, Effects
from ace_nwb.report.wording import plain_label

SMALL_WIDTH_PX, SMALL_HEIGHT_PX = 430, 290
BOX = (64, 34, 346, 200)
LEVEL = 0.05
MAX_SUBJECTS = 400


def histogram_figure(bands: Sequence[Band]) -> Figure:
    """Return events per bin of phase of every channel, over the band that moved events keep to."""
    figure, panels = _row_of_panels(len(bands))
    for panel, band in zip(panels, bands, strict=True):
        width = float(band.x[1] - band.x[0]) if len(band.x) > 1 else 2 * np.pi
        panel.bar(
            band.x, band.values, width=width * 0.92, color=theme.CALCIUM, alpha=0.75, zorder=2
        )
        edges = np.append(band.x - width / 2, band.x[-1] + width / 2)
        for limits in (band.null_lower, band.null_upper):
            panel.stairs(limits, edges, color=theme.INK, linestyle=(0, (3, 2)), zorder=3)
        panel.set_ylim(0, 1.18 * max(band.values.max(), band.null_upper.max(), 1))
        panel.set_xlim(-np.pi, np.pi)
        panel.set_xticks(np.linspace(-np.pi, np.pi, 5), ("−π", "−π/2", "0 peak", "π/2", "π"))
        panel.set_xlabel("phase (rad)")
        _title(panel, band)
    theme.style_value_axis(panels[0], "events")
    return figure


def coherence_figure(bands: Sequence[Band]) -> Figure:
    """Return the coherence of the mean trace with every channel, over what chance gives."""
    figure, panels = _row_of_panels(len(bands))
    for panel, band in zip(panels, bands, strict=True):
        _draw_band(panel, band, colour=theme.EPHYS)
        panel.set_ylim(0, 1)
        panel.set_xlim(float(band.x[0]), float(band.x[-1]))
        panel.set_xlabel("frequency (Hz)")
    theme.style_value_axis(panels[0], "coherence")
    return figure


def course_figure(course: Course, span_s: tuple[float, float]) -> Figure:
    """Return the coherence of the mean trace with one channel over time."""
    figure, (panel,) = theme.stack_panels([125], top_px=28)
    divisor = theme.time_unit(span_s)[0]
    times, frequencies = _edges(course.times_s) / divisor, _edges(course.frequencies_hz)
    picture = panel.imshow(
        course.coherence.T,
        cmap="magma",
        vmin=0,
        vmax=1,
        extent=(times[0], times[-1], max(frequencies[0], 0), frequencies[-1]),
        origin="lower",
        aspect="auto",
        interpolation="none",
    )
    panel.set_title(plain_label(course.channel), color=theme.EPHYS)
    panel.set_ylabel("frequency (Hz)")
    bar = panel.inset_axes((1.012, 0, 0.012, 1))
    figure.colorbar(picture, cax=bar)
    bar.set_ylabel("coherence")
    bar.spines[:].set_visible(False)
    theme.style_time_axis(panel, span_s)
    theme.align_y_labels([panel])
    return figure


def perievent_figure(bands: Sequence[Band]) -> Figure:
    """Return the mean trace around triggers, over the band that moved triggers keep to."""
    figure, panels = _row_of_panels(len(bands))
    for panel, band in zip(panels, bands, strict=True):
        _draw_band(panel, band, colour=theme.CALCIUM)
        panel.axvline(0, color=theme.MUTED, linewidth=0.8)
        panel.set_xlim(float(band.x[0]), float(band.x[-1]))
        panel.set_xlabel("time from event (s)")
    theme.style_value_axis(panels[0], "mean ΔF/F")
    return figure


def effects_figure(effects: Effects) -> Figure:
    """Return the effect size of every subject with its interval, in ascending order."""
    figure, panel = _small_figure()
    order = np.argsort(effects.effect, kind="stable")[:MAX_SUBJECTS]
    rank = np.arange(len(order))
    is_sure = effects.q_value[order] < LEVEL
    for kept, colour in ((~is_sure, theme.FAINT), (is_sure, theme.CALCIUM)):
        rows = order[kept]
        panel.vlines(rank[kept], effects.lower[rows], effects.upper[rows], color=colour)
        panel.plot(rank[kept], effects.effect[rows], "o", color=colour, markersize=3.5)
    panel.axhline(0, color=theme.MUTED, linewidth=0.8)
    # A few wide intervals would press all the others flat; they run out of the picture.
    reach = 1.15 * np.nanpercentile(np.abs([effects.lower[order], effects.upper[order]]), 95)
    reach = max(reach, 1.15 * float(np.nanmax(np.abs(effects.effect[order]), initial=0.0)), 0.5)
    panel.set_ylim(-reach, reach)
    theme.style_value_axis(panel, "effect size (g)")
    panel.set_xticks([])
    panel.set_xlabel("sorted")
    panel.set_title(plain_label(effects.measure))
    return figure


def _small_figure() -> tuple[Figure, Axes]:
    figure = theme.new_figure(SMALL_WIDTH_PX, SMALL_HEIGHT_PX)
    return figure, theme.add_panel(figure, BOX)


def _row_of_panels(n_panels: int) -> tuple[Figure, list[Axes]]:
    """Return a figure of the page's width with panels side by side."""
    figure = theme.new_figure(theme.FIGURE_WIDTH_PX, SMALL_HEIGHT_PX)
    gap_px = 44
    inner_px = theme.FIGURE_WIDTH_PX - theme.LEFT_PX - 20 - gap_px * (n_panels - 1)
    width_px = min(inner_px / n_panels, 360)
    return figure, [
        theme.add_panel(figure, (theme.LEFT_PX + i * (width_px + gap_px), BOX[1], width_px, BOX[3]))
        for i in range(n_panels)
    ]


def _draw_band(panel: Axes, band: Band, *, colour: str) -> None:
    """Draw the band of chance, the interval and the curve, with name and note above."""
    panel.fill_between(
        band.x, band.null_lower, band.null_upper, color=theme.GRID, linewidth=0, zorder=1
    )
    panel.fill_between(
        band.x, band.lower, band.upper, color=colour, alpha=0.25, linewidth=0, zorder=2
    )
    panel.plot(band.x, band.values, color=colour, zorder=3)
    _title(panel, band)


def _title(panel: Axes, band: Band) -> None:
    """Write name and note above the panel."""
    panel.set_title(plain_label(band.name), fontsize=11)
    panel.annotate(
        band.note,
        (1, 1),
        xycoords="axes fraction",
        xytext=(0, -4),
        textcoords="offset points",
        ha="right",
        va="top",
        color=theme.MUTED,
        fontsize=9.5,
    )


def _edges(centres: np.ndarray) -> np.ndarray:
    """Return the outer edges of evenly spaced cells from their centres."""
    step = float(centres[1] - centres[0]) if len(centres) > 1 else 1.0
    return np.array([centres[0] - step / 2, centres[-1] + step / 2])
