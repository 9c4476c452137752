"""Quality of every ROI, measured against the movie, and which ROIs to accept.

Likeness to the movie stands in `chessboard`, focus in `event_images`, traces in `trace_quality`;
`estimate_probability` weighs them.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csc_array
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ace_nwb.engines.chessboard import correlate_by_chessboard
from ace_nwb.engines.cnmfe.footprints import centroids, column_of
from ace_nwb.engines.cnmfe.merging import correlation_matrix
from ace_nwb.engines.event_images import EventFocus, measure_focus
from ace_nwb.engines.trace_quality import bin_widened, peak_to_noise, rise_asymmetry
from ace_nwb.imaging.binning import BinnedMovie, bin_factor
from ace_nwb.imaging.movie import Movie, ProgressCallback, no_progress
from ace_nwb.imaging.packing import open_space, pack
from ace_nwb.imaging.segmentation import Segmentation

_USUAL_CELL = 0.75  # quantile of the field's own sizes; larger ones are no model of a cell
_MAX_DUPLICATE_SCORE = 0.5  # overlap times correlation of a ROI that repeats another
_LEAST_SIZE_SHARE = 0.25  # of the median size in the field
_LEAST_COMPACTNESS = 0.5  # of a disc's
_CLEAR_COMPACTNESS = 0.6  # of a disc's, of the ROIs that stand for a cell in the field
_STRONG_SNR = 30.0  # SDs: nothing in noise reaches it
_STRONG_RELIEF = 0.1  # of the correlation that a strong ROI is forgiven: neighbours fire with it
_MOST_EXTENT = 3.3
"""Of 788 simulated cells none reached 3.2; light from out of focus has 3.5 and more, whatever
footprint was drawn in it."""
_USUAL_EXTENT = 2.5
"""What 85 % of simulated cells stay below; of the limits from 1.5 to 3 the best on movies that were
not fitted to."""
_MEMORY_SHARE = 4  # a quarter of the memory for the packed movie, the rest for the passes
_DIAMETER_OF_DISC = 0.76
"""Diameter of a cell over that of the disc of its footprint's area, which reaches down to 5 %."""


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
    surround, sharpness, roundness, extent
        Light around the ROI, steepness of its rim, how far its slopes lead away from its middle,
        and the area it covers, all at its events (see `event_images`).
    relative_size
        Number of pixels over that of a disc of the cell diameter: about 1.6 for a cell with its
        blur.
    cell_probability
        That the ROI is a cell in focus, by all of these (see `estimate_probability`).
    accepted
        Whether the ROI passes all thresholds.
    """

    snr: np.ndarray
    r_value: np.ndarray
    size_px: np.ndarray
    compactness: np.ndarray
    asymmetry: np.ndarray
    duplicate_score: np.ndarray
    surround: np.ndarray
    sharpness: np.ndarray
    roundness: np.ndarray
    relative_size: np.ndarray
    extent: np.ndarray
    cell_probability: np.ndarray
    accepted: np.ndarray


def evaluate_components(
    movie: Movie,
    segmentation: Segmentation,
    *,
    min_snr: float,
    min_r_value: float,
    min_size_px: int,
    min_asymmetry: float,
    min_probability: float,
    cell_diameter_px: float | None = None,
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
        Least asymmetry of an accepted ROI, whatever else speaks for it.
    min_probability
        Least probability that an accepted ROI is a cell.
    cell_diameter_px
        Diameter of a cell, pixels; None takes it from the footprints.
    workers
        Number of threads; the result does not depend on it.
    max_memory_bytes
        Memory to use; a quarter of it may hold the movie's bins, which else go to a file.
    progress
        Called with (bins done, number of bins), counting all passes.
    """
    if segmentation.n_rois == 0:
        nothing = dict.fromkeys(ComponentMetrics.__dataclass_fields__, np.zeros(0))
        return ComponentMetrics(**(nothing | {"accepted": np.zeros(0, bool)}))
    snr = peak_to_noise(segmentation, movie.frame_rate_hz)
    size = np.diff(segmentation.footprints.indptr)
    compactness = _compactness(segmentation)
    is_clear = (snr >= _STRONG_SNR) & (compactness >= _CLEAR_COMPACTNESS)
    is_clear &= size <= np.quantile(size, _USUAL_CELL)
    diameter_px = cell_diameter_px or _DIAMETER_OF_DISC * 2 * float(
        np.sqrt(np.median(size) / np.pi)
    )
    scratch = open_space(movie, memory_bytes=max_memory_bytes // _MEMORY_SHARE)
    with threadpool_limits(1, user_api="blas"), scratch as space:
        binned = BinnedMovie(movie, bin_factor(movie.frame_rate_hz))
        counted = _Passes(progress, 4 * binned.shape[0])
        kept = pack(binned, space, "binned", workers=workers, progress=counted.of(0))
        r_value = correlate_by_chessboard(
            kept,
            binned.factor,
            segmentation,
            is_clear,
            workers=workers,
            progress=(counted.of(1), counted.of(2)),
        )
        focus = _focus(
            kept, binned.factor, segmentation, diameter_px, workers=workers, passes=counted
        )
    features = CellFeatures(
        surround=focus.surround,
        sharpness=focus.sharpness,
        roundness=focus.roundness,
        relative_size=size / (np.pi / 4 * diameter_px**2),
        r_value=r_value,
        compactness=compactness,
        asymmetry=rise_asymmetry(segmentation, movie.frame_rate_hz),
        extent=focus.extent,
    )
    metrics = ComponentMetrics(
        **vars(features),
        snr=snr,
        size_px=size,
        duplicate_score=_duplicate_score(segmentation, snr),
        cell_probability=estimate_probability(features),
        accepted=np.ones(segmentation.n_rois, bool),
    )
    least_size = max(min_size_px, _LEAST_SIZE_SHARE * float(np.median(size)))
    accepted = _passes_floors(metrics, min_snr=min_snr, min_r_value=min_r_value)
    accepted &= (size >= least_size) & (metrics.asymmetry >= min_asymmetry)
    return replace(metrics, accepted=accepted & (metrics.cell_probability >= min_probability))


def _passes_floors(metrics: ComponentMetrics, *, min_snr: float, min_r_value: float) -> np.ndarray:
    """Return which ROIs have signal, an end, look like the movie and repeat no better one."""
    is_strong = metrics.snr >= _STRONG_SNR
    return np.asarray(
        (metrics.snr >= min_snr)
        & (metrics.r_value >= min_r_value - np.where(is_strong, _STRONG_RELIEF, 0))
        & (metrics.compactness >= np.where(is_strong, 0.5, 1) * _LEAST_COMPACTNESS)
        & (metrics.duplicate_score < _MAX_DUPLICATE_SCORE)
        & (metrics.extent <= _MOST_EXTENT)
    )


def _focus(
    binned: Movie,
    factor: int,
    segmentation: Segmentation,
    diameter_px: float,
    *,
    workers: int,
    passes: "_Passes",
) -> EventFocus:
    """Return how sharply every ROI stands out of its surround."""
    events = bin_widened(segmentation.denoised, factor)
    return measure_focus(
        binned,
        csc_array(segmentation.footprints),
        events - events.mean(0),
        segmentation.field_shape,
        cell_diameter_px=diameter_px,
        workers=workers,
        progress=passes.of(3),
    )


@dataclass(frozen=True)
class _Passes:
    """Turns the progress of passes of equal length into that of the whole."""

    progress: ProgressCallback
    total: int

    def of(self, number: int) -> ProgressCallback:
        """Return the callback of a pass, counted from 0."""
        return lambda done, of: self.progress(number * of + done, self.total)


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


@dataclass(frozen=True)
class CellFeatures:
    """What is measured of each ROI (see `evaluation.ComponentMetrics`), shape (roi,)."""

    surround: np.ndarray
    sharpness: np.ndarray
    roundness: np.ndarray
    relative_size: np.ndarray
    r_value: np.ndarray
    compactness: np.ndarray
    asymmetry: np.ndarray
    extent: np.ndarray


_INTERCEPT = -9.178
"""Log odds; fitted by tests/benchmarks/cell_probability.py with the weights above."""
_WEIGHTS = {
    "surround": -3.858,
    "log_sharpness": 1.960,
    "log_sharpness_squared": -1.945,
    "roundness": 7.261,
    "log_size": -1.204,
    "log_size_squared": -0.991,
    "likeness": 0.919,
    "compactness": 3.578,
    "asymmetry": 0.791,
    "excess_extent": -4.222,
}
"""Change of the log odds per unit of each term of `logistic_terms`. Sharpness and size count both
ways: what is blurred or large is out of focus, what is rougher than optics allow or small is noise
or a fibre. The signal-to-noise ratio has no say: a fit with it gave it no weight."""


def logistic_terms(features: CellFeatures) -> dict[str, np.ndarray]:
    """Return the terms of the regression, each of shape (roi,), within the range of the fit."""
    sharpness = np.log(np.clip(features.sharpness, 0.3, 6))
    size = np.log(np.clip(features.relative_size, 0.1, 10))
    return {
        "surround": np.clip(features.surround, -0.2, 1),
        "log_sharpness": sharpness,
        "log_sharpness_squared": sharpness**2,
        "roundness": features.roundness,
        "log_size": size,
        "log_size_squared": size**2,
        # Of 0.97 and 0.99 the second misses a third as much: the miss counts, down to 0.02.
        "likeness": -np.log(1.02 - np.clip(features.r_value, 0, 1)),
        "compactness": features.compactness,
        "asymmetry": np.clip(features.asymmetry, -1, 3),
        "excess_extent": np.clip(features.extent, _USUAL_EXTENT, 5) - _USUAL_EXTENT,
    }


def estimate_probability(features: CellFeatures) -> np.ndarray:
    """Return the probability that each ROI is a cell in focus, shape (roi,)."""
    terms = logistic_terms(features)
    odds = _INTERCEPT + sum(weight * terms[name] for name, weight in _WEIGHTS.items())
    return np.asarray(1 / (1 + np.exp(-odds)))
