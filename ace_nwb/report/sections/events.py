"""Calcium events: when, and in which ROIs."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ace_nwb.nwb.content.events import read_events
from ace_nwb.nwb.session import Session
from ace_nwb.report import theme
from ace_nwb.report.sections.field import Rois
from ace_nwb.report.sections.parts import Section, absent, list_names, make_picture

EVENTS = "/processing/events"
MAX_VECTOR_EVENTS = 20_000  # events; as vectors each takes about 100 bytes of the page


@dataclass(frozen=True)
class EventRaster:
    """Calcium events: when, in which of `n_rois` ROIs, within which span, from which table."""

    times_s: np.ndarray
    rois: np.ndarray
    n_rois: int
    span_s: tuple[float, float]
    table: str = ""


def read_calcium_events(
    session: Session, rois: Rois | None, span_s: tuple[float, float]
) -> EventRaster | None:
    """Return the calcium events of the accepted ROIs."""
    names = list_names(session, "events", "CalciumEvents")
    if not names or rois is None:
        return None
    times_s, columns = read_events(session, f"{EVENTS}/{names[0]}")
    kept = rois.accepted[columns["roi"]]
    rank = np.cumsum(rois.accepted) - 1
    n_accepted = int(rois.accepted.sum())
    return EventRaster(times_s[kept], rank[columns["roi"][kept]], n_accepted, span_s, names[0])


def events_section(
    events: EventRaster | None, span_s: tuple[float, float], file_name: str
) -> Section:
    """Show the events."""
    anchors, title = ("events",), "Calcium events"
    if events is None:
        return absent(anchors, title, f"ace-nwb process events {file_name}")
    with theme.figure_theme():
        figure = raster_figure(events, span_s)
    n_events, n_rois = len(events.times_s), events.n_rois
    picture = make_picture(
        "events",
        title,
        figure,
        caption=f"{n_events} events of {n_rois} ROIs, ROIs that are active together side by side, "
        "over the mean rate.",
        good="scattered ticks with some structure; columns through all ROIs are motion or light.",
    )
    return Section(anchors, title, ((picture,),))


def raster_figure(events: EventRaster, span_s: tuple[float, float]) -> Figure:
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


def similarity_order(events: EventRaster) -> np.ndarray:
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


def population_rate(events: EventRaster) -> tuple[np.ndarray, np.ndarray]:
    """Return bin centres (s) and events per minute and ROI."""
    duration_s = events.span_s[1] - events.span_s[0]
    n_bins = int(np.clip(duration_s, 10, 300))
    counts, edges = np.histogram(events.times_s, bins=n_bins, range=events.span_s)
    minutes = max(duration_s, 1e-9) / n_bins / 60
    return (edges[:-1] + edges[1:]) / 2, counts / minutes / max(events.n_rois, 1)
