"""Neighbouring frequencies of a spectrum averaged into bands."""

import numpy as np


def average_bands(
    power: np.ndarray, frequencies_hz: np.ndarray, *, width_hz: float
) -> tuple[np.ndarray, np.ndarray]:
    """Average equally many neighbouring frequencies into bands of at most a width.

    Parameters
    ----------
    power
        Power density, shape (..., frequency).
    frequencies_hz
        Evenly spaced, shape (frequency,).
    width_hz
        Largest width of a band, hertz; frequencies that are farther apart stay as they are.

    Returns
    -------
    power, limits_hz
        Shape (..., band), and the lower and upper limit of each band, shape (band, 2), hertz.
        The last band may hold fewer frequencies than the others.
    """
    n_frequencies = len(frequencies_hz)
    spacing_hz = np.diff(frequencies_hz[:2]).sum()
    # a width that is a multiple of the spacing but for rounding counts as one
    n_together = max(1, int(width_hz / spacing_hz * (1 + 1e-9))) if spacing_hz else 1
    starts = np.arange(0, n_frequencies, n_together)
    counts = np.diff(np.append(starts, n_frequencies))
    averaged = np.add.reduceat(power, starts, axis=-1) / counts
    half_hz = spacing_hz / 2
    lower = np.maximum(frequencies_hz[starts] - half_hz, 0)
    upper = frequencies_hz[starts + counts - 1] + half_hz
    return averaged, np.column_stack([lower, upper])
