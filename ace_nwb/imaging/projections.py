"""Images that sum up a movie, and its brightness over time, in one pass."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ace_nwb.imaging.blocks import map_blocks, sample_frames
from ace_nwb.imaging.movie import Movie, ProgressCallback, no_progress

MEDIAN_FRAMES = 300
"""The median image is taken over this many evenly spaced frames (all, if there are fewer)."""

_MEDIAN_BYTES = 2**28  # bytes of the frames whose median is taken
_BRIGHTNESS_PIXELS = 4096
"""Pixels that give the brightness of a frame: their noise averages to a 64th."""


@dataclass(frozen=True)
class Projections:
    """Images of a movie, each of shape (row, column), and traces of shape (frame,).

    Parameters
    ----------
    mean, max, min, std, median, range
        Over time, in the movie's units; `median` is exact up to 300 frames, beyond that it is
        the median of 300 evenly spaced ones (fewer for a very large field).
    mean_fluorescence
        Mean over the field, per frame.
    median_brightness
        Median over an even grid of about 4096 pixels, per frame.
    """

    mean: np.ndarray
    max: np.ndarray
    min: np.ndarray
    std: np.ndarray
    median: np.ndarray
    range: np.ndarray
    mean_fluorescence: np.ndarray
    median_brightness: np.ndarray


@dataclass(frozen=True)
class Brightness:
    """How bright each frame is, and whether it shows anything, arrays of shape (frame,).

    Parameters
    ----------
    mean, median
        Over the field, and over an even grid of about 4096 pixels.
    is_frozen
        Whether the grid is the same as in the frame before, to the last bit, and no even grey:
        noise alone makes that impossible.
    is_missing
        Whether pixels are not finite.
    """

    mean: np.ndarray
    median: np.ndarray
    is_frozen: np.ndarray
    is_missing: np.ndarray


def measure_brightness(
    movie: Movie, *, workers: int = 1, progress: ProgressCallback = no_progress
) -> Brightness:
    """Measure the brightness of every frame in one streaming pass.

    Parameters
    ----------
    movie
        Any movie; read once.
    workers
        Number of threads; the result does not depend on it.
    progress
        Called with (frames done, number of frames).
    """

    def measure(_start: int, block: np.ndarray) -> tuple[np.ndarray, ...]:
        mean, median = _brightness(block)
        grid = _grid(block)
        is_even = (grid == grid[:, :1]).all(1)
        is_missing = np.zeros(len(block), bool)
        if block.dtype.kind == "f":
            is_missing = ~np.isfinite(block).all((1, 2))
        repeats = np.append(False, (grid[1:] == grid[:-1]).all(1)) & ~is_even
        return mean, median, repeats, is_missing, grid[[0, -1]]

    parts = list(map_blocks(movie, measure, workers=workers, progress=progress))
    *columns, ends = zip(*parts, strict=True)
    for number, (before, after) in enumerate(pairwise(ends), start=1):
        is_even = (after[0] == after[0, 0]).all()
        columns[2][number][0] = bool((before[1] == after[0]).all() and not is_even)
    return Brightness(*(np.concatenate(values) for values in columns))


def _brightness(block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and median brightness of each frame of a block."""
    median = np.median(_grid(block), axis=1).astype(np.float64)
    return block.mean((1, 2), dtype=np.float64), median


def _grid(block: np.ndarray) -> np.ndarray:
    """Return an even grid of the pixels of each frame, shape (frame, pixel)."""
    stride = max(1, int(np.sqrt(block[0].size / _BRIGHTNESS_PIXELS)))
    return block[:, ::stride, ::stride].reshape(len(block), -1)


def compute_projections(
    movie: Movie, *, workers: int = 1, progress: ProgressCallback = no_progress
) -> Projections:
    """Compute projections and brightness of a movie in one streaming pass.

    Parameters
    ----------
    movie
        Any movie; read once, plus the frames of the median.
    workers
        Number of threads; the result does not depend on it.
    progress
        Called with (frames done, number of frames).
    """
    n_frames, n_rows, n_columns = movie.shape
    n_median = int(np.clip(_MEDIAN_BYTES // (4 * n_rows * n_columns), 16, MEDIAN_FRAMES))
    sampled = sample_frames(movie, n_median)
    reference = sampled.mean(0)

    def summarise(_start: int, block: np.ndarray) -> tuple[np.ndarray, ...]:
        centred = block.astype(np.float32) - reference
        return (
            centred.sum(0),
            np.einsum("frc,frc->rc", centred, centred),
            block.max(0),
            block.min(0),
            *_brightness(block),
        )

    sums, squares = np.zeros((2, n_rows, n_columns))
    brightest = np.full((n_rows, n_columns), -np.inf, np.float32)
    darkest = np.full((n_rows, n_columns), np.inf, np.float32)
    means, medians = [], []
    for part in map_blocks(movie, summarise, workers=workers, progress=progress):
        sums += part[0]
        squares += part[1]
        np.maximum(brightest, part[2], out=brightest)
        np.minimum(darkest, part[3], out=darkest)
        means.append(part[4])
        medians.append(part[5])
    offset = sums / n_frames
    variance = np.maximum(squares / n_frames - offset**2, 0)
    return Projections(
        mean=(reference + offset).astype(np.float32),
        max=brightest,
        min=darkest,
        std=np.sqrt(variance).astype(np.float32),
        median=np.median(sampled, axis=0).astype(np.float32),
        range=brightest - darkest,
        mean_fluorescence=np.concatenate(means),
        median_brightness=np.concatenate(medians),
    )
