"""Power over time and frequency by complex Morlet wavelets (Torrence & Compo 1998)."""

import numpy as np
import scipy

from ace_nwb.errors import ParameterError
from ace_nwb.signals.runs import iterate_runs

# A wavelet is cut off, and the edge of a run masked, at this many SDs of its envelope.
REACH_SD = 3.5


def compute_wavelet_power(
    values: np.ndarray,
    *,
    sampling_rate_hz: float,
    frequencies_hz: np.ndarray,
    n_cycles: float,
    step_samples: int = 1,
    breaks: np.ndarray | None = None,
) -> np.ndarray:
    """Compute the squared amplitude of a signal around each frequency.

    Parameters
    ----------
    values
        Evenly sampled values, shape (sample,); NaN marks a gap.
    sampling_rate_hz
        True sampling rate, Hz.
    frequencies_hz
        Centre frequencies, shape (frequency,).
    n_cycles
        Length of a wavelet: its envelope has an SD of n_cycles / (2 pi f) seconds.
    step_samples
        Keep every so many samples of the result.
    breaks
        Indices of samples that follow a gap in time.

    Returns
    -------
    numpy.ndarray
        Shape (ceil(sample / step), frequency), squared units: A ** 2 for a sinusoid of amplitude
        A. NaN where a wavelet reaches beyond a run.
    """
    frequencies_hz = np.atleast_1d(np.asarray(frequencies_hz, dtype=float))
    if frequencies_hz.min() <= 0 or frequencies_hz.max() >= sampling_rate_hz / 2:
        raise ParameterError(
            f"Wavelets from {frequencies_hz.min():g} to {frequencies_hz.max():g} Hz do not fit "
            f"between 0 and the Nyquist frequency {sampling_rate_hz / 2:.6g} Hz."
        )
    values = np.asarray(values, dtype=float)
    power = np.full((-(-len(values) // step_samples), len(frequencies_hz)), np.nan)
    for _, start, stop in iterate_runs(values[:, np.newaxis], breaks):
        for column, frequency_hz in enumerate(frequencies_hz):
            wavelet = make_wavelet(
                frequency_hz, n_cycles=n_cycles, sampling_rate_hz=sampling_rate_hz
            )
            if len(wavelet) > stop - start:
                continue
            half = len(wavelet) // 2
            smooth = scipy.signal.oaconvolve(values[start:stop], wavelet, mode="valid")
            first = -(-(start + half) // step_samples)
            kept = np.abs(smooth[first * step_samples - start - half :: step_samples]) ** 2
            power[first : first + len(kept), column] = kept
    return power


def make_wavelet(frequency_hz: float, *, n_cycles: float, sampling_rate_hz: float) -> np.ndarray:
    """Make a complex Morlet wavelet that answers a unit sinusoid with 1 and a constant with 0.

    Parameters
    ----------
    frequency_hz
        Centre frequency, Hz.
    n_cycles
        2 pi f times the SD of its envelope in seconds.
    sampling_rate_hz
        True sampling rate, Hz.

    Returns
    -------
    numpy.ndarray
        Odd number of complex samples.
    """
    sd_samples = n_cycles / (2 * np.pi * frequency_hz) * sampling_rate_hz
    half = int(np.ceil(REACH_SD * sd_samples))
    samples = np.arange(-half, half + 1)
    envelope = np.exp(-0.5 * (samples / sd_samples) ** 2)
    carrier = np.exp(2j * np.pi * frequency_hz / sampling_rate_hz * samples)
    # Morlet's correction: take off the share of a constant that a short wavelet would pass.
    carrier -= (envelope * carrier).sum() / envelope.sum()
    return 2 * envelope * carrier / envelope.sum()
