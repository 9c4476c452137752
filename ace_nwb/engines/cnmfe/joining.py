"""The last look at neurons in one place: the shaping of footprints may have made two alike."""

from dataclasses import replace

import numpy as np
from scipy.sparse import csc_array

from ace_nwb.engines.cnmfe.background import Background
from ace_nwb.engines.cnmfe.merging import (
    connect,
    correlation_matrix,
    have_one_footprint,
    is_alike,
    merge_groups,
)
from ace_nwb.engines.cnmfe.traces import CalciumModel, Projections, demix, mix, refine_traces


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
    alike = is_alike(mixing.overlap)
    np.fill_diagonal(alike, False)
    rois = np.flatnonzero(alike.any(axis=0))
    if len(rois) == 0:
        return footprints, projections
    raw = demix(projections, mixing)
    model = CalciumModel(np.full(len(rois), decay_time_s), 1)
    few = replace(mixing, gram=mixing.gram[np.ix_(rois, rois)])
    _, denoised, *_ = refine_traces(raw[:, rois], few, frame_rate_hz, model, sweeps=2)
    overlap = mixing.overlap[np.ix_(rois, rois)]
    alike[np.ix_(rois, rois)] = have_one_footprint(overlap, correlation_matrix(denoised))
    merged, _, join = merge_groups(footprints, raw, connect(alike))
    joined = projections.footprints @ join.astype(np.float32)
    return merged, replace(projections, footprints=np.asarray(joined))
