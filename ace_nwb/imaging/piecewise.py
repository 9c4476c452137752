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

_MOST_ALONG = 6
"""Nodes along a side at the most: lenses and tissue bend a field smoothly, and every node costs."""
_N_STEPS = 5  # of the nodes
_LARGEST_STEP_PX = 1.5  # px: a larger step has left the range of the linear model
_PRIOR_PIXELS = 8.0  # of a cell's area that the neighbours' motion weighs
_SIZE_SHARE = 0.005
"""What a second difference of a pixel between nodes costs, in squares of a diameter's side whose
pixels differ by their noise as a frame moves by a pixel, and a deviation relative to that. From 8
on the error falls little more (fields that turn by 0.6 degrees: 0.49 px at 0.5, 0.44 at 8 and
32)."""


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
        """Return the grid whose rectangles are about `patch_size_px` wide, at most 6 x 6."""
        rows, columns = (
            int(np.clip(round(side / patch_size_px), 1, _MOST_ALONG)) for side in field_shape
        )
        return cls((rows, columns))

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return self.shape[0] * self.shape[1]

    def hats(self, field_shape: tuple[int, int]) -> np.ndarray:
        """Return the weight of every node at every pixel, shape (node, row, column); sum 1."""
        sides = [
            hats_along(side, nodes) for side, nodes in zip(field_shape, self.shape, strict=True)
        ]
        hats = sides[0][:, None, :, None] * sides[1][None, :, None, :]
        return hats.reshape(self.n_nodes, *field_shape).astype(np.float32)

    def prior(self, diameter_px: float) -> np.ndarray:
        """Return what deviations cost, shape (2 x node, 2 x node), node by node, row and column.

        The sum of squared second differences between nodes, which spares turning and stretching,
        and a little of the squares themselves.
        """
        curls = [np.diff(np.eye(side), n=2, axis=0) for side in self.shape]
        twists = [np.diff(np.eye(side), axis=0) for side in self.shape]
        rows, columns = (np.eye(side) for side in self.shape)
        parts = [np.kron(curls[0], columns), np.kron(rows, curls[1]), np.kron(*twists)]
        cost = _SIZE_SHARE * np.eye(self.n_nodes) + sum(part.T @ part for part in parts)
        return np.kron(_PRIOR_PIXELS * diameter_px**2 * cost, np.eye(2))


def hats_along(side: int, n_nodes: int) -> np.ndarray:
    """Return the linear interpolation weights along one side, shape (node, pixel)."""
    nodes = node_positions(side, n_nodes)
    return np.array([np.interp(np.arange(side), nodes, row) for row in np.eye(n_nodes)])


def register_nodes(
    images: np.ndarray, shifts: np.ndarray, target: Target, lens: Lens, grid: NodeGrid
) -> np.ndarray:
    """Return how the nodes deviate from the rigid shifts, lens pixels.

    All nodes of a frame are fitted at once, by Gauss-Newton steps on the pixels and a prior that
    lets the field turn and stretch but charges for what is rough.

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
    inner = lens.inner
    is_white = split_field(lens.field_shape, round(lens.diameter_px))[inner].ravel()
    slopes = np.stack([slope[inner].ravel() for slope in np.gradient(target.image)])
    hats = grid.hats(lens.field_shape)[:, *inner].reshape(grid.n_nodes, -1)
    features = (hats[:, None] * slopes).reshape(-1, slopes.shape[1])
    energy = np.square(slopes).sum(0)
    prior = grid.prior(lens.diameter_px)
    nodes = np.zeros((n_frames, 2 * grid.n_nodes))
    gains = np.ones(n_frames)
    for step in range(_N_STEPS):
        bent = nodes.reshape(n_frames, *grid.shape, 2)
        moved = warp_frames(images, shifts, bent, gains)[:, *inner]
        rest, weights = weigh_rest(moved, target, inner)
        mean = weights.mean(0)
        scale = (mean @ energy) / np.maximum(weights @ energy, 1e-30)
        parts = (None,) if step < _N_STEPS - 1 else (None, is_white, ~is_white)
        found = []
        for part in parts:
            seen = features if part is None else 2 * features * part
            curvature = ((seen * mean) @ features.T).astype(float) + prior
            pull = (rest @ seen.T).astype(float) * scale[:, None] - nodes @ prior
            change = np.linalg.solve(curvature, pull.T).T
            found.append(nodes + np.clip(change, -_LARGEST_STEP_PX, _LARGEST_STEP_PX))
        nodes = found[0]
    return np.stack(found, axis=1).reshape(n_frames, 3, grid.n_nodes, 2)


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
