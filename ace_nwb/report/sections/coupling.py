"""How calcium and ephys relate: phase, coherence, averages around events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ace_nwb.nwb import layout
from ace_nwb.nwb.content import coupling as stored
from ace_nwb.nwb.content.spectra import read_spectrogram
from ace_nwb.nwb.session import Session
from ace_nwb.report import theme
from ace_nwb.report.sections.parts import Picture, Section, absent, make_picture
from ace_nwb.report.theme import cell_edges
from ace_nwb.report.wording import plain_label
from ace_nwb.signals.resampling import place_on_grid

WHOLE = "whole"
MAX_TRIGGERS = 4  # averages side by side, each wide enough for its axis
MAX_CHANNELS = 3  # channels, one row each; the table in the file has all
BOX = (64, 34, 346, 200)  # left, top, width, height in px of a panel with labels on two sides
SMALL_WIDTH_PX, SMALL_HEIGHT_PX = 430, 290  # px: two figures fit side by side
Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Band:
    """A curve with an interval around it and what chance would give, arrays of shape (point,).

    Parameters
    ----------
    name
        What it is of: a channel, a trigger.
    x
        Phase (radians), frequency (Hz) or lag (s).
    values, lower, upper
        The curve and its interval; equal where there is none.
    null_lower, null_upper
        Band that chance keeps to.
    note
        What the numbers say.
    """

    name: str
    x: np.ndarray
    values: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    null_lower: np.ndarray
    null_upper: np.ndarray
    note: str = ""


@dataclass(frozen=True)
class Coherogram:
    """Coherence of the mean trace with a channel over time, shape (window, frequency)."""

    channel: str
    times_s: np.ndarray
    frequencies_hz: np.ndarray
    coherence: np.ndarray


@dataclass(frozen=True)
class Relations:
    """Everything that was found; parts whose stage has not been run are empty."""

    histograms: tuple[Band, ...] = ()
    coherence: tuple[Band, ...] = ()
    course: Coherogram | None = None
    perievent: tuple[Band, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been related."""
        return not any((self.histograms, self.coherence, self.course, self.perievent))


def read_relations(session: Session) -> Relations:
    """Return what the coupling stages wrote."""
    coherence = _read_coherence(session)
    return Relations(
        histograms=_read_histograms(session),
        coherence=coherence,
        course=_read_course(session, coherence),
        perievent=_read_perievent(session),
    )


def coupling_section(found: Relations, span_s: tuple[float, float], file_name: str) -> Section:
    """Show what is related."""
    anchors, title = ("coupling",), "Coupling of calcium and ephys"
    if found.is_empty:
        return absent(anchors, title, f"ace-nwb process coupling {file_name}")
    rows: list[tuple[Picture, ...]] = []
    with theme.figure_theme():
        if found.histograms:
            figure = histogram_figure(found.histograms)
            caption = "Events of the analysed ROIs by ephys phase; dashed: the band that events "
            caption += "moved in time keep to (95 %). ROIs that prefer different phases cancel "
            caption += "here; their own phases stand above."
            good = "bars that leave the band on one side; all within it is chance."
            rows.append((make_picture("phase-counts", title, figure, caption=caption, good=good),))
        if found.coherence:
            figure = coherence_figure(found.coherence)
            caption = "Coherence of the mean trace with each channel, its 95 % confidence in "
            caption += "colour, and what shuffled windows stay below at every frequency in grey."
            good = "a peak that rises above the grey with its whole band."
            rows.append((make_picture("coherence", caption, figure, caption=caption, good=good),))
        if found.course is not None:
            figure = course_figure(found.course, span_s)
            caption = "The same over time, for the channel that stands out most."
            rows.append((make_picture("coherogram", caption, figure, caption=caption),))
        if found.perievent:
            figure = perievent_figure(found.perievent)
            caption = "Mean trace around events with its standard error; in grey the band that "
            caption += "averages around moved events keep to (95 %)."
            good = "a curve that leaves the grey after zero; before zero nothing can answer."
            rows.append((make_picture("perievent", caption, figure, caption=caption, good=good),))
    return Section(anchors, title, tuple(rows))


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


def course_figure(course: Coherogram, span_s: tuple[float, float]) -> Figure:
    """Return the coherence of the mean trace with one channel over time."""
    figure, (panel,) = theme.stack_panels([125], top_px=28)
    divisor = theme.time_unit(span_s)[0]
    times, frequencies = cell_edges(course.times_s) / divisor, cell_edges(course.frequencies_hz)
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


