"""How the movie looks at the events of every ROI, and what that says of its focus.

The image of a ROI's events is what the movie adds, pixel by pixel, when the ROI is active. A cell
in focus has a sharp rim and nothing lights up around it; light from out of focus and neuropil fade
slowly into a surround that is active with them, whatever footprint was drawn in it.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.sparse import csc_array

from ace_nwb.engines.cnmfe.footprints import centroids, column_of
from ace_nwb.engines.cnmfe.passes import correlate, entries_of
from ace_nwb.engines.cnmfe.seeds import disc_support
from ace_nwb.imaging.movie import Movie, ProgressCallback, no_progress

_RING_DIAMETERS = (1.0, 1.5)
"""Distance from the centroid of a ROI: a cell of twice the usual area ends before it begins."""
_SMOOTHING_DIAMETERS = 1 / 15
"""SD of the blur against pixel noise: half of what optics and scattering blur at the least."""
_PEAK_QUANTILE = 0.95
_SLOPE_QUANTILE = 0.9
"""Of the pixels of a footprint: the top ones, not the noise of a single one."""


@dataclass(frozen=True)
class EventFocus:
    """Focus of each ROI, arrays of shape (roi,).

    Parameters
    ----------
    surround
        Median brightness of the ring 1 to 1.5 diameters from the centroid at the ROI's events,
        relative to the ROI's own.
    sharpness
        Steepest slopes of the ROI at its events: share of its peak per diameter.
    """

    surround: np.ndarray
    sharpness: np.ndarray


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
    support = disc_support(centres, field_shape, _RING_DIAMETERS[1] * cell_diameter_px)
    support.sort_indices()
    allowed = csc_array(
        (np.arange(1, support.nnz + 1), support.indices, support.indptr), shape=support.shape
    ).tocsr()
    images = np.zeros(support.nnz)
    for strip, product in correlate(movie, events, support, workers=workers, progress=progress):
        pixel, owner = entries_of(allowed, strip)
        inside = slice(allowed.indptr[strip.first], allowed.indptr[strip.last])
        images[allowed.data[inside] - 1] = product[pixel, np.searchsorted(strip.rois, owner)]
    values = np.zeros((len(centres), 2))
    for roi, centre in enumerate(centres):
        pixels, _ = column_of(support, roi)
        image = images[support.indptr[roi] : support.indptr[roi + 1]]
        own = np.isin(pixels, column_of(footprints, roi)[0])
        places = np.column_stack(np.divmod(pixels, field_shape[1]))
        values[roi] = _focus(places, image, own, centre, cell_diameter_px)
    return EventFocus(*values.T)


def _focus(
    places: np.ndarray,
    image: np.ndarray,
    own: np.ndarray,
    centre: np.ndarray,
    cell_diameter_px: float,
) -> tuple[float, float]:
    """Return surround and sharpness of one ROI; what is dark at its own events has none."""
    distance = np.hypot(*(places - centre).T) / cell_diameter_px
    peak = float(np.quantile(image[own], _PEAK_QUANTILE)) if own.any() else 0.0
    if peak <= 0:
        return 1.0, 0.0
    ring = image[distance >= _RING_DIAMETERS[0]]
    corner = places.min(0)
    row, column = (places - corner).T
    patch = np.full(places.max(0) - corner + 1, float(np.median(ring)))
    patch[row, column] = image
    patch = gaussian_filter(patch, _SMOOTHING_DIAMETERS * cell_diameter_px)
    slopes = np.hypot(*np.gradient(patch))[row, column][own]
    sharpness = float(np.quantile(slopes, _SLOPE_QUANTILE)) * cell_diameter_px / peak
    return float(np.median(ring)) / peak, sharpness
