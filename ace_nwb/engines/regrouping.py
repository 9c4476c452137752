"""ROIs that people merged or split: their footprints, and their traces measured in the movie anew.

A merged footprint is the sum of its sources, weighted by how strong their traces are; a split one
is cut along a line. The background is linear in the movie (see cnmfe/traces.py), so that one
projection of the movie on footprints and on their background rings gives traces free of it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csc_array, hstack
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ace_nwb.engines.cnmfe.background import CoarseGrid
from ace_nwb.engines.cnmfe.footprints import normalise
from ace_nwb.engines.cnmfe.passes import project
from ace_nwb.engines.cnmfe.traces import CalciumModel, Mixing, refine_traces
from ace_nwb.errors import CurationError
from ace_nwb.imaging.movie import Movie, ProgressCallback, no_progress
from ace_nwb.imaging.segmentation import RingBackground, Segmentation
from ace_nwb.signals.kinetics import slow_baseline

_RIDGE = 1e-3  # on the diagonal of normed footprints, as in cnmfe/traces.py
_SWEEPS = 2  # of coordinate descent: few ROIs change, the others stand


@dataclass(frozen=True)
class Shape:
    """A ROI in the making: footprint (pixel, 1) of norm 1, denoised trace, decay time.

    Parameters
    ----------
    footprint
        Shape (pixel, 1).
    trace
        Denoised, shape (frame,); of a made ROI a first guess.
    decay_time_s
        Seconds.
    """

    footprint: csc_array
    trace: np.ndarray
    decay_time_s: float


def shape_of(segmentation: Segmentation, column: int) -> Shape:
    """Return an extracted ROI as a shape."""
    return Shape(
        csc_array(segmentation.footprints[:, [column]]),
        segmentation.denoised[:, column],
        float(segmentation.decay_time_s[column]),
    )


def merge_shapes(shapes: list[Shape]) -> Shape:
    """Return one ROI for several."""
    strengths = np.array([float(np.sqrt(np.mean(shape.trace**2))) for shape in shapes])
    if not strengths.any():
        strengths[:] = 1.0
    stack = csc_array(hstack([shape.footprint for shape in shapes], format="csc"))
    merged = normalise(csc_array(stack @ strengths[:, None]))[0]
    shares = (merged.T @ stack).toarray().ravel()
    decay = np.average([shape.decay_time_s for shape in shapes], weights=strengths)
    trace = sum(share * shape.trace for share, shape in zip(shares, shapes, strict=True))
    return Shape(csc_array(merged), np.asarray(trace), float(decay))


def split_shape(
    shape: Shape, field_shape: tuple[int, int], line: tuple[float, float, float, float]
) -> tuple[Shape, Shape]:
    """Return the two halves of a ROI on either side of a line.

    Parameters
    ----------
    shape
        The ROI.
    field_shape
        (n_rows, n_columns).
    line
        Row and column of its start and of its end; it goes on beyond both.

    Raises
    ------
    CurationError
        If the whole footprint lies on one side.
    """
    is_left = left_of_line(shape.footprint.indices, field_shape, line)
    if is_left.all() or not is_left.any():
        raise CurationError(
            "The dividing line leaves the whole footprint on one side. Draw it across the ROI."
        )
    return _half(shape, is_left), _half(shape, ~is_left)


def left_of_line(
    pixels: np.ndarray, field_shape: tuple[int, int], line: tuple[float, float, float, float]
) -> np.ndarray:
    """Return which pixels (row-major numbers) lie to the left of a line seen along it."""
    row_start, column_start, row_stop, column_stop = line
    rows, columns = np.divmod(pixels, field_shape[1])
    along_row, along_column = row_stop - row_start, column_stop - column_start
    return np.asarray(
        along_column * (rows - row_start) - along_row * (columns - column_start) < 0, bool
    )


def _half(shape: Shape, is_kept: np.ndarray) -> Shape:
    """Return the part of a ROI made of some of its pixels."""
    pixels, values = shape.footprint.indices[is_kept], shape.footprint.data[is_kept]
    part = csc_array((values, pixels, [0, len(pixels)]), shape=shape.footprint.shape)
    footprint, norms = normalise(part)
    return Shape(csc_array(footprint), shape.trace * float(norms[0]), shape.decay_time_s)


def measure_shapes(
    movie: Movie,
    shapes: list[Shape],
    others: Segmentation,
    *,
    autoregressive_order: int,
    workers: int = 1,
    progress: ProgressCallback = no_progress,
) -> Segmentation:
    """Measure the traces of new ROIs beside ROIs that stay as they are.

    Parameters
    ----------
    movie
        The movie the segmentation was made from; read once.
    shapes
        The new ROIs.
    others
        The ROIs that stay, and the background model.
    autoregressive_order
        Order of the calcium model.
    workers
        Number of threads; the result does not depend on it.
    progress
        Called with (frames done, number of frames).

    Returns
    -------
    Segmentation
        The new ROIs alone.
    """
    new = csc_array(hstack([shape.footprint for shape in shapes], format="csc"))
    rings = _rings(new, others.background, others.field_shape)
    both = csc_array(hstack([new, rings], format="csc"))
    with threadpool_limits(1, user_api="blas"):
        projected = project(movie, both, workers=workers, progress=progress).astype(float)
        seen, around = np.split(projected, 2, axis=1)
        mixing = _mix(new, rings, new)
        with_others = _mix(new, rings, others.footprints)
        known = others.denoised - others.denoised.mean(0)
        target = (seen - seen.mean(0)) - (around - around.mean(0)) - known @ with_others.gram.T
        ridge = _RIDGE * np.eye(len(shapes))
        raw = np.linalg.solve(mixing.gram + ridge, target.T).T
        raw -= slow_baseline(raw, movie.frame_rate_hz)
        decay = np.array([shape.decay_time_s for shape in shapes])
        raw, denoised, deconvolved, noise = refine_traces(
            raw,
            mixing,
            movie.frame_rate_hz,
            CalciumModel(decay, autoregressive_order),
            sweeps=_SWEEPS,
        )
    level = seen.mean(0) - denoised.mean(0) @ mixing.overlap.T
    level -= others.denoised.mean(0) @ with_others.overlap.T
    ring = around - around.mean(0) - known @ (with_others.overlap - with_others.gram).T
    ring -= (denoised - denoised.mean(0)) @ (mixing.overlap - mixing.gram).T
    return Segmentation(
        footprints=new,
        field_shape=others.field_shape,
        raw=raw.astype(np.float32),
        denoised=denoised.astype(np.float32),
        deconvolved=deconvolved.astype(np.float32),
        baseline=(level + ring).astype(np.float32),
        noise=noise,
        decay_time_s=decay,
        background=None,
        seeds=np.zeros((0, 2), int),
    )


def _mix(new: csc_array, rings: csc_array, footprints: csc_array) -> Mixing:
    """Return how traces of `footprints` mix into what is seen at the new ROIs less background."""
    overlap = (new.T @ footprints).toarray().astype(float)
    leak = (rings.T @ footprints).toarray().astype(float)
    nothing = np.zeros((0, 0))
    return Mixing(overlap - leak, overlap, nothing, nothing)


def _rings(
    footprints: csc_array, background: RingBackground | None, field_shape: tuple[int, int]
) -> csc_array:
    """Return the pixels, weighted, that predict the background under each footprint."""
    if background is None:
        return csc_array(footprints.shape, dtype=np.float32)
    grid = CoarseGrid(field_shape, background.downsampling)
    coarse = background.weights.T @ (grid.interpolate().T @ footprints)
    return csc_array(grid.average().T @ coarse, dtype=np.float32)


def replace_rois(
    segmentation: Segmentation, kept: np.ndarray, made: Segmentation | None
) -> Segmentation:
    """Return a segmentation of some of its ROIs, and new ones behind them.

    Parameters
    ----------
    segmentation
        As extracted.
    kept
        Columns of the ROIs that stay.
    made
        The new ROIs, or None.
    """
    parts = [_choose(segmentation, kept)] + ([] if made is None else [made])
    traces: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts], axis=1)
        for name in ("raw", "denoised", "deconvolved", "baseline")
    }
    n_made = 0 if made is None else made.n_rois
    unknown = np.full(n_made, np.nan)
    return Segmentation(
        footprints=csc_array(hstack([part.footprints for part in parts], format="csc")),
        field_shape=segmentation.field_shape,
        noise=np.concatenate([part.noise for part in parts]),
        decay_time_s=np.concatenate([part.decay_time_s for part in parts]),
        background=segmentation.background,
        seeds=segmentation.seeds,
        metrics={
            name: np.concatenate([np.asarray(values, float)[kept], unknown])
            for name, values in segmentation.metrics.items()
        },
        **traces,
    )


def _choose(segmentation: Segmentation, kept: np.ndarray) -> Segmentation:
    """Return some ROIs of a segmentation."""
    return Segmentation(
        footprints=csc_array(segmentation.footprints[:, kept]),
        field_shape=segmentation.field_shape,
        raw=segmentation.raw[:, kept],
        denoised=segmentation.denoised[:, kept],
        deconvolved=segmentation.deconvolved[:, kept],
        baseline=segmentation.baseline[:, kept],
        noise=segmentation.noise[kept],
        decay_time_s=segmentation.decay_time_s[kept],
        background=segmentation.background,
        seeds=segmentation.seeds,
    )
