"""Numbers that compare a result with the truth: arrays in, numbers out.

The rule for footprints. A found unit and a true cell may be paired if their centroids are at most
5 px apart and the cosine of their footprints is at least 0.5; pairs are chosen to maximise the sum
of cosines (Hungarian method). A cell *counts* if its centroid lies clear of the field's edge by the
largest displacement plus 6 px, and the largest transient at its brightest pixel is at least twice
that pixel's noise. Recall = counting cells paired / counting cells. A unit paired with a cell that
does not count is neither right nor wrong; precision = units paired with counting cells / (these +
units paired with no cell).
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array, sparray, spmatrix

from ace_nwb.simulation.truth import MovieTruth

MAX_CENTROID_DISTANCE_PX = 5.0  # px: less than half the diameter of a cell
MIN_COSINE = 0.5
"""Between footprints: more alike than not."""
EDGE_MARGIN_PX = 6.0  # px: half a cell; what is cut by the edge counts neither way
MIN_TRANSIENT_TO_NOISE = 2.0  # in a pixel at the centre; below it transients drown in single frames


@dataclass(frozen=True)
class FootprintScore:
    """How well found units cover the true cells.

    Parameters
    ----------
    precision, recall, f1
        Between 0 and 1; NaN where nothing can be said (no counting unit, no counting cell).
    matches
        (found unit, true cell) of every pair whose cell counts, shape (pair, 2).
    cosines
        Footprint cosine of these pairs, shape (pair,).
    missed
        Counting cells without a unit.
    false_units
        Units without any cell.
    n_counting
        Number of cells that count.
    """

    precision: float
    recall: float
    f1: float
    matches: np.ndarray
    cosines: np.ndarray
    missed: np.ndarray
    false_units: np.ndarray
    n_counting: int


def score_footprints(
    found: np.ndarray | sparray | spmatrix,
    truth: MovieTruth,
    *,
    origin_px: tuple[float, float] = (0.0, 0.0),
) -> FootprintScore:
    """Pair found units with true cells by the rule at the top of this module.

    Parameters
    ----------
    found
        Footprints in the raw field's coordinates, shape (roi, row, column), or sparse, shape
        (roi, row * n_columns + column).
    truth
        The truth of the movie.
    origin_px
        Where the truth's (0, 0) lies in the coordinates of `found`, if the registration came to
        rest elsewhere (see `rest_offset`); the true footprints are moved by whole pixels.
    """
    shape = truth.field_shape
    units = _as_matrix(found, shape)
    cells = _move_footprints(truth.footprints, shape, np.round(origin_px).astype(int))
    counts = find_counting_cells(truth)
    cosine = compute_cosines(units, cells)
    distance = np.linalg.norm(
        compute_centroids(units, shape)[:, None] - compute_centroids(cells, shape)[None], axis=2
    )
    allowed = (distance <= MAX_CENTROID_DISTANCE_PX) & (cosine >= MIN_COSINE)
    rows, columns = linear_sum_assignment(np.where(allowed, cosine, 0.0), maximize=True)
    paired = np.column_stack([rows, columns])[allowed[rows, columns]].astype(int).reshape(-1, 2)
    return _summarise(paired, cosine, counts)


def _summarise(paired: np.ndarray, cosine: np.ndarray, counts: np.ndarray) -> FootprintScore:
    """Turn pairs of (unit, cell) into scores."""
    matches = paired[counts[paired[:, 1]]]
    false_units = np.setdiff1d(np.arange(cosine.shape[0]), paired[:, 0])
    missed = np.setdiff1d(np.flatnonzero(counts), paired[:, 1])
    n_right, n_wrong, n_missed = len(matches), len(false_units), len(missed)
    return FootprintScore(
        precision=_ratio(n_right, n_right + n_wrong),
        recall=_ratio(n_right, n_right + n_missed),
        f1=_ratio(2 * n_right, 2 * n_right + n_wrong + n_missed),
        matches=matches,
        cosines=cosine[matches[:, 0], matches[:, 1]],
        missed=missed,
        false_units=false_units,
        n_counting=int(counts.sum()),
    )


def _ratio(part: int, whole: int) -> float:
    """Return part / whole, NaN of nothing."""
    return part / whole if whole else float("nan")


def find_counting_cells(truth: MovieTruth) -> np.ndarray:
    """Return which cells count, shape (roi,), bool, by the rule at the top of this module."""
    margin_px = truth.max_displacement_px + EDGE_MARGIN_PX
    centroids = compute_centroids(truth.footprints, truth.field_shape)
    far_edge = np.asarray(truth.field_shape) - 1 - margin_px
    is_clear = ((centroids >= margin_px) & (centroids <= far_edge)).all(axis=1)
    return is_clear & (compute_transient_to_noise(truth) >= MIN_TRANSIENT_TO_NOISE)


def compute_transient_to_noise(truth: MovieTruth) -> np.ndarray:
    """Return each cell's largest transient over the noise, at its brightest pixel, shape (roi,)."""
    footprints, noise = truth.footprints, truth.pixel_noise.ravel()
    ratio = np.zeros(truth.n_cells)
    for cell, (start, stop) in enumerate(pairwise(footprints.indptr)):
        if start == stop:
            continue
        weights = footprints.data[start:stop]
        brightest = footprints.indices[start:stop][weights.argmax()]
        ratio[cell] = np.ptp(truth.calcium[:, cell]) * weights.max() / noise[brightest]
    return ratio


