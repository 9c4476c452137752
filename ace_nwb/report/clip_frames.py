"""The pictures of a clip: panels side by side with labels, traces below, a cursor that moves.

Arrays in, RGB arrays out. `clip` takes them from a session and writes the video.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image, ImageDraw, ImageFont

from ace_nwb.report import theme
from ace_nwb.report.ephys_line import Line
from ace_nwb.report.sections.field import Outlines
from ace_nwb.report.sections.traces import Traces, trace_spacing
from ace_nwb.report.theme import round_length
from ace_nwb.report.wording import plain_label

PAPER, INK, DIM, CURSOR = "#0d1014", "#eef2f6", "#8d99a6", (255, 255, 255)
COLOURS = ("#52d3ff", "#ffa13d", "#8fe388", "#ff8fb1", "#c9a7ff", "#ffe066", "#7fb2ff", "#ff9a6b")
MAX_WIDTH_PX, GAP_PX, HEAD_PX, FOOT_PX = 1580, 10, 46, 34
"""Pixels; the width fits a slide of 1600, the others leave room for 18 px letters."""
MAX_PANEL_HEIGHT_PX = 640  # px; with traces the whole stays under the 1080 of a screen
STRIP_LEFT_PX, STRIP_RIGHT_PX = 74, 66  # px for names and for units beside the traces
TRACE_HEIGHT_PX, EPHYS_HEIGHT_PX = 24, 84
"""Pixels; the least at which an event's shape is seen; ephys needs its sign."""


@dataclass(frozen=True)
class Panel:
    """One picture of the row: its name, and the values that become black and white."""

    name: str
    low: float
    high: float

    def to_grey(self, values: np.ndarray) -> np.ndarray:
        """Return grey levels 0 to 255."""
        scaled = (values - self.low) * (255 / (self.high - self.low))
        return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class TraceStrip:
    """Traces and an ephys channel drawn once, shape (row, column, 3); the cursor runs over it."""

    pixels: np.ndarray
    span_s: tuple[float, float]

    def cursor_px(self, time_s: float) -> int:
        """Return the column of a time."""
        start_s, stop_s = self.span_s
        width = self.pixels.shape[1] - STRIP_LEFT_PX - STRIP_RIGHT_PX
        share = np.clip((time_s - start_s) / (stop_s - start_s), 0, 1)
        return int(STRIP_LEFT_PX + round(share * (width - 1)))


