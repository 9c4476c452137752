"""Large arrays on their way into the file: read block by block, in their NWB axis order."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from hdmf.backends.hdf5 import H5DataIO
from hdmf.data_utils import GenericDataChunkIterator

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


@dataclass
class ArrayPlacer:
    """Turns sources into the `data` of NWB objects and remembers which are still to be written.

    With `deferred` the datasets are created empty, to be filled by `nwb.content.movie_writing`
    after the file's structure is written; otherwise they are iterators that any NWB writer drains.
    """

    deferred: bool
    pending: list[PendingArray] = field(default_factory=list)

    def place(self, dataset_path: str, source: ArraySource, *, title: str) -> Any:
        """Return what to hand to pynwb as `data`."""
        if not self.deferred:
            return SourceIterator(source)
        self.pending.append(PendingArray(dataset_path, source, title))
        return _empty_dataset(source)


def iterate_source(source: ArraySource, block_rows: int) -> Iterator[np.ndarray]:
    """Yield consecutive blocks of a source."""
    n_rows = source.shape[0]
    for start in range(0, n_rows, block_rows):
        yield source.read(start, min(start + block_rows, n_rows))


class SourceIterator(GenericDataChunkIterator):
    """Reads a source in blocks of whole rows, for writers other than ours (NeuroConv, pynwb)."""

    def __init__(self, source: ArraySource) -> None:
        self._source = source
        row_bytes = int(np.prod(source.shape[1:], dtype=np.int64)) * source.dtype.itemsize
        chunk_rows = source.chunk_shape[0]
        chunks = max(1, BUFFER_BYTES // max(1, row_bytes * chunk_rows))
        buffer_rows = min(source.shape[0], chunks * chunk_rows)
        super().__init__(
            buffer_shape=(buffer_rows, *source.shape[1:]), chunk_shape=source.chunk_shape
        )

    def _get_data(self, selection: tuple[slice, ...]) -> np.ndarray:
        rows = self._source.read(selection[0].start, selection[0].stop)
        return rows[(slice(None), *selection[1:])]

    def _get_maxshape(self) -> tuple[int, ...]:
        return self._source.shape

    def _get_dtype(self) -> Any:
        return self._source.dtype


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
