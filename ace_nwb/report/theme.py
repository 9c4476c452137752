"""Colours, sizes and layout shared by all figures, and their way into the page.

Figures are laid out in CSS pixels (1 px = 1/72 inch of matplotlib), so that panels of different
figures stand exactly below each other. Colours are named; in the page each becomes a CSS variable,
which is what makes the figures follow the light or dark scheme of the reader.
"""

import base64
import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image  # comes with matplotlib

INK = "#1f2630"
MUTED = "#667382"
FAINT = "#a7b1bd"
GRID = "#e3e7ec"
CALCIUM = "#0b69a8"
EPHYS = "#bf560a"
THIRD = "#8a4d93"
ALERT = "#b3261e"
CSS_NAMES = {
    INK: "ink",
    MUTED: "muted",
    FAINT: "faint",
    GRID: "grid",
    CALCIUM: "calcium",
    EPHYS: "ephys",
    THIRD: "third",
    ALERT: "alert",
}
# On the grey images, the same in both schemes; the pair stays apart for every colour vision.
ACCEPTED = "#52d3ff"
REJECTED = "#ffa13d"

FIGURE_WIDTH_PX = 880  # px: the text column of the page
LEFT_PX, RIGHT_PX, TOP_PX, BOTTOM_PX = 64, 76, 14, 44
"""Pixels around a panel: room for numbers and labels of 11 px letters."""
PX_PER_INCH = 72  # of SVG and of points in print: a size in px is then one in points

_SETTINGS = {
    "axes.edgecolor": FAINT,
    "axes.facecolor": "none",
    "axes.grid": False,
    "axes.labelcolor": INK,
    "axes.labelpad": 5,
    "axes.labelsize": 11.5,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlepad": 7,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.unicode_minus": True,
    "figure.dpi": PX_PER_INCH,
    "figure.edgecolor": "none",
    "figure.facecolor": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11,
    "lines.linewidth": 1.0,
    "lines.solid_joinstyle": "round",
    "path.simplify": True,
    "path.simplify_threshold": 0.2,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "text.color": INK,
    "text.parse_math": False,  # names in a file may hold dollar signs
    "xtick.color": FAINT,
    "xtick.labelcolor": MUTED,
    "xtick.labelsize": 10.5,
    "xtick.major.size": 4,
    "ytick.color": FAINT,
    "ytick.labelcolor": MUTED,
    "ytick.labelsize": 10.5,
    "ytick.major.size": 4,
}


@contextmanager
def figure_theme(salt: str = "ace_nwb") -> Iterator[None]:
    """Draw inside this context: our settings hold in it and the caller's own come back."""
    with mpl.rc_context(_SETTINGS | {"svg.hashsalt": salt}), warnings.catch_warnings():
        # a name in a script that our font lacks is still drawn by the browser's font
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def new_figure(width_px: float, height_px: float) -> Figure:
    """Return an empty figure of this size in CSS pixels."""
    return Figure(figsize=(width_px / PX_PER_INCH, height_px / PX_PER_INCH), dpi=PX_PER_INCH)


def add_panel(
    figure: Figure, box_px: tuple[float, float, float, float], *, projection: str | None = None
) -> Axes:
    """Add axes at (left, top, width, height), pixels from the upper left corner."""
    left, top, width, height = box_px
    full_width, full_height = figure.get_size_inches() * PX_PER_INCH
    bottom = full_height - top - height
    return figure.add_axes(
        (left / full_width, bottom / full_height, width / full_width, height / full_height),
        projection=projection,
    )


def stack_panels(
    heights_px: Sequence[float], *, gap_px: float = 20, top_px: float = TOP_PX
) -> tuple[Figure, list[Axes]]:
    """Return a figure of the page's width with panels below each other on one time axis.

    Parameters
    ----------
    heights_px
        Height of each panel from top to bottom.
    gap_px, top_px
        Space between panels and above the first.
    """
    inner_px = sum(heights_px) + gap_px * (len(heights_px) - 1)
    figure = new_figure(FIGURE_WIDTH_PX, top_px + inner_px + BOTTOM_PX)
    panels: list[Axes] = []
    top = float(top_px)
    for height in heights_px:
        box = (LEFT_PX, top, FIGURE_WIDTH_PX - LEFT_PX - RIGHT_PX, height)
        panels.append(add_panel(figure, box))
        top += height + gap_px
    for panel in panels[:-1]:
        panel.tick_params(labelbottom=False)
    return figure, panels


def align_y_labels(panels: Sequence[Axes], *, offset_px: float = 46) -> None:
    """Put the labels of the vertical axes of stacked panels on one line."""
    for panel in panels:
        width_px = panel.get_window_extent().width * PX_PER_INCH / panel.figure.dpi
        panel.yaxis.set_label_coords(-offset_px / width_px, 0.5)


