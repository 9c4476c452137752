"""Stage spectrogram: power over time of the mean trace, of ephys channels and of ROIs.

The estimators behind the parameter `method` are in `spectral_estimates`.
"""

from dataclasses import dataclass
from itertools import groupby

import numpy as np

from ace_nwb.errors import InputError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.spectra import BandPower, write_spectrogram
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.signals.bands import average_bands
from ace_nwb.signals.multitaper import Spectrogram
from ace_nwb.stages.common.choosing import accepted_rois, read_dff
from ace_nwb.stages.common.regular import (
    RegularSignal,
    describe_times,
    frames_on_grid,
    read_slow_ephys,
)
from ace_nwb.stages.common.result_rows import ResultRows, write_rows
from ace_nwb.stages.common.spectral_estimates import add_lines, empty_lines, estimate_power
from ace_nwb.stages.running.context import StageContext
from ace_nwb.stages.settings.params import SpectrogramParams


@dataclass(frozen=True)
class NamedSpectrogram:
    """Power of shape (window, channel, band) at times of shape (window,), and what it is of."""

    name: str
    source: str
    unit: str
    description: str
    times_s: np.ndarray
    power: np.ndarray
    band_limits_hz: np.ndarray
    rois: np.ndarray | None = None


@dataclass(frozen=True)
class Spectra:
    """Spectrograms, and the sinusoids found in them."""

    spectrograms: list[NamedSpectrogram]
    lines: ResultRows


@dataclass(frozen=True)
class _Request:
    """What is analysed together: stretches of the same channels, and how the result is called."""

    name: str
    unit: str
    high_hz: float
    stretches: list[RegularSignal]
    rois: np.ndarray | None = None


def compute(session: Session, params: SpectrogramParams, context: StageContext) -> Spectra:
    """Compute the spectrogram of the mean dF/F of accepted ROIs, of ephys, of ROIs if wanted."""
    requests = [*_list_calcium(session, params, context), *_list_ephys(session, params, context)]
    lines = empty_lines()
    found = []
    for number, request in enumerate(requests, start=1):
        found += _analyse(request, params, context)
        if params.lines:
            for stretch in request.stretches:
                add_lines(lines, stretch, params, high_hz=request.high_hz)
        context.progress(number, len(requests))
    if params.lines:
        context.remarks.append(f"{len(lines)} sinusoids in windows (q < 0.05)")
    return Spectra(found, lines)


def write(writer: SessionWriter, result: Spectra) -> None:
    """Write the spectrograms and the lines."""
    for found in result.spectrograms:
        write_spectrogram(
            writer,
            f"/processing/spectral/{found.name}",
            BandPower(
                found.power,
                band_limits_hz=found.band_limits_hz,
                unit=found.unit,
                description=found.description,
                source=found.source,
                source_rois=found.rois,
            ),
            **describe_times(found.times_s),
        )
    write_rows(writer, [result.lines])


def _list_calcium(
    session: Session, params: SpectrogramParams, context: StageContext
) -> list[_Request]:
    """Return the mean trace of the accepted ROIs, and the ROIs if they are wanted."""
    traces, rois = read_dff(session, accepted_rois(session), context)
    grid = frames_on_grid(session, traces)
    unit = "n.a." if params.method == "wavelet" else "1/Hz"
    mean = RegularSignal(
        "",
        layout.DFF_TRACES,
        ("mean dF/F of the accepted ROIs",),
        grid.values.mean(axis=1, keepdims=True),
        grid.start_s,
        grid.rate_hz,
    )
    requests = [_Request("CalciumSpectrogram", unit, params.high_hz, [mean])]
    if params.per_roi:
        names = tuple(f"ROI {roi}" for roi in rois)
        every = RegularSignal("", layout.DFF_TRACES, names, grid.values, grid.start_s, grid.rate_hz)
        requests.append(_Request("RoiSpectrogram", unit, params.high_hz, [every], rois))
    return requests


def _list_ephys(
    session: Session, params: SpectrogramParams, context: StageContext
) -> list[_Request]:
    """Return the ephys channels, those of one series group together."""
    ephys = read_slow_ephys(
        session,
        max_frequency_hz=params.ephys_high_hz,
        skip=context.remarks.append,
        treatment=params.treatment,
        taper_samples=params.taper_samples,
    )
    unit = "V^2" if params.method == "wavelet" else "V^2/Hz"
    return [
        _Request(f"EphysSpectrogram{number or ''}", unit, params.ephys_high_hz, list(stretches))
        for number, (_, stretches) in enumerate(
            groupby(ephys, lambda s: (s.channel_names, s.rate_hz))
        )
    ]


def _analyse(
    request: _Request, params: SpectrogramParams, context: StageContext
) -> list[NamedSpectrogram]:
    """Compute the windows of every gap-free stretch, in bands of half of what windows resolve."""
    parts = [
        _analyse_stretch(stretch, params, context, high_hz=request.high_hz)
        for stretch in request.stretches
    ]
    known = [part for part in parts if part is not None]
    if not known:
        return []
    power, limits = average_bands(
        np.concatenate([part.power for part in known]),
        known[0].frequencies_hz,
        width_hz=params.time_bandwidth / params.window_s,
    )
    what = "Squared amplitude" if params.method == "wavelet" else "Power density"
    names = ", ".join(request.stretches[0].channel_names)
    return [
        NamedSpectrogram(
            name=request.name,
            source=request.stretches[0].path,
            unit=request.unit,
            description=f"{what} of {names}; times are window centres.",
            times_s=np.concatenate([part.times_s for part in known]),
            power=power,
            band_limits_hz=limits,
            rois=request.rois,
        )
    ]


def _analyse_stretch(
    stretch: RegularSignal, params: SpectrogramParams, context: StageContext, *, high_hz: float
) -> Spectrogram | None:
    """Compute one stretch; one too short for a window is left out with a remark."""
    try:
        found, message = estimate_power(
            stretch, params, high_hz=high_hz, workers=context.settings.workers
        )
    except InputError as error:
        context.remarks.append(f"{stretch.path} is left out: {error}")
        return None
    if message and message not in context.remarks:
        context.remarks.append(message)
    return Spectrogram(stretch.start_s + found.times_s, found.frequencies_hz, found.power)
