"""Telling apart the traces of neurons that lie on top of each other.

Footprints A and traces C fit a movie as well as A M and M^-1 C do, for any M that keeps both from
turning negative: where two neurons overlap, one trace may hold a share of the other's events while
the other's footprint lacks as much light (a crescent). Neurons mostly fire on their own, so the
right share is the one at which a neuron is at rest during most events of the other.
"""

import numpy as np
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from ace_nwb.engines.cnmfe.merging import have_one_footprint

_LEAST_OVERLAP = 0.3  # cosine of footprints that can lend each other activity
_LEAST_EVENTS = 4  # events from which a share can be told
_LEAST_EVENT = 0.2  # of the largest: smaller events are noise of the larger ones
_AT_REST = 0.3  # quantile of a neighbour's rises at events: at most of them it is at rest
_LEAST_SHARE = 0.03  # of an event; less is not told from noise
_ONE_NEURON = 0.5  # product of both shares, from which the two are one neuron
_EVENT_FRAMES = 3  # frames of 0.2 s: a rise


def find_shares(
    overlap: np.ndarray, correlation: np.ndarray, deconvolved: np.ndarray, *, max_correlation: float
) -> np.ndarray:
    """Return which share of each trace every other trace holds, shape (roi, other roi).

    Parameters
    ----------
    overlap
        Cosine of footprints, shape (roi, roi).
    correlation
        Correlation of traces, shape (roi, roi). Above `max_correlation` they are one neuron.
    deconvolved
        Activity, shape (frame, roi).
    max_correlation
        Pairs above it, and those that have one footprint, are left to merging.
    """
    n_rois = len(overlap)
    shares = np.zeros((n_rois, n_rois))
    is_pair = (overlap > _LEAST_OVERLAP) & (correlation < max_correlation)
    is_pair &= ~have_one_footprint(overlap, correlation)
    np.fill_diagonal(is_pair, False)
    rois = np.flatnonzero(is_pair.any(axis=0))
    activity = _EVENT_FRAMES * uniform_filter1d(deconvolved[:, rois], _EVENT_FRAMES, axis=0)
    is_peak = activity == maximum_filter1d(activity, 2 * _EVENT_FRAMES + 1, axis=0)
    for place, roi in enumerate(rois):
        height = activity[:, place]
        events = np.flatnonzero(is_peak[:, place] & (height > _LEAST_EVENT * height.max()))
        if len(events) < _LEAST_EVENTS:
            continue
        others = np.flatnonzero(is_pair[roi, rois])
        rises = activity[np.ix_(events, others)] / height[events, None]
        shares[roi, rois[others]] = np.quantile(rises, _AT_REST, axis=0)
    shares[shares < _LEAST_SHARE] = 0
    shares[shares * shares.T > _ONE_NEURON] = 0
    return shares


def take_shares(traces: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return traces (frame, roi) without the shares of the others that they hold."""
    return traces - traces @ shares
