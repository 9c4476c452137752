"""Neighbouring frequencies of a spectrum averaged into bands."""

import numpy as np


def average_bands(
    power: np.ndarray, frequencies_hz: np.ndarray, *, max_bands: int
) -> tuple[np.ndarray, np.ndarray]:
    """Average equally many neighbouring frequencies into at most so many bands.

    Parameters
    ----------
    power
        Power density, shape (..., frequency).
    frequencies_hz
        Evenly spaced, shape (frequency,).
    max_bands
        Largest number of bands, at least 1.

    Returns
    -------
    power, limits_hz
        Shape (..., band), and the lower and upper limit of each band, shape (band, 2), hertz.
        The last band may hold fewer frequencies than the others.
    """
    n_frequencies = len(frequencies_hz)
    n_together = -(-n_frequencies // max(1, max_bands))
    starts = np.arange(0, n_frequencies, n_together)
    counts = np.diff(np.append(starts, n_frequencies))
    averaged = np.add.reduceat(power, starts, axis=-1) / counts
    half_hz = np.diff(frequencies_hz[:2]).sum() / 2
    lower = np.maximum(frequencies_hz[starts] - half_hz, 0)
    upper = frequencies_hz[starts + counts - 1] + half_hz
    return averaged, np.column_stack([lower, upper])
