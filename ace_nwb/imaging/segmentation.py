"""The result of source extraction, as arrays: what every engine returns and the file stores."""

from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csc_array, csr_array


@dataclass(frozen=True)
class RingBackground:
    """Background in which each pixel is a weighted sum of a ring of pixels around it.

    On a grid `downsampling` times coarser than the field, with Y the movie, A C the neural
    part: background = baseline + weights @ (Y - A C - baseline) (Zhou et al. 2018, eq. 5-6).

    Parameters
    ----------
    weights
        Shape (coarse pixel, coarse pixel), row-major pixel order.
    baseline
        Constant level of each pixel of the field, shape (row, column).
    downsampling
        Side of a coarse pixel in pixels of the field.
    """

    weights: csr_array
    baseline: np.ndarray
    downsampling: int


@dataclass(frozen=True)
class Segmentation:
    """Neurons found in a movie of shape (n_frames, n_rows, n_columns).

    Parameters
    ----------
    footprints
        Spatial weights, shape (n_rows * n_columns, n_rois); pixel = row * n_columns + column;
        each footprint has Euclidean norm 1.
    field_shape
        (n_rows, n_columns) of the field that the engine saw.
    raw
        Footprint-weighted fluorescence with background and other neurons removed,
        shape (frame, roi), in units of the movie.
    denoised, deconvolved
        Calcium model and inferred activity, shape (frame, roi), same units as `raw`.
    baseline
        Background fluorescence under each footprint with the same weights as `raw`,
        shape (frame, roi): the denominator of dF/F.
    noise
        Standard deviation of the noise of `raw`, shape (roi,).
    decay_time_s
        Decay time constant of the calcium transient, shape (roi,), seconds.
    background
        Model that rebuilds the background, or None if the engine has none.
    seeds
        (row, column) of every seed pixel, shape (seed, 2).
    metrics
        Further numbers per ROI by name, each of shape (roi,).
    software
        Programs outside this environment that took part, and their versions.
    """

    footprints: csc_array
    field_shape: tuple[int, int]
    raw: np.ndarray
    denoised: np.ndarray
    deconvolved: np.ndarray
    baseline: np.ndarray
    noise: np.ndarray
    decay_time_s: np.ndarray
    background: RingBackground | None
    seeds: np.ndarray
    metrics: dict[str, np.ndarray] = field(default_factory=dict)
    software: dict[str, str] = field(default_factory=dict)

    @property
    def n_rois(self) -> int:
        """Number of neurons."""
        return int(self.footprints.shape[1])

    def image_masks(self) -> np.ndarray:
        """Return the footprints as images, shape (roi, row, column), float32."""
        dense = self.footprints.T.toarray().astype(np.float32, copy=False)
        return dense.reshape(self.n_rois, *self.field_shape)
