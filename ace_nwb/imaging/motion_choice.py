"""Whether a movie moves at all, and whether its parts move alike, by pixels that were not fitted.

Shifts are fitted in one half of the field and judged in the other: where the tissue moves, they
predict the other half better than a still picture does. Noise and cells that light up do not pass.
"""

from dataclasses import dataclass, replace

import numpy as np

from ace_nwb.imaging.motion_evidence import split_field
from ace_nwb.imaging.motion_lens import Lens, Target
from ace_nwb.imaging.piecewise import NodeGrid, register_nodes
from ace_nwb.imaging.warping import shift_frames, warp_frames

_JUDGED_FRAMES = 192
"""Frames the judgement is made of, from all over the movie: its cost is that of as many frames."""
_NODE_FRAMES = 96  # frames on which parts of the field are registered to choose
_LEAST_GAIN = 1e-3
"""Share of the variance of filtered frames that shifts must explain beyond a still picture: noise
gave -0.02 and less, simulated tissue that moves by a pixel 0.18 and more."""
_LEAST_BENDING = 0.02
"""Share of the misfit that bending must take away: rigid movies and noise gave at most 0.001, a
field that turns by 0.3 degrees and stretches by 0.6 px, as SD, gave 0.07."""
_UNSEEN = 1e12
"""Variance of pixels that shall not count."""


@dataclass(frozen=True)
class Sample:
    """Frames from all over a movie, shape (frame, row, column), filtered and not, their shifts."""

    images: np.ndarray
    shifts: np.ndarray
    light: np.ndarray


def held_out_gain(sample: Sample, target: Target, lens: Lens) -> float:
    """Return the share of variance that shifts explain in pixels they were not fitted to.

    Relative to a still picture; 0 and less if they explain nothing.
    """
    images = _thinned(sample.images, _JUDGED_FRAMES)
    if len(images) < 2:
        return 0.0
    still = images - images.mean(0)
    moving = images - target.static
    n_frames = len(images)
    lost = kept = 0.0
    for half in _halves(lens.field_shape):
        window = half.astype(np.float32)
        template = lens.transform((target.image * window)[None])[0]
        shifts, _ = lens.register(lens.transform(moving * window), template)
        there = shift_frames(
            np.broadcast_to(target.image, images.shape), -shifts, np.ones(n_frames)
        )
        judged = np.zeros(lens.field_shape, bool)
        judged[lens.inner] = ~half[lens.inner]
        lost += float(np.square(still[:, judged]).sum(dtype=float)) / (1 - 1 / n_frames)
        kept += float(np.square((moving - there)[:, judged]).sum(dtype=float))
    return 1 - kept / lost if lost > 0 else 0.0


def moves(sample: Sample, target: Target, lens: Lens) -> bool:
    """Return whether shifts make the movie better where they were not fitted."""
    return held_out_gain(sample, target, lens) > _LEAST_GAIN


def bending_gain(sample: Sample, target: Target, lens: Lens, grid: NodeGrid) -> float:
    """Return the share of the misfit to the target that bending takes away, beyond rigid shifts.

    The nodes are fitted to the white squares of a chessboard and judged by the black ones.
    """
    if grid.n_nodes < 2:
        return 0.0
    images = _thinned(sample.images, _NODE_FRAMES) - target.static
    shifts = _thinned(sample.shifts, _NODE_FRAMES)
    is_white = split_field(lens.field_shape, round(lens.diameter_px))
    blind = np.where(is_white, target.variance, np.float32(_UNSEEN))
    nodes = register_nodes(images, shifts, replace(target, variance=blind), lens, grid)[:, 0]
    nodes = (nodes - np.median(nodes, axis=0)).reshape(len(images), *grid.shape, 2)
    ones = np.ones(len(images))
    judged = np.zeros(lens.field_shape, bool)
    judged[lens.inner] = ~is_white[lens.inner]
    misfits = []
    for moved in (shift_frames(images, shifts, ones), warp_frames(images, shifts, nodes, ones)):
        rest = np.square(moved - target.image)[:, judged] / target.variance[judged]
        misfits.append(float(np.log1p(0.25 * rest).mean(dtype=float)))
    return 1 - misfits[1] / misfits[0] if misfits[0] > 0 else 0.0


def is_bent(sample: Sample, target: Target, lens: Lens, grid: NodeGrid) -> bool:
    """Return whether parts of the field move on their own."""
    return bending_gain(sample, target, lens, grid) > _LEAST_BENDING


def _halves(field_shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the two pairs of opposite quadrants of the field: large, so that little is shared."""
    upper, left = (np.arange(side) < side / 2 for side in field_shape)
    half = upper[:, None] == left[None]
    return half, ~half


def _thinned(values: np.ndarray, n_kept: int) -> np.ndarray:
    return values[:: max(1, len(values) // n_kept)]
