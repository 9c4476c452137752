"""Multitaper coherence between signals, with jackknife confidence and its null distribution."""

from dataclasses import dataclass, replace

import numpy as np
import scipy

from ace_nwb.errors import InputError
from ace_nwb.signals.multitaper import (
    SpectralPlan,
    compute_eigencoefficients,
    count_windows,
)

BLOCK_CHANNELS = 16
"""Channels transformed at once: bounds memory for any number of them."""


@dataclass(frozen=True)
class Coherence:
    """Coherence of one signal with the channels of another, each of shape (channel, frequency).

    Parameters
    ----------
    frequencies_hz
        Shape (frequency,).
    coherence
        Squared magnitude, 0 to 1. Without coupling its mean is 1 / n_estimates.
    phase
        Phase of the first signal minus that of the second, radians: positive if the first leads.
    lower, upper
        Jackknife confidence limits of `coherence`.
    p_value
        Probability of so large a value without coupling; NaN within the resolution of zero and of
        Nyquist.
    n_estimates
        Windows without a gap times tapers, shape (channel,).
    """

    frequencies_hz: np.ndarray
    coherence: np.ndarray
    phase: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    p_value: np.ndarray
    n_estimates: np.ndarray


def compute_coherence(
    first: np.ndarray, second: np.ndarray, *, plan: SpectralPlan, confidence: float = 0.95
) -> Coherence:
    """Compute the coherence over all windows and tapers.

    Confidence limits: delete-one jackknife over windows and tapers of arctanh of the magnitude
    (Thomson & Chave 1991). Null: (1 - coherence) ** (n_estimates - 1), which holds for any spectra
    that are smooth within the bandwidth.

    Parameters
    ----------
    first
        Evenly sampled values, shape (sample,); NaN marks a gap.
    second
        Values at the same times, shape (sample,) or (sample, channel).
    plan
        From `plan_spectrogram`. Its step is not used: windows do not overlap, or the estimates
        would not be independent.
    confidence
        Probability that the limits enclose the true value.

    Returns
    -------
    Coherence
        One row per channel of `second`.
    """
    plan = replace(plan, step_samples=plan.window_samples)
    first, second = _as_columns(first, second)
    count_windows(len(first), plan)
    ours = _transform(first, plan)
    parts: list[tuple[np.ndarray | int, ...]] = []
    for start in range(0, second.shape[1], BLOCK_CHANNELS):
        theirs = _transform(second[:, start : start + BLOCK_CHANNELS], plan)
        parts.extend(
            _join_estimates(ours[:, 0], theirs[:, channel], confidence=confidence)
            for channel in range(theirs.shape[1])
        )
    coherence, phase, lower, upper, n_estimates = (
        np.array(column) for column in zip(*parts, strict=True)
    )
    p_value = (1 - np.clip(coherence, 0, 1)) ** np.maximum(n_estimates[:, np.newaxis] - 1, 0)
    # There, positive and negative frequencies mix and the estimates are not independent.
    p_value[:, ~_find_tested(plan)] = np.nan
    return Coherence(plan.frequencies_hz, coherence, phase, lower, upper, p_value, n_estimates)


