"""Sub-pixel translation and bending of frames: cubic convolution (Keys 1981)."""

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


def move_frames(frames: np.ndarray, shifts: np.ndarray, nodes: np.ndarray | None) -> np.ndarray:
    """Return frames shifted, and bent if there are deviations of nodes (see `warp_frames`)."""
    gains = np.ones(len(frames))
    if nodes is None:
        return shift_frames(frames, shifts, gains)
    return warp_frames(frames, shifts, nodes, gains)


def node_positions(side: int, n_nodes: int) -> np.ndarray:
    """Return where the nodes lie along one side of a field, pixels, shape (node,)."""
    return (np.arange(n_nodes) + 0.5) * side / n_nodes - 0.5


def warp_frames(
    frames: np.ndarray, shifts: np.ndarray, nodes: np.ndarray, gains: np.ndarray
) -> np.ndarray:
    """Return every frame bent by its shift and the deviations of its nodes.

    Parameters
    ----------
    frames
        Shape (frame, row, column).
    shifts
        (row, column) to add to the coordinates of each frame, shape (frame, 2), pixels.
    nodes
        (row, column) to add to that at each node, shape (frame, node row, node column, 2), pixels;
        linear between nodes, constant beyond the outermost.
    gains
        Factor of each frame, shape (frame,).

    Returns
    -------
    np.ndarray
        Same shape, float32; pixels from outside the frame repeat the edge.
    """
    source = np.require(frames, np.float32, ["C", "W"])
    bent = np.empty_like(source)
    places = [
        np.clip((np.arange(side) + 0.5) * n_nodes / side - 0.5, 0, max(n_nodes - 1, 0))
        for side, n_nodes in zip(source.shape[1:], nodes.shape[1:3], strict=True)
    ]
    _warp_frames(
        source,
        np.ascontiguousarray(shifts, np.float64),
        np.ascontiguousarray(nodes, np.float64),
        places[0],
        places[1],
        np.ascontiguousarray(gains, np.float32),
        bent,
    )
    return bent


@numba.njit(
    "void(f4[:, :, ::1], f8[:, ::1], f8[:, :, :, ::1], f8[::1], f8[::1], f4[::1], f4[:, :, ::1])",
    nogil=True,
    cache=True,
    fastmath=True,
    boundscheck=False,
)
def _warp_frames(
    frames: np.ndarray,
    shifts: np.ndarray,
    nodes: np.ndarray,
    node_rows: np.ndarray,
    node_columns: np.ndarray,
    gains: np.ndarray,
    bent: np.ndarray,
) -> None:
    n_frames, n_rows, n_columns = frames.shape
    last_row, last_column = nodes.shape[1] - 1, nodes.shape[2] - 1
    down = np.empty(4, np.float32)
    across = np.empty(4, np.float32)
    course = np.empty((last_column + 1, 2))
    for f in range(n_frames):
        for r in range(n_rows):
            above = np.int64(node_rows[r])
            below = min(above + 1, last_row)
            part = node_rows[r] - above
            for node in range(last_column + 1):
                for axis in range(2):
                    course[node, axis] = (
                        shifts[f, axis]
                        + (1 - part) * nodes[f, above, node, axis]
                        + part * nodes[f, below, node, axis]
                    )
            for c in range(n_columns):
                left = np.int64(node_columns[c])
                right = min(left + 1, last_column)
                share = node_columns[c] - left
                row = r - (1 - share) * course[left, 0] - share * course[right, 0]
                column = c - (1 - share) * course[left, 1] - share * course[right, 1]
                row_base, column_base = np.int64(math.floor(row)), np.int64(math.floor(column))
                _cubic_weights(row - row_base, down)
                _cubic_weights(column - column_base, across)
                total = np.float32(0)
                for i in range(4):
                    from_row = min(max(row_base - 1 + i, 0), n_rows - 1)
                    line = np.float32(0)
                    for j in range(4):
                        from_column = min(max(column_base - 1 + j, 0), n_columns - 1)
                        line += across[j] * frames[f, from_row, from_column]
                    total += down[i] * line
                bent[f, r, c] = gains[f] * total