def compute_centroids(footprints: csr_array, field_shape: tuple[int, int]) -> np.ndarray:
    """Return the weighted (row, column) of footprints (roi, pixel), shape (roi, 2), pixels."""
    rows, columns = np.divmod(np.arange(footprints.shape[1]), field_shape[1])
    total = footprints.sum(axis=1)
    total = np.where(total == 0, np.nan, total)
    return (footprints @ np.column_stack([rows, columns]).astype(float)) / total[:, None]


def compute_cosines(found: csr_array, true: csr_array) -> np.ndarray:
    """Return the cosine of every pair of footprints, shape (found, true)."""
    norms = [np.sqrt(one.multiply(one).sum(axis=1)) for one in (found, true)]
    scale = np.maximum(norms[0][:, None] * norms[1][None], np.finfo(float).tiny)
    return (found @ true.T).toarray() / scale


def _as_matrix(
    footprints: np.ndarray | sparray | spmatrix, field_shape: tuple[int, int]
) -> csr_array:
    """Return footprints as a sparse matrix (roi, pixel), float64."""
    if isinstance(footprints, np.ndarray):
        footprints = footprints.reshape(len(footprints), field_shape[0] * field_shape[1])
    return csr_array(footprints, dtype=float)


def _move_footprints(
    footprints: csr_array, field_shape: tuple[int, int], offset_px: np.ndarray
) -> csr_array:
    """Move footprints by whole (row, column) pixels; what leaves the field is lost."""
    entries = footprints.tocoo()
    rows, columns = np.divmod(entries.col, field_shape[1])
    rows, columns = rows + offset_px[0], columns + offset_px[1]
    inside = (rows >= 0) & (rows < field_shape[0]) & (columns >= 0) & (columns < field_shape[1])
    pixels = (rows * field_shape[1] + columns)[inside]
    return csr_array((entries.data[inside], (entries.row[inside], pixels)), shape=footprints.shape)


def correlate_traces(found: np.ndarray, true: np.ndarray, matches: np.ndarray) -> np.ndarray:
    """Return the correlation of matched traces, shape (pair,).

    Parameters
    ----------
    found, true
        Shape (frame, roi), at the same frames.
    matches
        (found unit, true cell), shape (pair, 2).
    """
    left = found[:, matches[:, 0]].astype(float)
    right = true[:, matches[:, 1]].astype(float)
    left -= left.mean(axis=0)
    right -= right.mean(axis=0)
    scale = np.sqrt((left**2).sum(axis=0) * (right**2).sum(axis=0))
    return (left * right).sum(axis=0) / np.maximum(scale, np.finfo(float).tiny)


def rest_offset(correction_px: np.ndarray, displacement_px: np.ndarray) -> np.ndarray:
    """Return where the truth's rest position lies in registered coordinates, (row, column) px.

    Parameters
    ----------
    correction_px
        Estimated shift to add to raw coordinates, shape (frame, 2).
    displacement_px
        True displacement, same shape.
    """
    return np.median(correction_px + displacement_px, axis=0)


def motion_rmse_px(correction_px: np.ndarray, displacement_px: np.ndarray) -> float:
    """Return the error of estimated shifts up to a constant, pixels (root mean square distance).

    Takes the same arguments as `rest_offset`.
    """
    residual = correction_px + displacement_px
    residual = residual - residual.mean(axis=0)
    return float(np.sqrt((residual**2).sum(axis=1).mean()))


def max_sync_error_ms(estimated_times_s: np.ndarray, true_times_s: np.ndarray) -> float:
    """Return the largest error of the frames' aligned times, milliseconds.

    Raises
    ------
    ValueError
        If the number of frames differs: no error can then be stated.
    """
    if len(estimated_times_s) != len(true_times_s):
        raise ValueError(
            f"{len(estimated_times_s)} estimated and {len(true_times_s)} true frame times; "
            "the same frames are expected. Compare the saved frames only."
        )
    return float(np.abs(estimated_times_s - true_times_s).max() * 1000)


def phase_errors_rad(
    estimated_rad: np.ndarray, preferred_rad: np.ndarray, matches: np.ndarray
) -> np.ndarray:
    """Return the circular distance of preferred phases of matched locked cells, radians, >= 0.

    Parameters
    ----------
    estimated_rad
        Preferred phase of every found unit, shape (found,).
    preferred_rad
        Preferred phase of every true cell, NaN where it is not locked, shape (true,).
    matches
        (found unit, true cell), shape (pair, 2); pairs of cells that are not locked are left out.
    """
    locked = matches[np.isfinite(preferred_rad[matches[:, 1]])]
    difference = estimated_rad[locked[:, 0]] - preferred_rad[locked[:, 1]]
    return np.abs(np.angle(np.exp(1j * difference)))
