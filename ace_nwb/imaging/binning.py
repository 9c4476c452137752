"""Movies averaged over short stretches of time, and movies kept in memory if they fit."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ace_nwb.imaging.blocks import map_blocks
from ace_nwb.imaging.movie import ArrayMovie, Movie, ProgressCallback, no_progress

BIN_DURATION_S = 0.2
"""Frames are averaged over this time where calcium need not be resolved."""

_FRAMES_PER_READ = 64


def bin_factor(frame_rate_hz: float, duration_s: float = BIN_DURATION_S) -> int:
    """Return how many frames make one bin."""
    return max(1, round(frame_rate_hz * duration_s))


@dataclass(frozen=True)
class BinnedMovie:
    """A movie whose frames are means of `factor` frames of the source; the last may be of fewer.

    Parameters
    ----------
    source
        Any movie.
    factor
        Number of frames averaged.
    """

    source: Movie
    factor: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n_bins, n_rows, n_columns)."""
        n_frames, n_rows, n_columns = self.source.shape
        return -(-n_frames // self.factor), n_rows, n_columns

    @property
    def frame_rate_hz(self) -> float:
        """Bins per second."""
        return self.source.frame_rate_hz / self.factor

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return bins start..stop, shape (bin, row, column), float32."""
        stop = min(stop, self.shape[0])
        if self.factor == 1:
            return self.source.read(start, stop).astype(np.float32, copy=False)
        binned = np.empty((max(0, stop - start), *self.shape[1:]), np.float32)
        step = max(1, _FRAMES_PER_READ // self.factor)
        for first in range(start, stop, step):
            last = min(first + step, stop)
            frames = self.source.read(first * self.factor, last * self.factor)
            for index in range(first, last):
                part = frames[(index - first) * self.factor :][: self.factor]
                np.mean(part, axis=0, dtype=np.float32, out=binned[index - start])
        return binned


def bin_traces(traces: np.ndarray, factor: int) -> np.ndarray:
    """Return traces averaged like the frames of a `BinnedMovie`, shape (bin, ...)."""
    edges = np.arange(0, len(traces), factor)
    counts = np.diff(np.append(edges, len(traces)))
    sums = np.add.reduceat(traces, edges, axis=0)
    return sums / counts.reshape(-1, *[1] * (traces.ndim - 1))


@dataclass(frozen=True)
class StoredMovie:
    """A float32 movie in a plain file, read without mapping it into memory.

    Parameters
    ----------
    path
        File of frames in order.
    shape
        (n_frames, n_rows, n_columns).
    frame_rate_hz
        Frames per second.
    """

    path: Path
    shape: tuple[int, int, int]
    frame_rate_hz: float

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return frames start..stop, shape (frame, row, column), float32."""
        size = self.shape[1] * self.shape[2]
        stop = min(stop, self.shape[0])
        frames = np.fromfile(self.path, np.float32, (stop - start) * size, offset=4 * start * size)
        return frames.reshape(-1, *self.shape[1:])


def store(
    movie: Movie, path: Path, *, workers: int = 1, progress: ProgressCallback = no_progress
) -> StoredMovie:
    """Write a movie to a plain file and return it as read from there."""
    with path.open("wb") as file:
        blocks = map_blocks(
            movie,
            lambda _start, block: np.ascontiguousarray(block, np.float32),
            workers=workers,
            progress=progress,
        )
        for block in blocks:
            block.tofile(file)
    return StoredMovie(path, movie.shape, movie.frame_rate_hz)


def size_in_bytes(movie: Movie) -> int:
    """Return what the movie takes as float32."""
    return 4 * int(np.prod(movie.shape, dtype=np.int64))


def keep_in_memory(
    movie: Movie, *, max_bytes: int, workers: int = 1, progress: ProgressCallback = no_progress
) -> Movie:
    """Return the movie as a float32 array if that takes at most `max_bytes`, else itself."""
    if size_in_bytes(movie) > max_bytes:
        return movie
    frames = np.empty(movie.shape, np.float32)

    def copy(start: int, block: np.ndarray) -> None:
        frames[start : start + len(block)] = block

    for _ in map_blocks(movie, copy, workers=workers, progress=progress):
        pass
    return ArrayMovie(frames, movie.frame_rate_hz)
