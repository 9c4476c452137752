"""One picture of a session: the neurons, their traces above the LFP, and the clock's residuals."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ace_nwb.errors import RequirementError
from ace_nwb.forms.commands import quoted
from ace_nwb.nwb.session import open_session
from ace_nwb.report import theme
from ace_nwb.report.content import SessionContent, collect
from ace_nwb.report.ephys_line import Line, read_ephys_line
from ace_nwb.report.sections.field import draw_image, draw_length_bar, draw_outlines
from ace_nwb.report.sections.sync import SyncFit, draw_residuals
from ace_nwb.report.sections.traces import Traces, busiest_span, draw_scale_bar, draw_traces
from ace_nwb.report.wording import format_signed, plain_label
from ace_nwb.report.writing import refuse_overwriting, save_file

WIDTH_PX, HEIGHT_PX = 900, 520
"""Pixels of the drawing, at 72 px per inch; a page of a paper is 8.3 inches."""
PNG_WIDTH_PX = 1400  # px: sharp on a screen of twice the density
N_TRACES = 12  # traces at which names of 10 px do not touch
SPAN_S = 60.0  # seconds: single events keep their shape over 378 px
_TOP_PX, _LEFT_WIDTH_PX, _RIGHT_LEFT_PX, _RIGHT_WIDTH_PX = 34, 330, 446, 378
"""Pixels within the drawing: two columns with room for labels between."""
_EPHYS_HEIGHT_PX = 84  # px: as in the clip


def write_overview_png(nwb_path: Path, png_path: Path) -> Path:
    """Write one picture of a session, 1400 pixels wide, for a README or a slide.

    Parameters
    ----------
    nwb_path
        A session file in which the stages summary and extract have been run; it is only read.
    png_path
        The picture to write; an existing one is replaced.

    Returns
    -------
    pathlib.Path
        The picture.

    Raises
    ------
    RequirementError
        If there are no images or no traces yet.
    OutputError
        If the picture cannot be written there.
    """
    nwb_path, png_path = Path(nwb_path), Path(png_path)
    refuse_overwriting(nwb_path, png_path)
    with open_session(nwb_path) as session:
        content = collect(session)
        channel = content.phases.channel if content.phases else None
        ephys = read_ephys_line(session, overview_span(content), channel)
    if content.traces is None or not content.images:
        raise RequirementError(
            f"{nwb_path} holds no summary images or no traces, which the overview shows. "
            f"Run `ace-nwb run {quoted(nwb_path.name)}` first."
        )
    with theme.figure_theme():
        figure = overview_figure(content, ephys)
    png = theme.to_png(figure, dpi=theme.PX_PER_INCH * PNG_WIDTH_PX / WIDTH_PX)
    return save_file(png, png_path)


def overview_span(content: SessionContent) -> tuple[float, float]:
    """Return the minute of most activity, or all of a shorter recording."""
    busiest = busiest_span(content.traces, from_s=SPAN_S) if content.traces is not None else None
    return busiest or content.span_s


def overview_figure(content: SessionContent, ephys: Line | None) -> Figure:
    """Compose the overview from what was read of a session; call inside `theme.figure_theme`.

    Parameters
    ----------
    content
        What was read; images and traces must be there.
    ephys
        A channel within `overview_span`, or None.
    """
    figure = theme.new_figure(WIDTH_PX, HEIGHT_PX)
    figure.set_facecolor("white")
    image = content.images.get("correlation", next(iter(content.images.values())))
    bottom = _draw_field(figure, image, content)
    if content.sync is not None:
        _draw_sync(figure, content.sync, content.span_s, top=bottom + 84)
    if content.traces is not None:
        _draw_signals(figure, content.traces, ephys, overview_span(content))
    return figure


def _draw_field(figure: Figure, image: np.ndarray, content: SessionContent) -> float:
    """Draw the correlation image with outlines at the upper left; return where it ends, px."""
    largest = HEIGHT_PX - _TOP_PX - 176
    height = min(_LEFT_WIDTH_PX * image.shape[0] / image.shape[1], largest)
    width = height * image.shape[1] / image.shape[0]
    panel = theme.add_panel(figure, (56, _TOP_PX, width, height))
    draw_image(panel, image)
    title = "Neurons"
    if content.outlines is not None:
        draw_outlines(panel, content.outlines.of_accepted(), with_numbers=False)
        title = f"{int(content.outlines.accepted.sum())} neurons on the local correlation"
    draw_length_bar(panel, image.shape, content.pixel_size_um)
    panel.set_title(title)
    return _TOP_PX + height


def _draw_sync(figure: Figure, fit: SyncFit, span_s: tuple[float, float], *, top: float) -> None:
    """Draw the residuals of the whole recording at the lower left."""
    height = min(HEIGHT_PX - 44 - top, 140)
    panel = theme.add_panel(figure, (56, HEIGHT_PX - 44 - height, _LEFT_WIDTH_PX, height))
    draw_residuals(panel, fit, span_s)
    theme.style_time_axis(panel, span_s, n_ticks=6)
    panel.set_title(f"Frames on the ephys clock: {format_signed(fit.drift_ppm, 'ppm')}")


def _draw_signals(
    figure: Figure, traces: Traces, ephys: Line | None, span_s: tuple[float, float]
) -> None:
    """Draw the best traces above the ephys channel, on one time axis, at the right."""
    kept = slice(0, N_TRACES)
    best = Traces(
        traces.times_s,
        traces.numbers[kept],
        traces.raw[:, kept],
        None if traces.denoised is None else traces.denoised[:, kept],
        traces.unit,
    )
    below = _EPHYS_HEIGHT_PX + 34 if ephys is not None else 0
    height = HEIGHT_PX - 44 - _TOP_PX - below
    panel = theme.add_panel(figure, (_RIGHT_LEFT_PX, _TOP_PX, _RIGHT_WIDTH_PX, height))
    spacing = draw_traces(panel, best, span_s)
    draw_scale_bar(panel, spacing, best.unit)
    panel.set_title("Calcium traces, measured and denoised")
    panel.set_ylabel("ROI number")
    theme.style_time_axis(panel, span_s, label=ephys is None, n_ticks=6)
    panels: list[Any] = [panel]
    if ephys is not None:
        panel.tick_params(labelbottom=False)
        panels.append(_draw_ephys(figure, ephys, span_s))
    theme.align_y_labels(panels, offset_px=42)


def _draw_ephys(figure: Figure, ephys: Line, span_s: tuple[float, float]) -> Axes:
    """Draw the ephys channel below the traces."""
    top = HEIGHT_PX - 44 - _EPHYS_HEIGHT_PX
    panel = theme.add_panel(figure, (_RIGHT_LEFT_PX, top, _RIGHT_WIDTH_PX, _EPHYS_HEIGHT_PX))
    inside = (ephys.times_s >= span_s[0]) & (ephys.times_s <= span_s[1])
    theme.plot_line(
        panel, ephys.times_s[inside], ephys.values[inside], colour=theme.EPHYS, span_s=span_s
    )
    panel.lines[-1].set_linewidth(0.8)
    panel.set_title(plain_label(ephys.name), color=theme.EPHYS)
    theme.style_value_axis(panel, ephys.unit, n_ticks=3)
    theme.style_time_axis(panel, span_s, n_ticks=6)
    return panel
