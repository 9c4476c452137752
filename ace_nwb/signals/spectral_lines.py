"""Periodic components in a spectrum by Thomson's harmonic F-test."""

from dataclasses import dataclass

import numpy as np
import scipy

from ace_nwb.errors import InputError, ParameterError
from ace_nwb.signals.multitaper import SpectralPlan, compute_eigencoefficients, find_real_bins


@dataclass(frozen=True)
class SpectralLines:
    """Evidence for a sinusoid at each frequency, shape (frequency,) each.

    Parameters
    ----------
    frequencies_hz
        Frequencies tested.
    f_statistic
        Power explained by a sinusoid over the rest, with 2 and 2 K - 2 degrees of freedom.
    p_value
        Probability of so large a ratio in smooth noise; NaN at zero and Nyquist.
    amplitude
        Amplitude of the sinusoid in the signal's unit.
    """

    frequencies_hz: np.ndarray
    f_statistic: np.ndarray
    p_value: np.ndarray
    amplitude: np.ndarray


def compute_line_test(values: np.ndarray, plan: SpectralPlan) -> SpectralLines:
    """Test every frequency for a sinusoid within one window (Thomson 1982, section XIII).

    Parameters
    ----------
    values
        Evenly sampled finite values of exactly one window, shape (sample,).
    plan
        From `plan_spectrogram`, with at least 2 tapers.

    Returns
    -------
    SpectralLines
        One value per frequency. Testing many frequencies needs a correction
        (`surrogates.control_false_discoveries`).
    """
    values = np.asarray(values, dtype=float)
    n_tapers, n_samples = plan.tapers.shape
    if values.shape != (n_samples,):
        raise InputError(
            f"The values have shape {values.shape}, the plan's window {n_samples} samples. "
            "Give exactly one window."
        )
    if n_tapers < 2:
        raise ParameterError(
            "One taper leaves nothing to compare with. Give time_bandwidth of 1.5 or more."
        )
    coefficients = compute_eigencoefficients(values[np.newaxis, np.newaxis], plan)[:, 0, 0]
    gains = plan.tapers.sum(axis=1)[:, np.newaxis]
    gain_energy = np.sum(gains**2)
    line = (gains * coefficients).sum(axis=0) / gain_energy
    residual = np.sum(np.abs(coefficients - line * gains) ** 2, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        f_statistic = (n_tapers - 1) * np.abs(line) ** 2 * gain_energy / residual
    # Coefficients are densities: sqrt(2 / rate) times the transform, which halves an amplitude.
    amplitude = np.abs(line) * np.sqrt(2 * plan.sampling_rate_hz)
    p_value = scipy.stats.f.sf(f_statistic, 2, 2 * n_tapers - 2)
    p_value[find_real_bins(plan)] = np.nan
    return SpectralLines(plan.frequencies_hz, f_statistic, p_value, amplitude)
