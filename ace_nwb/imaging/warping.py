"""Sub-pixel translation of frames: separable cubic convolution (Keys 1981)."""

import math

import numba
import numpy as np


def shift_frames(frames: np.ndarray, shifts: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """Return every frame moved by its shift and multiplied by its gain.

    Parameters
    ----------
    frames
        Shape (frame, row, column).
    shifts
        (row, column) to add to the coordinates of each frame, shape (frame, 2), pixels.
    gains
        Factor of each frame, shape (frame,).

    Returns
    -------
    np.ndarray
        Same shape, float32; pixels from outside the frame repeat the edge.
    """
    source = np.require(frames, np.float32, ["C", "W"])
    moved = np.empty_like(source)
    _shift_frames(
        source,
        np.ascontiguousarray(shifts, np.float64),
        np.ascontiguousarray(gains, np.float32),
        moved,
    )
    return moved


@numba.njit("void(f8, f4[::1])", nogil=True, cache=True)
def _cubic_weights(fraction: float, weights: np.ndarray) -> None:
    """Write the weights of the samples at -1, 0, 1, 2 for a position between 0 and 1."""
    x = fraction
    weights[0] = 0.5 * (-x + 2 * x * x - x * x * x)
    weights[1] = 0.5 * (2 - 5 * x * x + 3 * x * x * x)
    weights[2] = 0.5 * (x + 4 * x * x - 3 * x * x * x)
    weights[3] = 0.5 * (x * x * x - x * x)


@numba.njit(
    "void(f4[:, :, ::1], f8[:, ::1], f4[::1], f4[:, :, ::1])",
    nogil=True,
    cache=True,
    fastmath=True,
    boundscheck=False,
)
def _shift_frames(
    frames: np.ndarray, shifts: np.ndarray, gains: np.ndarray, moved: np.ndarray
) -> None:
    n_frames, n_rows, n_columns = frames.shape
    down = np.empty(4, np.float32)
    across = np.empty(4, np.float32)
    line = np.empty(3 * n_columns + 8, np.float32)
    for f in range(n_frames):
        row_base = np.int64(math.floor(-shifts[f, 0]))
        column_base = np.int64(math.floor(-shifts[f, 1]))
        _cubic_weights(-shifts[f, 0] - row_base, down)
        _cubic_weights(-shifts[f, 1] - column_base, across)
        for k in range(4):
            down[k] *= gains[f]
        column_base = min(max(column_base, -n_columns), n_columns)
        pad = n_columns + 2
        first = max(0, pad + column_base - 1)
        last = min(line.size, pad + column_base + n_columns + 2)
        for r in range(n_rows):
            r0 = min(max(r + row_base - 1, 0), n_rows - 1)
            r1 = min(max(r + row_base, 0), n_rows - 1)
            r2 = min(max(r + row_base + 1, 0), n_rows - 1)
            r3 = min(max(r + row_base + 2, 0), n_rows - 1)
            for c in range(n_columns):
                line[pad + c] = (
                    down[0] * frames[f, r0, c]
                    + down[1] * frames[f, r1, c]
                    + down[2] * frames[f, r2, c]
                    + down[3] * frames[f, r3, c]
                )
            for c in range(first, pad):
                line[c] = line[pad]
            for c in range(pad + n_columns, last):
                line[c] = line[pad + n_columns - 1]
            start = pad + column_base - 1
            for c in range(n_columns):
                moved[f, r, c] = (
                    across[0] * line[start + c]
                    + across[1] * line[start + c + 1]
                    + across[2] * line[start + c + 2]
                    + across[3] * line[start + c + 3]
                )
