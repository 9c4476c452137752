"""What every imaging function takes as its movie, and the walk through it in blocks.

A movie is anything with a shape, a frame rate and `read(start, stop)`. `CorrectedMovie`
(corrected.py) applies crop, debleaching and shifts while reading.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

ProgressCallback = Callable[[int, int], None]
"""Called with (frames or items done, of how many)."""


class Movie(Protocol):
    """A movie that is read block by block."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n_frames, n_rows, n_columns)."""
        ...

    @property
    def frame_rate_hz(self) -> float:
        """Frames per second, measured from the time stamps."""
        ...

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return frames start..stop, shape (frame, row, column), any real dtype."""
        ...


@dataclass(frozen=True)
class ArrayMovie:
    """A movie held in an array of shape (frame, row, column)."""

    frames: np.ndarray
    frame_rate_hz: float

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n_frames, n_rows, n_columns)."""
        n_frames, n_rows, n_columns = self.frames.shape
        return n_frames, n_rows, n_columns

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return frames start..stop, shape (frame, row, column)."""
        return self.frames[start:stop]


def movie_breaks(movie: Movie) -> tuple[int, ...]:
    """Return the frames that follow an interruption, if what the movie is read from knows any."""
    source: Any = movie
    while hasattr(source, "source"):
        source = source.source
    return tuple(getattr(source, "breaks", ()))


def no_progress(_done: int, _of: int) -> None:
    """Report nothing."""


def iterate_blocks(movie: Movie, block_frames: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (first frame, block of shape (frame, row, column)) through the whole movie."""
    n_frames = movie.shape[0]
    for start in range(0, n_frames, block_frames):
        yield start, movie.read(start, min(start + block_frames, n_frames))
