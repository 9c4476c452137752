"""Spatial update: non-negative regression of the pixels on the traces, then trimming.

Hierarchical alternating least squares (Friedrich et al. 2017, Pnevmatikakis et al. 2016): only
products of movie and traces are needed, so a round costs one pass over the movie.
"""

from dataclasses import dataclass

import numba
import numpy as np
from scipy.sparse import csc_array, csr_array

from ace_nwb.engines.cnmfe.passes import Strip, entries_of
from ace_nwb.engines.cnmfe.seeds import connected_part, disc_support

_SWEEPS = 20  # of coordinate descent at most
_SETTLED = 1e-6  # largest relative change of a weight at which the descent ends
_SUPPORT_DIAMETERS = 1.1  # cell diameters around the centroid in which weights may stand
_LEAST_FRACTION = 0.1  # of the peak: weaker weights are noise and halo
_LEAST_SIGNIFICANCE = 3.0  # standard errors of a weight: one in 700 pixels of noise passes


@dataclass(frozen=True)
class TraceProducts:
    """Products of the centred traces that a spatial update needs.

    Parameters
    ----------
    strips
        Movie times traces, per strip of the field (see `passes.correlate`).
    gram
        Traces times traces, shape (roi, roi).
    background
        Background courses times traces, shape (component, roi).
    """

    strips: list[tuple[Strip, np.ndarray]]
    gram: np.ndarray
    background: np.ndarray


def update_footprints(
    footprints: csc_array,
    support: csc_array,
    products: TraceProducts,
    background_images: np.ndarray,
) -> csc_array:
    """Return footprints that fit the movie best, not negative, zero outside their support.

    Parameters
    ----------
    footprints
        Footprints to start from, shape (pixel, roi).
    support
        Pixels each footprint may occupy, shape (pixel, roi).
    products
        From the pass over the movie.
    background_images
        Images of the background's components, shape (pixel, component).
    """
    start, allowed = csr_array(footprints), csr_array(support)
    pixels, owners, values = [], [], []
    for strip, product in products.strips:
        pixel, rois = entries_of(allowed, strip)
        place = pixel, np.searchsorted(strip.rois, rois)
        taken = np.einsum(
            "ec,ec->e", background_images[strip.first + pixel], products.background[:, rois].T
        )
        weights = start[strip.first : strip.last][:, strip.rois].toarray()[place].astype(float)
        _fit_pixels(
            np.searchsorted(pixel, np.arange(strip.last - strip.first + 1)),
            rois,
            product[place] - taken,
            products.gram,
            weights,
        )
        is_used = weights > 0
        pixels.append(pixel[is_used] + strip.first)
        owners.append(rois[is_used])
        values.append(weights[is_used])
    if not pixels:
        return footprints
    places = (np.concatenate(pixels), np.concatenate(owners))
    return csc_array((np.concatenate(values), places), shape=footprints.shape)


@numba.njit("void(i8[::1], i8[::1], f8[::1], f8[:, ::1], f8[::1])", nogil=True, cache=True)
def _fit_pixels(
    pointers: np.ndarray,
    rois: np.ndarray,
    target: np.ndarray,
    gram: np.ndarray,
    weights: np.ndarray,
) -> None:
    """Solve the non-negative regression of every pixel on its few traces, in place."""
    for pixel in range(pointers.size - 1):
        first, last = pointers[pixel], pointers[pixel + 1]
        for _ in range(_SWEEPS):
            largest = 0.0
            for entry in range(first, last):
                own = gram[rois[entry], rois[entry]]
                if own <= 0:
                    continue
                rest = target[entry]
                for other in range(first, last):
                    rest -= weights[other] * gram[rois[other], rois[entry]]
                changed = max(weights[entry] + rest / own, 0.0)
                largest = max(largest, abs(changed - weights[entry]) / max(changed, 1e-30))
                weights[entry] = changed
            if largest < _SETTLED:
                break


