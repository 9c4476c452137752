"""What stays with the sensor and what moves with the tissue, told apart by known shifts.

Dust on the lens and columns of the sensor lie still while the tissue moves. Where both are sums of
waves, frame t shows static + moving * exp(i k shift): two unknowns for each wave vector k, solved
by least squares over all frames.
"""

import numpy as np
from scipy import fft

_RIDGE = 0.02
"""Of the static part, relative to the data. Waves much longer than the motion (a phase of 0.14 rad
and less, as SD) cannot be told apart: they are left to the tissue."""


def find_static(images: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Return what does not move, shape (row, column), float32.

    Parameters
    ----------
    images
        Filtered frames, shape (frame, row, column).
    shifts
        (row, column) that move each onto the others, shape (frame, 2), pixels.
    """
    n_frames, n_rows, n_columns = images.shape
    rows = 2 * np.pi * np.fft.fftfreq(n_rows)
    columns = 2 * np.pi * np.fft.rfftfreq(n_columns)
    shape = len(rows), len(columns)
    still, aligned, phases = (np.zeros(shape, complex) for _ in range(3))
    for image, (down, across) in zip(images, shifts, strict=True):
        spectrum = fft.rfft2(image)
        phase = np.exp(1j * down * rows)[:, None] * np.exp(1j * across * columns)
        still += spectrum
        aligned += spectrum * phase.conj()
        phases += phase
    told = (1 + _RIDGE) * n_frames - np.abs(phases) ** 2 / n_frames
    static = (still - phases * aligned / n_frames) / told
    return np.asarray(fft.irfft2(static, s=(n_rows, n_columns)), np.float32)
