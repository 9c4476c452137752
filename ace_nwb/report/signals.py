"""Figures of traces, events, spectra and phases.

Arrays in, matplotlib figures out; call inside `theme.figure_theme`. Images are in `imaging`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from ace_nwb.report import theme
from ace_nwb.report.content import Events, Phases, Spectrogram, Traces
from ace_nwb.report.wording import plain_label

TRACE_HEIGHT_PX = 27
MAX_VECTOR_EVENTS = 20_000
N_PHASE_BINS = 18
SPECTRAL_MAP = "magma"


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


def round_length(largest: float) -> float:
    """Return the greatest of 1, 2, 5 x 10^n that is not above `largest`."""
    power = 10.0 ** np.floor(np.log10(largest))
    return float(max(step * power for step in (1, 2, 5) if step * power <= largest * 1.0001))


def raster_figure(events: Events, span_s: tuple[float, float]) -> Figure:
    """Return a raster of calcium events, similar ROIs next to each other, over their rate."""
    raster_px = min(max(3 * events.n_rois, 120), 420)
    figure, (raster, rate) = theme.stack_panels([raster_px, 70])
    order = similarity_order(events)
    rank = np.empty(events.n_rois, int)
    rank[order] = np.arange(events.n_rois)
    divisor = theme.time_unit(span_s)[0]
    draw_ticks(raster, events.times_s / divisor, rank[events.rois])
    raster.set_ylim(max(events.n_rois, 1) - 0.5, -0.5)
    raster.set_ylabel("ROI (sorted)")
    centres_s, per_minute = population_rate(events)
    rate.fill_between(centres_s / divisor, per_minute, color=theme.CALCIUM, alpha=0.25, linewidth=0)
    rate.plot(centres_s / divisor, per_minute, color=theme.CALCIUM)
    theme.style_value_axis(rate, "events\nper min, ROI", n_ticks=3)
    rate.set_ylim(bottom=0)
    theme.style_time_axis(raster, span_s, label=False)
    theme.style_time_axis(rate, span_s)
    theme.align_y_labels([raster, rate], offset_px=38)
    return figure


def draw_ticks(panel: Axes, times: np.ndarray, ranks: np.ndarray) -> None:
    """Draw one short upright tick per event, all as a single broken line."""
    x = np.repeat(times, 3)
    y = np.stack([ranks - 0.42, ranks + 0.42, np.full(len(ranks), np.nan)], axis=1).ravel()
    (line,) = panel.plot(x, y, color=theme.INK, linewidth=1.3, solid_capstyle="butt")
    line.set_rasterized(len(times) > MAX_VECTOR_EVENTS)


def similarity_order(events: Events) -> np.ndarray:
    """Return the ROIs ordered by when they are active together.

    The order is the angle of each ROI's binned activity in the plane of the first two principal
    components, which places ROIs that share events side by side.
    """
    n_bins = 200
    edges = np.linspace(*events.span_s, n_bins + 1)
    bins = np.clip(np.searchsorted(edges, events.times_s, side="right") - 1, 0, n_bins - 1)
    counts = np.zeros((events.n_rois, n_bins))
    np.add.at(counts, (events.rois, bins), 1.0)
    smooth = counts + 0.5 * (np.roll(counts, 1, axis=1) + np.roll(counts, -1, axis=1))
    if events.n_rois < 3:
        return np.arange(events.n_rois)
    left, scale, _ = np.linalg.svd(smooth - smooth.mean(axis=0), full_matrices=False)
    plane = left[:, :2] * scale[:2]
    plane = plane * np.sign(plane[np.abs(plane).argmax(axis=0), [0, 1]])
    return np.argsort(np.arctan2(plane[:, 1], plane[:, 0]), kind="stable")


def population_rate(events: Events) -> tuple[np.ndarray, np.ndarray]:
    """Return bin centres (s) and events per minute and ROI."""
    duration_s = events.span_s[1] - events.span_s[0]
    n_bins = int(np.clip(duration_s, 10, 300))
    counts, edges = np.histogram(events.times_s, bins=n_bins, range=events.span_s)
    minutes = max(duration_s, 1e-9) / n_bins / 60
    return (edges[:-1] + edges[1:]) / 2, counts / minutes / max(events.n_rois, 1)


def spectrogram_figure(
    spectrograms: tuple[Spectrogram, ...], span_s: tuple[float, float]
) -> Figure:
    """Return spectrograms below each other on one time axis, ephys on top.

    Stretches of one channel, which share its name, stand in one panel.
    """
    ordered = sorted(spectrograms, key=lambda spectrogram: not spectrogram.is_ephys)
    stretches: dict[str, list[Spectrogram]] = {}
    for spectrogram in ordered:
        stretches.setdefault(spectrogram.name, []).append(spectrogram)
    figure, panels = theme.stack_panels([125] * len(stretches), gap_px=36, top_px=28)
    for panel, pieces in zip(panels, stretches.values(), strict=True):
        draw_spectrogram(panel, pieces, span_s)
        theme.style_time_axis(panel, span_s, label=panel is panels[-1])
    theme.align_y_labels(panels)
    return figure


def draw_spectrogram(
    panel: Axes, pieces: Sequence[Spectrogram], span_s: tuple[float, float]
) -> None:
    """Draw the power of one channel in dB above its median, with a colour bar at the right."""
    divisor = theme.time_unit(span_s)[0]
    frequencies = _edges(pieces[0].frequencies_hz)
    decibels = to_decibels(np.concatenate([piece.power for piece in pieces]))
    low, high = np.nanpercentile(decibels, (2, 99.5))
    first = 0
    for piece in pieces:
        times = _edges(piece.times_s) / divisor
        picture = panel.imshow(
            _thin(decibels[first : first + len(piece.power)]).T,
            cmap=SPECTRAL_MAP,
            vmin=low,
            vmax=high if high > low else low + 1,
            extent=(times[0], times[-1], max(frequencies[0], 0), frequencies[-1]),
            origin="lower",
            aspect="auto",
            interpolation="none",
        )
        first += len(piece.power)
    colour = theme.EPHYS if pieces[0].is_ephys else theme.CALCIUM
    panel.set_title(plain_label(pieces[0].name), color=colour)
    panel.set_ylabel("frequency (Hz)")
    panel.set_ylim(max(frequencies[0], 0), frequencies[-1])
    _draw_colour_bar(panel, picture)


def to_decibels(power: np.ndarray) -> np.ndarray:
    """Return power in dB above its median."""
    positive = power[power > 0]
    if not positive.size:
        return np.zeros(power.shape)
    floor = positive.min()
    return 10 * np.log10(np.maximum(power, floor) / np.median(positive))


def _thin(decibels: np.ndarray) -> np.ndarray:
    """Average neighbouring windows until there are no more than the page has pixels."""
    factor = -(-len(decibels) // theme.FIGURE_WIDTH_PX)
    n_kept = len(decibels) // max(factor, 1)
    return decibels[: n_kept * factor].reshape(n_kept, factor, -1).mean(axis=1)


def _edges(centres: np.ndarray) -> np.ndarray:
    """Return the outer edges of evenly spaced cells from their centres."""
    step = float(centres[1] - centres[0]) if len(centres) > 1 else 1.0
    return np.array([centres[0] - step / 2, centres[-1] + step / 2])


def _draw_colour_bar(panel: Axes, picture: AxesImage) -> None:
    """Draw the colour bar of a picture in the right margin."""
    bar = panel.inset_axes((1.012, 0, 0.012, 1))
    panel.figure.colorbar(picture, cax=bar)
    bar.yaxis.label.set_fontsize(10.5)
    bar.set_ylabel("dB re median")
    bar.locator_params(nbins=4)
    bar.tick_params(length=3)
    for spine in bar.spines.values():
        spine.set_visible(False)


def event_phase_figure(phases: Phases) -> Figure:
    """Return a polar histogram of the ephys phase at every event."""
    figure, panel = _polar_panel()
    edges = np.linspace(-np.pi, np.pi, N_PHASE_BINS + 1)
    counts, _ = np.histogram(phases.event_phases_rad, bins=edges)
    share = 100 * counts / max(counts.sum(), 1)
    width = edges[1] - edges[0]
    panel.bar(
        edges[:-1] + width / 2, share, width=width * 0.92, color=theme.CALCIUM, alpha=0.75, zorder=2
    )
    ring = np.linspace(-np.pi, np.pi, 181)
    even = np.full(181, 100 / N_PHASE_BINS)
    panel.plot(ring, even, color=theme.MUTED, linestyle=(0, (3, 2)), zorder=3)
    panel.set_rlim(0, max(share.max() * 1.08, 1))
    _style_radius(panel, "% of events")
    return figure


def preferred_phase_figure(phases: Phases) -> Figure:
    """Return each ROI's preferred phase as a stem whose length is its vector length."""
    figure, panel = _polar_panel()
    locked = phases.p_value < 0.05
    for kept, colour, z in ((~locked, theme.FAINT, 2), (locked, theme.EPHYS, 3)):
        angles, lengths = phases.preferred_rad[kept], phases.vector_length[kept]
        for angle, length in zip(angles, lengths, strict=True):
            panel.plot([angle, angle], [0, length], color=colour, linewidth=1.3, zorder=z)
        panel.plot(angles, lengths, "o", color=colour, markersize=4.5, zorder=z)
    longest = float(np.nanmax(phases.vector_length, initial=0.1))
    panel.set_rlim(0, min(longest * 1.1, 1))
    _style_radius(panel, "vector length")
    return figure


