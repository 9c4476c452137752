"""Large arrays on their way into the file: read block by block, in their NWB axis order."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from hdmf.backends.hdf5 import H5DataIO
from hdmf.data_utils import GenericDataChunkIterator

from ace_nwb.interfaces.nwb_objects import series_times

BUFFER_BYTES = 64_000_000
"""Largest block held at once by an iterator."""


class ArraySource(Protocol):
    """A large array that is read in order, block by block, in its NWB axis order."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape as stored."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """Type as stored."""
        ...

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """Shape of a stored chunk."""
        ...

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return entries start..stop along the first axis."""
        ...


@dataclass(frozen=True)
class PendingArray:
    """A dataset that stands empty in the file until its source is written into it."""

    dataset_path: str
    source: ArraySource
    title: str


@dataclass(frozen=True)
class FirstRows:
    """The beginning of a source: at most `n_rows` entries along its first axis."""

    source: ArraySource
    n_rows: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what is kept."""
        n_rows, *others = self.source.shape
        return min(n_rows, self.n_rows), *others

    @property
    def dtype(self) -> np.dtype:
        """Type as stored."""
        return self.source.dtype

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """Shape of a stored chunk, not longer than what is kept."""
        chunk_rows, *others = self.source.chunk_shape
        return min(chunk_rows, self.shape[0]), *others

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return entries start..stop along the first axis."""
        return self.source.read(start, stop)


@dataclass
class ArrayPlacer:
    """Turns sources into the `data` of NWB objects and remembers which are still to be written.

    Parameters
    ----------
    deferred
        Create empty datasets, to be filled by `nwb.content.movie_writing` after the file's
        structure is written; else give iterators that any NWB writer drains.
    most_rows
        Keep so many entries of each array, to try a conversion.
    in_memory
        Read at once instead of giving iterators.
    iterator_options
        Of hdmf's iterator: size of its buffer, progress bar.
    has_all_times
        Write a time for every entry, where a rate would say the same.
    """

    deferred: bool
    pending: list[PendingArray] = field(default_factory=list)
    most_rows: int | None = None
    in_memory: bool = False
    iterator_options: Mapping[str, Any] = field(default_factory=dict)
    has_all_times: bool = False

    def place(self, dataset_path: str, source: ArraySource, *, title: str) -> Any:
        """Return what to hand to pynwb as `data`."""
        if self.most_rows is not None:
            source = FirstRows(source, self.most_rows)
        if self.in_memory:
            return source.read(0, source.shape[0])
        if not self.deferred:
            return SourceIterator(source, **self.iterator_options)
        self.pending.append(PendingArray(dataset_path, source, title))
        return _empty_dataset(source)

    def times(self, times_s: np.ndarray) -> dict[str, Any]:
        """Return how a series stores the times (s) of what is kept of it."""
        kept_s = times_s[: self.most_rows]
        return {"timestamps": kept_s} if self.has_all_times else series_times(kept_s)


def iterate_source(source: ArraySource, block_rows: int) -> Iterator[np.ndarray]:
    """Yield consecutive blocks of a source."""
    n_rows = source.shape[0]
    for start in range(0, n_rows, block_rows):
        yield source.read(start, min(start + block_rows, n_rows))


class SourceIterator(GenericDataChunkIterator):
    """Reads a source in blocks of whole rows, for writers other than ours (NeuroConv, pynwb)."""

    def __init__(self, source: ArraySource, **options: Any) -> None:
        self._source = source
        if not {"chunk_shape", "chunk_mb"} & options.keys():
            options["chunk_shape"] = source.chunk_shape
        if not {"buffer_shape", "buffer_gb"} & options.keys():
            options["buffer_shape"] = _buffer_shape(source)
        super().__init__(**options)

    def _get_data(self, selection: tuple[slice, ...]) -> np.ndarray:
        rows = self._source.read(selection[0].start, selection[0].stop)
        return rows[(slice(None), *selection[1:])]

    def _get_maxshape(self) -> tuple[int, ...]:
        return self._source.shape

    def _get_dtype(self) -> Any:
        return self._source.dtype


def _buffer_shape(source: ArraySource) -> tuple[int, ...]:
    """Return the shape of whole rows and chunks within `BUFFER_BYTES`."""
    row_bytes = int(np.prod(source.shape[1:], dtype=np.int64)) * source.dtype.itemsize
    chunk_rows = source.chunk_shape[0]
    chunks = max(1, BUFFER_BYTES // max(1, row_bytes * chunk_rows))
    return min(source.shape[0], chunks * chunk_rows), *source.shape[1:]


def _empty_dataset(source: ArraySource) -> Any:
    """Return the recipe of an empty dataset: deflate behind shuffle where it helps."""
    return H5DataIO(
        shape=source.shape,
        dtype=source.dtype,
        chunks=source.chunk_shape,
        compression="gzip",
        compression_opts=1,
        shuffle=source.dtype.itemsize > 1,
    )
