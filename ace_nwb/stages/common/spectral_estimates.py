"""The estimators that the stage spectrogram offers, and its search for sinusoids."""

import numpy as np

from ace_nwb.errors import InputError
from ace_nwb.nwb import layout
from ace_nwb.signals.mtspec import compute_package_spectrogram
from ace_nwb.signals.multitaper import (
    SpectralPlan,
    Spectrogram,
    compute_spectrogram,
    plan_spectrogram,
)
from ace_nwb.signals.spectral_lines import compute_line_test
from ace_nwb.signals.surrogates import control_false_discoveries
from ace_nwb.signals.wavelets import compute_wavelet_power
from ace_nwb.stages.common.regular import RegularSignal
from ace_nwb.stages.common.result_rows import ResultRows
from ace_nwb.stages.settings.params import SpectrogramParams

MAX_WAVELETS = 100  # frequencies: bounds the time; neighbouring wavelets still overlap
LEVEL = 0.05  # false discovery rate of the sinusoids found


def plan_stretch(
    stretch: RegularSignal, params: SpectrogramParams, *, high_hz: float
) -> SpectralPlan:
    """Prepare tapers and frequencies for a stretch."""
    return plan_spectrogram(
        sampling_rate_hz=stretch.rate_hz,
        high_hz=high_hz,
        **params.model_dump(include={"window_s", "step_s", "time_bandwidth", "low_hz"}),
    )


def estimate_power(
    stretch: RegularSignal, params: SpectrogramParams, *, high_hz: float, workers: int
) -> tuple[Spectrogram, str]:
    """Return the power of a stretch by the chosen method, and what was changed of the request.

    Times count from the first sample.
    """
    plan = plan_stretch(stretch, params, high_hz=high_hz)
    is_adaptive = params.weights == "adaptive"
    if params.method == "wavelet":
        return _estimate_wavelets(stretch, plan, n_cycles=params.n_cycles), plan.message
    if params.method == "multitaper":
        found = compute_package_spectrogram(stretch.values, plan, is_adaptive=is_adaptive)
        return found, plan.message
    found = compute_spectrogram(stretch.values, plan, is_adaptive=is_adaptive, workers=workers)
    return found, plan.message


def empty_lines() -> ResultRows:
    """Return the table of sinusoids without rows."""
    return ResultRows(
        layout.SPECTRAL_LINES,
        "Sinusoids in windows of the spectrograms by Thomson's F-test: one row per window and "
        "frequency with q < 0.05.",
        {
            "signal": "The signal.",
            "time_s": "Centre of the window, session clock.",
            "frequency_hz": "Frequency.",
            "amplitude": "Amplitude in the unit of the signal.",
            "f_statistic": "Power explained by the sinusoid over the rest.",
            "p_value": "Probability of so large a ratio in smooth noise.",
            "q_value": "p corrected for all windows and frequencies of the signal.",
        },
    )


def add_lines(
    table: ResultRows, stretch: RegularSignal, params: SpectrogramParams, *, high_hz: float
) -> None:
    """Add the sinusoids of every channel of a stretch."""
    plan = plan_stretch(stretch, params, high_hz=high_hz)
    last = len(stretch.values) - plan.window_samples
    for channel, name in enumerate(stretch.channel_names):
        values = stretch.values[:, channel]
        starts = [
            start
            for start in range(0, last + 1, plan.step_samples)
            if np.isfinite(values[start : start + plan.window_samples]).all()
        ]
        found = [compute_line_test(values[s : s + plan.window_samples], plan) for s in starts]
        if not found:
            continue
        q_values = control_false_discoveries(np.array([lines.p_value for lines in found]))
        for start, lines, q_value in zip(starts, found, q_values, strict=True):
            centre_s = stretch.start_s + (start + (plan.window_samples - 1) / 2) / stretch.rate_hz
            for index in np.flatnonzero(q_value < LEVEL):
                table.add(
                    signal=name,
                    time_s=centre_s,
                    frequency_hz=lines.frequencies_hz[index],
                    amplitude=lines.amplitude[index],
                    f_statistic=lines.f_statistic[index],
                    p_value=lines.p_value[index],
                    q_value=q_value[index],
                )


def _estimate_wavelets(
    stretch: RegularSignal, plan: SpectralPlan, *, n_cycles: float
) -> Spectrogram:
    """Compute wavelet power at evenly spaced frequencies of the plan; edges are left out."""
    positive = plan.frequencies_hz[
        (plan.frequencies_hz > 0) & (plan.frequencies_hz < plan.sampling_rate_hz / 2)
    ]
    frequencies_hz = positive[:: -(-len(positive) // MAX_WAVELETS)]
    power = np.stack(
        [
            compute_wavelet_power(
                column,
                sampling_rate_hz=stretch.rate_hz,
                frequencies_hz=frequencies_hz,
                n_cycles=n_cycles,
                step_samples=plan.step_samples,
            )
            for column in stretch.values.T
        ],
        axis=1,
    )
    known = np.isfinite(power).any(axis=(1, 2))
    if not known.any():
        seconds = len(stretch.values) / stretch.rate_hz
        raise InputError(
            f"No wavelet of {n_cycles:g} cycles between {frequencies_hz[0]:.3g} and "
            f"{frequencies_hz[-1]:.3g} Hz fits into {seconds:.3g} s. Give fewer cycles or a "
            "higher low_hz."
        )
    times_s = np.arange(len(power)) * plan.step_samples / stretch.rate_hz
    return Spectrogram(times_s[known], frequencies_hz, power[known])
