"""Temporal update: traces from projections, with background and neighbours taken out.

A projection of the movie on footprint a holds a'(A C + background + noise). The background is
linear in the movie, so its part is subtracted from projections and Gram matrix alike.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_array

from ace_nwb.engines.cnmfe.background import Background
from ace_nwb.engines.cnmfe.passes import find_strips
from ace_nwb.imaging.blocks import map_blocks
from ace_nwb.imaging.movie import Movie, ProgressCallback, no_progress
from ace_nwb.signals.deconvolution import (
    deconvolve_trace,
    estimate_noise,
    kernel_coefficients,
    slow_baseline,
)

_RIDGE = 1e-3


@dataclass(frozen=True)
class Projections:
    """What one pass over the movie says about all traces.

    Parameters
    ----------
    footprints
        Movie times footprints, shape (frame, roi), float32.
    background
        Movie on the coarse grid times the background's basis, shape (frame, component).
    """

    footprints: np.ndarray
    background: np.ndarray


@dataclass(frozen=True)
class CalciumModel:
    """Shape of the calcium response that denoises the traces."""

    decay_time_s: np.ndarray
    order: int


def project_movie(
    movie: Movie,
    footprints: csc_array,
    background: Background,
    *,
    workers: int,
    progress: ProgressCallback = no_progress,
) -> Projections:
    """Project every frame on the footprints and on the background's basis."""
    strips = find_strips(footprints, movie.shape[1:])
    rows = footprints.tocsr()
    dense = [rows[s.first : s.last][:, s.rois].toarray().astype(np.float32) for s in strips]

    def multiply(_start: int, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        frames = block.astype(np.float32, copy=False)
        pixels = frames.reshape(len(block), -1)
        sums = np.zeros((len(block), footprints.shape[1]), np.float32)
        for strip, weights in zip(strips, dense, strict=True):
            sums[:, strip.rois] += pixels[:, strip.first : strip.last] @ weights
        return sums, background.grid.reduce(frames) @ background.basis

    parts = list(map_blocks(movie, multiply, workers=workers, progress=progress))
    return Projections(*(np.concatenate(values) for values in zip(*parts, strict=True)))


@dataclass(frozen=True)
class Mixing:
    """How traces mix in the projections: background-free projections = raw @ gram.T.

    Parameters
    ----------
    gram
        Footprints times footprints, less what the background model takes away of a neighbour,
        shape (roi, roi).
    overlap
        Footprints times footprints, shape (roi, roi).
    to_background
        Footprints times background images, shape (roi, component).
    leak
        Background basis times footprints, shape (component, roi).
    """

    gram: np.ndarray
    overlap: np.ndarray
    to_background: np.ndarray
    leak: np.ndarray


def mix(footprints: csc_array, background: Background) -> Mixing:
    """Return how the traces of these footprints mix."""
    overlap = (footprints.T @ footprints).toarray().astype(float)
    to_background = np.asarray(footprints.T @ background.images, float)
    leak = np.asarray((background.grid.average() @ footprints).T @ background.basis, float).T
    return Mixing(overlap - to_background @ leak, overlap, to_background, leak)


def demix(projections: Projections, mixing: Mixing) -> np.ndarray:
    """Return the least-squares traces, shape (frame, roi), without their mean background."""
    courses = projections.background - projections.background.mean(0)
    observed = projections.footprints - projections.footprints.mean(0)
    target = observed - courses @ mixing.to_background.T
    gram = mixing.gram + _RIDGE * np.eye(len(mixing.gram))
    return np.linalg.solve(gram, target.T.astype(float)).T


def refine_traces(
    raw: np.ndarray,
    mixing: Mixing,
    frame_rate_hz: float,
    model: CalciumModel,
    *,
    sweeps: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Denoise each trace while the denoised others explain their part of its projection.

    Parameters
    ----------
    raw
        From `demix`, shape (frame, roi).
    mixing
        How traces mix.
    frame_rate_hz
        Frames per second.
    model
        Calcium response.
    sweeps
        Number of rounds over all neurons.

    Returns
    -------
    raw, denoised, deconvolved, noise
        Shapes (frame, roi) and (roi,); `raw` without slow baseline.
    """
    n_rois = raw.shape[1]
    denoised, deconvolved = np.zeros_like(raw), np.zeros_like(raw)
    baselines = slow_baseline(raw, frame_rate_hz)
    gram = mixing.gram
    target = (raw - baselines) @ gram.T
    refined, noise = raw - baselines, estimate_noise(raw, frame_rate_hz)
    for sweep in range(sweeps + 1):
        if sweep > 0:
            noise = estimate_noise(refined, frame_rate_hz)
        for roi in range(n_rois):
            if sweep > 0:
                others = target[:, roi] - denoised @ gram[roi]
                refined[:, roi] = others / gram[roi, roi] + denoised[:, roi]
            coefficients = kernel_coefficients(model.decay_time_s[roi], frame_rate_hz, model.order)
            denoised[:, roi], deconvolved[:, roi], level = deconvolve_trace(
                refined[:, roi], coefficients, noise=float(noise[roi])
            )
            refined[:, roi] -= level
            target[:, roi] -= level * gram[roi, roi]
    return refined, denoised, deconvolved, noise
