"""Figures of the field of view: images with outlines, brightness and motion over time.

Arrays in, matplotlib figures out; call inside `theme.figure_theme`. Signals are in `signals`.
"""

import contourpy
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from ace_nwb.report import theme
from ace_nwb.report.content import Brightness, Motion, Outlines

OUTLINE_LEVEL = 0.35  # of the footprint's own peak
MAX_IMAGE_SIDE_PX = 640
MAX_NUMBERED_ROIS = 60  # on a small image
MAX_VECTOR_ROIS = 400
IMAGE_WIDTH_PX = 430
LONGEST_BAR = 0.3
"""Longest bar of length, as a share of the width: it should not hide the field."""

_BAR_MARGIN = 0.05
"""Distance of the bar from the edge, as a share of the side."""

_UM_PER_MM = 1000.0
_IMAGE_MARGINS_PX = (46, 8, 12, 42)  # left, top, right, bottom


def trace_outline(
    rows: np.ndarray, columns: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Return the closed lines around a footprint at `OUTLINE_LEVEL` of its peak.

    Parameters
    ----------
    rows, columns, weights
        Where each pixel of one ROI is, and its weight, shape (pixel,).

    Returns
    -------
    tuple of numpy.ndarray
        Each of shape (vertex, 2) as (row, column); empty if the footprint is.
    """
    if not np.any(weights > 0):
        return ()
    top, left = rows.min(), columns.min()
    patch = np.zeros((rows.max() - top + 3, columns.max() - left + 3))  # one pixel of margin
    patch[rows - top + 1, columns - left + 1] = weights
    lines = contourpy.contour_generator(z=patch).lines(OUTLINE_LEVEL * patch.max())
    return tuple(np.asarray(line)[:, ::-1] + (top - 1, left - 1) for line in lines)


def draw_image(panel: Axes, image: np.ndarray, *, colour_map: str = "gray") -> None:
    """Show an image with its grey levels between the 1st and the 99.7th percentile."""
    n_rows, n_columns = image.shape
    finite = image[np.isfinite(image)]
    low, high = np.percentile(finite, (1, 99.7)) if finite.size else (0.0, 1.0)
    panel.imshow(
        _shrink(image),
        cmap=colour_map,
        vmin=low,
        vmax=high if high > low else low + 1,
        extent=(-0.5, n_columns - 0.5, n_rows - 0.5, -0.5),
        interpolation="none",
        aspect="equal",
    )
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_locator(MaxNLocator(4, integer=True))
    for spine in panel.spines.values():
        spine.set_visible(False)
    panel.set_xlabel("column (px)")
    panel.set_ylabel("row (px)")


def _shrink(image: np.ndarray) -> np.ndarray:
    """Average blocks of pixels until the longer side is no more than the page can show."""
    factor = -(-max(image.shape) // MAX_IMAGE_SIDE_PX)
    if factor == 1:
        return image
    n_rows, n_columns = (side // factor * factor for side in image.shape)
    blocks = image[:n_rows, :n_columns].reshape(n_rows // factor, factor, -1, factor)
    return blocks.mean(axis=(1, 3))


def draw_outlines(panel: Axes, outlines: Outlines, *, with_numbers: bool) -> None:
    """Draw accepted ROIs as full lines and rejected ones dashed, with their numbers."""
    many = len(outlines.numbers) > MAX_VECTOR_ROIS
    for kept, colour, style, width in (
        (~outlines.accepted, theme.REJECTED, (0, (2.4, 1.6)), 0.8),
        (outlines.accepted, theme.ACCEPTED, "solid", 1.1),
    ):
        lines = [line[:, ::-1] for i in np.flatnonzero(kept) for line in outlines.contours[i]]
        collection = LineCollection(lines, colors=colour, linewidths=width, linestyles=[style])
        collection.set_rasterized(many)
        panel.add_collection(collection, autolim=False)
    if with_numbers:
        _draw_numbers(panel, outlines)


def _draw_numbers(panel: Axes, outlines: Outlines) -> None:
    """Write each ROI's number at the upper right of its outline."""
    size = 8.5 if len(outlines.numbers) <= MAX_NUMBERED_ROIS else 7.5
    for number, lines, kept in zip(
        outlines.numbers, outlines.contours, outlines.accepted, strict=True
    ):
        if not lines:
            continue
        vertices = np.concatenate(lines)
        row, column = vertices[:, 0].min(), vertices[:, 1].max()
        panel.annotate(
            str(number),
            (column, row),
            fontsize=size,
            color=theme.ACCEPTED if kept else theme.REJECTED,
            annotation_clip=True,
        )


def image_figure(
    image: np.ndarray,
    outlines: Outlines | None = None,
    *,
    with_numbers: bool = False,
    width_px: int = IMAGE_WIDTH_PX,
    pixel_um: float | None = None,
) -> Figure:
    """Return an image of the field, shape (row, column), with outlines and a bar of length over it.

    The bar needs the side of a pixel in the tissue, um.
    """
    left, top, right, bottom = _IMAGE_MARGINS_PX
    width = width_px - left - right
    height = width * image.shape[0] / image.shape[1]
    figure = theme.new_figure(width_px, top + height + bottom)
    panel = theme.add_panel(figure, (left, top, width, height))
    draw_image(panel, image)
    if outlines is not None:
        draw_outlines(panel, outlines, with_numbers=with_numbers)
    draw_length_bar(panel, image.shape, pixel_um)
    return figure


def draw_length_bar(panel: Axes, shape: tuple[int, ...], pixel_um: float | None) -> None:
    """Draw a bar of a round length at the lower right of an image, with its length in um.

    Parameters
    ----------
    panel
        Axes in pixels of the image.
    shape
        (rows, columns) of the image.
    pixel_um
        Side of a pixel in the tissue, um; nothing is drawn if it is None.
    """
    if pixel_um is None:
        return
    length_um = round_length(LONGEST_BAR * shape[1] * pixel_um)
    right, row = shape[1] * (1 - _BAR_MARGIN) - 0.5, shape[0] * (1 - _BAR_MARGIN) - 0.5
    left = right - length_um / pixel_um
    text = f"{length_um:g} µm" if length_um < _UM_PER_MM else f"{length_um / _UM_PER_MM:g} mm"
    edge = [withStroke(linewidth=3.5, foreground="black")]  # seen on bright tissue too
    panel.plot([left, right], [row, row], color="white", linewidth=2.5, path_effects=edge)
    panel.annotate(
        text,
        ((left + right) / 2, row),
        xytext=(0, 4),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=9,
        color="white",
        path_effects=edge,
    )


def round_length(longest: float) -> float:
    """Return the largest of ..., 1, 2, 5, 10, 20, 50, ... that is not longer."""
    power = 10.0 ** np.floor(np.log10(longest))
    return float(max(step * power for step in (1, 2, 5) if step * power <= longest * (1 + 1e-9)))


def brightness_figure(brightness: Brightness, span_s: tuple[float, float]) -> Figure:
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


def motion_figure(motion: Motion, span_s: tuple[float, float]) -> Figure:
    """Return the shifts of rows and columns over time, and the registration quality."""
    heights = [120, 60] if motion.quality is not None else [120]
    figure, panels = theme.stack_panels(heights)
    names = (("rows", theme.CALCIUM), ("columns", theme.EPHYS))
    for axis, (_, colour) in enumerate(names):
        shifts = motion.shifts_px[:, axis]
        theme.plot_line(panels[0], motion.times_s, shifts, colour=colour, span_s=span_s)
    theme.name_lines(panels[0], names)
    theme.style_value_axis(panels[0], "shift (px)")
    if motion.quality is not None:
        theme.plot_line(
            panels[1], motion.times_s, motion.quality, colour=theme.THIRD, span_s=span_s
        )
        theme.style_value_axis(panels[1], "quality (r)", n_ticks=3)
    for panel in panels:
        theme.style_time_axis(panel, span_s, label=panel is panels[-1])
    theme.align_y_labels(panels)
    return figure
