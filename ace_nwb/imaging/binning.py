"""Movies and traces averaged over short stretches of time."""

from dataclasses import dataclass

import numpy as np

from ace_nwb.imaging.movie import Movie

BIN_DURATION_S = 0.2
"""Frames are averaged over this time where calcium need not be resolved."""

_FRAMES_PER_READ = 64  # frames read at once: bounds memory


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
