"""What an extraction looks at: the movie averaged over 0.2 s, packed, its levels and its noise."""

from dataclasses import dataclass

import numpy as np

from ace_nwb.engines.base import EngineSettings
from ace_nwb.engines.cnmfe.background import CoarseGrid, CoarseMovie, read_coarse
from ace_nwb.engines.cnmfe.passes import FilteredMovie
from ace_nwb.engines.cnmfe.steps import Steps
from ace_nwb.imaging.binning import BinnedMovie, bin_factor
from ace_nwb.imaging.correlation import FilteredLevels, estimate_levels
from ace_nwb.imaging.movie import Movie
from ace_nwb.imaging.packing import PackingSpace, pack

_GRID_PER_DIAMETER = 3
"""Points of the coarse grid per cell diameter: the background is smoother than a cell."""


def coarse_side_px(cell_diameter_px: float) -> int:
    """Return the side of a square of the background's grid, pixels."""
    return max(1, round(cell_diameter_px / _GRID_PER_DIAMETER))


@dataclass(frozen=True)
class Scene:
    """The binned movie and all that stays the same while neurons are updated.

    Parameters
    ----------
    movie, filtered
        Averaged over 0.2 s; the same, centre-surround filtered.
    levels, noise
        Levels of the filtered movie; noise SD of each pixel of the other, shape (pixel,).
    grid, coarse
        Grid of the background, and the movie on it.
    cell_diameter_px, ring_radius_px
        Sizes, pixels.
    workers
        Number of threads.
    steps
        Told what is done.
    """

    movie: Movie
    filtered: Movie
    levels: FilteredLevels
    noise: np.ndarray
    grid: CoarseGrid
    coarse: CoarseMovie
    cell_diameter_px: float
    ring_radius_px: float
    workers: int
    steps: Steps

    @property
    def field_shape(self) -> tuple[int, int]:
        """(n_rows, n_columns)."""
        return self.movie.shape[1:]


def prepare_scene(
    movie: Movie,
    settings: EngineSettings,
    space: PackingSpace,
    cell_diameter_px: float,
    ring_size_factor: float,
    steps: Steps,
) -> Scene:
    """Read the movie once, binned; return it with its levels."""
    workers = settings.workers
    averaged = BinnedMovie(movie, bin_factor(movie.frame_rate_hz))
    binned = pack(averaged, space, "binned", workers=workers, progress=steps.of(0, 1))
    steps.advance()
    blobs = FilteredMovie(binned, cell_diameter_px)
    filtered = pack(blobs, space, "filtered", workers=workers, progress=steps.of(0, 2))
    grid = CoarseGrid(movie.shape[1:], coarse_side_px(cell_diameter_px))
    coarse = read_coarse(binned, grid, workers=workers, progress=steps.of(1, 2))
    steps.advance()
    return Scene(
        movie=binned,
        filtered=filtered,
        levels=estimate_levels(binned, cell_diameter_px=cell_diameter_px),
        noise=_pixel_noise(binned),
        grid=grid,
        coarse=coarse,
        cell_diameter_px=cell_diameter_px,
        ring_radius_px=ring_size_factor * cell_diameter_px,
        workers=workers,
        steps=steps,
    )


def _pixel_noise(movie: Movie) -> np.ndarray:
    """Return the noise SD of each pixel from differences of frames, shape (pixel,)."""
    n_frames = movie.shape[0]
    total = np.zeros(int(np.prod(movie.shape[1:])))
    count = 0
    for start in np.linspace(0, max(0, n_frames - 8), 12).astype(int).tolist():
        run = movie.read(start, min(n_frames, start + 8)).astype(np.float32)
        total += np.abs(np.diff(run, axis=0)).sum(0).ravel()
        count += len(run) - 1
    noise = total / max(count, 1) * np.sqrt(np.pi) / 2
    return np.maximum(noise, max(1e-3 * float(np.median(noise)), 1e-9))
