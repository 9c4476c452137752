"""The centre-surround filter of one-photon imaging: a cell-sized blob minus its surroundings.

A Gaussian of the size of a cell minus the mean of a box around it, so that uniform and slowly
varying background gives zero (Zhou et al. 2018, the kernel of CNMF-E's initialisation).
"""

import numba
import numpy as np


def gaussian_sd_px(cell_diameter_px: float) -> float:
    """Return the standard deviation of the Gaussian that fills a cell, pixels."""
    return cell_diameter_px / 4


def surround_radius_px(cell_diameter_px: float) -> int:
    """Return the half side of the box that makes the surround, pixels."""
    return max(2, round(0.75 * cell_diameter_px))


def filter_reach_px(cell_diameter_px: float) -> int:
    """Return how far the filter carries light, pixels."""
    taps = gaussian_taps(gaussian_sd_px(cell_diameter_px))
    return max(len(taps) // 2, surround_radius_px(cell_diameter_px)) + 1


def filter_frames(frames: np.ndarray, cell_diameter_px: float) -> np.ndarray:
    """Return the centre-surround filtered frames.

    Parameters
    ----------
    frames
        Shape (frame, row, column).
    cell_diameter_px
        Diameter of a cell, pixels.

    Returns
    -------
    np.ndarray
        Same shape, float32; the edge is repeated outwards.
    """
    source = np.require(frames, np.float32, ["C", "W"])
    filtered = np.empty_like(source)
    _filter_frames(
        source,
        gaussian_taps(gaussian_sd_px(cell_diameter_px)),
        surround_radius_px(cell_diameter_px),
        filtered,
    )
    return filtered


def convolve_frames(frames: np.ndarray, taps: np.ndarray) -> np.ndarray:
    """Return frames whose rows and columns are convolved with an odd number of weights.

    Parameters
    ----------
    frames
        Shape (frame, row, column).
    taps
        Symmetric, shape (tap,).

    Returns
    -------
    np.ndarray
        Same shape, float32; the edge is repeated outwards.
    """
    source = np.require(frames, np.float32, ["C", "W"])
    convolved = np.empty_like(source)
    _convolve_frames(source, np.ascontiguousarray(taps, np.float32), convolved)
    return convolved


def gaussian_taps(sd_px: float) -> np.ndarray:
    """Return the odd number of weights of a Gaussian filter, sum 1, float32."""
    radius = max(1, int(np.ceil(2.5 * sd_px)))
    offsets = np.arange(-radius, radius + 1)
    taps = np.exp(-0.5 * (offsets / sd_px) ** 2)
    return (taps / taps.sum()).astype(np.float32)


@numba.njit("void(f4[::1], f4[::1], f4[::1])", nogil=True, cache=True, fastmath=True)
def _add_convolved(total: np.ndarray, line: np.ndarray, taps: np.ndarray) -> None:
    """Add the correlation of `line` with `taps`, four taps at a time for the vector units."""
    k = 0
    while k + 4 <= taps.size:
        a, b, c, d = taps[k], taps[k + 1], taps[k + 2], taps[k + 3]
        part = line[k : k + total.size + 3]
        for i in range(total.size):
            total[i] += a * part[i] + b * part[i + 1] + c * part[i + 2] + d * part[i + 3]
        k += 4
    while k < taps.size:
        a = taps[k]
        part = line[k : k + total.size]
        for i in range(total.size):
            total[i] += a * part[i]
        k += 1


@numba.njit("void(f4[::1], f4[:, ::1], i8, f4[::1])", nogil=True, cache=True, fastmath=True)
def _add_rows(total: np.ndarray, frame: np.ndarray, first: int, taps: np.ndarray) -> None:
    """Add the rows from `first` on, weighted by `taps`; rows beyond the edge repeat it."""
    last_row = frame.shape[0] - 1
    for k in range(0, taps.size - 1, 2):
        upper = frame[min(max(first + k, 0), last_row)]
        lower = frame[min(max(first + k + 1, 0), last_row)]
        a, b = taps[k], taps[k + 1]
        for i in range(total.size):
            total[i] += a * upper[i] + b * lower[i]
    if taps.size % 2:
        upper = frame[min(max(first + taps.size - 1, 0), last_row)]
        a = taps[taps.size - 1]
        for i in range(total.size):
            total[i] += a * upper[i]


@numba.njit(
    "void(f4[:, :, ::1], f4[::1], i8, f4[:, :, ::1])", nogil=True, cache=True, fastmath=True
)
def _filter_frames(frames: np.ndarray, taps: np.ndarray, radius: int, filtered: np.ndarray) -> None:
    n_frames, n_rows, n_columns = frames.shape
    reach = taps.size // 2
    pad = max(reach, radius)
    end = pad + n_columns
    box = np.full(2 * radius + 1, -1.0 / (2 * radius + 1) ** 2, np.float32)
    ones = np.ones(2 * radius + 1, np.float32)
    swap = np.array([1, -1], np.float32)
    centre = np.zeros(n_columns + 2 * pad, np.float32)
    surround = np.zeros(n_columns + 2 * pad, np.float32)
    for f in range(n_frames):
        surround[:] = 0
        _add_rows(surround[pad:end], frames[f], -radius - 1, ones)
        for r in range(n_rows):
            centre[:] = 0
            _add_rows(centre[pad:end], frames[f], r - reach, taps)
            _add_rows(surround[pad:end], frames[f], r + radius, swap[:1])
            _add_rows(surround[pad:end], frames[f], r - radius - 1, swap[1:])
            centre[:pad] = centre[pad]
            centre[end:] = centre[end - 1]
            surround[:pad] = surround[pad]
            surround[end:] = surround[end - 1]
            line = filtered[f, r]
            line[:] = 0
            _add_convolved(line, surround[pad - radius : end + radius], box)
            _add_convolved(line, centre[pad - reach : end + reach], taps)


@numba.njit("void(f4[:, :, ::1], f4[::1], f4[:, :, ::1])", nogil=True, cache=True, fastmath=True)
def _convolve_frames(frames: np.ndarray, taps: np.ndarray, convolved: np.ndarray) -> None:
    n_frames, n_rows, n_columns = frames.shape
    reach = taps.size // 2
    end = reach + n_columns
    line = np.zeros(n_columns + 2 * reach, np.float32)
    for f in range(n_frames):
        for r in range(n_rows):
            line[:] = 0
            _add_rows(line[reach:end], frames[f], r - reach, taps)
            line[:reach] = line[reach]
            line[end:] = line[end - 1]
            convolved[f, r, :] = 0
            _add_convolved(convolved[f, r], line, taps)
