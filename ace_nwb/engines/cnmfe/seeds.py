"""Where neurons start: thresholds, seed pixels and first footprints.

Seeds are the local maxima of local correlation times peak-to-noise (Zhou et al. 2018).
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import label, maximum_filter
from scipy.sparse import csc_array

from ace_nwb.imaging.correlation import PeakImages

_MIN_CORRELATION = 0.6  # with the neighbours; CNMF-E's usual .6 to .8, taken where none is given
_NOISE_CORRELATION = 0.3  # with the neighbours, below which a pixel shows noise alone


@dataclass(frozen=True)
class SeedThresholds:
    """Least local correlation and peak-to-noise ratio of a seed."""

    min_correlation: float
    min_peak_to_noise: float


def propose_thresholds(
    images: PeakImages,
    n_frames: int,
    *,
    min_correlation: float | None = None,
    min_peak_to_noise: float | None = None,
) -> SeedThresholds:
    """Return the given thresholds, or those that the images themselves suggest.

    Pixels without local correlation show how high noise alone reaches; seeds must be well above
    that, and above the largest of as many Gaussian numbers as there are frames.
    """
    is_noise = images.correlation < _NOISE_CORRELATION
    expected = np.sqrt(2 * np.log(max(n_frames, 3)))
    reached = np.quantile(images.peak_to_noise[is_noise], 0.99) if is_noise.any() else expected
    proposed = 1.35 * max(float(min(reached, 2 * expected)), expected)
    return SeedThresholds(
        _MIN_CORRELATION if min_correlation is None else min_correlation,
        proposed if min_peak_to_noise is None else min_peak_to_noise,
    )


def find_seeds(
    images: PeakImages, thresholds: SeedThresholds, *, cell_diameter_px: float
) -> np.ndarray:
    """Return the (row, column) of every seed, best first, shape (seed, 2)."""
    score = images.correlation * images.peak_to_noise
    size = 2 * max(1, round(cell_diameter_px / 4)) + 1
    is_seed = score == maximum_filter(score, size)
    is_seed &= images.correlation >= thresholds.min_correlation
    is_seed &= images.peak_to_noise >= thresholds.min_peak_to_noise
    seeds = np.argwhere(is_seed)
    return seeds[np.argsort(-score[is_seed], kind="stable")]


def disc_support(places: np.ndarray, field_shape: tuple[int, int], radius_px: float) -> csc_array:
    """Return discs around places as a matrix of ones, shape (pixel, place)."""
    n_rows, n_columns = field_shape
    reach = int(np.ceil(radius_px))
    rows_off, columns_off = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1)
    is_near = np.hypot(rows_off, columns_off) <= radius_px
    rows = np.round(places[:, :1]).astype(int) + rows_off[is_near]
    columns = np.round(places[:, 1:]).astype(int) + columns_off[is_near]
    is_inside = (rows >= 0) & (rows < n_rows) & (columns >= 0) & (columns < n_columns)
    owners = np.repeat(np.arange(len(places)), is_near.sum()).reshape(rows.shape)
    pixels = (rows * n_columns + columns)[is_inside]
    return csc_array(
        (np.ones(len(pixels), np.float32), (pixels, owners[is_inside])),
        shape=(n_rows * n_columns, len(places)),
    )


def connected_part(image: np.ndarray, start: tuple[int, ...]) -> np.ndarray:
    """Return the part of a boolean image that is connected to `start`."""
    labels, _ = label(image)
    return (labels == labels[start]) & image
