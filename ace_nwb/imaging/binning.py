"""Movies averaged over short stretches of time, and movies kept in memory if they fit."""

from dataclasses import dataclass

import numpy as np

from ace_nwb.imaging.blocks import map_blocks
from ace_nwb.imaging.movie import ArrayMovie, Movie, ProgressCallback, no_progress

BIN_DURATION_S = 0.2
"""Frames are averaged over this time where calcium need not be resolved."""


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
        binned = np.empty((stop - start, *self.shape[1:]), np.float32)
        last = self.source.shape[0]
        for index in range(start, stop):
            frames = self.source.read(
                index * self.factor, min(last, (index + 1) * self.factor)
            )
            np.mean(frames, axis=0, dtype=np.float32, out=binned[index - start])
        return binned


def bin_traces(traces: np.ndarray, factor: int) -> np.ndarray:
    """Return traces averaged like the frames of a `BinnedMovie`, shape (bin, ...)."""
    edges = np.arange(0, len(traces), factor)
    counts = np.diff(np.append(edges, len(traces)))
    sums = np.add.reduceat(traces, edges, axis=0)
    return sums / counts.reshape(-1, *[1] * (traces.ndim - 1))


def keep_in_memory(
    movie: Movie, *, max_bytes: int, workers: int = 1, progress: ProgressCallback = no_progress
) -> Movie:
    """Return the movie as a float32 array if that takes at most `max_bytes`, else itself."""
    if 4 * int(np.prod(movie.shape)) > max_bytes:
        return movie
    frames = np.empty(movie.shape, np.float32)

    def copy(start: int, block: np.ndarray) -> None:
        frames[start : start + len(block)] = block

    for _ in map_blocks(movie, copy, workers=workers, progress=progress):
        pass
    return ArrayMovie(frames, movie.frame_rate_hz)
