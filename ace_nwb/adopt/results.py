"""What other programs found, before it has a place in a session."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.sparse import csc_array

from ace_nwb.errors import FormatError
from ace_nwb.imaging.segmentation import RingBackground


@dataclass(frozen=True)
class ForeignResult:
    """ROIs of another program.

    Parameters
    ----------
    program
        Name and version, as far as the file says it.
    footprints
        Shape (pixel, roi), row-major pixels of its own field, any scale.
    field_shape
        (n_rows, n_columns) of that field.
    denoised, deconvolved, residual
        Shape (frame, roi): calcium model (C), inferred activity (S), and what the model left of
        the footprint-weighted trace (YrA); None where there is none.
    baseline_image
        Constant background, shape (row, column).
    background_trace
        Low-rank background as seen by each ROI, shape (frame, roi).
    ring
        Ring model of the background.
    snr, r_value, accepted
        Shape (roi,); None where there is none.
    noise, decay_time_s
        Shape (roi,); None where there is none.
    frame_rate_hz
        As stated there.
    parameters
        Name -> value, of its own settings.
    """

    program: str
    footprints: csc_array
    field_shape: tuple[int, int]
    denoised: np.ndarray
    deconvolved: np.ndarray | None = None
    residual: np.ndarray | None = None
    baseline_image: np.ndarray | None = None
    background_trace: np.ndarray | None = None
    ring: RingBackground | None = None
    snr: np.ndarray | None = None
    r_value: np.ndarray | None = None
    accepted: np.ndarray | None = None
    noise: np.ndarray | None = None
    decay_time_s: np.ndarray | None = None
    frame_rate_hz: float | None = None
    parameters: dict[str, str] = field(default_factory=dict)
    unit_ids: np.ndarray | None = None

    @property
    def n_frames(self) -> int:
        """Number of frames of the traces."""
        return int(self.denoised.shape[0])

    @property
    def n_rois(self) -> int:
        """Number of ROIs."""
        return int(self.footprints.shape[1])


def refuse_no_rois(path: Path, n_rois: int) -> None:
    """Refuse results without ROIs.

    Raises
    ------
    FormatError
        If there are none.
    """
    if not n_rois:
        raise FormatError(f"{path} holds 0 ROIs. One or more were expected; there is none to take.")


def turn_pixels(matrix: csc_array, shape: tuple[int, int]) -> csc_array:
    """Return a matrix of column-major pixels as one of row-major pixels, or the reverse.

    For the reverse give the shape with its sides exchanged.
    """
    columns, rows = np.divmod(matrix.indices, shape[0])
    pixels = rows * shape[1] + columns
    turned = csc_array((matrix.data, pixels, matrix.indptr), shape=matrix.shape)
    turned.sort_indices()
    return turned
