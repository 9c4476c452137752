"""Stage spectrogram: multitaper power over time of the mean trace and of every ephys channel."""

from dataclasses import dataclass
from itertools import groupby

import numpy as np

from ace_nwb.errors import InputError
from ace_nwb.nwb import layout
from ace_nwb.nwb.rois import read_roi_series, read_roi_table
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.nwb.spectra import write_spectrogram
from ace_nwb.signals.bands import average_bands
from ace_nwb.signals.multitaper import Spectrogram, compute_spectrogram, plan_spectrogram
from ace_nwb.stages.context import StageContext
from ace_nwb.stages.params import SpectrogramParams
from ace_nwb.stages.regular import RegularSignal, frames_on_grid, read_slow_ephys


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


def compute(
    session: Session, params: SpectrogramParams, context: StageContext
) -> list[NamedSpectrogram]:
    """Compute the spectrogram of the mean dF/F of accepted ROIs, and of the ephys channels."""
    grid = frames_on_grid(session, _mean_trace(session))
    calcium = RegularSignal(
        "",
        layout.DFF_TRACES,
        ("mean dF/F of the accepted ROIs",),
        grid.values,
        grid.start_s,
        grid.rate_hz,
    )
    found = [_analyse([calcium], params, context, name="CalciumSpectrogram", unit="1/Hz")]
    ephys = read_slow_ephys(
        session, max_frequency_hz=params.ephys_high_hz, skip=context.remarks.append
    )
    for number, (_, stretches) in enumerate(groupby(ephys, lambda s: (s.channel_names, s.rate_hz))):
        name = f"EphysSpectrogram{number or ''}"
        found.append(_analyse(list(stretches), params, context, name=name, unit="V^2/Hz"))
    context.progress(1, 1)
    return [spectrogram for spectrogram in found if spectrogram is not None]


def write(writer: SessionWriter, result: list[NamedSpectrogram]) -> None:
    """Write the spectrograms."""
    for found in result:
        steps_s = np.diff(found.times_s)
        is_regular = len(steps_s) > 0 and np.ptp(steps_s) < 1e-6
        times = (
            {"rate_hz": 1 / steps_s.mean(), "start_s": found.times_s[0]}
            if is_regular
            else {"timestamps": found.times_s}
        )
        write_spectrogram(
            writer,
            f"/processing/spectral/{found.name}",
            found.power,
            band_limits_hz=found.band_limits_hz,
            unit=found.unit,
            description=found.description,
            source=found.source,
            **times,
        )


def _mean_trace(session: Session) -> np.ndarray:
    """Return the mean dF/F over the accepted ROIs, or over all if none have been judged."""
    traces = read_roi_series(session, layout.DFF_TRACES)
    accepted = read_roi_table(session).get("accepted", np.ones(traces.shape[1], bool)).astype(bool)
    if not accepted.any():
        raise InputError(
            f"None of the {traces.shape[1]} ROIs is accepted, so there is no mean trace. Lower "
            "the thresholds of the evaluate stage, or look at the report why."
        )
    return traces[:, accepted].mean(axis=1)


def _analyse(
    stretches: list[RegularSignal],
    params: SpectrogramParams,
    context: StageContext,
    *,
    name: str,
    unit: str,
) -> NamedSpectrogram | None:
    """Compute the windows of every gap-free stretch; the bands are no more than the windows."""
    high_hz = params.high_hz if name == "CalciumSpectrogram" else params.ephys_high_hz
    parts = [_analyse_stretch(stretch, params, context, high_hz=high_hz) for stretch in stretches]
    known = [part for part in parts if part is not None]
    if not known:
        return None
    times_s = np.concatenate([part.times_s for part in known])
    power, limits = average_bands(
        np.concatenate([part.power for part in known]),
        known[0].frequencies_hz,
        max_bands=len(times_s),
    )
    width_hz = float(limits[0, 1] - limits[0, 0])
    if width_hz > 2 * params.time_bandwidth / params.window_s:
        context.remarks.append(
            f"{name}: {len(times_s)} windows hold as many bands, about {width_hz:.2g} Hz wide (NWB "
            "wants time to be the longest side); a shorter step_s gives finer ones."
        )
    channels = ", ".join(stretches[0].channel_names)
    return NamedSpectrogram(
        name=name,
        source=stretches[0].path,
        unit=unit,
        description=f"Power density of {channels}; times are window centres.",
        times_s=times_s,
        power=power,
        band_limits_hz=limits,
    )


def _analyse_stretch(
    stretch: RegularSignal, params: SpectrogramParams, context: StageContext, *, high_hz: float
) -> Spectrogram | None:
    """Compute one stretch; one too short for a window is left out with a remark."""
    plan = plan_spectrogram(
        sampling_rate_hz=stretch.rate_hz,
        high_hz=high_hz,
        **params.model_dump(include={"window_s", "step_s", "time_bandwidth", "low_hz"}),
    )
    if plan.message and plan.message not in context.remarks:
        context.remarks.append(plan.message)
    try:
        found = compute_spectrogram(stretch.values, plan)
    except InputError as error:
        context.remarks.append(f"{stretch.path} is left out: {error}")
        return None
    return Spectrogram(stretch.start_s + found.times_s, found.frequencies_hz, found.power)
