"""Splitting of footprints that cover two neurons: each clear peak becomes a footprint of its own.

The traces then tell: parts with the same activity merge again (see merging), others stay apart.
"""

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates, maximum_filter
from scipy.sparse import csc_array

from ace_nwb.engines.cnmfe.footprints import column_of, stack_columns

_SMOOTHING_DIAMETERS = 0.2  # cell diameters: noise of pixels goes, peaks of two cells stay
_LEAST_DISTANCE_DIAMETERS = 0.75  # cell diameters between centres of cells
_LEAST_HEIGHT = 0.4  # of the higher peak
_DEEPEST_SADDLE = 0.75  # of the lower peak: a dip by a quarter is no noise after smoothing


def split_footprints(
    footprints: csc_array, field_shape: tuple[int, int], *, cell_diameter_px: float
) -> csc_array:
    """Return the footprints, those with several clear peaks cut between them.

    Parameters
    ----------
    footprints
        Shape (pixel, roi).
    field_shape
        (n_rows, n_columns).
    cell_diameter_px
        Diameter of a cell; peaks closer than three quarters of it are one, pixels.
    """
    columns = []
    for roi in range(footprints.shape[1]):
        pixels, weights = column_of(footprints, roi)
        places = np.column_stack(np.divmod(pixels, field_shape[1]))
        peaks = _find_peaks(places, weights, cell_diameter_px)
        if len(peaks) < 2:
            columns.append((pixels, weights))
            continue
        owner = np.argmin(np.hypot(*(places[:, None] - peaks[None]).transpose(2, 0, 1)), axis=1)
        columns += [(pixels[owner == peak], weights[owner == peak]) for peak in range(len(peaks))]
    if len(columns) == footprints.shape[1]:
        return footprints
    return stack_columns(columns, footprints.shape[0])


def _find_peaks(places: np.ndarray, weights: np.ndarray, cell_diameter_px: float) -> np.ndarray:
    """Return the (row, column) of the clear peaks of one footprint, highest first."""
    if len(places) == 0:
        return np.zeros((0, 2))
    pad = int(np.ceil(cell_diameter_px / 2))
    corner = places.min(0) - pad
    image = np.zeros(places.max(0) - corner + pad + 1)
    image[tuple((places - corner).T)] = weights
    image = gaussian_filter(image, _SMOOTHING_DIAMETERS * cell_diameter_px)
    size = 2 * max(1, round(cell_diameter_px / 4)) + 1
    is_peak = (image == maximum_filter(image, size)) & (image > _LEAST_HEIGHT * image.max())
    candidates = np.argwhere(is_peak)
    order = np.argsort(-image[is_peak], kind="stable")
    chosen: list[np.ndarray] = []
    for candidate in candidates[order]:
        if all(_is_apart(image, candidate, peak, cell_diameter_px) for peak in chosen):
            chosen.append(candidate)
    return np.array(chosen) + corner


def _is_apart(
    image: np.ndarray, lower: np.ndarray, higher: np.ndarray, cell_diameter_px: float
) -> bool:
    """Return whether two peaks are far from each other and a valley lies between them."""
    distance = float(np.hypot(*(lower - higher)))
    if distance < _LEAST_DISTANCE_DIAMETERS * cell_diameter_px:
        return False
    line = np.linspace(lower, higher, max(3, round(2 * distance)))
    values = map_coordinates(image, line.T, order=1)
    return bool(values.min() < _DEEPEST_SADDLE * image[tuple(lower)])
