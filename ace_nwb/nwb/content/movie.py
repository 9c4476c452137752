"""The raw movie of a session file, read frame by frame or as a patch over time.

Gzip chunks are fetched raw and decompressed on several threads, outside HDF5's global lock.
"""

import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from isal import isal_zlib

from ace_nwb.errors import SessionFileError
from ace_nwb.imaging.storage import turn_axes
from ace_nwb.nwb.content.frames import FrameTimes
from ace_nwb.nwb.layout import MOVIE
from ace_nwb.nwb.location import open_apart
from ace_nwb.nwb.reading import Session

_ALL = slice(None)
DecodedChunks = dict[tuple[int, ...], np.ndarray]
"""Offset of a chunk -> its content."""
_OUR_FILTERS = (
    {h5py.h5z.FILTER_DEFLATE},
    {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE},
)


class NwbMovie(FrameTimes):
    """A movie stored as an image series; satisfies `ace_nwb.imaging.movie.Movie`.

    Parameters
    ----------
    session
        The open session.
    path
        Path of the series.
    workers
        Threads that decompress.
    """

    def __init__(self, session: Session, path: str = MOVIE, *, workers: int = 2):
        super().__init__(session, path)
        self.workers = workers
        self._data = self.series.data
        self._kept: DecodedChunks = {}
        if len(self._data.shape) != 3 or self.series.external_file is not None:
            raise SessionFileError(
                f"{session.path}: {session.locate(path)} has shape {self._data.shape}. A grey "
                "movie of shape (frame, x, y) in the file was expected; convert it with ace_nwb."
            )

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process as a path; it is opened there."""
        return _reopen, (str(self.session.path.absolute()), self.path, self.workers)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n_frames, n_rows, n_columns)."""
        n_frames, n_columns, n_rows = self._data.shape
        return n_frames, n_rows, n_columns

    @property
    def dtype(self) -> np.dtype:
        """Type of a pixel."""
        return np.dtype(self._data.dtype)

    def read(
        self, start: int, stop: int, *, rows: slice = _ALL, columns: slice = _ALL
    ) -> np.ndarray:
        """Return frames start..stop, shape (frame, row, column), or a patch of them."""
        _, n_rows, n_columns = self.shape
        start, stop, _ = slice(start, stop).indices(self.shape[0])
        selection = (
            slice(start, max(start, stop)),
            slice(*columns.indices(n_columns)[:2]),
            slice(*rows.indices(n_rows)[:2]),
        )
        if _is_gzip_chunked(self._data):
            frames, self._kept = _read_chunks(self._data, selection, self.workers, self._kept)
            return turn_axes(frames)
        return turn_axes(self._data[selection])


def _reopen(session_path: str, path: str, workers: int) -> NwbMovie:
    """Return a movie in a process that it has travelled to."""
    session = open_apart(Path(session_path))
    movie = NwbMovie(session, path, workers=workers)
    weakref.finalize(movie, session.close)
    return movie


def _is_gzip_chunked(data: Any) -> bool:
    """Return whether all filters of the data set are ones we undo ourselves."""
    if not isinstance(data, h5py.Dataset) or data.chunks is None:
        return False
    plist = data.id.get_create_plist()
    filters = {plist.get_filter(i)[0] for i in range(plist.get_nfilters())}
    return filters in _OUR_FILTERS and data.dtype.isnative


def _read_chunks(
    data: h5py.Dataset, selection: tuple[slice, ...], workers: int, known: DecodedChunks
) -> tuple[np.ndarray, DecodedChunks]:
    """Read a box of a gzip-chunked data set, decompressing chunks in parallel.

    Also returns the decoded chunks of the last frames: reads that follow one another seldom end
    where a chunk ends, and would decode it again.
    """
    out = np.empty([box.stop - box.start for box in selection], data.dtype)
    offsets = list(_chunk_offsets(data.chunks, selection))
    last: DecodedChunks = {}

    def read_chunk(offset: tuple[int, ...]) -> None:
        chunk = known[offset] if offset in known else _decode(data, offset)
        if offset[0] == offsets[-1][0]:
            last[offset] = chunk
        source, target = _overlap(offset, data.chunks, selection)
        out[target] = chunk[source]

    if len(offsets) == 1 or workers == 1 or all(offset in known for offset in offsets):
        for offset in offsets:
            read_chunk(offset)
    else:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(read_chunk, offsets))
    return out, last


def _decode(data: h5py.Dataset, offset: tuple[int, ...]) -> np.ndarray:
    """Return one chunk, padded to its full shape at the edges of the movie."""
    info = data.id.get_chunk_info_by_coord(offset)
    if not info.size or info.filter_mask:  # never written, or stored without its filters
        return _read_chunk_plainly(data, offset)
    try:
        _, raw = data.id.read_direct_chunk(offset)
        content = np.frombuffer(isal_zlib.decompress(raw), np.uint8)
        if data.shuffle and data.dtype.itemsize > 1:
            content = np.ascontiguousarray(content.reshape(data.dtype.itemsize, -1).T)
        return content.view(data.dtype).reshape(data.chunks)
    # its stub takes the class of its error for an instance
    except (isal_zlib.error, OSError, ValueError):  # type: ignore[misc]
        # damaged: HDF5 says so of the data set
        return _read_chunk_plainly(data, offset)


def _read_chunk_plainly(data: h5py.Dataset, offset: tuple[int, ...]) -> np.ndarray:
    """Let HDF5 read one chunk."""
    part = data[tuple(slice(o, o + size) for o, size in zip(offset, data.chunks, strict=True))]
    chunk = np.zeros(data.chunks, data.dtype)
    chunk[tuple(slice(size) for size in part.shape)] = part
    return chunk


def _chunk_offsets(
    chunks: tuple[int, ...], selection: tuple[slice, ...]
) -> Iterator[tuple[int, ...]]:
    """Yield the offsets of the chunks that touch the box."""
    return product(
        *(
            range(box.start - box.start % size, box.stop, size) if box.stop > box.start else ()
            for size, box in zip(chunks, selection, strict=True)
        )
    )


def _overlap(
    offset: tuple[int, ...], chunks: tuple[int, ...], selection: tuple[slice, ...]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return where the box cuts a chunk: slices into the chunk and into the result."""
    source, target = [], []
    for first, size, box in zip(offset, chunks, selection, strict=True):
        low, high = max(first, box.start), min(first + size, box.stop)
        source.append(slice(low - first, high - first))
        target.append(slice(low - box.start, high - box.start))
    return tuple(source), tuple(target)
