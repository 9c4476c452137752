"""At which phase of the LFP calcium events happen."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ace_nwb.nwb.content.phase import list_filtered_ephys, read_event_phase
from ace_nwb.nwb.content.series import read_series
from ace_nwb.nwb.session import Session
from ace_nwb.report import theme
from ace_nwb.report.sections.events import EventRaster
from ace_nwb.report.sections.field import Rois
from ace_nwb.report.sections.parts import Section, absent, make_picture
from ace_nwb.report.wording import plain_label
from ace_nwb.signals.phase import interpolate_phase

MAX_P = 0.05
"""Of the Rayleigh test: the usual level, not corrected for the number of ROIs."""
MIN_EVENTS = 5  # below, a vector is long by chance
N_PHASE_BINS = 18
"""Of 20 degrees each, usual for histograms of phase."""


@dataclass(frozen=True)
class EventPhases:
    """At which phase of an ephys channel calcium events happen.

    Parameters
    ----------
    channel
        Name of the ephys channel.
    event_phases_rad
        Phase at every event of the accepted ROIs, shape (event,); may be empty.
    numbers, preferred_rad, vector_length, p_value
        Per ROI: number, circular mean, mean vector length, Rayleigh p, shape (roi,).
    """

    channel: str
    event_phases_rad: np.ndarray
    numbers: np.ndarray
    preferred_rad: np.ndarray
    vector_length: np.ndarray
    p_value: np.ndarray


def read_phases(
    session: Session, rois: Rois | None, events: EventRaster | None
) -> EventPhases | None:
    """Return how events lie on the phase of the ephys channel that most ROIs are locked to."""
    found = read_event_phase(session)
    if rois is None or events is None or not len(found.roi):
        return None
    known = np.isfinite(found.preferred_phase) & (found.events == events.table)
    known &= rois.accepted[found.roi]
    if not known.any():
        return None
    channels, inverse = np.unique(found.channel, return_inverse=True)
    locked = np.bincount(inverse, known & (found.rayleigh_p < MAX_P), minlength=len(channels))
    channel = str(channels[int(np.argmax(locked))])
    rows = known & (found.channel == channel) & (found.n_events >= MIN_EVENTS)
    return EventPhases(
        channel=channel,
        event_phases_rad=_event_phases(session, channel, events),
        numbers=found.roi[rows],
        preferred_rad=found.preferred_phase[rows],
        vector_length=found.vector_length[rows],
        p_value=found.rayleigh_p[rows],
    )


def phase_section(phases: EventPhases | None, file_name: str) -> Section:
    """Show the phases of events and of ROIs."""
    anchors, title = ("phase",), "Calcium events and ephys phase"
    if phases is None:
        return absent(anchors, title, f"ace-nwb process phase {file_name}")
    n_locked = int((phases.p_value < 0.05).sum())
    pictures = []
    if phases.event_phases_rad.size:
        with theme.figure_theme():
            figure = event_phase_figure(phases)
        caption = f"Phase of {plain_label(phases.channel)} at {phases.event_phases_rad.size} "
        caption += "events; dashed: no preference."
        pictures.append(
            make_picture("event-phase", caption, figure, caption=caption, is_wide=False)
        )
    with theme.figure_theme():
        figure = preferred_phase_figure(phases)
    caption = f"Preferred phase of the {phases.numbers.size} ROIs with at least five events; in "
    caption += f"colour the {n_locked} with Rayleigh p < 0.05 (not corrected)."
    good = "long stems in colour; short ones all around are chance."
    pictures.append(
        make_picture("preferred-phase", caption, figure, caption=caption, good=good, is_wide=False)
    )
    return Section(anchors, title, (tuple(pictures),))


def event_phase_figure(phases: EventPhases) -> Figure:
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


def preferred_phase_figure(phases: EventPhases) -> Figure:
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


def _event_phases(session: Session, channel: str, events: EventRaster) -> np.ndarray:
    """Return the phase of a channel at every event, over all its stretches."""
    found = []
    for stretch in list_filtered_ephys(session):
        path = f"/processing/phase/{stretch.name.replace('EphysFiltered', 'EphysPhase')}"
        if channel not in stretch.channel_names or not session.has(path):
            continue
        times_s, phases = read_series(session, path)
        column = phases.reshape(len(phases), -1)[:, stretch.channel_names.index(channel)]
        found.append(interpolate_phase(column, times_s, times_s=events.times_s))
    phases = np.concatenate(found or [np.empty(0)])
    return phases[np.isfinite(phases)]
