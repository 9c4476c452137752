"""Array sources as hdmf iterators, for writers other than ours (NeuroConv's, pynwb's own)."""

from typing import Any

import numpy as np
from hdmf.data_utils import GenericDataChunkIterator

from ace_nwb.interfaces.base import ArraySource

BUFFER_BYTES = 64_000_000
"""Largest block held at once."""


class SourceIterator(GenericDataChunkIterator):
    """Reads an array source in blocks of whole rows, in order."""

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
