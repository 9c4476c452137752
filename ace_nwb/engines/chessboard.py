"""How well every footprint looks like the movie at the ROI's own events.

An ROI made of noise looks like itself in the very frames it was made from. Here the pixels of a
footprint are split like the squares of a chessboard: the trace of one half is compared with the
movie at the other half, which noise does not pass.
"""

import numpy as np
from scipy.sparse import csc_array, csr_array, hstack

from ace_nwb.engines.cnmfe.footprints import column_of
from ace_nwb.engines.cnmfe.passes import correlate, project
from ace_nwb.engines.trace_quality import bin_widened
from ace_nwb.imaging.movie import Movie, ProgressCallback
from ace_nwb.imaging.segmentation import Segmentation

_SUPPORT_REACH_PX = 3
"""Px around a footprint in which the movie must look like it: half a cell's radius."""
_USUAL_CELL = 0.75  # quantile of the radii in the field that smaller footprints are compared at


def correlate_by_chessboard(
    binned: Movie,
    factor: int,
    segmentation: Segmentation,
    is_clear: np.ndarray,
    *,
    workers: int,
    progress: tuple[ProgressCallback, ProgressCallback],
) -> np.ndarray:
    """Return the correlation of each footprint with the movie at events told by other pixels.

    Parameters
    ----------
    binned
        The movie averaged over short stretches of time; read twice.
    factor
        Frames in each of them.
    segmentation
        ROIs and their traces.
    is_clear
        ROIs whose events are taken without the brightness around them, shape (roi,).
    workers
        Number of threads; the result does not depend on it.
    progress
        Called with (bins done, number of bins), one for each pass.
    """
    rows, columns = np.divmod(np.arange(segmentation.footprints.shape[0]), binned.shape[2])
    is_white = (rows // 2 + columns // 2) % 2 == 0
    footprints = csc_array(segmentation.footprints)
    halves = [_masked(footprints, is_white), _masked(footprints, ~is_white)]
    support = surroundings(footprints, segmentation.field_shape, reach_px=_SUPPORT_REACH_PX)
    rim = _rims(footprints, segmentation.field_shape)
    observed = project(
        binned,
        csc_array(hstack([*halves, rim], format="csc")),
        workers=workers,
        progress=progress[0],
    )
    denoised = bin_widened(segmentation.denoised, factor)
    centred = denoised - denoised.mean(0)
    seen = np.split(observed - observed.mean(0), 3, axis=1)
    outside = seen[2] - centred @ (rim.T @ footprints).toarray().T
    weights = [
        _event_weights(half_trace, half, footprints, centred, outside, is_clear)
        for half_trace, half in zip(seen[:2], halves, strict=True)
    ]
    products = correlate(
        binned,
        np.hstack(weights),
        csc_array(hstack([support, support], format="csc")),
        workers=workers,
        progress=progress[1],
    )
    return _compare(footprints, support, products, is_white, centred, np.hstack(weights))


def _masked(footprints: csc_array, is_kept: np.ndarray) -> csc_array:
    """Return footprints with the other pixels set to zero."""
    kept = footprints.copy()
    kept.data = kept.data * is_kept[kept.indices]
    kept.eliminate_zeros()
    return kept


def _event_weights(
    seen: np.ndarray,
    half: csc_array,
    footprints: csc_array,
    centred: np.ndarray,
    outside: np.ndarray,
    is_clear: np.ndarray,
) -> np.ndarray:
    """Return the events of each ROI as half of its pixels see them.

    Other ROIs are removed. The result is orthogonal to the brightness around the ROI, so that
    background adds nothing to the image it is correlated with. Clear ROIs lose that brightness
    before their events are taken too: a dim cell would else drown in it, but a blob of background
    would pass for a cell.
    """
    overlap = (half.T @ footprints).toarray()
    own = np.diag(overlap)
    energy = np.maximum(np.einsum("fr,fr->r", outside, outside), 1e-30)
    rest = seen - centred @ overlap.T
    rest -= is_clear * outside * (np.einsum("fr,fr->r", rest, outside) / energy)
    events = np.where(centred > 0, centred + rest / np.maximum(own, 1e-12), 0.0)
    events -= events.mean(0)
    return events - outside * (np.einsum("fr,fr->r", events, outside) / energy)


def _rims(footprints: csc_array, field_shape: tuple[int, int]) -> csc_array:
    """Return a band of 3 pixels around each footprint, shape (pixel, roi).

    A dim cell's footprint lacks its tails: the band begins where those of a usual cell end.
    """
    radius_px = np.sqrt(np.diff(footprints.indptr) / np.pi)
    missing_px = np.maximum(np.quantile(radius_px, _USUAL_CELL) - radius_px, 0)
    reach_px = _SUPPORT_REACH_PX + np.round(missing_px).astype(int)
    near = surroundings(footprints, field_shape, reach_px=reach_px)
    rim = surroundings(footprints, field_shape, reach_px=reach_px + _SUPPORT_REACH_PX)
    rim = csc_array(rim - near)
    rim.eliminate_zeros()
    counts = np.maximum(np.diff(rim.indptr), 1)
    rim.data = (rim.data / np.repeat(counts, np.diff(rim.indptr))).astype(np.float32)
    return rim


def surroundings(
    footprints: csc_array, field_shape: tuple[int, int], *, reach_px: int | np.ndarray
) -> csc_array:
    """Return the pixels in a square of `reach_px` around each footprint's pixels."""
    n_rows, n_columns = field_shape
    columns = []
    for roi, reach in enumerate(np.broadcast_to(reach_px, footprints.shape[1]).tolist()):
        step = np.arange(-reach, reach + 1)
        pixels, _ = column_of(footprints, roi)
        row, column = np.divmod(pixels, n_columns)
        tall = np.unique(np.clip(row[:, None] + step, 0, n_rows - 1) * n_columns + column[:, None])
        row, column = np.divmod(tall, n_columns)
        near_columns = np.clip(column[:, None] + step, 0, n_columns - 1)
        columns.append(np.unique(row[:, None] * n_columns + near_columns))
    pointers = np.concatenate([[0], np.cumsum([len(pixels) for pixels in columns])])
    pixels = np.concatenate(columns)
    return csc_array((np.ones(len(pixels), np.float32), pixels, pointers), shape=footprints.shape)


def _compare(
    footprints: csc_array,
    support: csc_array,
    products: list,
    is_white: np.ndarray,
    centred: np.ndarray,
    weights: np.ndarray,
) -> np.ndarray:
    """Assemble each ROI's image from both halves and correlate it with the footprint."""
    n_rois = footprints.shape[1]
    shared = centred.T @ weights
    shared[np.arange(n_rois), np.arange(n_rois)] = 0
    shared[np.arange(n_rois), n_rois + np.arange(n_rois)] = 0
    rows = csr_array(footprints)
    images = np.zeros(support.nnz)
    place = csc_array(
        (np.arange(1, support.nnz + 1), support.indices, support.indptr), shape=support.shape
    ).tocsr()
    for strip, product in products:
        part = slice(strip.first, strip.last)
        image = product - rows[part] @ shared[:, strip.rois]
        for half, is_seen in ((0, ~is_white[part]), (1, is_white[part])):
            chosen = strip.rois // n_rois == half
            where = place[part][:, strip.rois[chosen] % n_rois].tocoo()
            pixel, roi = where.coords
            is_used = is_seen[pixel]
            images[where.data[is_used] - 1] = image[:, chosen][pixel[is_used], roi[is_used]]
    r_values = np.zeros(n_rois)
    for roi in range(n_rois):
        pixels, _ = column_of(support, roi)
        own, values = column_of(footprints, roi)
        weight = np.zeros(len(pixels))
        weight[np.searchsorted(pixels, own)] = values
        image = images[support.indptr[roi] : support.indptr[roi + 1]]
        spread = weight.std() * image.std()
        if spread > 0:
            r_values[roi] = np.mean((weight - weight.mean()) * (image - image.mean())) / spread
    return r_values
