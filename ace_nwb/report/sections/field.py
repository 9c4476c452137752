"""The field of view and its ROIs: images with outlines."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import contourpy
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from ace_nwb.nwb import layout
from ace_nwb.nwb.content.imaging import read_field, read_projections
from ace_nwb.nwb.content.roi_series import read_roi_table
from ace_nwb.nwb.content.rois import read_footprints
from ace_nwb.nwb.session import Session
from ace_nwb.report import theme
from ace_nwb.report.sections.parts import Picture, Section, Verdict, absent, make_picture
from ace_nwb.report.theme import round_length
from ace_nwb.stages.common.choosing import final_acceptance

OUTLINE_LEVEL = 0.35  # of the footprint's own peak
MAX_IMAGE_SIDE_PX = 640  # px: the image is shown at 430, twice enlarged at most on a dense screen
MAX_NUMBERED_ROIS = 60  # on a small image
MAX_VECTOR_ROIS = 400  # outlines; with more as vectors a page opens slowly
IMAGE_WIDTH_PX = 430  # px: two images fit side by side
LONGEST_BAR = 0.3
"""Longest bar of length, as a share of the width: it should not hide the field."""
_BAR_MARGIN = 0.05
"""Distance of the bar from the edge, as a share of the side."""
_UM_PER_MM = 1000.0  # micrometres
_IMAGE_MARGINS_PX = (46, 8, 12, 42)  # left, top, right, bottom
MIN_ACCEPTED_SHARE = 0.4
"""Of all ROIs; with fewer the thresholds of extraction or evaluation rarely fit the movie."""
_IMAGES = {
    "correlation": (
        "Local correlation: how alike each pixel and its neighbours move.",
        "round bright spots of one cell's size, and an outline on each.",
    ),
    "max": ("Maximum over time.", "cells stand out from the vessels and the edge of the lens."),
    "peak_to_noise": (
        "Peak-to-noise ratio: the largest transient of each pixel in units of its noise.",
        "the same spots as in the correlation image; lines and large areas are motion or glare.",
    ),
    "mean": ("Mean over time.", "sharp vessels and no double edges: focus and registration held."),
}


@dataclass(frozen=True)
class Outlines:
    """Contours of the footprints.

    Parameters
    ----------
    numbers
        Number of each ROI in the segmentation table, shape (roi,).
    contours
        Per ROI its closed lines, each of shape (vertex, 2) as (row, column).
    accepted
        Whether the ROI is kept, shape (roi,).
    """

    numbers: np.ndarray
    contours: tuple[tuple[np.ndarray, ...], ...]
    accepted: np.ndarray

    def of_accepted(self) -> "Outlines":
        """Return the outlines without those of rejected ROIs."""
        kept = np.flatnonzero(self.accepted)
        contours = tuple(self.contours[i] for i in kept)
        return Outlines(self.numbers[kept], contours, self.accepted[kept])


@dataclass(frozen=True)
class Rois:
    """The table of ROIs: what the evaluation found, shape (roi,) each.

    Parameters
    ----------
    snr, r_value
        Signal-to-noise ratio and footprint correlation; None before evaluation.
    accepted
        Kept or not; all kept before evaluation.
    """

    n_rois: int
    accepted: np.ndarray
    snr: np.ndarray | None
    r_value: np.ndarray | None
    is_evaluated: bool


def read_images(session: Session) -> dict[str, np.ndarray]:
    """Return the summary images by name, none before the stage summary."""
    return read_projections(session) if session.has(layout.IMAGES) else {}


def read_rois(session: Session) -> tuple[Rois, Outlines] | tuple[None, None]:
    """Return the table of ROIs and their outlines in the analysed field."""
    if not session.has(layout.PLANE_SEGMENTATION):
        return None, None
    table = read_roi_table(session)
    footprints = read_footprints(session)
    n_rois = footprints.shape[1]
    accepted = final_acceptance(table)
    rois = Rois(n_rois, accepted, table.get("snr"), table.get("r_value"), "snr" in table)
    n_columns = read_field(session).shape[1]
    contours = []
    for first, last in pairwise(footprints.indptr):
        rows, columns = np.divmod(footprints.indices[first:last], n_columns)
        contours.append(trace_outline(rows, columns, footprints.data[first:last]))
    return rois, Outlines(np.asarray(table["id"]), tuple(contours), accepted)


def judge_rois(rois: Rois | None, file_name: str) -> Verdict:
    """Judge the extraction by how many ROIs were found and accepted."""
    if rois is None:
        command = f"ace-nwb process extract {file_name}"
        return Verdict("ROIs", "missing", "–", "no neurons sought", f"Run `{command}`.")
    n_accepted = int(rois.accepted.sum())
    if n_accepted == 0:
        advice = "Lower `extract.min_correlation` and check `extract.cell_diameter_px`."
        note = "no neuron accepted" if rois.n_rois else "no neuron found"
        return Verdict("ROIs", "problem", "0", note, advice)
    if not rois.is_evaluated or rois.snr is None:
        command = f"ace-nwb process evaluate {file_name}"
        note = "found; not evaluated yet"
        return Verdict("ROIs", "look", str(rois.n_rois), note, f"Run `{command}`.")
    snr = np.sort(rois.snr[np.isfinite(rois.snr)])[::-1]
    accepted_snr = rois.snr[rois.accepted & np.isfinite(rois.snr)]
    note = f"accepted of {rois.n_rois} found"
    if accepted_snr.size:
        note += f", median SNR {np.median(accepted_snr):.1f}"
    few = n_accepted / rois.n_rois < MIN_ACCEPTED_SHARE
    advice = "Many were rejected: compare the outlines with the images below." if few else ""
    return Verdict("ROIs", "look" if few else "good", str(n_accepted), note, advice, snr)


def field_section(
    images: Mapping[str, np.ndarray],
    outlines: Outlines | None,
    pixel_um: float | None,
    file_name: str,
) -> Section:
    """Show the summary images with the outlines over them."""
    anchors, title = ("rois", "field"), "Field of view and ROIs"
    if not images:
        return absent(anchors, title, f"ace-nwb process summary {file_name}")
    are_few = outlines is not None and len(outlines.numbers) <= MAX_NUMBERED_ROIS
    pictures = [
        _image_picture(
            images[name],
            outlines if name != "mean" else None,
            name=name,
            with_numbers=are_few and name == "correlation",
            pixel_um=pixel_um,
        )
        for name in _IMAGES
        if name in images
    ]
    rows = [tuple(pictures[i : i + 2]) for i in range(0, len(pictures), 2)]
    if outlines is not None and not are_few:
        rows.append((_numbered_picture(images, outlines, pixel_um),))
    note = ""
    if outlines is None:
        note = f"No outlines yet: `ace-nwb process extract {file_name}` finds the neurons."
    return Section(anchors, title, tuple(rows), note)


def _image_picture(
    image: np.ndarray,
    outlines: Outlines | None,
    *,
    name: str,
    with_numbers: bool,
    pixel_um: float | None,
) -> Picture:
    caption, good = _IMAGES[name]
    with theme.figure_theme():
        figure = image_figure(image, outlines, with_numbers=with_numbers, pixel_um=pixel_um)
    return make_picture(
        f"field-{name}",
        caption,
        figure,
        caption=caption,
        good=good,
        is_wide=False,
        has_outline_key=outlines is not None,
    )


def _numbered_picture(
    images: Mapping[str, np.ndarray], outlines: Outlines, pixel_um: float | None
) -> Picture:
    """Show the outlines once more, large enough for the numbers of many ROIs."""
    image = images.get("max", next(iter(images.values())))
    with theme.figure_theme():
        figure = image_figure(
            image,
            outlines,
            with_numbers=True,
            width_px=theme.FIGURE_WIDTH_PX,
            pixel_um=pixel_um,
        )
    caption = "The ROIs with their numbers in the segmentation table."
    return make_picture("field-numbers", caption, figure, caption=caption, has_outline_key=True)


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
