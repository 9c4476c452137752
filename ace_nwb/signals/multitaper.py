"""Multitaper power spectra and spectrograms (Thomson 1982), batched over windows.

Coherence is in `coherence`, line tests in `spectral_lines`.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy
from scipy import fft

from ace_nwb.errors import InputError, ParameterError

# Rounds of Thomson's adaptive weighting; even steep spectra converge before.
ADAPTIVE_ROUNDS = 50
BLOCK_BYTES = 64_000_000
# Windows are transformed in batches of this size, which a processor's cache holds.
CACHE_BYTES = 500_000


@dataclass(frozen=True)
class SpectralPlan:
    """Tapers and grid of a multitaper analysis.

    Parameters
    ----------
    tapers
        Unit-energy Slepian tapers, shape (taper, sample).
    concentrations
        Share of each taper's energy within the bandwidth, shape (taper,).
    step_samples
        Distance between windows, samples.
    sampling_rate_hz
        True sampling rate, Hz.
    frequencies_hz
        Frequencies kept, shape (frequency,).
    first_bin
        Index of the first kept frequency in the full one-sided spectrum.
    message
        What was changed of the request, "" if nothing: show it to the user.
    """

    tapers: np.ndarray
    concentrations: np.ndarray
    step_samples: int
    sampling_rate_hz: float
    frequencies_hz: np.ndarray
    first_bin: int
    message: str

    @property
    def window_samples(self) -> int:
        """Length of a window, samples."""
        return self.tapers.shape[1]

    @property
    def resolution_hz(self) -> float:
        """Half bandwidth: power is smeared this far to both sides, Hz."""
        n_tapers = self.tapers.shape[0]
        return (n_tapers + 1) / 2 * self.sampling_rate_hz / self.window_samples


@dataclass(frozen=True)
class Spectrogram:
    """Power over time.

    Parameters
    ----------
    times_s
        Centre of each window, seconds after the first sample, shape (window,).
    frequencies_hz
        Shape (frequency,).
    power
        One-sided power density in squared units per Hz, shape (window, channel, frequency);
        NaN where a window contains a gap.
    """

    times_s: np.ndarray
    frequencies_hz: np.ndarray
    power: np.ndarray


def plan_spectrogram(
    *,
    sampling_rate_hz: float,
    window_s: float,
    step_s: float,
    time_bandwidth: float,
    low_hz: float,
    high_hz: float,
) -> SpectralPlan:
    """Prepare tapers and frequencies.

    Parameters
    ----------
    sampling_rate_hz
        True sampling rate, Hz; never rounded.
    window_s, step_s
        Length of a window and distance between windows, seconds.
    time_bandwidth
        Time-bandwidth product NW; 2 NW - 1 tapers are used.
    low_hz, high_hz
        Frequencies kept, Hz. An upper edge beyond Nyquist is lowered to it, with a message.

    Returns
    -------
    SpectralPlan
        For `compute_spectrogram`.
    """
    window_samples = round(window_s * sampling_rate_hz)
    n_tapers = max(1, int(2 * time_bandwidth) - 1)
    if window_samples < 2 * n_tapers + 1:
        raise ParameterError(
            f"window_s = {window_s:g} is {window_samples} samples at {sampling_rate_hz:.6g} Hz, "
            f"too short for {n_tapers} tapers. Give a longer window."
        )
    tapers, concentrations = scipy.signal.windows.dpss(
        window_samples, time_bandwidth, Kmax=n_tapers, return_ratios=True
    )
    nyquist_hz = sampling_rate_hz / 2
    every = np.arange(window_samples // 2 + 1) * (sampling_rate_hz / window_samples)
    tolerance = 1e-9 * sampling_rate_hz
    kept = np.flatnonzero((every >= low_hz - tolerance) & (every <= high_hz + tolerance))
    if not kept.size:
        raise ParameterError(
            f"The band {low_hz:g} to {high_hz:g} Hz holds none of the frequencies, which are "
            f"{every[1]:.4g} Hz apart up to the Nyquist frequency {nyquist_hz:.6g} Hz. "
            "Give a wider or lower band."
        )
    message = ""
    if high_hz > nyquist_hz + tolerance:
        message = (
            f"The band ends at {nyquist_hz:.6g} Hz, the Nyquist frequency at "
            f"{sampling_rate_hz:.6g} Hz sampling, not at the {high_hz:g} Hz asked for."
        )
    return SpectralPlan(
        tapers=tapers,
        concentrations=concentrations,
        step_samples=max(1, round(step_s * sampling_rate_hz)),
        sampling_rate_hz=sampling_rate_hz,
        frequencies_hz=every[kept],
        first_bin=int(kept[0]),
        message=message,
    )


def compute_spectrogram(
    values: np.ndarray, plan: SpectralPlan, *, is_adaptive: bool = False, workers: int = 1
) -> Spectrogram:
    """Compute the power of every window and channel.

    Parameters
    ----------
    values
        Evenly sampled values, shape (sample,) or (sample, channel); NaN marks a gap. Anything
        with that shape that can be sliced by sample will do, so hours need not be in memory.
    plan
        From `plan_spectrogram`.
    is_adaptive
        Weight tapers by Thomson's adaptive rule instead of equally.
    workers
        Number of threads. It does not change the numbers.

    Returns
    -------
    Spectrogram
        Times are window centres.
    """
    blocks = list(iterate_spectrogram(values, plan, is_adaptive=is_adaptive, workers=workers))
    return Spectrogram(
        times_s=np.concatenate([block.times_s for block in blocks]),
        frequencies_hz=plan.frequencies_hz,
        power=np.concatenate([block.power for block in blocks]),
    )


def iterate_spectrogram(
    values: np.ndarray,
    plan: SpectralPlan,
    *,
    is_adaptive: bool = False,
    block_bytes: int = BLOCK_BYTES,
    workers: int = 1,
) -> Iterator[Spectrogram]:
    """Yield the spectrogram in stretches of windows, so that memory stays bounded.

    Parameters
    ----------
    values, plan, is_adaptive, workers
        As for `compute_spectrogram`.
    block_bytes
        Rough memory for one stretch, bytes. It does not change the numbers.
    """
    n_samples = values.shape[0]
    n_channels = 1 if values.ndim == 1 else values.shape[1]
    n_windows = count_windows(n_samples, plan)
    # A further window costs its step of samples, twice (one copy), and its power.
    window_bytes = 8 * n_channels * (2 * plan.step_samples + len(plan.frequencies_hz))
    first_bytes = 16 * n_channels * plan.window_samples
    block_windows = max(1, (block_bytes - first_bytes) // window_bytes)
    fill = partial(_fill_power, plan=plan, is_adaptive=is_adaptive)
    with ThreadPoolExecutor(workers) as pool:
        for first in range(0, n_windows, block_windows):
            starts = np.arange(first, min(first + block_windows, n_windows)) * plan.step_samples
            stretch = np.asarray(values[starts[0] : starts[-1] + plan.window_samples], dtype=float)
            columns = np.ascontiguousarray(stretch.reshape(-1, n_channels).T)
            power = np.empty((len(starts), n_channels, len(plan.frequencies_hz)))
            parts = list(_split(power, columns, plan))
            for _ in pool.map(fill, (parts[task::workers] for task in range(workers))):
                pass  # an error of a thread is raised here
            centres = (starts + (plan.window_samples - 1) / 2) / plan.sampling_rate_hz
            yield Spectrogram(centres, plan.frequencies_hz, power)


def count_windows(n_samples: int, plan: SpectralPlan) -> int:
    """Count the whole windows that fit and refuse data shorter than one.

    Parameters
    ----------
    n_samples
        Length of the data, samples.
    plan
        From `plan_spectrogram`.
    """
    if n_samples < plan.window_samples:
        rate = plan.sampling_rate_hz
        raise InputError(
            f"The window of {plan.window_samples / rate:.4g} s is longer than the data, "
            f"{n_samples / rate:.4g} s ({n_samples} samples at {rate:.6g} Hz). "
            "Give a shorter window_s."
        )
    return (n_samples - plan.window_samples) // plan.step_samples + 1


def compute_spectrum(
    values: np.ndarray, plan: SpectralPlan, *, is_adaptive: bool = False
) -> np.ndarray:
    """Average the power over all windows without a gap.

    Parameters
    ----------
    values, plan, is_adaptive
        As for `compute_spectrogram`.

    Returns
    -------
    numpy.ndarray
        One-sided power density, shape (channel, frequency); NaN for a channel that has a gap in
        every window.
    """
    total: np.ndarray | float = 0.0
    count: np.ndarray | int = 0
    for block in iterate_spectrogram(values, plan, is_adaptive=is_adaptive):
        is_whole = np.isfinite(block.power[:, :, :1])
        total = total + np.where(is_whole, block.power, 0).sum(axis=0)
        count = count + is_whole.sum(axis=0)
    with np.errstate(invalid="ignore"):
        return np.asarray(total) / count


def compute_eigencoefficients(windows: np.ndarray, plan: SpectralPlan) -> np.ndarray:
    """Transform tapered windows whose mean was removed.

    Parameters
    ----------
    windows
        Shape (..., sample).
    plan
        From `plan_spectrogram`.

    Returns
    -------
    numpy.ndarray
        Complex amplitudes in units per root Hz, shape (taper, ..., frequency).
    """
    shape = (len(plan.tapers), *windows.shape[:-1], len(plan.frequencies_hz))
    coefficients = np.empty(shape, dtype=complex)
    for index, transform in enumerate(_iterate_transforms(windows, plan)):
        coefficients[index] = transform
    coefficients *= np.sqrt(_one_sided_factor(plan))
    return coefficients


def find_real_bins(plan: SpectralPlan) -> np.ndarray:
    """Tell which kept frequencies are zero or Nyquist, where transforms are real.

    Parameters
    ----------
    plan
        From `plan_spectrogram`.

    Returns
    -------
    numpy.ndarray
        Booleans, shape (frequency,).
    """
    bins = plan.first_bin + np.arange(len(plan.frequencies_hz))
    return (bins == 0) | (2 * bins == plan.window_samples)


def to_decibel(power: np.ndarray, reference: float = 1.0) -> np.ndarray:
    """Express linear power in decibel.

    Parameters
    ----------
    power
        Linear power, any shape; zero becomes -inf.
    reference
        Power of 0 dB.
    """
    with np.errstate(divide="ignore"):
        return 10 * np.log10(np.asarray(power) / reference)


def _split(
    power: np.ndarray, columns: np.ndarray, plan: SpectralPlan
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield views of power (window, frequency) and its windows (window, sample), few at a time."""
    n_at_once = max(1, CACHE_BYTES // (8 * plan.window_samples))
    for channel, column in enumerate(columns):
        windows = np.lib.stride_tricks.sliding_window_view(column, plan.window_samples)
        windows = windows[:: plan.step_samples]
        for first in range(0, len(power), n_at_once):
            some = slice(first, first + n_at_once)
            yield power[some, channel], windows[some]


def _fill_power(
    parts: list[tuple[np.ndarray, np.ndarray]], *, plan: SpectralPlan, is_adaptive: bool
) -> None:
    """Write the power of windows (window, sample) into (window, frequency); NaN at gaps."""
    if not parts:
        return
    tapered = np.empty(max(windows.shape for _, windows in parts))
    transform = np.empty((len(tapered), plan.window_samples // 2 + 1), dtype=complex)
    for power, windows in parts:
        n_windows = len(windows)
        with np.errstate(invalid="ignore"):
            if is_adaptive:
                eigenspectra = np.abs(compute_eigencoefficients(windows, plan)) ** 2
                power[:] = _weigh_adaptively(eigenspectra, windows.var(axis=-1), plan=plan)
            else:
                _sum_power(power, windows, plan, (tapered[:n_windows], transform[:n_windows]))


def _sum_power(
    power: np.ndarray,
    windows: np.ndarray,
    plan: SpectralPlan,
    buffers: tuple[np.ndarray, np.ndarray],
) -> None:
    """Write the mean power under the tapers; buffers are taken again: new ones cost more."""
    tapered, transform = buffers
    kept = transform[:, plan.first_bin : plan.first_bin + len(plan.frequencies_hz)]
    centred = windows - windows.mean(axis=-1, keepdims=True)
    power[:] = 0
    for taper in plan.tapers:
        np.multiply(centred, taper, out=tapered)
        np.fft.rfft(tapered, axis=-1, out=transform)
        power += kept.real**2
        power += kept.imag**2
    power *= _one_sided_factor(plan) / len(plan.tapers)


def _iterate_transforms(windows: np.ndarray, plan: SpectralPlan) -> Iterator[np.ndarray]:
    """Yield the transform of the windows, mean removed, under each taper in turn."""
    centred = windows - windows.mean(axis=-1, keepdims=True)
    tapered = np.empty_like(centred)
    last_bin = plan.first_bin + len(plan.frequencies_hz)
    for taper in plan.tapers:
        np.multiply(centred, taper, out=tapered)
        yield fft.rfft(tapered, axis=-1)[..., plan.first_bin : last_bin]


def _weigh_adaptively(
    eigenspectra: np.ndarray, variance: np.ndarray, *, plan: SpectralPlan
) -> np.ndarray:
    """Thomson (1982), eq. 5.2-5.3: weigh each taper by signal over signal plus leakage."""
    inside = plan.concentrations.reshape(-1, *(1,) * (eigenspectra.ndim - 1))
    # White noise of this variance has the one-sided density 2 variance / rate.
    leakage = (1 - inside) * (2 * variance / plan.sampling_rate_hz)[..., np.newaxis]
    power = eigenspectra[:2].mean(axis=0)
    # A fixed number of rounds: a stopping rule would let one window depend on the others.
    for _ in range(ADAPTIVE_ROUNDS):
        with np.errstate(divide="ignore", invalid="ignore"):
            weights = inside * (power / (inside * power + leakage)) ** 2
            updated = (weights * eigenspectra).sum(axis=0) / weights.sum(axis=0)
        power = np.where((power > 0) | np.isnan(power), updated, 0.0)
    return power


def _one_sided_factor(plan: SpectralPlan) -> np.ndarray:
    """Factor from squared transform to one-sided density: zero and Nyquist are not doubled."""
    return np.where(find_real_bins(plan), 1.0, 2.0) / plan.sampling_rate_hz
