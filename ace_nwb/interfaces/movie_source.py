"""The movie of a recording as an array: frames of one or many files, read in order."""

from collections.abc import Iterator, Sequence

import numpy as np

from ace_nwb.imaging.storage import empty_pages, movie_chunk_shape, turn_axes
from ace_nwb.interfaces.video import MovieProbe
from ace_nwb.interfaces.video_decoding import iterate_frames


class MovieFiles:
    """Movie files that form one movie; reading forwards decodes every frame once.

    Parameters
    ----------
    probes
        The files in order.
    """

    def __init__(self, probes: Sequence[MovieProbe]) -> None:
        self.probes = tuple(probes)
        self._frames: Iterator[np.ndarray] = iter(())
        self._position = -1

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n_frames, n_rows, n_columns)."""
        first = self.probes[0]
        return sum(probe.n_frames for probe in self.probes), first.n_rows, first.n_columns

    @property
    def dtype(self) -> np.dtype:
        """Type of the pixels."""
        return self.probes[0].dtype

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return frames start..stop, shape (frame, row, column)."""
        if start != self._position:
            self._seek(start)
        frames = empty_pages((stop - start, *self.shape[1:]), self.dtype)
        for index in range(stop - start):
            frames[index] = next(self._frames)
        self._position = stop
        return frames

    def _seek(self, start: int) -> None:
        """Open at the file that holds frame `start` and skip to it."""
        first_of_file = 0
        for index, probe in enumerate(self.probes):
            if start < first_of_file + probe.n_frames or index == len(self.probes) - 1:
                break
            first_of_file += probe.n_frames
        self._frames = iterate_frames(self.probes[index:])
        for _skipped in range(start - first_of_file):
            next(self._frames)


class NwbMovie:
    """The same movie in NWB's axis order (frame, x, y)."""

    def __init__(self, movie: MovieFiles) -> None:
        self._movie = movie
        n_frames, n_rows, n_columns = movie.shape
        self.shape = (n_frames, n_columns, n_rows)
        self.dtype = movie.dtype
        self.chunk_shape = movie_chunk_shape(self.shape, itemsize=self.dtype.itemsize)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return frames start..stop, shape (frame, x, y)."""
        return turn_axes(self._movie.read(start, stop))
