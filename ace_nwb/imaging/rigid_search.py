"""Rotations and shifts at which the cells of two sessions may fall on each other.

Pictures of the centroids are compared at every angle with one Fourier transform each.
"""

import numpy as np
from scipy import fft
from scipy.ndimage import gaussian_filter

_COARSE_STEP_DEG = 1.0
"""A degree moves the edge of a field of 20 cells by a sixth of a cell, which the blur forgives."""
_N_KEPT = 16
"""Starts that are refined; with half of the cells in common the right one is among the first 3."""
_N_PEAKS = 3
"""Shifts kept of one angle."""
_BINS_PER_DIAMETER = 6.0  # bins of the maps of cells, finer than their blur
_BLUR_BINS = 1.0
"""A quarter of a cell: the warp and the jitter that a rigid search must bear."""


_FAR_BINS = 9.0
"""One and a half cells: the slower changes of density, subtracted, would all favour no shift."""


def find_rigid(
    first: np.ndarray,
    second: np.ndarray,
    field_shape: tuple[int, int],
    *,
    cell_diameter_px: float,
    max_rotation_deg: float,
) -> list[np.ndarray]:
    """Return promising rotations with their shifts, shape (2, 3) each, best first.

    Parameters
    ----------
    first, second
        Centroids (row, column) of two sessions, shape (cell, 2), pixels.
    field_shape
        (n_rows, n_columns) of both.
    cell_diameter_px
        Shifts closer than half of it count as one.
    max_rotation_deg
        Largest rotation in either direction.
    """
    n_steps = int(np.ceil(max_rotation_deg / _COARSE_STEP_DEG))
    angles = np.arange(-n_steps, n_steps + 1) * (max_rotation_deg / max(n_steps, 1))
    bin_px = cell_diameter_px / _BINS_PER_DIAMETER
    centre = (np.array(field_shape) - 1) / 2
    shape = tuple(int(np.hypot(*field_shape) / bin_px) + 1 for _ in range(2))
    spectrum = _spectrum(first - centre, shape, bin_px)
    found = []
    for angle in angles:
        turn = _rotation(angle)
        turned = _spectrum((second - centre) @ turn.T, shape, bin_px)
        surface = fft.fftshift(fft.irfft2(spectrum * turned.conj(), s=_padded(shape)))
        for height, peak in _find_peaks(surface):
            shift = (peak - np.array(surface.shape) // 2) * bin_px
            found.append((height, np.column_stack([turn, centre - turn @ centre + shift])))
    return _keep_apart(found, centre, cell_diameter_px / 2)


def _keep_apart(
    found: list[tuple[float, np.ndarray]], centre: np.ndarray, apart_px: float
) -> list[np.ndarray]:
    """Return the best candidates whose shifts differ."""
    kept: list[np.ndarray] = []
    places: list[np.ndarray] = []
    for _, matrix in sorted(found, key=lambda candidate: -candidate[0]):
        own = matrix[:, :2] @ centre + matrix[:, 2]
        if all(np.linalg.norm(own - place) > apart_px for place in places):
            kept.append(matrix)
            places.append(own)
        if len(kept) == _N_KEPT:
            break
    return kept


def _find_peaks(surface: np.ndarray) -> list[tuple[float, np.ndarray]]:
    """Return the highest places of a correlation, half a cell apart or more."""
    apart = int(_BINS_PER_DIAMETER / 2)
    found = []
    for _ in range(_N_PEAKS):
        peak = np.array(np.unravel_index(surface.argmax(), surface.shape))
        found.append((float(surface[tuple(peak)]), peak))
        low, high = np.maximum(peak - apart, 0), peak + apart + 1
        surface[low[0] : high[0], low[1] : high[1]] = -np.inf
    return found


def _spectrum(points: np.ndarray, shape: tuple[int, ...], bin_px: float) -> np.ndarray:
    """Return the transform of the blurred picture of points around the origin."""
    bins = np.rint(points / bin_px).astype(int) + np.array(shape) // 2
    inside = ((bins >= 0) & (bins < shape)).all(1)
    picture = np.zeros(shape)
    np.add.at(picture, tuple(bins[inside].T), 1.0)
    near, far = (
        gaussian_filter(picture, blur, mode="constant") for blur in (_BLUR_BINS, _FAR_BINS)
    )
    return fft.rfft2(near - far, s=_padded(shape))


def _padded(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the size of transforms in which nothing wraps around."""
    n_rows, n_columns = (fft.next_fast_len(2 * side, real=True) for side in shape)
    return n_rows, n_columns


def _rotation(angle_deg: float) -> np.ndarray:
    angle = np.radians(angle_deg)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