def trim_footprints(
    footprints: csc_array,
    field_shape: tuple[int, int],
    *,
    noise: np.ndarray,
    trace_energy: np.ndarray,
) -> csc_array:
    """Keep of each footprint the significant pixels connected to its peak.

    Parameters
    ----------
    footprints
        Shape (pixel, roi).
    field_shape
        (n_rows, n_columns).
    noise
        Noise SD of each pixel, shape (pixel,).
    trace_energy
        Sum of squares of each centred trace, shape (roi,): a weight has the standard error
        noise / sqrt(energy).
    """
    kept = [
        _trim(
            *column_of(footprints, roi),
            field_shape,
            _LEAST_SIGNIFICANCE * noise / np.sqrt(max(float(trace_energy[roi]), 1e-30)),
        )
        for roi in range(footprints.shape[1])
    ]
    return stack_columns(kept, footprints.shape[0])


def column_of(footprints: csc_array, roi: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels and weights of one footprint."""
    column = slice(footprints.indptr[roi], footprints.indptr[roi + 1])
    return footprints.indices[column], footprints.data[column]


def stack_columns(columns: list[tuple[np.ndarray, np.ndarray]], n_pixels: int) -> csc_array:
    """Return footprints made of (pixels, weights) each, shape (pixel, roi), float32."""
    if not columns:
        return csc_array((n_pixels, 0), dtype=np.float32)
    pointers = np.concatenate([[0], np.cumsum([len(pixels) for pixels, _ in columns])])
    pixels = np.concatenate([pixels for pixels, _ in columns]).astype(np.int64)
    weights = np.concatenate([weights for _, weights in columns]).astype(np.float32)
    return csc_array((weights, pixels, pointers), shape=(n_pixels, len(columns)))


def _trim(
    pixels: np.ndarray, weights: np.ndarray, field_shape: tuple[int, int], least: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    if len(pixels) == 0:
        return pixels, weights
    rows, columns = np.divmod(pixels, field_shape[1])
    top, left = rows.min(), columns.min()
    image = np.zeros((rows.max() - top + 1, columns.max() - left + 1))
    image[rows - top, columns - left] = weights
    limit = np.full(image.shape, np.inf)
    limit[rows - top, columns - left] = least[pixels]
    is_kept = image > np.maximum(limit, _LEAST_FRACTION * image.max())
    peak = tuple(int(i) for i in np.unravel_index(image.argmax(), image.shape))
    if not is_kept[peak]:
        return pixels[:0], weights[:0]
    is_kept = connected_part(is_kept, peak)
    chosen = is_kept[rows - top, columns - left]
    return pixels[chosen], weights[chosen]


def normalise(footprints: csc_array) -> tuple[csc_array, np.ndarray]:
    """Return footprints of norm 1, and the norms they had, shape (roi,)."""
    norms = np.sqrt(np.asarray(footprints.multiply(footprints).sum(0)).ravel())
    scale = np.repeat(1 / np.maximum(norms, 1e-30), np.diff(footprints.indptr))
    scaled = csc_array(
        ((footprints.data * scale).astype(np.float32), footprints.indices, footprints.indptr),
        shape=footprints.shape,
    )
    return scaled, norms


def centroids(footprints: csc_array, field_shape: tuple[int, int]) -> np.ndarray:
    """Return the (row, column) of each footprint's centre of mass, shape (roi, 2)."""
    pixels = np.arange(footprints.shape[0])
    coordinates = np.column_stack(np.divmod(pixels, field_shape[1])).astype(float)
    total = np.maximum(np.asarray(footprints.sum(0)).ravel(), 1e-30)
    return np.asarray(footprints.T @ coordinates) / total[:, None]


def grow_support(
    footprints: csc_array, field_shape: tuple[int, int], *, cell_diameter_px: float
) -> csc_array:
    """Return the pixels each footprint may occupy next: a disc around its centre."""
    return disc_support(
        centroids(footprints, field_shape), field_shape, _SUPPORT_DIAMETERS * cell_diameter_px
    )
