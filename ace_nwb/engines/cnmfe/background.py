"""The ring background of CNMF-E, regressed in a low-rank basis of a coarse grid.

Zhou et al. 2018: each pixel's background is a weighted sum of a ring of pixels around it. The
residual without neurons is reduced to its leading components on the coarse grid first, which
takes the sensor noise out of the ring and makes the background a product of a small matrix of
images and their time courses: it is never made as a movie, and never subtracted from one.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array, kron

from ace_nwb.imaging.blocks import map_blocks
from ace_nwb.imaging.movie import Movie, ProgressCallback, no_progress

_MAX_SAMPLES = 1500  # frames of the regression: many times its coefficients (8 to 80 components)
_PIXELS_PER_BATCH = 512  # pixels solved at once: bounds memory


@dataclass(frozen=True)
class CoarseGrid:
    """A grid of squares of `side` x `side` pixels over the field.

    Parameters
    ----------
    field_shape
        (n_rows, n_columns) of the field.
    side
        Side of a square, pixels.
    """

    field_shape: tuple[int, int]
    side: int

    @property
    def shape(self) -> tuple[int, int]:
        """(n_rows, n_columns) of the grid."""
        n_rows, n_columns = self.field_shape
        return -(-n_rows // self.side), -(-n_columns // self.side)

    def average(self) -> csr_array:
        """Return the matrix of the mean over each square, shape (square, pixel)."""
        return csr_array(kron(*[_averages(size, self.side) for size in self.field_shape]))

    def interpolate(self) -> csr_array:
        """Return the matrix of bilinear interpolation, shape (pixel, square)."""
        return csr_array(kron(*[_interpolation(size, self.side) for size in self.field_shape]))

    def reduce(self, frames: np.ndarray) -> np.ndarray:
        """Return the mean of each square, shape (frame, square), float32."""
        n_rows, n_columns = self.shape
        by_row = np.zeros((len(frames), n_rows, frames.shape[2]), np.float32)
        sums = np.zeros((len(frames), n_rows, n_columns), np.float32)
        for offset in range(self.side):
            part = frames[:, offset :: self.side]
            by_row[:, : part.shape[1]] += part
        for offset in range(self.side):
            part = by_row[:, :, offset :: self.side]
            sums[:, :, : part.shape[2]] += part
        heights, widths = (np.bincount(np.arange(n) // self.side) for n in self.field_shape)
        sums /= np.outer(heights, widths).astype(np.float32)
        return sums.reshape(len(frames), -1)


def _averages(size: int, side: int) -> csr_array:
    squares = np.arange(size) // side
    counts = np.bincount(squares)
    return csr_array((1 / counts[squares], (squares, np.arange(size))))


def _interpolation(size: int, side: int) -> csr_array:
    n_squares = -(-size // side)
    place = np.clip((np.arange(size) + 0.5) / side - 0.5, 0, n_squares - 1)
    lower = np.minimum(place.astype(int), max(0, n_squares - 2))
    upper = np.minimum(lower + 1, n_squares - 1)
    fraction = place - lower
    pixels = np.arange(size)
    values = np.concatenate([1 - fraction, fraction])
    places = (np.concatenate([pixels, pixels]), np.concatenate([lower, upper]))
    return csr_array((values, places), shape=(size, n_squares))


@dataclass(frozen=True)
class CoarseMovie:
    """The movie on the coarse grid, averaged over time, without its mean.

    Parameters
    ----------
    values
        Shape (sample, square), float32.
    mean
        Mean over time, shape (square,).
    edges
        First frame of each sample, in frames of the movie it was made from.
    """

    values: np.ndarray
    mean: np.ndarray
    edges: np.ndarray


def read_coarse(
    movie: Movie, grid: CoarseGrid, *, workers: int, progress: ProgressCallback = no_progress
) -> CoarseMovie:
    """Return the movie on the coarse grid with at most 1500 samples over time."""
    n_frames = movie.shape[0]
    factor = -(-n_frames // _MAX_SAMPLES)
    n_samples = -(-n_frames // factor)
    sums = np.zeros((n_samples, int(np.prod(grid.shape))), np.float32)

    def reduce(start: int, block: np.ndarray) -> tuple[int, np.ndarray]:
        return start, grid.reduce(block)

    for start, part in map_blocks(movie, reduce, workers=workers, progress=progress):
        np.add.at(sums, (start + np.arange(len(part))) // factor, part)
    edges = np.arange(0, n_frames, factor)
    sums /= np.diff(np.append(edges, n_frames))[:, None]
    mean = sums.mean(0)
    return CoarseMovie(sums - mean, mean, edges)


@dataclass(frozen=True)
class Background:
    """Ring background in factors: background - its mean = images @ (basis.T @ residual).

    Parameters
    ----------
    weights
        Ring weights, shape (square, square).
    basis
        Orthonormal images of the coarse grid, shape (square, component), float32.
    images
        Background that each component stands for, shape (pixel, component), float32.
    grid
        The coarse grid.
    """

    weights: csr_array
    basis: np.ndarray
    images: np.ndarray
    grid: CoarseGrid


def fit_background(
    residual: np.ndarray, grid: CoarseGrid, *, ring_radius_px: float, n_components: int
) -> Background:
    """Regress every square of the coarse grid on the ring around it.

    Parameters
    ----------
    residual
        Coarse movie without neurons and without its mean, shape (sample, square).
    grid
        The coarse grid.
    ring_radius_px
        Radius of the ring, pixels of the field.
    n_components
        Number of components kept of the residual.
    """
    basis, scales, noise_variance = leading_components(residual, n_components)
    features = (basis * scales).astype(np.float32)
    rings = _ring_neighbours(grid.shape, ring_radius_px / grid.side)
    weights = _regress(
        features, rings, max(noise_variance, 1e-9 * float(np.sum(scales**2)) + 1e-30)
    )
    images = grid.interpolate() @ (weights @ basis)
    return Background(weights, basis.astype(np.float32), images.astype(np.float32), grid)


def leading_components(
    samples: np.ndarray, n_components: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return images, SDs and the variance of the rest, by subspace iteration (Halko et al. 2011).

    Returns
    -------
    images, scales, rest
        Orthonormal images, shape (square, component); SD of each over time, shape (component,);
        variance of a square that the components leave.
    """
    n_samples, n_squares = samples.shape
    rank = min(n_components, n_samples - 1, n_squares)
    if rank < 1:
        return np.zeros((n_squares, 0)), np.zeros(0), 0.0
    width = min(rank + 8, n_samples, n_squares)
    start = np.random.default_rng(0).standard_normal((n_samples, width)).astype(np.float32)
    images = samples.T @ start
    for _ in range(3):
        images, _ = np.linalg.qr(images)
        images = samples.T @ (samples @ images)
    images, _ = np.linalg.qr(images)
    courses = samples @ images
    rotation, scales, _ = np.linalg.svd((courses.T @ courses) / n_samples)
    images = (images @ rotation)[:, :rank]
    total = float(np.einsum("sp,sp->", samples, samples)) / n_samples
    rest = max(0.0, total - float(scales[:rank].sum())) / n_squares
    return images, np.sqrt(np.maximum(scales[:rank], 0)), rest


