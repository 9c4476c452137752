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
from ace_nwb.signals.kinetics import slow_baseline
from ace_nwb.signals.oasis import (
    RISE_TIME_S,
    deconvolve_trace,
    estimate_noise,
    kernel_coefficients,
)

_RIDGE = 1e-3  # on the diagonal of normed footprints: keeps twins solvable, biases by a thousandth
_LEAST_SHARE = 0.01  # cosine from which footprints count as neighbours
_ROIS_PER_BATCH = 32  # ROIs at once: bounds memory
_FRAMES_PER_BATCH = 4096  # frames at once: bounds memory


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
    """Shape of the calcium response that denoises the traces; frames at which it begins anew.

    The rise times matter to order 2 alone, and may be typical ones for want of better.
    """

    decay_time_s: np.ndarray
    order: int
    breaks: tuple[int, ...] = ()
    rise_time_s: np.ndarray | None = None

    def coefficients(self, roi: int, frame_rate_hz: float) -> np.ndarray:
        """Return the coefficients of the autoregressive model of a ROI, shape (order,)."""
        rise_s = RISE_TIME_S if self.rise_time_s is None else float(self.rise_time_s[roi])
        return kernel_coefficients(
            float(self.decay_time_s[roi]), frame_rate_hz, self.order, rise_time_s=rise_s
        )


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
    gram = mixing.gram + _RIDGE * np.eye(len(mixing.gram))
    unmix = np.linalg.inv(gram).T
    levels = projections.footprints.mean(0), projections.background.mean(0)
    traces = np.empty(projections.footprints.shape, np.float32)
    for first in range(0, len(traces), _FRAMES_PER_BATCH):
        frames = slice(first, first + _FRAMES_PER_BATCH)
        target = (projections.footprints[frames] - levels[0]).astype(float)
        target -= (projections.background[frames] - levels[1]) @ mixing.to_background.T
        traces[frames] = target @ unmix
    return traces


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
        Shapes (frame, roi), float32, and (roi,); `raw` without slow baseline.
    """
    n_rois = raw.shape[1]
    # Time runs along the rows in here, so that a trace lies in one piece. Kept in single
    # precision, computed in double: these four are what an hour of 1,000 neurons fills memory with.
    rest = np.empty(raw.shape[::-1], np.float32)
    for rois in _batches(n_rois):
        traces = raw[:, rois].astype(float)
        rest[rois] = (traces - slow_baseline(traces, frame_rate_hz)).T
    denoised, deconvolved = np.zeros_like(rest), np.zeros_like(rest)
    refined = rest.copy()
    noise = _noise(refined, frame_rate_hz)
    neighbours = _neighbours(mixing.gram)
    for sweep in range(sweeps + 1):
        if sweep > 0:
            noise = _noise(refined, frame_rate_hz)
        for roi in range(n_rois):
            trace = rest[roi].astype(float)
            if sweep > 0:
                near, shares = neighbours[roi]
                trace += denoised[roi] + shares @ rest[near]
            coefficients = model.coefficients(roi, frame_rate_hz)
            before = denoised[roi].astype(float)
            denoised[roi], deconvolved[roi], level = deconvolve_trace(
                trace, coefficients, noise=float(noise[roi]), breaks=model.breaks
            )
            refined[roi] = trace - level
            rest[roi] = rest[roi] + before - denoised[roi] - level
    return refined.T, denoised.T, deconvolved.T, noise


def _batches(n_rois: int) -> list[slice]:
    return [slice(first, first + _ROIS_PER_BATCH) for first in range(0, n_rois, _ROIS_PER_BATCH)]


def _noise(traces: np.ndarray, frame_rate_hz: float) -> np.ndarray:
    """Return the noise of traces of shape (roi, frame), a batch at a time."""
    batches = (traces[rois].T.astype(float) for rois in _batches(len(traces)))
    parts = [estimate_noise(batch, frame_rate_hz) for batch in batches]
    return np.concatenate([np.zeros(0), *parts])


def _neighbours(gram: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return for each neuron those that share its projection, and their share relative to it."""
    own = np.maximum(np.diag(gram), 1e-30)
    is_near = np.abs(gram) > _LEAST_SHARE * np.sqrt(own[:, None] * own)
    np.fill_diagonal(is_near, False)
    near = [np.flatnonzero(row) for row in is_near]
    return [(rois, gram[roi, rois] / own[roi]) for roi, rois in enumerate(near)]
