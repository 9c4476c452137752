"""Aligning the fields of two sessions by their cells: rotation, shift, then a smooth displacement.

Pictures of the cells are compared at every angle with one Fourier transform each; the best few
angles are refined. The displacement field is a Gaussian process over the offsets of mutual
neighbours, its length and noise fixed by the size of a cell, outliers weighted down by turns (in
the manner of coherent point drift, Myronenko & Song 2010). Cells that have no partner therefore do
not pull the field.
"""

from dataclasses import dataclass

import numpy as np
from scipy import fft
from scipy.ndimage import affine_transform
from scipy.spatial import cKDTree

from ace_nwb.imaging.cell_maps import CellMap

_COARSE_STEP_DEG = 1.0
_N_REFINED = 16
_N_PEAKS = 3
_ENOUGH = 0.4
_N_ROUNDS = 12
_LENGTH_DIAMETERS = 5.0
_AFFINE_STIFFNESS = 1.0
"""Weight of the rigid solution against stretching and shearing; the field does the rest."""
_INVERSE_ROUNDS = 8


@dataclass(frozen=True)
class FieldAlignment:
    """From the second session's field to the first one's.

    Parameters
    ----------
    matrix
        Shape (2, 3): first = matrix[:, :2] @ second + matrix[:, 2], (row, column), pixels.
    anchors, pulls
        Points of the first field and the weights of the displacement there, shape (anchor, 2).
    length_px
        Distance over which the displacement changes.
    similarity_before, similarity_after
        Correlation of the cells' pictures without and with the alignment.
    residual_px
        Median distance of mutual neighbours after the alignment.
    """

    matrix: np.ndarray
    anchors: np.ndarray
    pulls: np.ndarray
    length_px: float
    similarity_before: float = 0.0
    similarity_after: float = 0.0
    residual_px: float = 0.0

    @property
    def rotation_deg(self) -> float:
        """Rotation of the affine part."""
        return float(np.degrees(np.arctan2(self.matrix[1, 0], self.matrix[0, 0])))

    def displacement(self, points: np.ndarray) -> np.ndarray:
        """Return the non-rigid displacement at points after the affine part, shape (point, 2)."""
        if not len(self.anchors):
            return np.zeros_like(points)
        return _kernel(points, self.anchors, self.length_px) @ self.pulls

    def forward(self, points: np.ndarray) -> np.ndarray:
        """Return where points of the second field lie in the first, shape (point, 2)."""
        moved = points @ self.matrix[:, :2].T + self.matrix[:, 2]
        return moved + self.displacement(moved)

    def backward(self, points: np.ndarray) -> np.ndarray:
        """Return where points of the first field lie in the second, shape (point, 2)."""
        before = points.copy()
        for _ in range(_INVERSE_ROUNDS):
            before = points - self.displacement(before)
        return (before - self.matrix[:, 2]) @ np.linalg.inv(self.matrix[:, :2]).T


def align_cells(
    first: CellMap, second: CellMap, *, cell_diameter_px: float, max_rotation_deg: float
) -> FieldAlignment:
    """Align the second session to the first.

    Parameters
    ----------
    first, second
        Cells of two sessions, in fields of one size.
    cell_diameter_px
        Diameter of a cell, pixels.
    max_rotation_deg
        Largest rotation searched in either direction.
    """
    blur_px = cell_diameter_px / 3
    pictures = [cells.picture(blur_px) for cells in (first, second)]
    identity = np.eye(2, 3)
    before = _similarity(pictures[0], pictures[1], identity)
    if not (first.n_cells and second.n_cells):
        return FieldAlignment(identity, np.zeros((0, 2)), np.zeros((0, 2)), 1.0, before, before)
    starts = find_rigid(
        pictures[0],
        pictures[1],
        max_rotation_deg=max_rotation_deg,
        apart_px=cell_diameter_px / 2,
    )
    length_px = _LENGTH_DIAMETERS * cell_diameter_px
    best = _fit(first, second, starts[0], cell_diameter_px, length_px)
    for start in starts[1:]:
        if best.similarity_after > _ENOUGH * min(first.n_cells, second.n_cells):
            break
        other = _fit(first, second, start, cell_diameter_px, length_px)
        best = max(best, other, key=lambda found: found.similarity_after)
    matrix, anchors, pulls, residual = best.matrix, best.anchors, best.pulls, best.residual_px
    return FieldAlignment(
        matrix,
        anchors,
        pulls,
        length_px,
        before,
        _similarity(pictures[0], pictures[1], matrix),
        residual,
    )


