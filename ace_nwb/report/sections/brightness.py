"""Brightness over time, and the bleaching trend that is taken out."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from ace_nwb.nwb import layout
from ace_nwb.nwb.content.series import read_series
from ace_nwb.nwb.session import Session
from ace_nwb.report import theme
from ace_nwb.report.sections.parts import Section, absent, make_picture


@dataclass(frozen=True)
class BrightnessTrend:
    """Mean fluorescence of every frame and the bleaching trend fitted to it, same unit."""

    times_s: np.ndarray
    mean: np.ndarray
    trend: np.ndarray | None


def read_brightness(session: Session) -> BrightnessTrend | None:
    """Return the mean fluorescence with the bleaching trend scaled to it."""
    if not session.has(layout.MEAN_FLUORESCENCE):
        return None
    times_s, mean = read_series(session, layout.MEAN_FLUORESCENCE)
    if not session.has(layout.BLEACHING_TREND):
        return BrightnessTrend(times_s, mean, None)
    trend = read_series(session, layout.BLEACHING_TREND)[1]
    return BrightnessTrend(times_s, mean, trend * np.nanmedian(mean / trend))


def brightness_section(
    trend: BrightnessTrend | None, span_s: tuple[float, float], file_name: str
) -> Section:
    """Show brightness and bleaching."""
    anchors, title = ("brightness",), "Brightness"
    if trend is None:
        return absent(anchors, title, f"ace-nwb process preprocess {file_name}")
    with theme.figure_theme():
        figure = brightness_figure(trend, span_s)
    picture = make_picture(
        "brightness",
        title,
        figure,
        caption="Mean fluorescence of every frame, and the bleaching trend that is taken out.",
        good="a slow fall that the trend follows; steps mean the light or the gain was changed.",
    )
    return Section(anchors, title, ((picture,),))


def brightness_figure(brightness: BrightnessTrend, span_s: tuple[float, float]) -> Figure:
    """Return mean fluorescence over time with the bleaching trend."""
    figure, (panel,) = theme.stack_panels([150])
    theme.plot_line(panel, brightness.times_s, brightness.mean, colour=theme.CALCIUM, span_s=span_s)
    if brightness.trend is not None:
        theme.plot_line(
            panel, brightness.times_s, brightness.trend, colour=theme.INK, span_s=span_s
        )
        panel.lines[-1].set(linewidth=1.8, linestyle=(0, (5, 2)))
        theme.name_line(panel, "trend", y=float(brightness.trend[-1]), colour=theme.INK)
    theme.style_value_axis(panel, "brightness (a.u.)")
    theme.style_time_axis(panel, span_s)
    theme.align_y_labels([panel])
    return figure
