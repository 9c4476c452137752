"""Quality of every ROI, measured against the movie.

An ROI made of noise looks like itself in the very frames it was made from. Here the pixels of a
footprint are split like the squares of a chessboard: the trace of one half is compared with the
movie at the other half, which noise does not pass.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_array, csr_array, hstack
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ace_nwb.engines.cnmfe.footprints import centroids, column_of
from ace_nwb.engines.cnmfe.merging import correlation_matrix
from ace_nwb.engines.cnmfe.passes import correlate, project
from ace_nwb.imaging.binning import BinnedMovie, bin_factor, bin_traces
from ace_nwb.imaging.movie import Movie, ProgressCallback, no_progress
from ace_nwb.imaging.packing import open_space, pack
from ace_nwb.imaging.segmentation import Segmentation

_SUPPORT_REACH_PX = 3
_USUAL_CELL = 0.75
_MAX_DUPLICATE_SCORE = 0.5
_LEAST_SIZE_SHARE = 0.25
_LEAST_COMPACTNESS = 0.5
_CLEAR_COMPACTNESS = 0.6
_STRONG_SNR = 30.0
_STRONG_RELIEF = 0.1
_MEMORY_SHARE = 4
_ROIS_PER_BATCH = 32


@dataclass(frozen=True)
class ComponentMetrics:
    """Quality of each ROI, arrays of shape (roi,).

    Parameters
    ----------
    snr
        Highest denoised value over the noise SD, both of the trace averaged over 0.2 s.
    r_value
        Correlation, over its pixels and their surroundings, of the footprint with the movie at
        the ROI's own events; the events at a pixel are told by pixels other than it.
    size_px
        Number of pixels.
    compactness
        Area of a disc with the footprint's spread over its size: 1 for a disc, less for
        anything long or scattered.
    asymmetry
        Skewness of the trace's changes: about 2 for calcium, which rises faster than it decays,
        0 for what swells and ebbs alike.
    duplicate_score
        Largest product of footprint overlap and trace correlation with another ROI.
    accepted
        Whether the ROI passes all thresholds.
    """

    snr: np.ndarray
    r_value: np.ndarray
    size_px: np.ndarray
    compactness: np.ndarray
    asymmetry: np.ndarray
    duplicate_score: np.ndarray
    accepted: np.ndarray


def evaluate_components(
    movie: Movie,
    segmentation: Segmentation,
    *,
    min_snr: float,
    min_r_value: float,
    min_size_px: int,
    min_asymmetry: float,
    workers: int = 1,
    max_memory_bytes: int = 4 * 2**30,
    progress: ProgressCallback = no_progress,
) -> ComponentMetrics:
    """Measure every ROI and propose which ones to accept.

    Parameters
    ----------
    movie
        The movie the segmentation was made from; read once if its bins can be kept.
    segmentation
        ROIs and their traces.
    min_snr, min_r_value, min_size_px
        Least values of an accepted ROI. Where the signal is strong (30 noise SDs), `r_value` may
        be 0.1 less and the compactness 0.25, else it must be 0.5; specks below a
        quarter of the median size are not accepted.
    min_asymmetry
        Least asymmetry of an accepted ROI; 0 lets pass what swells and ebbs alike.
    workers
        Number of threads; the result does not depend on it.
    max_memory_bytes
        Memory to use; a quarter of it may hold the movie's bins, which else go to a file.
    progress
        Called with (bins done, number of bins), counting all passes.
    """
    if segmentation.n_rois == 0:
        nothing = np.zeros(0)
        return ComponentMetrics(
            nothing, nothing, np.zeros(0, int), nothing, nothing, nothing, np.zeros(0, bool)
        )
    snr = peak_to_noise(segmentation, movie.frame_rate_hz)
    size = np.diff(segmentation.footprints.indptr)
    compactness = _compactness(segmentation)
    asymmetry = rise_asymmetry(segmentation, movie.frame_rate_hz)
    is_strong = snr >= _STRONG_SNR
    is_clear = is_strong & (compactness >= _CLEAR_COMPACTNESS)
    is_clear &= size <= np.quantile(size, _USUAL_CELL)
    scratch = open_space(movie, memory_bytes=max_memory_bytes // _MEMORY_SHARE)
    with threadpool_limits(1, user_api="blas"), scratch as space:
        binned = BinnedMovie(movie, bin_factor(movie.frame_rate_hz))
        counted = _Passes(progress, 3 * binned.shape[0])
        kept = pack(binned, space, "binned", workers=workers, progress=counted.of(0))
        r_value = _chessboard_correlation(
            kept, binned.factor, segmentation, is_clear, workers=workers, passes=counted
        )
    duplicates = _duplicate_score(segmentation, snr)
    return ComponentMetrics(
        snr=snr,
        r_value=r_value,
        size_px=size,
        compactness=compactness,
        asymmetry=asymmetry,
        duplicate_score=duplicates,
        accepted=(snr >= min_snr)
        & (r_value >= min_r_value - np.where(is_strong, _STRONG_RELIEF, 0))
        & (compactness >= np.where(is_strong, 0.5, 1) * _LEAST_COMPACTNESS)
        & (size >= max(min_size_px, _LEAST_SIZE_SHARE * float(np.median(size))))
        & (asymmetry >= min_asymmetry)
        & (duplicates < _MAX_DUPLICATE_SCORE),
    )


def peak_to_noise(segmentation: Segmentation, frame_rate_hz: float) -> np.ndarray:
    """Return the highest denoised value over the noise SD at 0.2 s resolution, shape (roi,)."""
    factor = bin_factor(frame_rate_hz)
    denoised = _bin(segmentation.denoised, factor)
    rest = _bin(segmentation.raw, factor) - denoised
    noise = np.mean(np.abs(np.diff(rest, axis=0)), axis=0) * np.sqrt(np.pi) / 2
    height = denoised.max(0) - np.median(denoised, axis=0)
    return np.divide(height, noise, out=np.zeros_like(height), where=noise > 0)


def rise_asymmetry(segmentation: Segmentation, frame_rate_hz: float) -> np.ndarray:
    """Return the skewness of the changes of each trace over 0.2 s, without noise, shape (roi,).

    Calcium rises at once and decays slowly: few changes are large, and these go up. Out-of-focus
    light swells and ebbs alike. Noise adds to the second moment of the changes only, which is
    therefore taken from the denoised trace.
    """
    factor = bin_factor(frame_rate_hz)
    changes = np.diff(_bin(segmentation.raw, factor), axis=0)
    changes -= changes.mean(0)
    spread = np.diff(_bin(segmentation.denoised, factor), axis=0).std(0)
    third = np.mean(changes**3, axis=0)
    return np.divide(third, spread**3, out=np.zeros_like(third), where=spread > 0)


def _bin(traces: np.ndarray, factor: int) -> np.ndarray:
    """Return traces averaged over `factor` frames, float64; few are widened at a time."""
    starts = range(0, traces.shape[1], _ROIS_PER_BATCH)
    few = (traces[:, first : first + _ROIS_PER_BATCH].astype(float) for first in starts)
    return np.hstack([bin_traces(part, factor) for part in few])


@dataclass(frozen=True)
class _Passes:
    """Turns the progress of passes of equal length into that of the whole."""

    progress: ProgressCallback
    total: int

    def of(self, number: int) -> ProgressCallback:
        """Return the callback of a pass, counted from 0."""
        return lambda done, of: self.progress(number * of + done, self.total)


def _chessboard_correlation(
    binned: Movie,
    factor: int,
    segmentation: Segmentation,
    is_clear: np.ndarray,
    *,
    workers: int,
    passes: _Passes,
) -> np.ndarray:
    """Return the correlation of each footprint with the movie at events told by other pixels."""
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
        progress=passes.of(1),
    )
    denoised = _bin(segmentation.denoised, factor)
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
        progress=passes.of(2),
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


def _compactness(segmentation: Segmentation) -> np.ndarray:
    """Return size over the area of a disc of the same spread (second moment), at most 1."""
    centres = centroids(segmentation.footprints, segmentation.field_shape)
    values = np.zeros(segmentation.n_rois)
    for roi, centre in enumerate(centres):
        pixels, _ = column_of(segmentation.footprints, roi)
        if len(pixels) == 0:
            continue
        offsets = np.column_stack(np.divmod(pixels, segmentation.field_shape[1])) - centre
        covariance = np.cov(offsets.T, bias=True) + np.eye(2) / 12
        long, short = np.linalg.eigvalsh(covariance)[::-1]
        round_area = 4 * np.pi * np.sqrt(long * short)
        values[roi] = min(1.0, len(pixels) / round_area) * np.sqrt(short / long)
    return values


def _duplicate_score(segmentation: Segmentation, snr: np.ndarray) -> np.ndarray:
    """Return overlap times trace correlation with the worst better ROI, shape (roi,)."""
    overlap = (segmentation.footprints.T @ segmentation.footprints).toarray()
    score = overlap * np.maximum(correlation_matrix(segmentation.denoised), 0)
    rank = np.lexsort((np.arange(len(snr)), -snr))
    position = np.argsort(rank)
    is_better = position[None, :] < position[:, None]
    return np.asarray(np.where(is_better, score, 0).max(1))
