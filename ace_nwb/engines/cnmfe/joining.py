"""The last look at neurons in one place: the shaping of footprints may have made two alike.

Where registration is a pixel off, a neuron shows at two places and may be taken for two: each event
is given to the footprint that lies nearer. Their denoised traces then avoid each other, while what
was measured of both rises and falls together.
"""

from dataclasses import replace

import numpy as np
from scipy.sparse import csc_array

from ace_nwb.engines.cnmfe.background import Background
from ace_nwb.engines.cnmfe.merging import (
    connect,
    correlation_matrix,
    have_one_footprint,
    merge_groups,
)
from ace_nwb.engines.cnmfe.traces import CalciumModel, Projections, demix, mix, refine_traces
from ace_nwb.imaging.binning import bin_factor, bin_traces

_SHARED_OVERLAP = 0.8
"""Cosine from which footprints lie on one neuron, or on two that are a quarter of a diameter apart:
only there can an event be given to either."""
_LEAST_AVOIDANCE = 0.1
"""How much less denoised traces correlate than measured ones, at 0.2 s, where one neuron is shared:
0.16 to 0.41 for 16 of them in simulated tissue, 0.01 to 0.07 for two neurons."""


def join_alike(
    footprints: csc_array,
    projections: Projections,
    background: Background,
    *,
    frame_rate_hz: float,
    decay_time_s: float,
) -> tuple[csc_array, Projections]:
    """Return footprints and projections in which neurons with one footprint are one neuron.

    Parameters
    ----------
    footprints
        Norm 1, shape (pixel, roi).
    projections
        Of every frame.
    background
        Ring background.
    frame_rate_hz, decay_time_s
        Frames per second, and about how long a transient lasts.
    """
    mixing = mix(footprints, background)
    alike = mixing.overlap > _SHARED_OVERLAP
    np.fill_diagonal(alike, False)
    rois = np.flatnonzero(alike.any(axis=0))
    if len(rois) == 0:
        return footprints, projections
    raw = demix(projections, mixing)
    model = CalciumModel(np.full(len(rois), decay_time_s), 1)
    few = replace(mixing, gram=mixing.gram[np.ix_(rois, rois)])
    measured, denoised, *_ = refine_traces(raw[:, rois], few, frame_rate_hz, model, sweeps=2)
    overlap = mixing.overlap[np.ix_(rois, rois)]
    alike[np.ix_(rois, rois)] = have_one_footprint(overlap, correlation_matrix(denoised))
    alike[np.ix_(rois, rois)] |= share_one(overlap, measured, denoised, frame_rate_hz)
    merged, _, join = merge_groups(footprints, raw, connect(alike))
    joined = projections.footprints @ join.astype(np.float32)
    return merged, replace(projections, footprints=np.asarray(joined))


def share_one(
    overlap: np.ndarray, measured: np.ndarray, denoised: np.ndarray, frame_rate_hz: float
) -> np.ndarray:
    """Return which pairs of footprints share the events of one neuron, shape (roi, roi).

    Parameters
    ----------
    overlap
        Cosine of footprints, shape (roi, roi).
    measured, denoised
        Traces without and with the calcium model, shape (frame, roi).
    frame_rate_hz
        Frames per second.
    """
    factor = bin_factor(frame_rate_hz)
    together, apart = (
        correlation_matrix(bin_traces(traces.astype(float), factor))
        for traces in (measured, denoised)
    )
    is_shared = (overlap > _SHARED_OVERLAP) & (together - apart > _LEAST_AVOIDANCE)
    np.fill_diagonal(is_shared, False)
    return np.asarray(is_shared)
