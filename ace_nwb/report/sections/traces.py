"""The traces of the best ROIs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ace_nwb.nwb import layout
from ace_nwb.nwb.content.series import read_times
from ace_nwb.nwb.session import Session
from ace_nwb.report import theme
from ace_nwb.report.sections.field import Rois
from ace_nwb.report.sections.parts import Section, absent, make_picture
from ace_nwb.report.theme import round_length

N_TRACES = 20  # of highest SNR; each needs 27 px of the page
_TRACE_PAIRS = (
    (layout.DFF_TRACES, f"{layout.DECONVOLUTION}/Denoised", "ΔF/F"),
    (layout.RAW_TRACES, layout.DENOISED_TRACES, "a.u."),
)
ZOOM_FROM_S = 240.0  # seconds; in longer recordings an event is narrower than 3 px
ZOOM_S = 60.0  # seconds: 12 px a second, in which the shape of an event shows
TRACE_HEIGHT_PX = 27  # px of a trace: its name in 10 px letters and room for peaks


@dataclass(frozen=True)
class Traces:
    """Traces of the best ROIs, shape (frame, roi), best first."""

    times_s: np.ndarray
    numbers: np.ndarray
    raw: np.ndarray
    denoised: np.ndarray | None
    unit: str


def read_traces(session: Session, rois: Rois | None) -> Traces | None:
    """Return the traces of the best ROIs: dF/F where it exists, else fluorescence."""
    pair = next((pair for pair in _TRACE_PAIRS if session.has(pair[0])), None)
    if pair is None or rois is None:
        return None
    raw_path, denoised_path, unit = pair
    best = choose_best(rois)
    series = session.get(raw_path)
    denoised = (
        _read_columns_of(session.get(denoised_path), best) if session.has(denoised_path) else None
    )
    numbers = np.asarray(session.get(layout.PLANE_SEGMENTATION).id[:])[best]
    return Traces(read_times(series), numbers, _read_columns_of(series, best), denoised, unit)


def choose_best(rois: Rois) -> np.ndarray:
    """Return the rows of the accepted ROIs with the highest signal-to-noise ratio, best first."""
    candidates = np.flatnonzero(rois.accepted)
    if rois.snr is not None:
        snr = np.nan_to_num(rois.snr[candidates], nan=-np.inf)
        candidates = candidates[np.argsort(-snr, kind="stable")]
    return candidates[:N_TRACES]


def traces_section(
    traces: Traces | None, span_s: tuple[float, float], file_name: str, *, is_ranked: bool
) -> Section:
    """Show the traces, and the minute of most activity."""
    anchors, title = ("traces",), "Traces"
    if traces is None or not traces.numbers.size:
        return absent(anchors, title, f"ace-nwb process extract {file_name}")
    with theme.figure_theme():
        figure = traces_figure(traces, span_s)
    which = "of highest signal-to-noise ratio, best on top" if is_ranked else "that come first"
    caption = f"The {len(traces.numbers)} ROIs {which}, one scale: measured in grey, denoised in "
    caption += "colour."
    good = "sharp rises, smooth decays, and events that are not the same in every ROI."
    pictures = [make_picture("traces", title, figure, caption=caption, good=good)]
    zoom_s = busiest_span(traces)
    if zoom_s is not None:
        with theme.figure_theme():
            figure = traces_figure(traces, zoom_s)
        caption = f"The {ZOOM_S:.0f} s with most activity, enlarged."
        good = "the coloured line follows the grey one into every rise."
        pictures.append(make_picture("traces-zoom", caption, figure, caption=caption, good=good))
    return Section(anchors, title, tuple((picture,) for picture in pictures))


def busiest_span(
    traces: Traces, *, from_s: float = ZOOM_FROM_S, width_s: float = ZOOM_S
) -> tuple[float, float] | None:
    """Return the minute in which most ROIs are active, or None if all lasts less than `from_s`."""
    start_s, stop_s = theme.span_of(traces.times_s)
    if stop_s - start_s <= max(from_s, width_s):
        return None
    values = traces.denoised if traces.denoised is not None else traces.raw
    spread = np.nanstd(values, axis=0)
    rises = np.clip(np.diff(values, axis=0), 0, None) / np.where(spread > 0, spread, 1)
    activity = np.concatenate([[0], np.cumsum(np.nansum(rises, axis=1))])
    starts = np.arange(start_s, stop_s - width_s, width_s / 4)
    gained = [
        np.interp(start + width_s, traces.times_s, activity)
        - np.interp(start, traces.times_s, activity)
        for start in starts
    ]
    start = float(starts[int(np.argmax(gained))])
    return start, start + width_s


def traces_figure(traces: Traces, span_s: tuple[float, float]) -> Figure:
    """Return the traces stacked, best on top, all to one scale.

    Parameters
    ----------
    traces
        What to draw.
    span_s
        Time axis, from and to.
    """
    n_rois = len(traces.numbers)
    figure, (panel,) = theme.stack_panels([TRACE_HEIGHT_PX * (n_rois + 1)])
    spacing = draw_traces(panel, traces, span_s)
    draw_scale_bar(panel, spacing, traces.unit)
    theme.style_time_axis(panel, span_s)
    panel.set_ylabel("ROI number")
    theme.align_y_labels([panel])
    return figure


def draw_traces(panel: Axes, traces: Traces, span_s: tuple[float, float]) -> float:
    """Draw raw traces in grey under denoised ones in colour; return the distance between two."""
    n_rois = len(traces.numbers)
    inside = (traces.times_s >= span_s[0]) & (traces.times_s <= span_s[1])
    times_s = traces.times_s[inside]
    spacing = trace_spacing(traces.raw)
    offsets = spacing * np.arange(n_rois - 1, -1, -1)
    levels = _column_percentiles(traces.raw, 50)
    for layer, colour in ((traces.raw, theme.FAINT), (traces.denoised, theme.CALCIUM)):
        if layer is None:
            continue
        for i in range(n_rois):
            values = layer[inside, i] - levels[i] + offsets[i]
            theme.plot_line(panel, times_s, values, colour=colour, span_s=span_s)
            panel.lines[-1].set_linewidth(0.7 if colour == theme.FAINT else 0.9)
    panel.set_yticks(offsets, [str(number) for number in traces.numbers])
    panel.set_ylim(-0.6 * spacing, (n_rois + 0.4) * spacing)
    panel.spines["left"].set_visible(False)
    panel.tick_params(axis="y", length=0, pad=8)
    return spacing


def trace_spacing(raw: np.ndarray) -> float:
    """Return a distance between stacked traces, shape (frame, roi), that few of them exceed."""
    heights = _column_percentiles(raw, 99.7) - _column_percentiles(raw, 50)
    spacing = float(np.percentile(heights, 60)) if heights.size else 0.0
    return spacing if spacing > 0 else 1.0


def _column_percentiles(values: np.ndarray, percentile: float) -> np.ndarray:
    """Return the percentile of the finite values of each column, 0 where there is none."""
    finite = (column[np.isfinite(column)] for column in values.T)
    return np.array([np.percentile(c, percentile) if c.size else 0.0 for c in finite])


def draw_scale_bar(panel: Axes, spacing: float, unit: str) -> None:
    """Draw a vertical bar of a round length at the lower right, outside the traces."""
    length = round_length(spacing)
    x = panel.get_yaxis_transform()
    panel.plot(
        [1.012, 1.012],
        [0, length],
        transform=x,
        color=theme.INK,
        linewidth=2,
        clip_on=False,
        solid_capstyle="butt",
    )
    is_ratio = unit == "ΔF/F"
    value = f"{100 * length:g} %" if is_ratio else f"{length:g}"
    for text, height in ((value, 13), (unit, 0)):
        panel.annotate(
            text,
            (1.012, 0),
            xycoords=x,
            xytext=(6, height),
            textcoords="offset points",
            fontsize=10.5,
            annotation_clip=False,
        )


def _read_columns_of(series: Any, rows: np.ndarray) -> np.ndarray:
    """Return some ROIs of a series, shape (frame, chosen), without reading the others."""
    order = np.argsort(rows)
    values = np.asarray(series.data[:, rows[order]], float)
    return values[:, np.argsort(order)]
