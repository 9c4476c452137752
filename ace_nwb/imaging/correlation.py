"""Local correlation and peak-to-noise images of the centre-surround filtered movie.

A neuron is where filtered pixels rise together and far above their noise: the product of the
two images is the seed map of CNMF-E (Zhou et al. 2018). The movie is averaged over short
stretches of time first: calcium is slower than a frame, noise is not.
"""

from dataclasses import dataclass

import numba
import numpy as np

from ace_nwb.imaging.binning import BinnedMovie, bin_factor
from ace_nwb.imaging.blocks import map_blocks, sample_frames
from ace_nwb.imaging.filtering import filter_frames
from ace_nwb.imaging.movie import Movie, ProgressCallback, no_progress

EVENT_THRESHOLD_SD = 3.0
"""Filtered values below this many noise SDs count as zero in the correlation."""

_BASELINE_FRAMES = 120  # frames of the median that stands for rest
_NOISE_FRAMES = 400  # frames, in runs of 20, from which the noise is estimated


@dataclass(frozen=True)
class FilteredLevels:
    """Level and noise of every pixel of the filtered movie, each of shape (row, column)."""

    baseline: np.ndarray
    noise: np.ndarray


@dataclass(frozen=True)
class PeakImages:
    """Where the filtered movie has cell-like events, each of shape (row, column).

    Parameters
    ----------
    correlation
        Mean correlation of a pixel's events with those of its eight neighbours.
    peak_to_noise
        Highest value over the noise SD.
    """

    correlation: np.ndarray
    peak_to_noise: np.ndarray


def compute_peak_images(
    movie: Movie,
    *,
    cell_diameter_px: float,
    workers: int = 1,
    progress: ProgressCallback = no_progress,
) -> PeakImages:
    """Compute the local correlation and peak-to-noise images of a movie.

    Parameters
    ----------
    movie
        Motion corrected; sampled for its noise, then read once.
    cell_diameter_px
        Diameter of a cell, pixels.
    workers
        Number of threads; the result does not depend on it.
    progress
        Called with (frames done, number of frames).
    """
    binned = BinnedMovie(movie, bin_factor(movie.frame_rate_hz))
    levels = estimate_levels(binned, cell_diameter_px=cell_diameter_px)
    peaks = PeakSums(binned.shape[1:])

    def detect(_start: int, block: np.ndarray) -> PeakSums:
        part = PeakSums(binned.shape[1:])
        part.add(filter_frames(block, cell_diameter_px), levels)
        return part

    for part in map_blocks(binned, detect, workers=workers, progress=progress):
        peaks.merge(part)
    return peaks.images()


def estimate_levels(movie: Movie, *, cell_diameter_px: float) -> FilteredLevels:
    """Estimate baseline and noise of the filtered movie from evenly spread frames.

    The baseline is the median; the noise comes from differences of successive frames, which
    slow signals do not enter.
    """
    baseline = np.median(filter_frames(sample_frames(movie, _BASELINE_FRAMES), cell_diameter_px), 0)
    n_frames = movie.shape[0]
    total = np.zeros(movie.shape[1:])
    n_pairs = 0
    n_runs = max(1, min(_NOISE_FRAMES, n_frames) // 20)
    for start in np.linspace(0, max(0, n_frames - 20), n_runs).astype(int).tolist():
        run = filter_frames(movie.read(start, min(n_frames, start + 20)), cell_diameter_px)
        total += np.abs(np.diff(run, axis=0)).sum(0)
        n_pairs += len(run) - 1
    noise = total / max(1, n_pairs) * np.sqrt(np.pi) / 2
    floor = max(1e-3 * float(np.median(noise)), 1e-6)
    return FilteredLevels(
        np.ascontiguousarray(baseline, np.float32), np.maximum(noise, floor).astype(np.float32)
    )


class PeakSums:
    """Sums from which the images of a movie are made; blocks may be added in parts."""

    def __init__(self, field_shape: tuple[int, ...]) -> None:
        self.highest = np.zeros(field_shape, np.float32)
        self.sums = np.zeros((7, *field_shape), np.float32)

    def add(self, filtered: np.ndarray, levels: FilteredLevels) -> None:
        """Add filtered frames, shape (frame, row, column)."""
        _add_peaks(
            filtered, levels.baseline, levels.noise, EVENT_THRESHOLD_SD, self.highest, self.sums
        )

    def merge(self, other: "PeakSums") -> None:
        """Add the sums of another part."""
        np.maximum(self.highest, other.highest, out=self.highest)
        self.sums += other.sums

    def images(self) -> PeakImages:
        """Return the images."""
        count = max(1.0, float(self.sums[6].flat[0]))
        mean = self.sums[0] / count
        variance = np.maximum(self.sums[1] / count - mean**2, 0)
        total = np.zeros_like(mean)
        neighbours = np.zeros_like(mean)
        for products, (down, right) in zip(
            self.sums[2:6], ((0, 1), (1, 0), (1, 1), (1, -1)), strict=True
        ):
            here, there = _neighbour_slices(mean.shape, down, right)
            covariance = products[here] / count - mean[here] * mean[there]
            scale = np.sqrt(variance[here] * variance[there])
            value = np.divide(covariance, scale, out=np.zeros_like(scale), where=scale > 1e-9)
            for place in (here, there):
                total[place] += value
                neighbours[place] += 1
        return PeakImages(total / np.maximum(neighbours, 1), self.highest.copy())


def _neighbour_slices(
    shape: tuple[int, ...], down: int, right: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the slices of all pixels that have a neighbour, and of these neighbours."""
    n_rows, n_columns = shape
    rows = slice(0, n_rows - down), slice(down, n_rows)
    columns = slice(0, n_columns - right), slice(right, n_columns)
    if right < 0:
        columns = slice(-right, n_columns), slice(0, n_columns + right)
    return (rows[0], columns[0]), (rows[1], columns[1])


@numba.njit(
    "void(f4[:, :, ::1], f4[:, ::1], f4[:, ::1], f8, f4[:, ::1], f4[:, :, ::1])",
    nogil=True,
    cache=True,
    boundscheck=False,
)
def _add_peaks(
    filtered: np.ndarray,
    baseline: np.ndarray,
    noise: np.ndarray,
    threshold: float,
    highest: np.ndarray,
    sums: np.ndarray,
) -> None:
    """Add values, squares and products with the neighbours right, below and diagonal."""
    n_frames, n_rows, n_columns = filtered.shape
    sums[6, 0, 0] += n_frames
    for f in range(n_frames):
        for r in range(n_rows):
            for c in range(n_columns):
                rise = filtered[f, r, c] - baseline[r, c]
                if rise < threshold * noise[r, c]:
                    continue
                value = rise / noise[r, c]
                highest[r, c] = max(highest[r, c], value)
                sums[0, r, c] += value
                sums[1, r, c] += value * value
                for k in range(4):
                    row = r if k == 0 else r + 1
                    column = c if k == 1 else (c - 1 if k == 3 else c + 1)
                    if row >= n_rows or column < 0 or column >= n_columns:
                        continue
                    other = (filtered[f, row, column] - baseline[row, column]) / noise[row, column]
                    if other >= threshold:
                        sums[2 + k, r, c] += value * other
