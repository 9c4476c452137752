"""Seeds in the filtered movie, with the neurons that are already known taken out."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_array

from ace_nwb.engines.cnmfe.footprints import column_of, stack_columns
from ace_nwb.engines.cnmfe.merging import unexplained_height
from ace_nwb.engines.cnmfe.passes import correlate, entries_of, find_strips, project
from ace_nwb.engines.cnmfe.seeds import disc_support
from ace_nwb.imaging.blocks import map_blocks
from ace_nwb.imaging.correlation import FilteredLevels, PeakImages, PeakSums
from ace_nwb.imaging.filtering import filter_frames, filter_reach_px
from ace_nwb.imaging.movie import Movie, ProgressCallback, no_progress

_LEAST_VALUE = 0.002  # of the peak of the filter's kernel; what is below changes nothing
_EVENT_SD = 2.0  # of the noise: what of a trace counts as activity
_LEAST_WEIGHT = 0.2  # of the peak of a footprint, below which its surroundings are not touched
_NEAR_DIAMETERS = 2.0  # cell diameters within which known neurons leak into a seed's trace


@dataclass(frozen=True)
class Known:
    """Neurons found so far: filtered footprints (pixel, roi) and traces (frame, roi)."""

    filtered_footprints: csc_array
    traces: np.ndarray


def filter_footprints(
    footprints: csc_array, field_shape: tuple[int, int], cell_diameter_px: float
) -> csc_array:
    """Return the footprints as the filtered movie shows them, shape (pixel, roi)."""
    reach = filter_reach_px(cell_diameter_px)
    columns = [
        _filter_one(*column_of(footprints, roi), field_shape, cell_diameter_px, reach)
        for roi in range(footprints.shape[1])
    ]
    return stack_columns(columns, footprints.shape[0])


def _filter_one(
    pixels: np.ndarray,
    weights: np.ndarray,
    field_shape: tuple[int, int],
    cell_diameter_px: float,
    reach: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels and values of one filtered footprint, computed in its surroundings."""
    if len(pixels) == 0:
        return pixels, weights
    places = np.divmod(pixels, field_shape[1])
    starts = [max(0, int(place.min()) - reach) for place in places]
    stops = [
        min(side, int(place.max()) + reach + 1)
        for place, side in zip(places, field_shape, strict=True)
    ]
    patch = np.zeros((1, stops[0] - starts[0], stops[1] - starts[1]), np.float32)
    patch[0, places[0] - starts[0], places[1] - starts[1]] = weights
    image = filter_frames(patch, cell_diameter_px)[0]
    rows, columns = np.nonzero(np.abs(image) >= _LEAST_VALUE * np.abs(image).max())
    return (rows + starts[0]) * field_shape[1] + columns + starts[1], image[rows, columns]


def residual_images(
    filtered: Movie,
    known: Known,
    levels: FilteredLevels,
    *,
    workers: int,
    progress: ProgressCallback = no_progress,
) -> PeakImages:
    """Return correlation and peak-to-noise of the filtered movie without known neurons."""
    field_shape = filtered.shape[1:]
    strips = find_strips(known.filtered_footprints, field_shape)
    rows = known.filtered_footprints.tocsr()
    dense = [rows[s.first : s.last][:, s.rois].toarray().astype(np.float32).T for s in strips]
    traces = known.traces.astype(np.float32)
    usual = known.filtered_footprints @ np.median(known.traces, axis=0)
    still = FilteredLevels(
        (levels.baseline - usual.reshape(field_shape)).astype(np.float32), levels.noise
    )

    def detect(start: int, block: np.ndarray) -> PeakSums:
        block = block.copy()
        pixels = block.reshape(len(block), -1)
        for strip, images in zip(strips, dense, strict=True):
            part = traces[start : start + len(block)][:, strip.rois]
            pixels[:, strip.first : strip.last] -= part @ images
        sums = PeakSums(field_shape)
        sums.add(block, still)
        return sums

    total = PeakSums(field_shape)
    for sums in map_blocks(filtered, detect, workers=workers, progress=progress):
        total.merge(sums)
    return total.images()


