"""How the movie looks at the events of every ROI, and what that says of its focus.

The image of a ROI's events is what the movie adds, pixel by pixel, when the ROI is active. A cell
in focus has a sharp rim and nothing lights up around it; light from out of focus and neuropil fade
slowly into a surround that is active with them, whatever footprint was drawn in it.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.sparse import csc_array, hstack

from ace_nwb.engines.cnmfe.footprints import centroids, column_of
from ace_nwb.engines.cnmfe.passes import correlate, entries_of
from ace_nwb.engines.cnmfe.seeds import disc_support
from ace_nwb.imaging.movie import Movie, ProgressCallback, no_progress

_RING_DIAMETERS = (1.0, 1.5)
"""Distance from the centroid of a ROI: a cell of twice the usual area ends before it begins."""
_SMOOTHING_DIAMETERS = 1 / 15
"""SD of the blur against pixel noise: half of what optics and scattering blur at the least."""
_PEAK_QUANTILE = 0.95  # of the pixels of a footprint: its peak without single noisy pixels
"""Of the pixels of a footprint: the top ones, not the noise of a single one."""
_MIDDLE_DIAMETERS = 1 / 6
"""Distance from the centroid within which no direction leads away from it."""


@dataclass(frozen=True)
class EventFocus:
    """Focus of each ROI, arrays of shape (roi,).

    Parameters
    ----------
    surround
        Median brightness of the ring 1 to 1.5 diameters from the centroid at the ROI's events,
        relative to the ROI's own.
    sharpness
        Slopes within a diameter of the centroid at the ROI's events, over the light there, both as
        root mean squares: about 3 per diameter for a cell.
    roundness
        Share of these squared slopes that lead away from the centroid: about 0.9 for a cell, 0.5
        for noise and fibres.
    extent
        Area of the light within a diameter (its sum squared over the sum of its squares), in discs
        of the cell diameter: about 1.8 for a cell, 4 for light without an end.

    Squares are products of two images, each of every other frame: pixel noise adds nothing.
    """

    surround: np.ndarray
    sharpness: np.ndarray
    roundness: np.ndarray
    extent: np.ndarray


def measure_focus(
    movie: Movie,
    footprints: csc_array,
    events: np.ndarray,
    field_shape: tuple[int, int],
    *,
    cell_diameter_px: float,
    workers: int,
    progress: ProgressCallback = no_progress,
) -> EventFocus:
    """Measure how sharply every ROI stands out of its surround at its own events.

    Parameters
    ----------
    movie
        Read once.
    footprints
        Shape (pixel, roi).
    events
        Denoised traces without their mean, shape (frame, roi).
    field_shape
        (n_rows, n_columns).
    cell_diameter_px
        Diameter of a cell, pixels.
    workers
        Number of threads; the result does not depend on it.
    progress
        Called with (frames done, number of frames).
    """
    centres = centroids(footprints, field_shape)
    n_rois = len(centres)
    support = disc_support(centres, field_shape, _RING_DIAMETERS[1] * cell_diameter_px)
    support.sort_indices()
    places = (np.arange(1, support.nnz + 1), support.indices, support.indptr)
    allowed = csc_array(places, shape=support.shape).tocsr()
    images = np.zeros((2, support.nnz))
    both = csc_array(hstack([support, support], format="csc"))
    strips = correlate(movie, _split(events), both, workers=workers, progress=progress)
    for strip, product in strips:
        pixel, owner = entries_of(allowed, strip)
        inside = slice(allowed.indptr[strip.first], allowed.indptr[strip.last])
        for half in (0, 1):
            column = np.searchsorted(strip.rois, owner + half * n_rois)
            images[half, allowed.data[inside] - 1] = product[pixel, column]
    values = np.zeros((n_rois, 4))
    for roi, centre in enumerate(centres):
        pixels, _ = column_of(support, roi)
        own = np.isin(pixels, column_of(footprints, roi)[0])
        offsets = np.column_stack(np.divmod(pixels, field_shape[1])) - centre
        seen = images[:, support.indptr[roi] : support.indptr[roi + 1]]
        values[roi] = _focus(offsets, seen, own, cell_diameter_px)
    return EventFocus(*values.T)


def _split(events: np.ndarray) -> np.ndarray:
    """Return the events in even frames and those in odd ones, each without their mean."""
    halves = []
    for first in (0, 1):
        half = np.zeros_like(events)
        part = events[first::2]
        half[first::2] = part - part.mean(0) if len(part) else part
        halves.append(half)
    return np.hstack(halves)


def _focus(
    offsets: np.ndarray, halves: np.ndarray, own: np.ndarray, cell_diameter_px: float
) -> tuple[float, float, float, float]:
    """Return surround, sharpness, roundness and extent of one ROI.

    What is dark at its own events has none. `offsets` from the centroid, shape (pixel, 2), pixels;
    `halves` are its two images, shape (2, pixel).
    """
    distance = np.hypot(*offsets.T) / cell_diameter_px
    image = halves.sum(0)
    peak = float(np.quantile(image[own], _PEAK_QUANTILE)) if own.any() else 0.0
    if peak <= 0:
        return 1.0, 0.0, 0.0, 0.0
    in_ring = distance >= _RING_DIAMETERS[0]
    levels = np.median(halves[:, in_ring], axis=1) if in_ring.any() else np.zeros(2)
    above = halves - levels[:, None]
    slopes = np.stack([_slopes(offsets, half, cell_diameter_px) for half in above])
    steep = np.prod(slopes, axis=0).sum(0)[~in_ring].sum() * cell_diameter_px**2
    bright = np.prod(above, axis=0)[~in_ring].sum()
    sharpness = np.sqrt(steep / bright) if bright > 0 and steep > 0 else 0.0
    is_used = ~in_ring & (distance > _MIDDLE_DIAMETERS)
    ways = offsets[is_used].T / np.hypot(*offsets[is_used].T)
    total = float(np.prod(slopes[:, :, is_used], axis=0).sum())
    outward = float(np.prod((slopes[:, :, is_used] * ways).sum(1), axis=0).sum())
    roundness = np.clip(outward / total, 0, 1) if total > 0 else 0.0
    extent = np.prod(above[:, ~in_ring].sum(1)) / bright if bright > 0 else 0.0
    extent /= np.pi / 4 * cell_diameter_px**2
    return float(levels.sum()) / peak, float(sharpness), float(roundness), float(extent)


def _slopes(offsets: np.ndarray, image: np.ndarray, cell_diameter_px: float) -> np.ndarray:
    """Return the slopes of an image by row and column, a little smoothed, shape (2, pixel)."""
    places = np.round(offsets - offsets.min(0)).astype(int)
    patch = np.zeros(places.max(0) + 1)
    patch[tuple(places.T)] = image
    patch = gaussian_filter(patch, _SMOOTHING_DIAMETERS * cell_diameter_px)
    return np.stack(np.gradient(patch))[:, *places.T]