@dataclass(frozen=True)
class ClipCanvas:
    """Where everything stands; `draw` returns one picture.

    Parameters
    ----------
    field_shape
        (n_rows, n_columns) of every panel's values.
    panels
        From left to right.
    strip
        What stands below, or None.
    outlines
        Drawn on the panel `outlined`, each in its colour of `COLOURS`.
    outlined
        Name of that panel.
    pixel_um
        Side of a pixel, for the scale bar; None shows pixels.
    """

    field_shape: tuple[int, int]
    panels: tuple[Panel, ...]
    strip: TraceStrip | None = None
    outlines: Outlines | None = None
    outlined: str = "neural"
    pixel_um: float | None = None

    @cached_property
    def panel_shape(self) -> tuple[int, int]:
        """Height and width of a panel on the screen; pixels are repeated or averaged."""
        n_rows, n_columns = self.field_shape
        n_panels = len(self.panels)
        room = (MAX_WIDTH_PX - GAP_PX * (n_panels + 1)) // n_panels
        times = min(room / n_columns, MAX_PANEL_HEIGHT_PX / n_rows)
        if times >= 2:
            times = int(times)
        return max(1, round(n_rows * times)), max(1, round(n_columns * times))

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the picture, even as video wants it."""
        height, width = self.panel_shape
        width = GAP_PX + (width + GAP_PX) * len(self.panels)
        height += HEAD_PX + FOOT_PX
        if self.strip is not None:
            height += self.strip.pixels.shape[0]
            width = max(width, self.strip.pixels.shape[1])
        return height + height % 2, width + width % 2

    def panel_corner(self, number: int) -> tuple[int, int]:
        """Return (row, column) of the upper left pixel of a panel."""
        return HEAD_PX, GAP_PX + number * (self.panel_shape[1] + GAP_PX)

    def draw(self, images: Mapping[str, np.ndarray], *, time_s: float, note: str) -> np.ndarray:
        """Return the picture of one frame, shape (row, column, 3), uint8.

        Parameters
        ----------
        images
            Values of each panel by name, shape (row, column).
        time_s
            Where the cursor stands.
        note
            Time and frame in words, written below.
        """
        picture = self._empty.copy()
        height, width = self.panel_shape
        for number, panel in enumerate(self.panels):
            row, column = self.panel_corner(number)
            grey = self.resize(panel.to_grey(images[panel.name]))
            picture[row : row + height, column : column + width] = grey[..., np.newaxis]
        if self.outlines is not None and self._marks is not None:
            where, colours = self._marks
            picture[where] = colours
        if self.strip is not None:
            top = HEAD_PX + height + FOOT_PX
            at = self.strip.cursor_px(time_s)
            picture[top : top + self.strip.pixels.shape[0] - 30, at : at + 2] = CURSOR
        below = slice(HEAD_PX + height + 4, HEAD_PX + height + FOOT_PX - 4)
        part = slice(0, picture.shape[1] * 3 // 5)  # a small part is quickly turned to an image
        picture[below, part] = _write(
            picture[below, part], note, at=(3, GAP_PX), font_px=16, ink=INK
        )
        return picture

    def resize(self, grey: np.ndarray) -> np.ndarray:
        """Return grey levels at the size of a panel."""
        height, width = self.panel_shape
        if width >= 2 * grey.shape[1]:
            times = width // grey.shape[1]
            return grey.repeat(times, axis=0).repeat(times, axis=1)
        way = Image.Resampling.BOX if width < grey.shape[1] else Image.Resampling.BILINEAR
        return np.asarray(Image.fromarray(grey).resize((width, height), way))

    @cached_property
    def _empty(self) -> np.ndarray:
        """Everything that stays: names and ranges of the panels, scale bar, strip."""
        picture = np.empty((*self.shape, 3), np.uint8)
        picture[:] = np.frombuffer(bytes.fromhex(PAPER[1:]), np.uint8)
        height, _ = self.panel_shape
        for number, panel in enumerate(self.panels):
            _, column = self.panel_corner(number)
            picture = _write(picture, panel.name, at=(5, column), font_px=17, ink=INK)
            text = f"black {panel.low:.4g}, white {panel.high:.4g}"
            picture = _write(picture, text, at=(27, column), font_px=12, ink=DIM)
        if self.strip is not None:
            top = HEAD_PX + height + FOOT_PX
            rows, columns, _ = self.strip.pixels.shape
            picture[top : top + rows, :columns] = self.strip.pixels
        return self._draw_scale(picture)

    def _draw_scale(self, picture: np.ndarray) -> np.ndarray:
        """Draw a bar of a round length below the last panel."""
        height, width = self.panel_shape
        per_pixel = width / self.field_shape[1]
        unit_px, unit = (1.0, "px") if self.pixel_um is None else (1 / self.pixel_um, "µm")
        length = round_length(0.4 * self.field_shape[1] / unit_px)
        bar_px = max(1, round(length * unit_px * per_pixel))
        row, column = HEAD_PX + height + 22, self.panel_corner(len(self.panels) - 1)[1] + width
        picture[row : row + 4, column - bar_px : column] = CURSOR
        at = (HEAD_PX + height + 4, column - bar_px)
        return _write(picture, f"{length:g} {unit}", at=at, font_px=13, ink=INK)

    @cached_property
    def _marks(self) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray] | None:
        """Pixels of the outlines on their panel, and their colours."""
        names = [panel.name for panel in self.panels]
        if self.outlines is None or self.outlined not in names:
            return None
        height, width = self.panel_shape
        scale = width / self.field_shape[1]
        sketch = Image.new("RGB", (width, height))
        pen = ImageDraw.Draw(sketch)
        for number, lines in enumerate(self.outlines.contours):
            for line in lines:
                points = [(x, y) for y, x in (line + 0.5) * scale]
                pen.line(points, fill=COLOURS[number % len(COLOURS)], width=1)
        drawn = np.asarray(sketch)
        rows, columns = np.nonzero(drawn.any(axis=2))
        corner = self.panel_corner(names.index(self.outlined))
        return (rows + corner[0], columns + corner[1]), drawn[rows, columns]


def draw_strip(
    traces: Traces | None, ephys: Line | None, *, span_s: tuple[float, float], width_px: int
) -> TraceStrip | None:
    """Draw traces, one colour each, and an ephys channel below them on one time axis.

    Parameters
    ----------
    traces
        Shape (frame, roi), within the span; None or none at all leaves them out.
    ephys
        The channel within the span, or None.
    span_s
        From and to.
    width_px
        Width of the picture.
    """
    n_rois = 0 if traces is None else len(traces.numbers)
    trace_px, ephys_px = n_rois * TRACE_HEIGHT_PX, EPHYS_HEIGHT_PX if ephys is not None else 0
    if not trace_px + ephys_px:
        return None
    height = trace_px + ephys_px + 54
    with theme.figure_theme():
        figure = theme.new_figure(width_px, height)
        figure.set_facecolor(PAPER)
        inner = width_px - STRIP_LEFT_PX - STRIP_RIGHT_PX
        if traces is not None and n_rois:
            panel = theme.add_panel(figure, (STRIP_LEFT_PX, 8, inner, trace_px))
            _draw_traces(panel, traces)
            _style(panel, span_s, is_last=ephys is None)
        if ephys is not None:
            panel = theme.add_panel(figure, (STRIP_LEFT_PX, 14 + trace_px, inner, ephys_px))
            kept = theme.envelope_indices(ephys.values, n_bins=inner)
            panel.plot(ephys.times_s[kept], ephys.values[kept], color=INK, linewidth=0.8)
            panel.set_ylabel(f"{plain_label(ephys.name)} ({ephys.unit})", color=DIM, fontsize=10)
            _style(panel, span_s, is_last=True)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())[..., :3].copy()
    return TraceStrip(pixels, span_s)


def _draw_traces(panel: mpl.axes.Axes, traces: Traces) -> None:
    """Draw the traces below each other, to one scale, with a bar that says which."""
    values = traces.denoised if traces.denoised is not None else traces.raw
    spacing = trace_spacing(traces.raw)
    n_rois = len(traces.numbers)
    offsets = spacing * np.arange(n_rois - 1, -1, -1)
    for number, offset in enumerate(offsets):
        raw = traces.raw[:, number]
        level = offset - np.nanmedian(raw)
        panel.plot(traces.times_s, raw + level, color="#707c88", linewidth=0.8)
        colour = COLOURS[number % len(COLOURS)]
        panel.plot(traces.times_s, values[:, number] + level, color=colour, linewidth=1.2)
    panel.set_yticks(offsets, [str(number) for number in traces.numbers])
    panel.set_ylim(-0.6 * spacing, (n_rois + 0.4) * spacing)
    panel.set_ylabel("ROI", color=DIM, fontsize=10)
    length = round_length(spacing)
    over = panel.get_yaxis_transform()
    panel.plot([1.006] * 2, [0, length], transform=over, color=INK, linewidth=2, clip_on=False)
    text = f"{100 * length:g} %\n{traces.unit}" if traces.unit == "ΔF/F" else f"{length:g}"
    panel.text(1.012, 0, text, transform=over, color=INK, fontsize=10, va="bottom")


def _style(panel: mpl.axes.Axes, span_s: tuple[float, float], *, is_last: bool) -> None:
    """Set the time axis and the colours of the dark ground."""
    panel.set_xlim(*span_s)
    panel.tick_params(colors=DIM, labelsize=10, labelbottom=is_last)
    for spine in panel.spines.values():
        spine.set_color("#333c46")
    if is_last:
        panel.set_xlabel("time (s)", color=DIM, fontsize=10)


def _write(
    picture: np.ndarray, text: str, *, at: tuple[int, int], font_px: int, ink: str
) -> np.ndarray:
    """Return the picture with a text whose upper left corner is at (row, column)."""
    image = Image.fromarray(picture)
    ImageDraw.Draw(image).text((at[1], at[0]), text, fill=ink, font=_font(font_px))
    return np.array(image)


def _font(size_px: int) -> ImageFont.FreeTypeFont:
    """Return the font that comes with matplotlib."""
    return ImageFont.truetype(Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), size_px)


def choose_levels(samples: Mapping[str, Sequence[np.ndarray]]) -> tuple[Panel, ...]:
    """Choose black and white of every panel from some of its frames.

    The raw and the corrected movie and the background run from the 1st to the 99.8th percentile,
    neurons from zero, the residual as far to both sides.
    """
    panels = []
    for name, frames in samples.items():
        values = np.concatenate([np.ravel(frame) for frame in frames])
        low, high = (float(level) for level in np.percentile(values, (1, 99.8)))
        if name == "neural":
            low, high = 0.0, float(np.percentile(values, 99.9))
        elif name == "residual":
            high = float(np.percentile(np.abs(values), 99.5))
            low = -high
        panels.append(Panel(name, low, high if high > low else low + 1))
    return tuple(panels)
