"""Aligning the fields of two sessions by their cells: rotation, shift, then a smooth displacement.

Rigid starts (rigid_search.py) are refined by expectation and maximisation over the centroids, in
the manner of coherent point drift (Myronenko & Song 2010): every cell of the second session has one
partner in the first, or none; offsets of partners are Gaussian. The jitter of the offsets, the size
of the warp and the share of partners are estimated from the pair itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ace_nwb.imaging.spacing import Field, square_distances

_N_ROUNDS = 15  # of matching and fitting; the reach shrinks meanwhile
_FEWEST = 3
"""Cells of a session; fewer fix no rotation, and show no field."""
_N_RIGID, _N_STIFF = 3, 2
"""Rounds before the affine map may stretch, and before the field may warp."""
_NUGGET = 1e-4  # of the variance: anchors a length apart are nearly, not quite, dependent
_FIRST_REACH, _LAST_REACH = 0.5, 0.25
"""Largest jitter that a round may assume, in diameters: first that of a bad start, at last so much
that neighbours, about a diameter away, are still told apart."""
_LEAST_JITTER = 1 / 40
"""Diameters; the grid of pixels alone moves a centroid by so much."""
_PRIOR_JITTER, _PRIOR_WARP = 1 / 15, 1 / 5
"""Diameters; each counts as much as `_PRIOR_CELLS` cells."""
_PRIOR_CELLS = 3.0  # cells: a pair with many of its own goes its own way
_LENGTH_DIAMETERS = 5.0  # cell diameters over which the displacement is smooth
_LENGTHS_PER_FIELD = 8.0
"""The warp changes no faster than an eighth of the longer side, which bounds its anchors."""
_AFFINE_STIFFNESS = 1.0
"""Weight of the rigid solution against stretching and shearing; the field does the rest."""
_INVERSE_ROUNDS = 8  # of the fixed point that turns a displacement round


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
    doubt
        Covariance of the pulls along an axis, shape (anchor, anchor), square pixels.
    jitter_px
        Standard deviation of the offset of a cell that is left, along an axis; NaN if none was
        estimated.
    warp_px
        Standard deviation of the displacement along an axis.
    share
        Of the second session's cells that the first one has too.
    score
        Logarithm of how much better partners explain the second session than none.
    """

    matrix: np.ndarray
    anchors: np.ndarray
    pulls: np.ndarray
    length_px: float
    doubt: np.ndarray
    jitter_px: float = float("nan")
    warp_px: float = 0.0
    share: float = 0.5
    score: float = 0.0

    @property
    def rotation_deg(self) -> float:
        """Rotation of the affine part."""
        return float(np.degrees(np.arctan2(self.matrix[1, 0], self.matrix[0, 0])))

    def displacement(self, points: np.ndarray) -> np.ndarray:
        """Return the non-rigid displacement at points after the affine part, shape (point, 2)."""
        return _kernel(points, self.anchors, self.length_px) @ self.pulls

    def variance(self, points: np.ndarray) -> np.ndarray:
        """Return the variance of the displacement at points after the affine part, (point,)."""
        near = _kernel(points, self.anchors, self.length_px)
        return np.asarray(((near @ self.doubt) * near).sum(1))

    def affine(self, points: np.ndarray) -> np.ndarray:
        """Return where points of the second field lie after the affine part, shape (point, 2)."""
        return points @ self.matrix[:, :2].T + self.matrix[:, 2]

    def forward(self, points: np.ndarray) -> np.ndarray:
        """Return where points of the second field lie in the first, shape (point, 2)."""
        moved = self.affine(points)
        return moved + self.displacement(moved)

    def backward(self, points: np.ndarray) -> np.ndarray:
        """Return where points of the first field lie in the second, shape (point, 2)."""
        before = points.copy()
        for _ in range(_INVERSE_ROUNDS):
            before = points - self.displacement(before)
        return (before - self.matrix[:, 2]) @ np.linalg.inv(self.matrix[:, :2]).T


