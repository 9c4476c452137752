"""What is true of a simulated movie and recording, and its files."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array


@dataclass(frozen=True)
class MovieTruth:
    """What is true of a simulated movie.

    Parameters
    ----------
    footprints
        As they appear at rest in the raw field, behind vessels and vignette, shape
        (roi, n_rows * n_columns); pixel = row * n_columns + column.
    field_shape
        (n_rows, n_columns).
    centres_px
        (row, column) of the cells at rest, shape (roi, 2).
    calcium
        Shape (frame, roi); footprint x calcium x brightness = light in grey levels.
    spike_times_s
        Spike times per cell, on the clock of `frame_times_s`.
    displacement_px
        Where the tissue stands, shape (frame, 2): what rests at (row, column) appears at
        (row, column) + displacement. Median 0.
    brightness
        Bleaching relative to the start, shape (frame,).
    frame_times_s
        Time of every frame, shape (frame,).
    pixel_noise
        Standard deviation of the sensor noise at rest, shape (row, column), grey levels.
    """

    footprints: csr_array
    field_shape: tuple[int, int]
    centres_px: np.ndarray
    calcium: np.ndarray
    spike_times_s: tuple[np.ndarray, ...]
    displacement_px: np.ndarray
    brightness: np.ndarray
    frame_times_s: np.ndarray
    pixel_noise: np.ndarray

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return int(self.footprints.shape[0])

    @property
    def correction_px(self) -> np.ndarray:
        """(row, column) to add to coordinates in a raw frame to come to rest, shape (frame, 2)."""
        return -self.displacement_px

    @property
    def max_displacement_px(self) -> float:
        """Largest displacement along either axis."""
        return float(np.abs(self.displacement_px).max(initial=0.0))

    def image_masks(self) -> np.ndarray:
        """Return the footprints as images, shape (roi, row, column), float32."""
        dense = self.footprints.toarray().astype(np.float32)
        return dense.reshape(self.n_cells, *self.field_shape)
