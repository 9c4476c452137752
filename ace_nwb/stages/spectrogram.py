"""Stage spectrogram: multitaper power over time of the mean trace and of every ephys channel."""

from dataclasses import dataclass

import numpy as np

from ace_nwb.errors import InputError
from ace_nwb.nwb import layout
from ace_nwb.nwb.rois import read_roi_series, read_roi_table
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.nwb.spectra import write_spectrogram
from ace_nwb.signals.bands import average_bands
from ace_nwb.signals.multitaper import compute_spectrogram, plan_spectrogram
from ace_nwb.stages.context import StageContext
from ace_nwb.stages.params import SpectrogramParams
from ace_nwb.stages.regular import frames_on_grid, read_slow_ephys


@dataclass(frozen=True)
class NamedSpectrogram:
    """Power of shape (window, channel, band), its name in the file, and what it is of."""

    name: str
    source: str
    unit: str
    description: str
    start_s: float
    step_s: float
    power: np.ndarray
    band_limits_hz: np.ndarray


def compute(
    session: Session, params: SpectrogramParams, context: StageContext
) -> list[NamedSpectrogram]:
    """Compute the spectrogram of the mean dF/F of accepted ROIs, and of each ephys stretch."""
    grid = frames_on_grid(session, _mean_trace(session))
    found = [
        _analyse(
            grid.values,
            params,
            context,
            high_hz=params.high_hz,
            rate_hz=grid.rate_hz,
            first_s=grid.start_s,
            name="CalciumSpectrogram",
            source=layout.DFF_TRACES,
            unit="1/Hz",
            description="Power density of the mean dF/F of the accepted ROIs.",
        )
    ]
    for signal in read_slow_ephys(
        session, max_frequency_hz=params.ephys_high_hz, skip=context.remarks.append
    ):
        try:
            found.append(
                _analyse(
                    signal.values,
                    params,
                    context,
                    high_hz=params.ephys_high_hz,
                    rate_hz=signal.rate_hz,
                    first_s=signal.start_s,
                    name=f"EphysSpectrogram{signal.name}",
                    source=signal.path,
                    unit="V^2/Hz",
                    description=f"Power density of {', '.join(signal.channel_names)}.",
                )
            )
        except InputError as error:
            context.remarks.append(f"{signal.path} is left out: {error}")
    context.progress(1, 1)
    return found


def write(writer: SessionWriter, result: list[NamedSpectrogram]) -> None:
    """Write the spectrograms."""
    for found in result:
        write_spectrogram(
            writer,
            f"/processing/spectral/{found.name}",
            found.power,
            band_limits_hz=found.band_limits_hz,
            unit=found.unit,
            description=found.description,
            source=found.source,
            rate_hz=1 / found.step_s,
            start_s=found.start_s,
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
    values: np.ndarray,
    params: SpectrogramParams,
    context: StageContext,
    *,
    high_hz: float,
    rate_hz: float,
    first_s: float,
    **names: str,
) -> NamedSpectrogram:
    """Compute one spectrogram; a band beyond Nyquist is clipped with a remark."""
    plan = plan_spectrogram(
        sampling_rate_hz=rate_hz,
        high_hz=high_hz,
        **params.model_dump(include={"window_s", "step_s", "time_bandwidth", "low_hz"}),
    )
    if plan.message:
        context.remarks.append(plan.message)
    spectrogram = compute_spectrogram(values, plan)
    power, limits = average_bands(
        spectrogram.power, spectrogram.frequencies_hz, max_bands=len(spectrogram.times_s)
    )
    width_hz = limits[-1, 0] - limits[-2, 0] if len(limits) > 1 else np.ptp(limits)
    if width_hz > 2 * params.time_bandwidth / params.window_s:
        context.remarks.append(
            f"{names['name']}: {len(power)} windows hold as many bands, {width_hz:.2g} Hz wide "
            "(NWB wants time to be the longest side); a shorter step_s gives finer ones."
        )
    return NamedSpectrogram(
        **names,
        start_s=first_s + float(spectrogram.times_s[0]),
        step_s=plan.step_samples / rate_hz,
        power=power,
        band_limits_hz=limits,
    )