def find_unexplained(
    filtered: Movie,
    seeds: np.ndarray,
    known: Known,
    centres: np.ndarray,
    *,
    cell_diameter_px: float,
    min_peak_to_noise: float,
    workers: int,
) -> np.ndarray:
    """Return which seeds hold a signal of their own, shape (seed,).

    What a footprint leaves over of its own neuron looks like a seed but has that neuron's time
    course (a ghost). The traces of all neurons near a seed are regressed out of the filtered
    movie at the seed; a neuron not seen before still stands above the noise after that.

    Parameters
    ----------
    filtered
        The filtered movie.
    seeds
        (row, column), shape (seed, 2).
    known
        Neurons found before.
    centres
        Their (row, column), shape (roi, 2).
    cell_diameter_px
        Diameter of a cell, pixels.
    min_peak_to_noise
        Least height of what remains, in noise SDs.
    workers
        Number of threads.
    """
    observed = project(filtered, _points(seeds, filtered.shape[1:]), workers=workers)
    is_own = np.zeros(len(seeds), bool)
    for index, seed in enumerate(seeds):
        distance = np.hypot(*(centres - seed).T)
        near = known.traces[:, distance < _NEAR_DIAMETERS * cell_diameter_px]
        is_own[index] = unexplained_height(observed[:, index], near) > min_peak_to_noise
    return is_own


def _points(places: np.ndarray, field_shape: tuple[int, int]) -> csc_array:
    """Return single pixels as footprints, shape (pixel, place)."""
    pixels = places[:, 0] * field_shape[1] + places[:, 1]
    return csc_array(
        (np.ones(len(pixels), np.float32), pixels, np.arange(len(pixels) + 1)),
        shape=(field_shape[0] * field_shape[1], len(pixels)),
    )


def first_footprints(
    filtered: Movie,
    seeds: np.ndarray,
    known: Known,
    levels: FilteredLevels,
    *,
    cell_diameter_px: float,
    workers: int,
) -> csc_array:
    """Return a first footprint for every seed: what rises with the seed's own events.

    Parameters
    ----------
    filtered
        The filtered movie.
    seeds
        (row, column), shape (seed, 2).
    known
        Neurons found before, whose part is taken out.
    levels
        Baseline and noise of the filtered movie.
    cell_diameter_px
        Diameter of a cell, pixels.
    workers
        Number of threads.

    Returns
    -------
    csc_array
        Shape (pixel, seed), not negative, not normalised.
    """
    field_shape = filtered.shape[1:]
    places = seeds[:, 0] * field_shape[1] + seeds[:, 1]
    n_pixels = field_shape[0] * field_shape[1]
    points = _points(seeds, field_shape)
    explained = known.filtered_footprints.tocsr()[places]
    traces = project(filtered, points, workers=workers) - known.traces @ explained.toarray().T
    traces -= np.median(traces, axis=0)
    traces = np.maximum(traces - _EVENT_SD * levels.noise.ravel()[places], 0)
    support = disc_support(seeds, field_shape, 0.5 * cell_diameter_px + 1)
    centred = traces - traces.mean(0)
    rest = known.traces.T @ centred
    rows, allowed = known.filtered_footprints.tocsr(), support.tocsr()
    pixels, owners, values = [], [], []
    for strip, product in correlate(filtered, centred, support, workers=workers):
        pixel, owner = entries_of(allowed, strip)
        image = product - rows[strip.first : strip.last] @ rest[:, strip.rois]
        value = image[pixel, np.searchsorted(strip.rois, owner)]
        is_used = value > 0
        pixels.append(pixel[is_used] + strip.first)
        owners.append(owner[is_used])
        values.append(value[is_used])
    if not pixels:
        return csc_array((n_pixels, len(seeds)), dtype=np.float32)
    image = csc_array(
        (np.concatenate(values), (np.concatenate(pixels), np.concatenate(owners))),
        shape=(n_pixels, len(seeds)),
    )
    peaks = np.repeat(image.max(axis=0).toarray().ravel(), np.diff(image.indptr))
    image.data[image.data < _LEAST_WEIGHT * peaks] = 0
    image.eliminate_zeros()
    return image
