"""Seeds and thresholds that the correlation and peak-to-noise images themselves suggest."""

from dataclasses import dataclass

import numpy as np

from ace_nwb.engines.cnmfe.seeds import SeedThresholds, find_seeds, propose_thresholds
from ace_nwb.imaging.correlation import PeakImages, compute_peak_images
from ace_nwb.imaging.movie import Movie, ProgressCallback, no_progress


@dataclass(frozen=True)
class Proposal:
    """What the images of a movie suggest for a cell diameter.

    Parameters
    ----------
    cell_diameter_px
        Diameter the images were made for, pixels.
    images
        Local correlation and peak-to-noise.
    thresholds
        Those proposed, or given.
    seeds
        (row, column) of every seed at these thresholds, best first, shape (seed, 2).
    candidates
        (row, column) of every local maximum with events, whatever its height, shape (candidate, 2).
    """

    cell_diameter_px: float
    images: PeakImages
    thresholds: SeedThresholds
    seeds: np.ndarray
    candidates: np.ndarray

    @property
    def candidate_values(self) -> tuple[np.ndarray, np.ndarray]:
        """Local correlation and peak-to-noise of every candidate, each of shape (candidate,)."""
        place = tuple(self.candidates.T)
        return self.images.correlation[place], self.images.peak_to_noise[place]


def propose(
    movie: Movie,
    *,
    cell_diameter_px: float,
    min_correlation: float | None = None,
    min_peak_to_noise: float | None = None,
    workers: int = 1,
    progress: ProgressCallback = no_progress,
) -> Proposal:
    """Compute the images of a movie and the seeds they give.

    Parameters
    ----------
    movie
        Motion corrected.
    cell_diameter_px
        Diameter of a cell, pixels.
    min_correlation, min_peak_to_noise
        Thresholds; None proposes them from the images.
    workers
        Number of threads; the result does not depend on it.
    progress
        Called with (frames done, number of frames).
    """
    images = compute_peak_images(
        movie, cell_diameter_px=cell_diameter_px, workers=workers, progress=progress
    )
    thresholds = propose_thresholds(
        images,
        movie.shape[0],
        min_correlation=min_correlation,
        min_peak_to_noise=min_peak_to_noise,
    )
    candidates = find_seeds(images, SeedThresholds(0.0, 0.0), cell_diameter_px=cell_diameter_px)
    is_event = images.correlation[tuple(candidates.T)] > 0
    return Proposal(
        cell_diameter_px,
        images,
        thresholds,
        find_seeds(images, thresholds, cell_diameter_px=cell_diameter_px),
        candidates[is_event],
    )


def patch_limits(size_px: int, *, radius_px: int, overlap_px: int) -> list[tuple[int, int]]:
    """Return the first pixel, and the one after the last, of every patch along one side.

    Patches are 2 * radius + 1 wide and share about `overlap_px` with the next (CaImAn's quilt).
    """
    width = 2 * radius_px + 1
    step = max(1, 2 * radius_px - overlap_px)
    starts = [*range(0, max(0, size_px - width), step), max(0, size_px - width)]
    return [(start, min(start + width, size_px)) for start in starts]