def _polar_panel() -> tuple[Figure, Any]:
    """Return a figure with one round panel, phase 0 to the right, counted anticlockwise."""
    figure = theme.new_figure(430, 330)
    panel: Any = theme.add_panel(figure, (90, 40, 250, 250), projection="polar")
    panel.set_thetagrids((0, 90, 180, 270), ("0 peak", "π/2", "±π trough", "−π/2"))
    panel.tick_params(axis="x", pad=2)
    panel.xaxis.get_majorticklabels()[0].set_ha("left")
    panel.xaxis.get_majorticklabels()[2].set_ha("right")
    panel.grid(color=theme.GRID, linewidth=0.8)
    panel.spines["polar"].set_color(theme.FAINT)
    return figure, panel


def _style_radius(panel: Any, label: str) -> None:
    """Put few radial ticks on the diagonal and name them below the circle."""
    panel.yaxis.set_major_locator(theme.MaxNLocator(3, prune="lower"))
    panel.set_rlabel_position(60)
    panel.tick_params(axis="y", labelsize=9.5)
    panel.annotate(
        f"radius: {label}",
        (0.5, 0),
        xycoords="axes fraction",
        xytext=(0, -34),
        textcoords="offset points",
        ha="center",
        color=theme.MUTED,
        fontsize=10.5,
        annotation_clip=False,
    )