def find_rigid(
    first: np.ndarray, second: np.ndarray, *, max_rotation_deg: float, apart_px: float
) -> list[np.ndarray]:
    """Return promising rotations with their shifts, shape (2, 3) each, best first.

    Parameters
    ----------
    first, second
        Pictures of the cells, shape (row, column).
    max_rotation_deg
        Largest rotation in either direction.
    apart_px
        Shifts closer than this count as one.
    """
    n_steps = int(np.ceil(max_rotation_deg / _COARSE_STEP_DEG))
    angles = np.arange(-n_steps, n_steps + 1) * (max_rotation_deg / max(n_steps, 1))
    spectrum = _spectrum(first)
    found = [
        candidate
        for angle in angles
        for candidate in _try_angle(spectrum, first.shape, second, angle, apart_px)
    ]
    found.sort(key=lambda candidate: -candidate[0])
    centre = (np.array(first.shape) - 1) / 2
    kept: list[np.ndarray] = []
    for _, matrix in found:
        places = [other[:, :2] @ centre + other[:, 2] for other in kept]
        own = matrix[:, :2] @ centre + matrix[:, 2]
        if all(np.linalg.norm(own - place) > apart_px for place in places):
            kept.append(matrix)
        if len(kept) == _N_REFINED:
            break
    return kept