def _read_histograms(session: Session) -> tuple[Band, ...]:
    """Return the phases at events per channel, those that most ROIs are locked to first."""
    pairs = stored.read_result_table(session, layout.EVENT_PHASE_COUPLING)
    bins = stored.read_result_table(session, layout.PHASE_HISTOGRAM)
    if not pairs or not bins:
        return ()
    pairs = select_rows(pairs, condition=WHOLE)
    bins = select_rows(bins, condition=WHOLE, events=str(bins["events"][0]))
    found = []
    for channel in dict.fromkeys(bins["channel"].tolist()):
        rows = select_rows(bins, channel=channel)
        q_value = select_rows(pairs, channel=channel)["q_value"]
        n_locked = int(np.sum(q_value < 0.05))
        band = Band(
            channel,
            (rows["lower_phase"] + rows["upper_phase"]) / 2,
            rows["count"],
            rows["count"],
            rows["count"],
            rows["null_lower"],
            rows["null_upper"],
            note=f"{n_locked} of {np.isfinite(q_value).sum()} ROIs locked (q < 0.05)",
        )
        found.append((n_locked, band))
    found.sort(key=lambda pair: -pair[0])
    return tuple(band for _, band in found[:MAX_CHANNELS])


def _read_coherence(session: Session) -> tuple[Band, ...]:
    columns = stored.read_result_table(session, layout.MEAN_COHERENCE)
    if not columns:
        return ()
    columns = select_rows(columns, condition=WHOLE)
    pairs = select_rows(stored.read_result_table(session, layout.ROI_COHERENCE), condition=WHOLE)
    found = []
    for channel in dict.fromkeys(columns["channel"].tolist()):
        rows = select_rows(columns, channel=channel)
        q_value = select_rows(pairs, channel=channel)["q_value"]
        found.append(
            Band(
                channel,
                rows["frequency_hz"],
                rows["coherence"],
                rows["lower"],
                rows["upper"],
                np.zeros(len(rows["null_level"])),
                rows["null_level"],
                note=f"{np.sum(q_value < 0.05)} of {len(q_value)} ROIs (q < 0.05)",
            )
        )
    return tuple(found)


def _read_course(session: Session, coherence: tuple[Band, ...]) -> Coherogram | None:
    """Return the coherogram of the channel that the mean trace is most coherent with."""
    if not coherence or not session.has(layout.COHEROGRAM):
        return None
    excess = [float(np.nanmax(band.values - band.null_upper)) for band in coherence]
    channel = int(np.argmax(excess))
    found = read_spectrogram(session, layout.COHEROGRAM)
    if channel >= found["power"].shape[1] or len(found["times_s"]) < 2:
        return None
    # Windows with a gap are not stored; in the picture they are left blank.
    grid = place_on_grid(found["power"][:, channel], found["times_s"])
    return Coherogram(
        coherence[channel].name,
        grid.times_s,
        found["band_limits_hz"].mean(axis=1),
        grid.values,
    )


def _read_perievent(session: Session) -> tuple[Band, ...]:
    """Return the mean trace around the triggers, those with the clearest answer first."""
    columns = stored.read_result_table(session, layout.MEAN_PERIEVENT)
    if not columns:
        return ()
    columns = select_rows(columns, signal="mean dF/F")
    bands = []
    for trigger in dict.fromkeys(columns["trigger"].tolist()):
        rows = select_rows(columns, trigger=trigger)
        p_value = float(rows["p_value"][0])
        band = Band(
            trigger,
            rows["lag_s"],
            rows["mean"],
            rows["mean"] - rows["standard_error"],
            rows["mean"] + rows["standard_error"],
            rows["null_lower"],
            rows["null_upper"],
            note=f"{int(rows['n_events'].max())} events, p = {p_value:.2g}",
        )
        bands.append((p_value, band))
    bands.sort(key=lambda pair: pair[0])
    return tuple(band for _, band in bands[:MAX_TRIGGERS])


def select_rows(columns: Columns, **wanted: str) -> Columns:
    """Return the rows in which every given column has the given value."""
    kept = np.ones(len(next(iter(columns.values()))), bool)
    for name, value in wanted.items():
        kept &= columns[name] == value
    return {name: values[kept] for name, values in columns.items()}


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
