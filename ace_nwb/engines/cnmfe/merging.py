"""Merging of neurons that are one, and removal of ghosts: tails and halos of other neurons."""

import numpy as np
from scipy.sparse import csc_array, csr_array, diags_array, eye_array
from scipy.sparse.csgraph import connected_components

_LEAST_OVERLAP = 0.1  # cosine of footprints that are neighbours at all
_SAME_PLACE_OVERLAP = 0.7  # cosine of footprints at one place
_SAME_PLACE_CORRELATION = 0.4  # of the traces of pieces of one neuron at one place, noise included
_ONE_FOOTPRINT_OVERLAP = 0.965  # cosine of two Gaussian cells of 12 px that lie 1.1 px apart
_ONE_FOOTPRINT_CORRELATION = 0.2  # of traces, then enough: more would only say that noise is shared
_FRAMES_PER_BATCH = 4096  # frames at once: bounds memory


def find_groups(
    footprints: csc_array, traces: np.ndarray, *, merge_correlation: float
) -> np.ndarray:
    """Return the group number of each neuron; neurons of one group are to be merged.

    Neurons belong together if their footprints overlap and their traces correlate more than
    `merge_correlation`, or if they lie on top of each other and correlate at all.

    Parameters
    ----------
    footprints
        Norm 1, shape (pixel, roi).
    traces
        Denoised, shape (frame, roi).
    merge_correlation
        Least correlation.
    """
    overlap = (footprints.T @ footprints).toarray()
    correlation = correlation_matrix(traces)
    is_one = (overlap > _LEAST_OVERLAP) & (correlation > merge_correlation)
    is_one |= (overlap > _SAME_PLACE_OVERLAP) & (correlation > _SAME_PLACE_CORRELATION)
    is_one |= have_one_footprint(overlap, correlation)
    return connect(is_one)


def connect(is_one: np.ndarray) -> np.ndarray:
    """Return the group number of each neuron, from which pairs are one, shape (roi, roi)."""
    return np.asarray(connected_components(csr_array(is_one), directed=False)[1])


def have_one_footprint(overlap: np.ndarray, correlation: np.ndarray) -> np.ndarray:
    """Return which pairs of neurons are one, shared out between two footprints all but equal.

    The movie says little of how to share light between such footprints: noise does it, anew at
    every event, and the shares correlate. Two true neurons fire each on its own.
    """
    return np.asarray(is_alike(overlap) & (correlation > _ONE_FOOTPRINT_CORRELATION))


def is_alike(overlap: np.ndarray) -> np.ndarray:
    """Return which pairs of footprints are all but equal, by their cosine."""
    return overlap > _ONE_FOOTPRINT_OVERLAP


def correlation_matrix(traces: np.ndarray) -> np.ndarray:
    """Return the correlations of traces, shape (roi, roi); constant traces correlate with none."""
    mean = traces.mean(0, dtype=float)
    products = np.zeros((traces.shape[1], traces.shape[1]))
    for first in range(0, len(traces), _FRAMES_PER_BATCH):
        centred = traces[first : first + _FRAMES_PER_BATCH] - mean
        products += centred.T @ centred
    norms = np.sqrt(np.diag(products))
    norms = np.where(norms > 0, norms, 1)
    return np.asarray(products / norms / norms[:, None])


def merge_groups(
    footprints: csc_array, traces: np.ndarray, groups: np.ndarray
) -> tuple[csc_array, np.ndarray, csc_array]:
    """Return one neuron per group, in the order of the groups' strongest members.

    Returns
    -------
    footprints, traces, join
        Footprints of norm 1; traces; what the old footprints were multiplied with, shape
        (old roi, new roi).
    """
    n_groups = int(groups.max()) + 1 if len(groups) else 0
    if n_groups == len(groups):
        return footprints, traces, csc_array(eye_array(len(groups)))
    strength = np.sqrt(np.mean(traces**2, axis=0))
    order = np.lexsort((-strength, groups))
    leaders = order[np.searchsorted(groups[order], np.arange(n_groups))]
    rank = np.argsort(np.argsort(leaders))[groups]
    join = csc_array((strength, (np.arange(len(groups)), rank)), shape=(len(groups), n_groups))
    merged = csc_array(footprints @ join)
    norms = np.sqrt(np.asarray(merged.multiply(merged).sum(0)).ravel())
    join = csc_array(join @ diags_array(1 / np.maximum(norms, 1e-30)))
    merged = csc_array(footprints @ join)
    is_member = rank[None, :] == np.arange(n_groups)[:, None]
    shared = (merged.T @ footprints).toarray() * is_member
    return merged.astype(np.float32), traces @ shared.T, join


def find_ghosts(
    raw: np.ndarray, centres: np.ndarray, *, reach_px: float, min_peak_to_noise: float
) -> np.ndarray:
    """Return which neurons hold no signal of their own, shape (roi,).

    Parameters
    ----------
    raw
        Traces, shape (frame, roi).
    centres
        (row, column) of the neurons, shape (roi, 2).
    reach_px
        Stronger neurons within this distance are regressed out of a trace.
    min_peak_to_noise
        Least height of what remains, in noise SDs.
    """
    strength = raw.std(0)
    is_ghost = np.zeros(len(centres), bool)
    for roi in np.argsort(-strength, kind="stable"):
        is_near = np.hypot(*(centres - centres[roi]).T) < reach_px
        is_near &= (strength > strength[roi]) & ~is_ghost
        height = unexplained_height(raw[:, roi], raw[:, is_near])
        is_ghost[roi] = height < min_peak_to_noise
    return is_ghost


def unexplained_height(trace: np.ndarray, others: np.ndarray) -> float:
    """Return the peak-to-noise ratio of a trace after regression on others."""
    design = np.column_stack([np.ones(len(trace)), others])
    gram = design.T @ design
    gram += 1e-9 * np.diag(np.diag(gram) + 1e-12)
    rest = trace - design @ np.linalg.solve(gram, design.T @ trace)
    noise = float(np.mean(np.abs(np.diff(rest)))) * np.sqrt(np.pi) / 2 if len(rest) > 1 else 0.0
    return float(np.max(rest) - np.median(rest)) / noise if noise > 0 else 0.0