def _try_angle(
    spectrum: np.ndarray,
    shape: tuple[int, ...],
    second: np.ndarray,
    angle_deg: float,
    apart_px: float,
) -> list[tuple[float, np.ndarray]]:
    """Return the highest correlations at an angle, each with its rotation and shift."""
    turn = _rotation(angle_deg)
    centre = (np.array(shape) - 1) / 2
    turned = affine_transform(second, turn.T, centre - turn.T @ centre, order=1)
    size = np.array(_padded(shape))
    surface = fft.fftshift(fft.irfft2(spectrum * _spectrum(turned).conj(), s=tuple(size)))
    found = []
    for _ in range(_N_PEAKS):
        peak = np.array(np.unravel_index(surface.argmax(), surface.shape))
        height, shift = float(surface[tuple(peak)]), (peak - size // 2).astype(float)
        found.append((height, np.column_stack([turn, centre - turn @ centre + shift])))
        low = np.maximum(peak - int(apart_px), 0)
        high = peak + int(apart_px) + 1
        surface[low[0] : high[0], low[1] : high[1]] = -np.inf
    return found


def _fit(
    first: CellMap, second: CellMap, start: np.ndarray, diameter_px: float, length_px: float
) -> FieldAlignment:
    """Refine a rigid start by the offsets of neighbours, the field ever less stiff."""
    found = FieldAlignment(start, np.zeros((0, 2)), np.zeros((0, 2)), length_px)
    tree = cKDTree(first.centroids)
    for turn in range(_N_ROUNDS):
        reach_px = diameter_px * max(0.35, 1.2 * (1 - turn / _N_ROUNDS))
        moved = found.forward(second.centroids)
        left, right, distance = _mutual_neighbours(tree, moved, reach_px)
        if len(left) < 3:
            break
        weights = np.exp(-0.5 * (distance / (0.5 * reach_px)) ** 2)
        matrix = _fit_affine(
            second.centroids[right], first.centroids[left], weights, is_rigid=turn < 3
        )
        anchors = second.centroids[right] @ matrix[:, :2].T + matrix[:, 2]
        pulls = np.zeros((0, 2))
        if turn >= 2:
            offsets = first.centroids[left] - anchors
            pulls = _solve_field(anchors, offsets, weights, diameter_px, length_px)
        found = FieldAlignment(matrix, anchors if len(pulls) else pulls, pulls, length_px)
    moved = found.forward(second.centroids)
    left, _, distance = _mutual_neighbours(tree, moved, diameter_px / 2)
    residual = float(np.median(distance)) if len(left) else float("nan")
    closeness = np.exp(-0.5 * (distance / (diameter_px / 8)) ** 2).sum()
    return FieldAlignment(
        found.matrix, found.anchors, found.pulls, length_px, 0.0, float(closeness), residual
    )


def _mutual_neighbours(
    tree: cKDTree, points: np.ndarray, reach_px: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pairs that are each other's nearest, and their distances."""
    distance, nearest = tree.query(points)
    back = cKDTree(points).query(tree.data)[1]
    right = np.arange(len(points))
    is_mutual = (back[nearest] == right) & (distance <= reach_px)
    return nearest[is_mutual], right[is_mutual], distance[is_mutual]


def _fit_affine(
    source: np.ndarray, target: np.ndarray, weights: np.ndarray, *, is_rigid: bool
) -> np.ndarray:
    """Return the weighted least-squares rotation and shift, or affine map, shape (2, 3)."""
    share = weights / weights.sum()
    centres = share @ source, share @ target
    moved = (source - centres[0]) * share[:, None], target - centres[1]
    u, _, vt = np.linalg.svd(moved[1].T @ moved[0])
    turn = rigid = u @ np.diag([1, np.sign(np.linalg.det(u @ vt))]) @ vt
    if not is_rigid:
        spread = moved[0].T @ (source - centres[0])
        stiff = _AFFINE_STIFFNESS * np.trace(spread) / 2 * np.eye(2)
        turn = (moved[1].T @ moved[0] + rigid @ stiff) @ np.linalg.inv(spread + stiff)
    return np.column_stack([turn, centres[1] - turn @ centres[0]])


def _solve_field(
    anchors: np.ndarray,
    offsets: np.ndarray,
    weights: np.ndarray,
    diameter_px: float,
    length_px: float,
) -> np.ndarray:
    """Return the weights of a Gaussian process through noisy offsets, shape (anchor, 2)."""
    noise = (diameter_px / 12) ** 2 / np.maximum(weights, 1e-3)
    amplitude = (diameter_px / 4) ** 2
    covariance = amplitude * _kernel(anchors, anchors, length_px) + np.diag(noise)
    return amplitude * np.linalg.solve(covariance, offsets)


def _kernel(points: np.ndarray, anchors: np.ndarray, length_px: float) -> np.ndarray:
    """Return the similarity of places, shape (point, anchor)."""
    squares = (points**2).sum(1)[:, None] + (anchors**2).sum(1)[None] - 2 * points @ anchors.T
    return np.exp(-np.maximum(squares, 0) / (2 * length_px**2))


def _rotation(angle_deg: float) -> np.ndarray:
    angle = np.radians(angle_deg)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _padded(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the size of transforms in which nothing wraps around."""
    n_rows, n_columns = (fft.next_fast_len(2 * side, real=True) for side in shape)
    return n_rows, n_columns


def _spectrum(picture: np.ndarray) -> np.ndarray:
    """Return the transform of a picture without its mean."""
    return fft.rfft2(picture - picture.mean(), s=_padded(picture.shape))


def _similarity(first: np.ndarray, second: np.ndarray, matrix: np.ndarray) -> float:
    """Return the correlation of two pictures, the second moved by an affine map."""
    inverse = np.linalg.inv(matrix[:, :2])
    moved = affine_transform(second, inverse, -inverse @ matrix[:, 2], order=1)
    if first.std() == 0 or moved.std() == 0:
        return 0.0
    return float(np.corrcoef(first.ravel(), moved.ravel())[0, 1])