def compute_coherogram(
    first: np.ndarray, second: np.ndarray, *, plan: SpectralPlan
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute the coherence of every window over its tapers.

    With few tapers the value is large without any coupling: use a time-bandwidth of 4 or more and
    compare with `compute_null_level`.

    Parameters
    ----------
    first, second
        Evenly sampled values at the same times, shape (sample,); NaN marks a gap.
    plan
        From `plan_spectrogram`.

    Returns
    -------
    times_s, coherence, phase
        Window centres in seconds after the first sample, shape (window,); squared magnitude and
        phase (positive if the first leads), shape (window, frequency), NaN where there is a gap.
    """
    one, other = _as_columns(first, second)
    n_windows = count_windows(len(one), plan)
    shape = (n_windows, len(plan.tapers), len(plan.frequencies_hz))
    ours, theirs = (_transform(signal, plan).reshape(shape) for signal in (one, other))
    with np.errstate(invalid="ignore", divide="ignore"):
        cross = (ours * theirs.conj()).sum(axis=1)
        power = (np.abs(ours) ** 2).sum(axis=1) * (np.abs(theirs) ** 2).sum(axis=1)
        coherence = np.abs(cross) ** 2 / power
    starts = np.arange(n_windows) * plan.step_samples
    times_s = (starts + (plan.window_samples - 1) / 2) / plan.sampling_rate_hz
    return times_s, coherence, np.angle(cross)


def compute_null_level(n_estimates: int, *, p_value: float) -> float:
    """Compute the coherence that is exceeded with the given probability without coupling.

    Parameters
    ----------
    n_estimates
        Windows times tapers.
    p_value
        Probability.

    Returns
    -------
    float
        Squared magnitude; 1 for a single estimate.
    """
    return 1.0 if n_estimates < 2 else float(1 - p_value ** (1 / (n_estimates - 1)))


def find_coherence_peaks(found: Coherence) -> tuple[np.ndarray, np.ndarray]:
    """Find the frequency of the greatest coherence of each channel, and how likely it is by chance.

    Parameters
    ----------
    found
        From `compute_coherence`.

    Returns
    -------
    index, p_value
        Index of the frequency, and the probability of so large a coherence at any of the
        frequencies tested (Sidak's correction; neighbouring frequencies share estimates, so it is
        on the safe side). NaN for a channel without estimates. Shape (channel,) each.
    """
    is_tested = np.isfinite(found.p_value)
    lowest = np.min(np.where(is_tested, found.p_value, np.inf), axis=1)
    index = np.argmin(np.where(is_tested, found.p_value, np.inf), axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        p_value = -np.expm1(is_tested.sum(axis=1) * np.log1p(-lowest))
    return index, np.where(is_tested.any(axis=1), p_value, np.nan)


def compute_shuffled_coherence(
    first: np.ndarray, second: np.ndarray, *, plan: SpectralPlan, n_surrogates: int, seed: int
) -> np.ndarray:
    """Compute the greatest coherence at any frequency after shuffling the windows of one signal.

    Bursts make few windows count, and coherence great by chance: the formula of
    `compute_coherence` then rejects too often, this null does not.

    Parameters
    ----------
    first, second, plan
        As for `compute_coherence`.
    n_surrogates
        Number of random orders.
    seed
        Of the orders, which are the same for all channels.

    Returns
    -------
    numpy.ndarray
        Shape (surrogate, channel); NaN with less than 3 windows without a gap in any signal.
    """
    plan = replace(plan, step_samples=plan.window_samples)
    first, second = _as_columns(first, second)
    is_tested = _find_tested(plan)
    ours, theirs = (
        _transform(signal, plan)[..., is_tested].reshape(
            -1, len(plan.tapers), signal.shape[1], int(is_tested.sum())
        )
        for signal in (first, second)
    )
    is_whole = np.isfinite(ours).all(axis=(1, 2, 3)) & np.isfinite(theirs).all(axis=(1, 2, 3))
    ours, theirs = ours[is_whole][:, :, 0], theirs[is_whole]
    null = np.full((n_surrogates, second.shape[1]), np.nan)
    if len(ours) < 3 or not is_tested.any():
        return null
    power = (np.abs(ours) ** 2).sum(axis=(0, 1)) * (np.abs(theirs) ** 2).sum(axis=(0, 1))
    # (frequency, channel, estimate): one product of matrices per frequency.
    conjugate = theirs.conj().transpose(3, 2, 0, 1).reshape(*power.shape[::-1], -1)
    rng = np.random.default_rng(seed)
    for row in range(n_surrogates):
        shuffled = ours[rng.permutation(len(ours))].reshape(-1, len(power.T)).T
        cross = (conjugate @ shuffled[..., np.newaxis])[..., 0].T
        with np.errstate(invalid="ignore", divide="ignore"):
            null[row] = (np.abs(cross) ** 2 / power).max(axis=1)
    return null


def _find_tested(plan: SpectralPlan) -> np.ndarray:
    """Tell where estimates are independent: not within the resolution of zero or Nyquist."""
    nyquist_hz, margin_hz = plan.sampling_rate_hz / 2, plan.resolution_hz
    frequencies_hz = plan.frequencies_hz
    return (frequencies_hz >= margin_hz) & (frequencies_hz <= nyquist_hz - margin_hz)


def _as_columns(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both signals as (sample, channel), of equal length."""
    first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if first.ndim != 1 or first.shape[0] != second.shape[0]:
        raise InputError(
            f"The signals have shapes {first.shape} and {second.shape}. The first must be "
            "(sample,) and the second have as many samples: resample one at the times of the other."
        )
    return first[:, np.newaxis], second.reshape(len(second), -1)


def _transform(values: np.ndarray, plan: SpectralPlan) -> np.ndarray:
    """Eigencoefficients of all windows, shape (window * taper, channel, frequency)."""
    windows = np.lib.stride_tricks.sliding_window_view(values, plan.window_samples, axis=0)
    with np.errstate(invalid="ignore"):
        coefficients = compute_eigencoefficients(windows[:: plan.step_samples], plan)
    return coefficients.transpose(1, 0, 2, 3).reshape(-1, *coefficients.shape[2:])


def _join_estimates(
    ours: np.ndarray, theirs: np.ndarray, *, confidence: float
) -> tuple[np.ndarray | int, ...]:
    """Coherence, phase, limits and count of estimates of shape (estimate, frequency)."""
    is_whole = np.isfinite(ours[:, 0]) & np.isfinite(theirs[:, 0])
    ours, theirs = ours[is_whole], theirs[is_whole]
    n_estimates = len(ours)
    if n_estimates < 3:
        nothing = np.full(ours.shape[1], np.nan)
        return nothing, nothing, nothing, nothing, n_estimates
    cross, power_1, power_2 = ours * theirs.conj(), np.abs(ours) ** 2, np.abs(theirs) ** 2
    totals = cross.sum(axis=0), power_1.sum(axis=0), power_2.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        magnitude = np.abs(totals[0]) / np.sqrt(totals[1] * totals[2])
        without_one = np.abs(totals[0] - cross) / np.sqrt(
            (totals[1] - power_1) * (totals[2] - power_2)
        )
        spread = np.arctanh(np.minimum(without_one, 1 - 1e-12))
        centre = np.arctanh(np.minimum(magnitude, 1 - 1e-12))
    deviation = spread - spread.mean(axis=0)
    error = np.sqrt((n_estimates - 1) / n_estimates * (deviation**2).sum(axis=0))
    reach = scipy.stats.t.ppf((1 + confidence) / 2, n_estimates - 1) * error
    lower, upper = np.tanh(np.maximum(centre - reach, 0)) ** 2, np.tanh(centre + reach) ** 2
    return magnitude**2, np.angle(totals[0]), lower, upper, n_estimates