def style_value_axis(panel: Axes, label: str, *, n_ticks: int = 4) -> None:
    """Label the vertical axis, with few ticks and a faint horizontal grid."""
    panel.set_ylabel(label)
    panel.yaxis.set_major_locator(MaxNLocator(n_ticks))
    panel.grid(axis="y", color=GRID, linewidth=0.8)
    panel.set_axisbelow(True)


def time_unit(span_s: tuple[float, float]) -> tuple[float, str]:
    """Return the divisor and the name of the unit in which a span of time reads well."""
    return (60.0, "min") if span_s[1] - span_s[0] > 600 else (1.0, "s")


def style_time_axis(
    panel: Axes, span_s: tuple[float, float], *, label: bool = True, n_ticks: int = 9
) -> None:
    """Set limits and label of a horizontal axis drawn in the unit of `time_unit`."""
    divisor, unit = time_unit(span_s)
    start, stop = span_s[0] / divisor, span_s[1] / divisor
    panel.set_xlim(start, stop if stop > start else start + 1)
    panel.xaxis.set_major_locator(MaxNLocator(n_ticks, steps=[1, 2, 3, 5, 6, 10]))
    if label:
        panel.set_xlabel(f"session time ({unit})")


def envelope_indices(values: np.ndarray, *, n_bins: int) -> np.ndarray:
    """Return the samples that keep the drawn shape of a long series: each bin's least and greatest.

    Parameters
    ----------
    values
        Series, shape (sample,); NaN is never chosen in a bin that has a number.
    n_bins
        Number of bins, about one per pixel of the figure.

    Returns
    -------
    numpy.ndarray
        Sorted indices, at most 2 * n_bins + 2 of them; all if the series is short.
    """
    n_samples = len(values)
    if n_samples <= 2 * n_bins:
        return np.arange(n_samples)
    width = -(-n_samples // n_bins)
    padded = np.full(width * n_bins, np.nan)
    padded[:n_samples] = values
    rows = padded.reshape(n_bins, width)
    missing = np.isnan(rows)
    least = np.where(missing, np.inf, rows).argmin(axis=1)
    greatest = np.where(missing, -np.inf, rows).argmax(axis=1)
    starts = np.arange(n_bins) * width
    chosen = np.concatenate([starts + least, starts + greatest, [0, n_samples - 1]])
    return np.unique(chosen[chosen < n_samples])


_PAUSE_STEPS = 20
"""Steps of a series that are at least so long are a pause."""


def span_of(times_s: np.ndarray) -> tuple[float, float]:
    """Return the first and the last time of a series, (0, 1) if it is empty."""
    finite = times_s[np.isfinite(times_s)]
    return (float(finite[0]), float(finite[-1])) if finite.size else (0.0, 1.0)


def plot_line(
    panel: Axes,
    times_s: np.ndarray,
    values: np.ndarray,
    *,
    colour: str,
    span_s: tuple[float, float],
) -> None:
    """Plot a series over time through its envelope, in the unit of time of the span.

    The line does not cross pauses of the recording.
    """
    kept = envelope_indices(values, n_bins=FIGURE_WIDTH_PX - LEFT_PX - RIGHT_PX)
    breaks = np.searchsorted(kept, _find_pauses(times_s))
    x = np.insert(times_s[kept] / time_unit(span_s)[0], breaks, np.nan)
    panel.plot(x, np.insert(values[kept].astype(float), breaks, np.nan), color=colour)


def _find_pauses(times_s: np.ndarray) -> np.ndarray:
    """Return the samples that follow a pause, shape (pause,)."""
    steps_s = np.diff(times_s)
    if not steps_s.size:
        return np.zeros(0, int)
    return np.flatnonzero(steps_s > _PAUSE_STEPS * np.nanmedian(steps_s)) + 1


def name_line(panel: Axes, name: str, *, y: float, colour: str) -> None:
    """Write a line's name in its own colour at the right of the panel, at height y of its axis."""
    panel.annotate(
        name,
        (1, y),
        xycoords=panel.get_yaxis_transform(),
        xytext=(8, 0),
        textcoords="offset points",
        color=colour,
        fontsize=10.5,
        va="center",
        annotation_clip=False,
    )


def name_lines(panel: Axes, names: Sequence[tuple[str, str]]) -> None:
    """Write (name, colour) pairs below each other at the right of the panel."""
    for i, (name, colour) in enumerate(names):
        panel.annotate(
            name,
            (1, 1),
            xycoords="axes fraction",
            xytext=(8, -8 - 16 * i),
            textcoords="offset points",
            color=colour,
            fontsize=10.5,
            va="center",
            annotation_clip=False,
        )


def scatter_indices(values: np.ndarray, *, n_points: int) -> np.ndarray:
    """Return about this many samples of a long series: every n-th, and the extremes."""
    step = max(1, -(-len(values) // n_points))
    extremes = envelope_indices(values, n_bins=max(1, n_points // 6))
    return np.union1d(np.arange(0, len(values), step), extremes)


def to_png(figure: Figure, *, dpi: float) -> bytes:
    """Return the figure as a PNG."""
    buffer = io.BytesIO()
    with figure_theme():
        FigureCanvasAgg(figure)
        figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def to_svg(figure: Figure, *, name: str, title: str) -> str:
    """Return the figure as inline SVG whose colours and fonts follow the page.

    Parameters
    ----------
    figure
        What was drawn inside `figure_theme`.
    name
        Identifies the figure in the page; its clip paths are named after it.
    title
        Read out by screen readers.
    """
    buffer = io.StringIO()
    with figure_theme(name):
        FigureCanvasSVG(figure)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    width_px, height_px = figure.get_size_inches() * PX_PER_INCH
    opening = (
        f'<svg class="figure" role="img" aria-label="{escape(title)}" '
        f'viewBox="0 0 {width_px:g} {height_px:g}" style="max-width:{width_px:g}px">'
    )
    return opening + _inline(buffer.getvalue())


def _inline(svg: str) -> str:
    """Drop what only a stand-alone SVG file needs, and name the colours."""
    body = svg[svg.index("<defs>") :]
    body = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", body, count=1, flags=re.DOTALL)
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    body = body.replace("xlink:href=", "href=")
    body = re.sub(r'"data:image/png;base64,([^"]*)"', _shrink_png, body)
    body = re.sub(r"<!--.*?-->\s*", "", body, flags=re.DOTALL)
    body = re.sub(r' d="([^"]*)"', _shorten_path, body)
    body = re.sub(r"font: (?:\w+ )?([\d.]+)px [^;\"]*", r"font-size: \1px", body)
    body = re.sub(r"font-family: [^;\"]*;? ?", "", body)
    for colour, name in CSS_NAMES.items():
        body = body.replace(colour, f"var(--{name})")
    return body.strip()


def _shrink_png(match: re.Match[str]) -> str:
    """Store an image of at most 256 colours with a palette: a third of the size, same pixels."""
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(match.group(1)))).convert("RGBA"))
    packed = np.ascontiguousarray(pixels).view(np.uint32)[..., 0]
    colours, indices = np.unique(packed, return_inverse=True)
    if len(colours) > 256:
        return re.sub(r"\s", "", match.group(0))
    image = Image.fromarray(indices.reshape(packed.shape).astype(np.uint8), "P")
    image.putpalette(colours.tobytes(), "RGBA")
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return f'"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode("ascii")}"'


def _shorten_path(match: re.Match[str]) -> str:
    """Keep two decimals of the coordinates of a path."""
    path = re.sub(r"(\.\d\d)\d+", r"\1", match.group(1))
    return f' d="{" ".join(path.split())}"'


def round_length(longest: float) -> float:
    """Return the largest of ..., 1, 2, 5, 10, 20, 50, ... that is not longer."""
    power = 10.0 ** np.floor(np.log10(longest))
    return float(max(step * power for step in (1, 2, 5) if step * power <= longest * (1 + 1e-9)))


def cell_edges(centres: np.ndarray) -> np.ndarray:
    """Return the outer edges of evenly spaced cells from their centres."""
    step = float(centres[1] - centres[0]) if len(centres) > 1 else 1.0
    return np.array([centres[0] - step / 2, centres[-1] + step / 2])


SPARK_WIDTH, SPARK_HEIGHT = 160, 30
"""Size of the small pictures on the cards, units of their own."""
SPARK_POINTS = 110
"""Bins of a small picture: more than its pixels on the page would not be seen."""


def sparkline(values: np.ndarray) -> str:
    """Return a series as a small filled band between each bin's least and greatest value.

    Parameters
    ----------
    values
        Series, shape (point,); NaN are left out.

    Returns
    -------
    str
        An inline SVG, empty if there is nothing to draw.
    """
    finite = values[np.isfinite(values)]
    if len(finite) < 2:
        return ""
    bins = np.array_split(finite, min(SPARK_POINTS, len(finite)))
    low = np.array([part.min() for part in bins])
    high = np.array([part.max() for part in bins])
    bottom, top = low.min(), high.max()
    scale = (SPARK_HEIGHT - 4) / (top - bottom) if top > bottom else 0.0
    x = np.linspace(1, SPARK_WIDTH - 1, len(bins))
    upper = SPARK_HEIGHT - 2 - scale * (high - bottom)
    lower = SPARK_HEIGHT - 2 - scale * (low - bottom)
    forth = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, upper, strict=True))
    back = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x[::-1], lower[::-1], strict=True))
    return (
        f'<svg class="spark" viewBox="0 0 {SPARK_WIDTH} {SPARK_HEIGHT}" preserveAspectRatio="none" '
        f'aria-hidden="true"><polygon points="{forth} {back}"/></svg>'
    )
