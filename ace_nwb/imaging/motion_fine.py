"""The last step of registration: fine structure, with the tissue's own fluctuations fitted along.

Where neuropil glows and cells are active, a frame differs from the template though nothing moved.
Broad fluctuations are few: the leading modes of what aligned frames leave are fitted to every
frame together with its shift. Cells are many, but each is active rarely: pixels around a large
difference lose their weight. What remains to pull is the structure itself, vessels above all,
which needs no high-pass any more.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np
from scipy.ndimage import gaussian_filter

from ace_nwb.imaging.filtering import convolve_frames, gaussian_taps
from ace_nwb.imaging.motion_evidence import split_field
from ace_nwb.imaging.motion_lens import Lens
from ace_nwb.imaging.piecewise import NodeGrid
from ace_nwb.imaging.warping import move_frames

_GRAIN_DIAMETERS = 1 / 12  # cell diameters: 1 px at 12, the finest structure that is no noise
_MODE_DIAMETERS = 1 / 2  # cell diameters: fluctuations of tissue are at least as wide
_STILL_DIAMETERS = 1.0  # cell diameters of smoothing of what stands still
_MOST_MODES = 16  # of the tissue's fluctuation; more fit noise
_CELLS_PER_MODE = 8  # areas of a cell in the field for every mode
_FRAMES_PER_MODE = 8  # frames for every mode
_CLIP_SD = 2.0  # SDs at which a pixel's misfit is clipped: active cells do not pull
_N_STEPS = 2  # of Gauss and Newton
_FURTHEST_PX = 1.0  # px: a larger step has left the range of the linear model
_WEIGHT_SIDE_PX = 5  # px over which the weights of pixels are smoothed
_WEIGHT_FRAMES = 5  # frames over which the weights of pixels are smoothed
_RIDGE = 1e-6  # of the curvature: keeps a flat field solvable


@dataclass(frozen=True)
class Tissue:
    """What frames are compared with in the end, on the lens's pixels.

    Parameters
    ----------
    static
        What stays with the sensor, shape (row, column).
    image, variance
        What moves with the tissue, and the usual squared difference of an aligned frame from it
        and its modes; both where the field stays in view (see `Lens.inner`).
    features
        How a pixel changes when the frame moves by a row or a column, or a mode grows: shape
        (feature, pixel).
    is_white
        Which pixels belong to one half of the field (see `split_field`), shape (pixel,).
    """

    static: np.ndarray
    image: np.ndarray
    variance: np.ndarray
    features: np.ndarray
    is_white: np.ndarray


def soften(light: np.ndarray, lens: Lens) -> np.ndarray:
    """Return exposed frames (see `Lens.expose`) without pixel noise and without their mean."""
    softened = convolve_frames(light, gaussian_taps(_GRAIN_DIAMETERS * lens.diameter_px))
    softened -= softened.mean((1, 2), keepdims=True)
    return softened


def model_tissue(
    light: np.ndarray, shifts: np.ndarray, lens: Lens, nodes: np.ndarray | None = None
) -> Tissue:
    """Return what aligned frames have in common and how they fluctuate.

    Parameters
    ----------
    light
        Exposed frames, shape (frame, row, column).
    shifts
        Of each, lens pixels, shape (frame, 2).
    lens
        How frames are looked at.
    nodes
        Deviations from the shifts, shape (frame, node row, node column, 2), lens pixels.
    """
    images = soften(light, lens)
    # The broadest structures do not tell whether they move: they are left to the sensor, else the
    # vignette would pull at every frame.
    static = gaussian_filter(images.mean(0), _STILL_DIAMETERS * lens.diameter_px)
    back = None if nodes is None else -nodes
    moving = move_frames(images - static, shifts, nodes).mean(0)
    there = move_frames(np.broadcast_to(moving, images.shape), -shifts, back)
    static = (images - there).mean(0)
    images -= static
    aligned = move_frames(images, shifts, nodes)
    image = aligned.mean(0)
    aligned -= image
    change = _robust_mean(aligned)
    image += change
    aligned -= change
    modes, variance = _fluctuations(aligned, lens)
    inner = lens.inner
    parts = [*np.gradient(image), *modes]
    features = np.stack([part[inner].ravel() for part in parts]).astype(np.float32)
    is_white = split_field(lens.field_shape, round(lens.diameter_px))[inner].ravel()
    return Tissue(static, image[inner], variance[inner], features, is_white)


def _robust_mean(rest: np.ndarray) -> np.ndarray:
    """Return the mean of differences in which active cells count less, shape (row, column)."""
    usual = np.square(np.abs(rest).mean(0) * np.sqrt(np.pi / 2)) + 1e-9
    weights = 1 / (_nearby(rest) + usual)
    return np.asarray((weights * rest).sum(0) / weights.sum(0))


def _fluctuations(rest: np.ndarray, lens: Lens) -> tuple[np.ndarray, np.ndarray]:
    """Return the leading broad modes of differences, and the variance of what they leave."""
    scale = np.abs(rest).mean(0) * np.sqrt(np.pi / 2) + 1e-9
    limit = _CLIP_SD * scale
    taps = gaussian_taps(_MODE_DIAMETERS * lens.diameter_px)
    broad = convolve_frames(np.clip(rest, -limit, limit), taps)
    flat = broad.reshape(len(rest), -1)
    n_cells = flat.shape[1] / lens.diameter_px**2
    n_modes = int(min(_MOST_MODES, n_cells / _CELLS_PER_MODE, len(rest) / _FRAMES_PER_MODE))
    _, vectors = np.linalg.eigh((flat @ flat.T).astype(float))
    modes, _ = np.linalg.qr(flat.T @ vectors[:, ::-1][:, :n_modes].astype(np.float32))
    modes = np.ascontiguousarray(modes.T)
    pixels = rest.reshape(len(rest), -1)
    left = pixels - (pixels @ modes.T) @ modes
    variance = (np.abs(left).mean(0) * np.sqrt(np.pi / 2)) ** 2
    floor = max(1e-3 * float(np.median(variance)), 1e-9)
    shape = lens.field_shape
    return modes.reshape(-1, *shape), np.maximum(variance, floor).reshape(shape)


def fit_shifts(images: np.ndarray, shifts: np.ndarray, tissue: Tissue, lens: Lens) -> np.ndarray:
    """Return the shifts that fit best together with the modes.

    Parameters
    ----------
    images
        Softened frames without what is static, shape (frame, row, column).
    shifts
        Where to begin, lens pixels, shape (frame, 2).
    tissue
        What frames are compared with.
    lens
        How frames are looked at.

    Returns
    -------
    np.ndarray
        As the whole field sees it, and each half of it: shape (frame, 3, 2), lens pixels.
    """

    def move(steps: np.ndarray) -> np.ndarray:
        return move_frames(images, shifts + steps, None)

    steps = _fit(move, np.zeros((len(images), 2)), tissue, lens, tissue.features, np.zeros((2, 2)))
    is_near = np.abs(steps[:, 0]).max(1) < _FURTHEST_PX
    return shifts[:, None] + np.where(is_near[:, None, None], steps, 0)


def fit_nodes(
    images: np.ndarray,
    shifts: np.ndarray,
    nodes: np.ndarray,
    tissue: Tissue,
    lens: Lens,
    grid: NodeGrid,
) -> np.ndarray:
    """Return the deviations that fit best together with the modes.

    Parameters
    ----------
    images, shifts, tissue, lens
        As for `fit_shifts`.
    nodes
        Where to begin, lens pixels, shape (frame, node, 2).
    grid
        The nodes.

    Returns
    -------
    np.ndarray
        As all pixels see it, and each half of them: shape (frame, 3, node, 2), lens pixels.
    """

    def move(steps: np.ndarray) -> np.ndarray:
        return move_frames(images, shifts, steps.reshape(len(images), *grid.shape, 2))

    hats = grid.hats(lens.field_shape)[:, *lens.inner].reshape(grid.n_nodes, -1)
    moves = (hats[:, None] * tissue.features[:2]).reshape(-1, hats.shape[1])
    features = np.concatenate([moves, tissue.features[2:]])
    found = _fit(
        move, nodes.reshape(len(images), -1), tissue, lens, features, grid.prior(lens.diameter_px)
    )
    return found.reshape(len(images), 3, grid.n_nodes, 2)


def _fit(
    move: Callable[[np.ndarray], np.ndarray],
    start: np.ndarray,
    tissue: Tissue,
    lens: Lens,
    features: np.ndarray,
    prior: np.ndarray,
) -> np.ndarray:
    """Return how frames are moved by the first features, shape (frame, 3, feature).

    `move` takes what to add for them and returns frames; `prior` is the precision of that.
    """
    n_moves = start.shape[1]
    precision = np.zeros((len(features), len(features)))
    precision[:n_moves, :n_moves] = prior
    found = np.zeros((len(start), 3, len(features)))
    found[:, :, :n_moves] = start[:, None]
    for step in range(_N_STEPS):
        known = found[:, 0]
        rest = (move(known[:, :n_moves])[:, *lens.inner] - tissue.image).reshape(len(start), -1)
        rest -= known[:, n_moves:].astype(np.float32) @ features[n_moves:]
        weights = _weigh(rest, tissue.variance)
        scale = _scale(weights, tissue)
        np.multiply(weights, rest, out=rest)
        parts = (None,) if step < _N_STEPS - 1 else (None, tissue.is_white, ~tissue.is_white)
        for index, part in reversed(list(enumerate(parts))):
            seen = features if part is None else 2 * features * part
            curvature = ((seen * weights.mean(0)) @ features.T).astype(float) + precision
            _condition(curvature)
            pull = (rest @ seen.T).astype(float) * scale - known @ precision
            found[:, index] = known + np.linalg.solve(curvature, pull.T).T
    return found[:, :, :n_moves]


def _scale(weights: np.ndarray, tissue: Tissue) -> np.ndarray:
    """Return how much more than each frame the mean frame tells of a move, shape (frame, 1).

    The curvature is that of the mean frame, scaled: a few steps make up for that, and the
    products of all features need not be summed frame by frame.
    """
    energy = np.square(tissue.features[:2]).sum(0)
    return ((weights.mean(0) @ energy + 1e-12) / (weights @ energy + 1e-12))[:, None]


def _condition(curvature: np.ndarray) -> None:
    """Make a curvature safe to divide by, in place."""
    diagonal = np.arange(len(curvature))
    curvature[diagonal, diagonal] *= 1 + _RIDGE
    curvature[diagonal, diagonal] += 1e-12


def _weigh(rest: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Return the weights of pixels: low where frames differ more than usual for a while."""
    squares = np.empty((len(rest), *variance.shape), np.float32)
    _linger(_nearby(rest.reshape(squares.shape)), _WEIGHT_FRAMES // 2, squares)
    squares += variance
    return np.reciprocal(squares, out=squares).reshape(len(rest), -1)


def _nearby(rest: np.ndarray) -> np.ndarray:
    """Return the mean square around every pixel of every frame."""
    taps = np.full(_WEIGHT_SIDE_PX, 1 / _WEIGHT_SIDE_PX, np.float32)
    return convolve_frames(np.square(rest), taps)


@numba.njit("void(f4[:, :, ::1], i8, f4[:, :, ::1])", nogil=True, cache=True, fastmath=True)
def _linger(frames: np.ndarray, reach: int, lingering: np.ndarray) -> None:
    """Average every frame with its neighbours in time; the first and last are repeated."""
    n_frames, n_rows, n_columns = frames.shape
    share = np.float32(1 / (2 * reach + 1))
    for f in range(n_frames):
        for r in range(n_rows):
            line = lingering[f, r]
            line[:] = 0
            for offset in range(-reach, reach + 1):
                other = frames[min(max(f + offset, 0), n_frames - 1), r]
                for c in range(n_columns):
                    line[c] += share * other[c]