def align_points(
    field: Field, second: np.ndarray, starts: Sequence[np.ndarray], *, cell_diameter_px: float
) -> FieldAlignment:
    """Return the best alignment of a session to another.

    Parameters
    ----------
    field
        The cells to align to.
    second
        Centroids (row, column) of the session, shape (cell, 2), pixels.
    starts
        Rigid maps to begin with, shape (2, 3) each.
    cell_diameter_px
        Diameter of a cell, pixels.
    """
    if min(len(field.cells), len(second)) < _FEWEST:
        return identity_alignment()
    longest = max(field.shape)
    length_px = max(_LENGTH_DIAMETERS * cell_diameter_px, longest / _LENGTHS_PER_FIELD)
    anchors = _lay_anchors(field.shape, length_px)
    plain = FieldAlignment(
        np.eye(2, 3),
        anchors,
        np.zeros_like(anchors),
        length_px,
        np.zeros((len(anchors), len(anchors))),
        _FIRST_REACH * cell_diameter_px,
        _PRIOR_WARP * cell_diameter_px,
    )
    found = [
        _fit(field, second, replace(plain, matrix=start), cell_diameter_px) for start in starts
    ]
    return max(found, key=lambda alignment: alignment.score)


def identity_alignment() -> FieldAlignment:
    """Return the alignment of a field to itself."""
    nothing = np.zeros((0, 2))
    return FieldAlignment(np.eye(2, 3), nothing, nothing, 1.0, np.zeros((0, 0)))


def _lay_anchors(field_shape: tuple[int, int], length_px: float) -> np.ndarray:
    """Return a grid of points about a length apart, half a length over the edges."""
    axes = [
        np.linspace(-length_px / 2, side + length_px / 2, int(np.ceil(side / length_px)) + 2)
        for side in field_shape
    ]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)


def _fit(
    field: Field, second: np.ndarray, found: FieldAlignment, diameter_px: float
) -> FieldAlignment:
    """Refine a rigid start: who belongs to whom, and the map with its jitter and warp, by turns."""
    prior = _kernel(found.anchors, found.anchors, found.length_px)
    prior += _NUGGET * np.eye(len(prior))
    for turn in range(_N_ROUNDS):
        reach_px = np.interp(turn, (0, _N_ROUNDS / 2), (_FIRST_REACH, _LAST_REACH)) * diameter_px
        found = replace(found, jitter_px=min(found.jitter_px, reach_px))
        partners, score = field.find_partners(found.forward(second), found.jitter_px, found.share)
        found = replace(found, score=score)
        weight = partners.sum(0)
        if weight.sum() < 2 or turn == _N_ROUNDS - 1:
            break
        target = (partners.T @ field.cells) / np.maximum(weight, 1e-12)[:, None]
        found = replace(
            found,
            share=float((weight.sum() + 1) / (len(second) + 2)),
            matrix=_fit_affine(second, target, weight, is_rigid=turn < _N_RIGID),
        )
        n_free = 1.5  # parameters of a rigid map along one of two axes
        if turn >= _N_STIFF:
            found, n_free = _fit_field(found, second, target, weight, prior, diameter_px)
        squares = (partners * square_distances(field.cells, found.forward(second))).sum()
        found = replace(
            found, jitter_px=_estimate_jitter(squares, weight.sum() - n_free, diameter_px)
        )
    return found


def _estimate_jitter(squares: float, n_cells: float, diameter_px: float) -> float:
    """Return the standard deviation of offsets along an axis, with a prior of a few cells."""
    expected = 2 * _PRIOR_CELLS * (_PRIOR_JITTER * diameter_px) ** 2
    variance = (squares + expected) / (2 * (max(n_cells, 0) + _PRIOR_CELLS))
    return float(max(np.sqrt(variance), _LEAST_JITTER * diameter_px))


def _fit_field(
    found: FieldAlignment,
    second: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray,
    prior: np.ndarray,
    diameter_px: float,
) -> tuple[FieldAlignment, float]:
    """Return the alignment with a Gaussian process through the offsets, and its free parameters."""
    moved = found.affine(second)
    near = _kernel(moved, found.anchors, found.length_px)
    scaled = near.T * (weight / found.jitter_px**2)
    evidence = scaled @ near
    doubt = np.linalg.inv(evidence + prior / found.warp_px**2)
    pulls = doubt @ (scaled @ (target - moved))
    n_free = float((evidence * doubt).sum())
    size = 0.5 * (pulls * (prior @ pulls)).sum()
    expected = _PRIOR_CELLS * (_PRIOR_WARP * diameter_px) ** 2
    warp_px = float(np.sqrt((size + expected) / (n_free + _PRIOR_CELLS)))
    return replace(found, pulls=pulls, doubt=doubt, warp_px=warp_px), 1.5 + n_free


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


def _kernel(points: np.ndarray, anchors: np.ndarray, length_px: float) -> np.ndarray:
    """Return the similarity of places, shape (point, anchor)."""
    return np.exp(-square_distances(points, anchors) / (2 * length_px**2))
