"""What other programs found, before it has a place in a session."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csc_array

from ace_nwb.errors import FormatError
from ace_nwb.imaging.segmentation import RingBackground

_MOST_BAD = 0.01
"""Of the time stamps: hosts write a few of thousands amiss; more is another kind of fault."""

_SAME_S = 1e-9
"""Intervals that differ by less are one rate, seconds: what NWB's own tools take for regular."""


@dataclass(frozen=True)
class Recording:
    """What traces say of the recording that they come from, for sessions without its movie.

    Parameters
    ----------
    plane
        Path of the imaging plane in the file that they are in; empty if there is none.
    unit
        Unit of fluorescence.
    times
        When frames were taken, as `write_series` takes it; empty if that cannot be told.
    problem
        Why it cannot.
    remark
        What was repaired.
    """

    plane: str = ""
    unit: str = "n.a."
    times: dict[str, Any] = field(default_factory=dict)
    problem: str = "the results say nothing of times"
    remark: str = ""

    def at_rate(self, rate_hz: float, start_s: float = 0.0) -> "Recording":
        """Return it with regular frames."""
        if not rate_hz > 0:
            return replace(self, problem=f"the frame rate is {rate_hz} Hz")
        return replace(self, times={"rate_hz": rate_hz, "start_s": start_s})

    def at_times(self, times_s: np.ndarray, n_frames: int, name: str) -> "Recording":
        """Return it with time stamps, if they are one per frame and increase.

        A few that do not, or are not finite, lie between their neighbours, which is said.
        """
        if times_s.shape != (n_frames,):
            found = f"the time stamps of {name} have shape {times_s.shape} for {n_frames} frames"
            return replace(self, problem=found)
        is_bad = _find_bad(times_s)
        if is_bad.sum() > _MOST_BAD * n_frames or is_bad[[0, -1]].any():
            return replace(self, problem=f"the time stamps of {name} do not increase throughout")
        if is_bad.any():
            frames, good = np.arange(n_frames), ~is_bad
            times_s = np.interp(frames, frames[good], times_s[good])
            told = f"{is_bad.sum()} time stamps of {name} were missing or not after the one before"
            return replace(
                self, times={"timestamps": times_s}, remark=f"{told}: put between their neighbours"
            )
        steps_s = np.diff(times_s)
        if len(steps_s) and np.ptp(steps_s) < _SAME_S:
            return self.at_rate(float(1 / steps_s.mean()), float(times_s[0]))
        return replace(self, times={"timestamps": times_s})

    def require_times(self) -> dict[str, Any]:
        """Return when frames were taken.

        Raises
        ------
        FormatError
            If that cannot be told.
        """
        if not self.times:
            raise FormatError(
                f"The session has no movie to take times from, and {self.problem}. State the frame "
                "rate: `ace-nwb adopt FILE FILE --frame-rate-hz HZ`."
            )
        return self.times


def _find_bad(times_s: np.ndarray) -> np.ndarray:
    """Return which time stamps are not finite, or not later than all before them."""
    is_finite = np.isfinite(times_s)
    latest = np.maximum.accumulate(np.where(is_finite, times_s, -np.inf))
    before = np.concatenate([[-np.inf], latest[:-1]])[: len(times_s)]
    return ~is_finite | (times_s <= before)


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
    unit_ids
        Its own number of each ROI, shape (roi,).
    is_relative
        Whether the traces are dF/F, and there is no fluorescence.
    recording
        What the traces say of the recording.
    remarks
        What was not taken as it stands, and why.
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
    is_relative: bool = False
    recording: Recording = field(default_factory=Recording)
    remarks: tuple[str, ...] = ()

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
