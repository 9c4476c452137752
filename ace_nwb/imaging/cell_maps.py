"""The cells of a session as points and as a picture, and how they are moved into another field."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.ndimage import affine_transform, gaussian_filter, map_coordinates
from scipy.sparse import csc_array


class Transform(Protocol):
    """From the coordinates of one field to those of another."""

    def forward(self, points: np.ndarray) -> np.ndarray:
        """Return where points (row, column) of the second field lie in the first, (point, 2)."""
        ...

    def backward(self, points: np.ndarray) -> np.ndarray:
        """Return where points (row, column) of the first field lie in the second, (point, 2)."""
        ...


@dataclass(frozen=True)
class CellMap:
    """Cells in a field.

    Parameters
    ----------
    unit
        Footprints of Euclidean norm 1, shape (pixel, cell), row-major pixels.
    centroids
        (row, column) weighted by the footprint, shape (cell, 2), pixels.
    field_shape
        (n_rows, n_columns).
    """

    unit: csc_array
    centroids: np.ndarray
    field_shape: tuple[int, int]

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return int(self.unit.shape[1])

    def picture(self, blur_px: float) -> np.ndarray:
        """Return all cells, each with the same brightness, blurred, shape (row, column)."""
        total = np.asarray(self.unit.sum(1)).reshape(self.field_shape).astype(np.float64)
        return gaussian_filter(np.sqrt(np.maximum(total, 0)), blur_px)


def build_cell_map(footprints: csc_array, field_shape: tuple[int, int]) -> CellMap:
    """Return the cells of a session.

    Parameters
    ----------
    footprints
        Shape (n_rows * n_columns, cell), any scale; negative weights count as none.
    field_shape
        (n_rows, n_columns).
    """
    weights = csc_array(footprints, dtype=np.float64, copy=True)
    weights.data = np.maximum(weights.data, 0)
    norms = np.sqrt(np.asarray(weights.multiply(weights).sum(0)).ravel())
    sums = np.asarray(weights.sum(0)).ravel()
    pixels = np.divmod(np.arange(weights.shape[0]), field_shape[1])
    centroids = (
        np.column_stack([weights.T @ axis for axis in pixels]) / np.maximum(sums, 1e-12)[:, None]
    )
    scale = np.repeat(1 / np.maximum(norms, 1e-12), np.diff(weights.indptr))
    unit = csc_array((weights.data * scale, weights.indices, weights.indptr), shape=weights.shape)
    return CellMap(unit, centroids.reshape(-1, 2), field_shape)


def measure_similarity(
    first: CellMap, second: CellMap, matrix: np.ndarray, *, blur_px: float
) -> float:
    """Return the correlation of the pictures of two sessions.

    Parameters
    ----------
    first, second
        Cells in fields of one size.
    matrix
        Affine map of the second's field into the first's, shape (2, 3).
    blur_px
        Of the pictures.
    """
    fixed, moving = (cells.picture(blur_px) for cells in (first, second))
    inverse = np.linalg.inv(matrix[:, :2])
    moved = affine_transform(moving, inverse, -inverse @ matrix[:, 2], order=1)
    if fixed.std() == 0 or moved.std() == 0:
        return 0.0
    return float(np.corrcoef(fixed.ravel(), moved.ravel())[0, 1])


def move_footprints(cells: CellMap, transform: Transform) -> CellMap:
    """Return the cells in another field; what leaves the field is cut off.

    Parameters
    ----------
    cells
        In their own field.
    transform
        From this field to the other.
    """
    moved = [_move_one(cells, cell, transform) for cell in range(cells.n_cells)]
    counts = [len(indices) for indices, _ in moved]
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(int)
    shape = (cells.unit.shape[0], cells.n_cells)
    if not moved:
        return CellMap(csc_array(shape), np.zeros((0, 2)), cells.field_shape)
    indices = np.concatenate([indices for indices, _ in moved])
    values = np.concatenate([values for _, values in moved])
    again = build_cell_map(csc_array((values, indices, starts), shape=shape), cells.field_shape)
    lost = np.array([not count for count in counts])
    centroids = np.where(lost[:, None], transform.forward(cells.centroids), again.centroids)
    return CellMap(again.unit, centroids, cells.field_shape)


def _move_one(cells: CellMap, cell: int, transform: Transform) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels and weights of one footprint in the other field."""
    start, stop = cells.unit.indptr[cell : cell + 2]
    pixels, weights = cells.unit.indices[start:stop], cells.unit.data[start:stop]
    n_columns = cells.field_shape[1]
    if not len(pixels):
        return np.zeros(0, int), np.zeros(0)
    rows, columns = np.divmod(pixels, n_columns)
    low = np.array([rows.min(), columns.min()]) - 1
    patch = np.zeros((rows.max() - low[0] + 2, columns.max() - low[1] + 2))
    patch[rows - low[0], columns - low[1]] = weights
    corners = transform.forward(np.column_stack([rows, columns]).astype(float))
    first = np.maximum(np.floor(corners.min(0)).astype(int) - 1, 0)
    last = np.minimum(np.ceil(corners.max(0)).astype(int) + 2, cells.field_shape)
    if (last <= first).any():
        return np.zeros(0, int), np.zeros(0)
    grid = np.mgrid[first[0] : last[0], first[1] : last[1]].reshape(2, -1)
    source = transform.backward(grid.T.astype(float)) - low
    values = map_coordinates(patch, source.T, order=1, mode="constant")
    keep = values > 1e-6
    return grid[0, keep] * n_columns + grid[1, keep], values[keep]
