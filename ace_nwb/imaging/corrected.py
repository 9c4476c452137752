"""A movie that is cropped, debleached and motion corrected while it is read.

`observed_box` tells which part of the corrected field the scope saw in (nearly) every frame.
"""

from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np

from ace_nwb.errors import MovieError
from ace_nwb.imaging.cropping import CropBox
from ace_nwb.imaging.movie import Movie
from ace_nwb.imaging.warping import shift_frames, warp_frames


@dataclass(frozen=True)
class CorrectedMovie:
    """A movie with corrections applied on the fly; reading is safe from several threads.

    Parameters
    ----------
    source
        The raw movie.
    crop
        Part of the field that is kept; None keeps all.
    bleaching
        Relative brightness to divide each frame by, shape (frame,); None divides by nothing.
    shifts
        (row, column) to add to the coordinates of each frame, shape (frame, 2), pixels; None
        moves nothing.
    deviations
        (row, column) to add to the shift at each node, shape (frame, node row, node column, 2),
        pixels (see `warping.warp_frames`); None moves all parts of a frame alike.
    """

    source: Movie
    crop: CropBox | None = None
    bleaching: np.ndarray | None = None
    shifts: np.ndarray | None = None
    deviations: np.ndarray | None = None
    _lock: Any = field(default_factory=Lock, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        n_frames = self.source.shape[0]
        for name, values in (
            ("bleaching", self.bleaching),
            ("shifts", self.shifts),
            ("deviations", self.deviations),
        ):
            if values is not None and len(values) != n_frames:
                raise MovieError(
                    f"The {name} has {len(values)} rows, the movie {n_frames} frames. Expected "
                    f"one row per frame. Run the stage that writes the {name} again."
                )

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process without the lock."""
        parts = self.source, self.crop, self.bleaching, self.shifts, self.deviations
        return CorrectedMovie, parts

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n_frames, n_rows, n_columns) after the crop."""
        n_frames, n_rows, n_columns = self.source.shape
        if self.crop is not None:
            n_rows, n_columns = self.crop.shape
        return n_frames, n_rows, n_columns

    @property
    def frame_rate_hz(self) -> float:
        """Frames per second of the source."""
        return self.source.frame_rate_hz

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return corrected frames start..stop, shape (frame, row, column), float32."""
        with self._lock:
            frames = self.source.read(start, stop)
        if self.crop is not None:
            rows, columns = self.crop.slices
            frames = frames[:, rows, columns]
        stop = start + len(frames)
        gains = np.ones(len(frames), np.float32)
        if self.bleaching is not None:
            gains = (1 / self.bleaching[start:stop]).astype(np.float32)
        if self.deviations is not None:
            shifts = np.zeros((len(frames), 2)) if self.shifts is None else self.shifts[start:stop]
            return warp_frames(frames, shifts, self.deviations[start:stop], gains)
        if self.shifts is not None:
            return shift_frames(frames, self.shifts[start:stop], gains)
        corrected = np.array(frames, np.float32, order="C")
        if self.bleaching is not None:
            corrected *= gains[:, None, None]
        return corrected


@dataclass(frozen=True)
class CroppedMovie:
    """Part of the field of a movie."""

    source: Movie
    crop: CropBox

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n_frames, n_rows, n_columns) after the crop."""
        return self.source.shape[0], *self.crop.shape

    @property
    def frame_rate_hz(self) -> float:
        """Frames per second of the source."""
        return self.source.frame_rate_hz

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return frames start..stop, shape (frame, row, column), contiguous."""
        rows, columns = self.crop.slices
        return np.ascontiguousarray(self.source.read(start, stop)[:, rows, columns])


_RARE = 5e-4  # share of frames at each side whose shifts may reach beyond the border
_LEAST_SIDE_PX = 16  # px: a cell and its surround


def observed_box(movie: Movie, *, multiple: int = 1) -> CropBox:
    """Return the part of the field that motion left in view in all but 0.1 % of the frames.

    Parameters
    ----------
    movie
        Its whole field is returned unless it is a `CorrectedMovie` with shifts.
    multiple
        Limits of the box inside the field are multiples of this, pixels.
    """
    _, n_rows, n_columns = movie.shape
    whole = CropBox(0, n_rows, 0, n_columns)
    if not isinstance(movie, CorrectedMovie) or movie.shifts is None or not len(movie.shifts):
        return whole
    limits = np.quantile(movie.shifts, [_RARE, 1 - _RARE], axis=0)
    if movie.deviations is not None:
        furthest = np.quantile(movie.deviations, [_RARE, 1 - _RARE], axis=0)
        limits += [furthest[0].min((0, 1)), furthest[1].max((0, 1))]
    starts = np.ceil(np.maximum(limits[1] - 0.5, 0) / multiple).astype(int) * multiple
    ends = np.ceil(np.maximum(-limits[0] - 0.5, 0)).astype(int)
    stops = np.array([n_rows, n_columns]) - ends
    stops = np.where(ends > 0, stops // multiple * multiple, stops)
    if (stops - starts < _LEAST_SIDE_PX).any():
        return whole
    return CropBox(int(starts[0]), int(stops[0]), int(starts[1]), int(stops[1]))
