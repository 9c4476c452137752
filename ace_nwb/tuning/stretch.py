"""The part of a movie that parameters are tried on."""

from dataclasses import dataclass

import numpy as np

from ace_nwb.imaging.cropping import CropBox
from ace_nwb.imaging.movie import ArrayMovie, Movie

_BLOCK_FRAMES = 128  # frames in memory at once


@dataclass(frozen=True)
class TrialStretch:
    """Frames first..stop (exclusive) of a movie."""

    source: Movie
    first: int
    stop: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n_frames, n_rows, n_columns)."""
        return self.stop - self.first, *self.source.shape[1:]

    @property
    def frame_rate_hz(self) -> float:
        """Frames per second of the source."""
        return self.source.frame_rate_hz

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return frames start..stop of the stretch, shape (frame, row, column)."""
        return self.source.read(self.first + start, min(self.first + stop, self.stop))


def middle_stretch(movie: Movie, seconds: float) -> TrialStretch:
    """Return the middle `seconds` of a movie, or all of it if it is shorter."""
    n_frames = movie.shape[0]
    count = int(min(n_frames, max(1, round(seconds * movie.frame_rate_hz))))
    first = (n_frames - count) // 2
    return TrialStretch(movie, first, first + count)


def busiest_box(places: np.ndarray, field_shape: tuple[int, int], *, side_px: int) -> CropBox:
    """Return the square with the most places in it, inside the field.

    Parameters
    ----------
    places
        (row, column) of each, shape (place, 2).
    field_shape
        (n_rows, n_columns).
    side_px
        Side of the square, pixels; the field's own sides if they are smaller.
    """
    sides = [min(side_px, size) for size in field_shape]
    counts = np.zeros([size - side + 1 for size, side in zip(field_shape, sides, strict=True)], int)
    for row, column in np.asarray(places, int):
        rows = slice(max(0, row - sides[0] + 1), row + 1)
        counts[rows, max(0, column - sides[1] + 1) : column + 1] += 1
    best = np.argwhere(counts == counts.max())  # the middle one of all that are alike
    row, column = best[len(best) // 2]
    return CropBox(int(row), int(row) + sides[0], int(column), int(column) + sides[1])


def load_box(movie: Movie, box: CropBox) -> ArrayMovie:
    """Return a box of a movie in memory."""
    n_frames = movie.shape[0]
    frames = np.empty((n_frames, *box.shape), np.float32)
    rows, columns = box.slices
    for start in range(0, n_frames, _BLOCK_FRAMES):
        block = movie.read(start, min(start + _BLOCK_FRAMES, n_frames))
        frames[start : start + len(block)] = block[:, rows, columns]
    return ArrayMovie(frames, movie.frame_rate_hz)
