"""Motion that differs between parts of the field: a grid of nodes, each with its own deviation.

The deviations are added to the rigid shift of the frame and interpolated linearly between the
nodes, so that the field bends but never tears (Pnevmatikakis & Giovannucci 2017). A node moves on
its own only where both halves of its surroundings agree on it (see motion_evidence), and never
further from the rigid shift than allowed.
"""

from dataclasses import dataclass

import numpy as np

from ace_nwb.imaging.motion_evidence import bridge_frames, keep_shared_motion, split_field
from ace_nwb.imaging.motion_lens import Lens, Target, weigh_rest
from ace_nwb.imaging.warping import node_positions, warp_frames

_N_STEPS = 8
_LARGEST_STEP_PX = 1.5
_PRIOR_PIXELS = 0.1


@dataclass(frozen=True)
class NodeGrid:
    """Nodes at the centres of equal rectangles that cover the field.

    Parameters
    ----------
    shape
        (node rows, node columns).
    """

    shape: tuple[int, int]

    @classmethod
    def over(cls, field_shape: tuple[int, int], patch_size_px: float) -> "NodeGrid":
        """Return the grid whose rectangles are about `patch_size_px` wide."""
        rows, columns = (max(1, round(side / patch_size_px)) for side in field_shape)
        return cls((rows, columns))

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return self.shape[0] * self.shape[1]

    def hats(self, field_shape: tuple[int, int]) -> np.ndarray:
        """Return the weight of every node at every pixel, shape (node, row, column); sum 1."""
        sides = [
            _hats_along(side, nodes) for side, nodes in zip(field_shape, self.shape, strict=True)
        ]
        hats = sides[0][:, None, :, None] * sides[1][None, :, None, :]
        return hats.reshape(self.n_nodes, *field_shape).astype(np.float32)


def _hats_along(side: int, n_nodes: int) -> np.ndarray:
    """Return the linear interpolation weights along one side, shape (node, pixel)."""
    nodes = node_positions(side, n_nodes)
    return np.array([np.interp(np.arange(side), nodes, row) for row in np.eye(n_nodes)])


def register_nodes(
    images: np.ndarray, shifts: np.ndarray, target: Target, lens: Lens, grid: NodeGrid
) -> np.ndarray:
    """Return how the nodes deviate from the rigid shifts, lens pixels.

    Parameters
    ----------
    images
        Filtered frames without what is static, shape (frame, row, column).
    shifts
        Rigid shift of each, lens pixels, shape (frame, 2).
    target
        What frames are registered to.
    lens
        How frames are looked at.
    grid
        The nodes.

    Returns
    -------
    np.ndarray
        As all pixels around a node see it, and each half of them: shape (frame, 3, node, 2).
    """
    n_frames = len(images)
    white = split_field(lens.field_shape, round(lens.diameter_px))
    hats = grid.hats(lens.field_shape)
    inner = lens.inner
    windows = np.stack([hats * white, hats * ~white])[:, :, *inner].reshape(2 * grid.n_nodes, -1)
    slopes = np.stack([slope[inner].ravel() for slope in np.gradient(target.image)])
    pulls = (windows[:, None] * slopes).reshape(-1, slopes.shape[1])
    products = np.stack([slopes[0] ** 2, slopes[0] * slopes[1], slopes[1] ** 2])
    curves = (windows[:, None] * products).reshape(-1, slopes.shape[1])
    prior = _PRIOR_PIXELS * lens.diameter_px**2
    nodes = np.zeros((n_frames, grid.n_nodes, 2))
    gains = np.ones(n_frames)
    for _ in range(_N_STEPS):
        moved = warp_frames(images, shifts, nodes.reshape(n_frames, *grid.shape, 2), gains)
        rest, weights = weigh_rest(moved[:, *inner], target, inner)
        curvature = (weights @ curves.T).astype(float).reshape(n_frames, 2, grid.n_nodes, 3)
        pull = (rest @ pulls.T).astype(float).reshape(n_frames, 2, grid.n_nodes, 2)
        steps = [_solve_nodes(curvature.sum(1), pull.sum(1) - prior * nodes, prior)]
        steps += [
            _solve_nodes(2 * curvature[:, half], 2 * pull[:, half] - prior * nodes, prior)
            for half in (0, 1)
        ]
        estimates = np.stack([nodes + step for step in steps], axis=1)
        nodes = estimates[:, 0]
    return estimates


def _solve_nodes(curvature: np.ndarray, pull: np.ndarray, prior: float) -> np.ndarray:
    """Return the step of every node, shape (frame, node, 2), drawn towards none."""
    a, b, d = (curvature[..., k] for k in range(3))
    a, d = a + prior, d + prior
    p, q = pull[..., 0], pull[..., 1]
    determinant = np.maximum(a * d - b * b, 1e-12)
    step = np.stack([d * p - b * q, a * q - b * p], axis=-1) / determinant[..., None]
    return np.clip(step, -_LARGEST_STEP_PX, _LARGEST_STEP_PX)


def settle_nodes(
    estimates: np.ndarray, is_bad: np.ndarray, grid: NodeGrid, *, max_deviation_px: float
) -> np.ndarray:
    """Return the deviations that are real, shape (frame, node row, node column, 2), pixels.

    Parameters
    ----------
    estimates
        From `register_nodes`, pixels, shape (frame, 3, node, 2).
    is_bad
        Frames whose deviations are interpolated, shape (frame,).
    grid
        The nodes.
    max_deviation_px
        Largest deviation along either axis.
    """
    bridged = bridge_frames(estimates, is_bad)
    nodes = np.zeros((len(bridged), grid.n_nodes, 2))
    for node in range(grid.n_nodes):
        whole, halves = bridged[:, 0, node], bridged[:, 1:, node]
        nodes[:, node] = keep_shared_motion(whole, halves)
    nodes -= np.median(nodes, axis=0)
    nodes = np.clip(nodes, -max_deviation_px, max_deviation_px)
    return nodes.reshape(len(nodes), *grid.shape, 2)
