"""What of the measured motion is real: frames that match, and shifts on which the field agrees.

Tissue that moves takes the whole field along, while noise and active cells pull at their own place.
The field is split like the squares of a chessboard and each half is registered alone: what both
halves see is motion, what they disagree on is error. The shifts are filtered with the share of
motion in each band of frequencies (Wiener's filter), so that a still movie stays still.
"""

from itertools import pairwise

import numpy as np
from scipy.fft import dct, idct

_BAD_QUALITY_SD = 6.0  # robust SDs below the usual match of a frame
_JUMP_SD = 4.0  # robust SDs from the path of the neighbours
_LEAST_AGREEMENT = 0.7
"""Correlation of the shifts of two halves of the pixels, below which nothing moves."""
_LEAST_FRAMES = 16  # frames from which a correlation says something


def split_field(field_shape: tuple[int, int], square_px: int) -> np.ndarray:
    """Return which pixels belong to the white squares of a chessboard, shape (row, column)."""
    rows, columns = (np.arange(size) // max(1, square_px) for size in field_shape)
    return (rows[:, None] + columns[None]) % 2 == 0


def keep_shared_motion(shifts: np.ndarray, halves: np.ndarray) -> np.ndarray:
    """Return the shifts without what the two halves of the field do not agree on.

    Parameters
    ----------
    shifts
        Of the whole field, (row, column) per frame, shape (frame, 2), pixels.
    halves
        Of each half alone, shape (frame, 2, 2), pixels.

    Returns
    -------
    np.ndarray
        Shape (frame, 2), pixels. Single jumps far above the error stay as they were measured.
    """
    if len(shifts) < _LEAST_FRAMES:
        return shifts
    is_still = _agreement(halves) < _LEAST_AGREEMENT
    kept = np.empty_like(shifts)
    for axis in (0, 1):
        middle = np.median(shifts[:, axis])
        measured = shifts[:, axis] - middle
        if is_still:
            likely, error = np.zeros_like(measured), np.std(measured)
        else:
            first, second = (dct(halves[:, half, axis], norm="ortho") for half in (0, 1))
            gains, error = _shared_gain(first, second)
            likely = idct(gains * dct(measured, norm="ortho"), norm="ortho")
        surprise = np.abs(measured - likely) / max(error, 1e-9)
        trust = np.clip(surprise - _JUMP_SD, 0, 1)
        kept[:, axis] = middle + likely + trust * (measured - likely)
    return kept


def _agreement(halves: np.ndarray) -> float:
    """Return the correlation of the shifts that the two halves see, both axes together."""
    centred = halves - np.median(halves, axis=0)
    shared = np.mean(centred[:, 0] * centred[:, 1])
    scale = np.sqrt(np.mean(centred[:, 0] ** 2) * np.mean(centred[:, 1] ** 2))
    return float(shared / scale) if scale > 0 else 1.0


def _shared_gain(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the share of motion in the mean of two spectra, and the SD of the error."""
    n_values = len(first)
    edges = np.unique(np.minimum(2 ** np.arange(1, 2 + int(np.log2(n_values))), n_values))
    edges[0] = 1
    centres, gains, error = [], [], 0.0
    for low, high in pairwise(edges.tolist()):
        a, b = first[low:high], second[low:high]
        doubt = np.sqrt(np.mean(a**2) * np.mean(b**2) / len(a))
        shared = max(0.0, float(np.mean(a * b) - doubt))
        noise = float(np.mean((a - b) ** 2)) / 4
        centres.append(np.sqrt(low * high))
        gains.append(shared / (shared + noise) if shared + noise > 0 else 1.0)
        error += noise * len(a) / n_values
    place = np.log(np.maximum(np.arange(n_values), 1))
    smooth = np.interp(place, np.log(centres), gains)
    smooth[0] = 1
    return smooth, float(np.sqrt(error))


def find_bad_frames(quality: np.ndarray) -> np.ndarray:
    """Return which frames match the template far worse than their like, shape (frame,)."""
    middle = np.median(quality)
    spread = 1.4826 * np.median(np.abs(quality - middle))
    return (quality < middle - _BAD_QUALITY_SD * spread) & (quality < 0.6 * middle)


def bridge_frames(shifts: np.ndarray, is_bad: np.ndarray) -> np.ndarray:
    """Replace the shifts (frame, ...) of bad frames by interpolation between good ones."""
    good = np.flatnonzero(~is_bad)
    if len(good) == 0:
        return np.zeros_like(shifts)
    if len(good) == len(shifts):
        return shifts
    frames = np.arange(len(shifts))
    flat = shifts.reshape(len(shifts), -1)
    bridged = [np.interp(frames, good, course[good]) for course in flat.T]
    return np.column_stack(bridged).reshape(shifts.shape)
