"""Power over time and frequency, of calcium and of one ephys channel."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from ace_nwb.nwb.content.ephys import describe_series
from ace_nwb.nwb.content.spectra import read_spectrogram
from ace_nwb.nwb.session import Session
from ace_nwb.report import theme
from ace_nwb.report.sections.parts import Section, absent, list_names, make_picture
from ace_nwb.report.theme import cell_edges
from ace_nwb.report.wording import plain_label
from ace_nwb.signals.runs import find_breaks

SPECTRAL = "/processing/spectral"
SPECTRAL_MAP = "magma"


@dataclass(frozen=True)
class SpectrogramPiece:
    """Linear power, shape (window, frequency), at the windows' centres."""

    name: str
    times_s: np.ndarray
    frequencies_hz: np.ndarray
    power: np.ndarray
    is_ephys: bool


def read_spectrograms(session: Session, channel: str | None) -> tuple[SpectrogramPiece, ...]:
    """Return the spectrogram of calcium and of one ephys channel, where they exist."""
    names = list_names(session, "spectral")
    ephys = [_read_ephys_spectrogram(session, n, channel) for n in names if n.startswith("Ephys")]
    calcium = [
        _split_at_gaps(
            session, f"{SPECTRAL}/{name}", index=0, name="mean calcium trace", is_ephys=False
        )
        for name in names
        if name.startswith("Calcium")
    ]
    found = [pieces for pieces in ephys if pieces][:1] + calcium[:1]
    return tuple(piece for pieces in found for piece in pieces)


def spectrogram_section(
    pieces: tuple[SpectrogramPiece, ...], span_s: tuple[float, float], file_name: str
) -> Section:
    """Show the spectrograms."""
    anchors, title = ("spectrogram",), "Spectrograms"
    shown = tuple(piece for piece in pieces if piece.power.size)
    if not shown:
        return absent(anchors, title, f"ace-nwb process spectrogram {file_name}")
    with theme.figure_theme():
        figure = spectrogram_figure(shown, span_s)
    picture = make_picture(
        "spectrogram",
        title,
        figure,
        caption="Power over time and frequency; ephys above, mean calcium trace below.",
        good="bands and states that come and go; thin level lines are mains hum.",
    )
    return Section(anchors, title, ((picture,),))


def spectrogram_figure(
    spectrograms: tuple[SpectrogramPiece, ...], span_s: tuple[float, float]
) -> Figure:
    """Return spectrograms below each other on one time axis, ephys on top.

    Stretches of one channel, which share its name, stand in one panel.
    """
    ordered = sorted(spectrograms, key=lambda spectrogram: not spectrogram.is_ephys)
    stretches: dict[str, list[SpectrogramPiece]] = {}
    for spectrogram in ordered:
        stretches.setdefault(spectrogram.name, []).append(spectrogram)
    figure, panels = theme.stack_panels([125] * len(stretches), gap_px=36, top_px=28)
    for panel, pieces in zip(panels, stretches.values(), strict=True):
        draw_spectrogram(panel, pieces, span_s)
        theme.style_time_axis(panel, span_s, label=panel is panels[-1])
    theme.align_y_labels(panels)
    return figure


def draw_spectrogram(
    panel: Axes, pieces: Sequence[SpectrogramPiece], span_s: tuple[float, float]
) -> None:
    """Draw the power of one channel in dB above its median, with a colour bar at the right."""
    divisor = theme.time_unit(span_s)[0]
    frequencies = cell_edges(pieces[0].frequencies_hz)
    decibels = to_decibels(np.concatenate([piece.power for piece in pieces]))
    low, high = np.nanpercentile(decibels, (2, 99.5))
    first = 0
    for piece in pieces:
        times = cell_edges(piece.times_s) / divisor
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


def _read_ephys_spectrogram(
    session: Session, name: str, channel: str | None
) -> list[SpectrogramPiece]:
    """Return the spectrogram of one channel, a piece per gap-free stretch; none if not there."""
    path = f"{SPECTRAL}/{name}"
    names = describe_series(path, session.get(path).source_timeseries).channel_names
    if channel and channel not in names:
        return []
    index = names.index(channel) if channel else 0
    return _split_at_gaps(session, path, index=index, name=names[index], is_ephys=True)


def _split_at_gaps(
    session: Session, path: str, *, index: int, name: str, is_ephys: bool
) -> list[SpectrogramPiece]:
    """Return one channel of a spectrogram, a piece per gap-free stretch."""
    found = read_spectrogram(session, path)
    times_s = found["times_s"]
    frequencies_hz = found["band_limits_hz"].mean(axis=1)
    return [
        SpectrogramPiece(name, times_s[rows], frequencies_hz, found["power"][rows, index], is_ephys)
        for rows in np.split(np.arange(len(times_s)), find_breaks(times_s))
    ]