def _ring_neighbours(shape: tuple[int, int], radius: float) -> np.ndarray:
    """Return the squares on the ring around each square, shape (square, offset); -1 is outside."""
    reach = int(np.ceil(radius)) + 1
    offsets = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1)
    distance = np.hypot(*offsets)
    rows_off, columns_off = offsets[:, (distance >= radius) & (distance < radius + 1)]
    rows, columns = np.divmod(np.arange(shape[0] * shape[1]), shape[1])
    ring_rows = rows[:, None] + rows_off
    ring_columns = columns[:, None] + columns_off
    is_inside = (ring_rows >= 0) & (ring_rows < shape[0])
    is_inside &= (ring_columns >= 0) & (ring_columns < shape[1])
    return np.where(is_inside, ring_rows * shape[1] + ring_columns, -1)


def _regress(features: np.ndarray, rings: np.ndarray, ridge: float) -> csr_array:
    """Return the ridge regression of each square on its ring, shape (square, square)."""
    # In its dual form (Saunders et al. 1998), as a ring has fewer squares than there are
    # components: weights = (R R' + ridge I)^-1 R f.
    n_squares, rank = features.shape
    padded = np.vstack([features, np.zeros((1, rank), np.float32)])
    identity = np.float32(ridge) * np.eye(rings.shape[1], dtype=np.float32)
    values = np.zeros(rings.shape)
    for first in range(0, n_squares, _PIXELS_PER_BATCH):
        batch = slice(first, min(first + _PIXELS_PER_BATCH, n_squares))
        ring = padded[rings[batch]]
        gram = ring @ ring.transpose(0, 2, 1) + identity
        target = ring @ features[batch, :, None]
        values[batch] = np.linalg.solve(gram, target)[:, :, 0]
    rows = np.repeat(np.arange(n_squares), rings.shape[1]).reshape(rings.shape)
    is_inside = rings >= 0
    places = (rows[is_inside], rings[is_inside])
    return csr_array((values[is_inside], places), shape=(n_squares, n_squares))
