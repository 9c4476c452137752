"""How cells keep apart: the density of cells around a cell, over that of the field."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

_REACH_DIAMETERS = 1.5
"""Beyond it cells are taken to lie independently."""
_BINS_PER_DIAMETER = 12  # bins of the distances between cells
_BLUR_BINS = 1.5
"""An eighth of a diameter: what is left of a centroid's jitter between sessions."""
_LEAST = 0.1
"""About one ROI in ten is a part of a cell, or none, and keeps no distance."""
_N_PROBES = 4000
"""Points of the field at which the room for strangers is measured; its error is 1 %."""


@dataclass(frozen=True)
class Spacing:
    """How cells of one tissue keep apart.

    Parameters
    ----------
    distance_px, relative_density
        The density of other cells at a distance from a cell over that of the field, shape (bin,).
    """

    distance_px: np.ndarray
    relative_density: np.ndarray

    def at(self, distance_px: np.ndarray) -> np.ndarray:
        """Return the relative density at distances."""
        return np.interp(distance_px, self.distance_px, self.relative_density, right=1.0)


@dataclass(frozen=True)
class Field:
    """The cells that others are aligned to.

    Parameters
    ----------
    cells
        Centroids, shape (cell, 2), pixels.
    shape
        (n_rows, n_columns).
    spacing
        How cells keep apart.
    room
        Share of the field that the cells leave to others.
    """

    cells: np.ndarray
    shape: tuple[int, int]
    spacing: Spacing
    room: float

    @property
    def density(self) -> float:
        """Cells per square pixel."""
        return len(self.cells) / (self.shape[0] * self.shape[1])

    def find_partners(
        self, others: np.ndarray, jitter_px: float, share: float
    ) -> tuple[np.ndarray, float]:
        """Return how probably each cell is that of another session, and the gain in likelihood.

        Parameters
        ----------
        others
            Centroids of the other session in this field, shape (other, 2).
        jitter_px
            Standard deviation of offsets along an axis.
        share
            Of the other session's cells that this one has too.

        Returns
        -------
        tuple
            Probabilities, shape (cell, other), and the logarithm of how much better the
            alignment explains where the others lie than a field of another place.
        """
        squares = square_distances(self.cells, others)
        apart = self.spacing.at(np.sqrt(squares))
        same = np.exp(-squares / (2 * jitter_px**2)) / (2 * np.pi * jitter_px**2 * apart)
        same *= share / self.density
        inside = ((others >= 0) & (others < self.shape)).all(1)
        crowding = np.exp(np.log(apart).sum(0))
        strange = (1 - share) * np.where(inside, 1 / self.room, 1 / crowding)
        total = strange + same.sum(0)
        return same / total, float(np.log(crowding * total).sum())


def build_field(
    first: np.ndarray,
    second: np.ndarray,
    field_shape: tuple[int, int],
    cell_diameter_px: float,
) -> Field:
    """Return the first session as the second is aligned to it.

    Parameters
    ----------
    first, second
        Centroids of two sessions, shape (cell, 2), pixels.
    field_shape
        (n_rows, n_columns) of both.
    cell_diameter_px
        Diameter of a cell.
    """
    spacing = measure_spacing((first, second), field_shape, cell_diameter_px)
    return Field(first, field_shape, spacing, measure_room(spacing, first, field_shape))


def measure_spacing(
    sessions: tuple[np.ndarray, ...], field_shape: tuple[int, int], cell_diameter_px: float
) -> Spacing:
    """Return how the cells within sessions keep apart.

    Parameters
    ----------
    sessions
        Centroids of each session, shape (cell, 2), pixels.
    field_shape
        (n_rows, n_columns).
    cell_diameter_px
        Diameter of a cell.
    """
    n_bins = int(_REACH_DIAMETERS * _BINS_PER_DIAMETER)
    edges = np.linspace(0, _REACH_DIAMETERS * cell_diameter_px, n_bins + 1)
    rings = np.pi * np.diff(edges**2) / (field_shape[0] * field_shape[1])
    found, expected = np.zeros(n_bins), np.zeros(n_bins)
    for points in sessions:
        tree = cKDTree(points)
        found += np.diff(tree.count_neighbors(tree, edges)) if len(points) else 0
        expected += len(points) ** 2 * rings
    found, expected = (gaussian_filter1d(each, _BLUR_BINS) for each in (found, expected))
    # one pair of prior in every bin: cells that were never seen so close may still be
    density = np.clip((found + 1) / (expected + 1), _LEAST, 1)
    return Spacing((edges[1:] + edges[:-1]) / 2, density)


def measure_room(spacing: Spacing, cells: np.ndarray, field_shape: tuple[int, int]) -> float:
    """Return the mean over the field of the density that other cells leave to a cell, 0..1."""
    step = np.sqrt(field_shape[0] * field_shape[1] / _N_PROBES)
    axes = [np.arange(step / 2, side, step) for side in field_shape]
    probes = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
    near = cKDTree(probes).sparse_distance_matrix(
        cKDTree(cells), spacing.distance_px[-1], output_type="ndarray"
    )
    logs = np.bincount(near["i"], np.log(spacing.at(near["v"])), len(probes))
    return float(np.exp(logs).mean())


def square_distances(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return squared distances, shape (point, other)."""
    squares = (points**2).sum(1)[:, None] + (others**2).sum(1)[None] - 2 * points @ others.T
    return np.maximum(squares, 0)
