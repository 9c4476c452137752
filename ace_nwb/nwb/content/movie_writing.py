"""Fast writing of large arrays: chunks are compressed on all cores outside HDF5.

The compressed chunks are ordinary zlib streams (behind HDF5's own shuffle filter where the
dataset asks for it) and are stored with `write_direct_chunk`, so that every HDF5 reader opens
them. Memory is a few blocks whatever the length, and the bytes do not depend on the number of
workers. Chunk shapes and the turning of axes are in `imaging.storage`.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, product
from typing import Any

import h5py
import numpy as np
from isal import isal_zlib

from ace_nwb.errors import MovieError

COMPRESSION_LEVEL = 1
"""igzip level: 0-3; 2 takes a third more time and saves 2 % on camera noise."""


def write_blocks(
    dataset: h5py.Dataset,
    blocks: Iterable[np.ndarray],
    *,
    progress: Callable[[int, int], None] | None = None,
    workers: int | None = None,
) -> None:
    """Fill an empty chunked gzip dataset from consecutive blocks along its first axis.

    Parameters
    ----------
    dataset
        Created with chunks and gzip compression (with or without shuffle), nothing written yet.
    blocks
        Arrays of any length along the first axis, in the dataset's axis order and type.
    progress
        Called with (rows written, rows in all).
    workers
        Threads that compress; all cores if not given.

    Raises
    ------
    MovieError
        If the blocks hold more or fewer rows than the dataset.
    """
    n_rows = dataset.shape[0]
    n_workers = workers or os.cpu_count() or 1
    waiting: deque[tuple[tuple[int, ...], Future[bytes]]] = deque()
    done = 0
    with ThreadPoolExecutor(n_workers) as pool:
        for slab in regroup_blocks(blocks, dataset.chunks[0]):
            n_slab = sum(map(len, slab))
            if done + n_slab > n_rows:
                raise MovieError(_count_message(dataset, f"at least {done + n_slab}"))
            tiles = list(_tiles(dataset, slab))
            waiting.extend(
                ((done, *corner), pool.submit(_compress, tile, dataset.chunks, dataset.shuffle))
                for corner, tile in tiles
            )
            done += n_slab
            _store(dataset, waiting, keep=len(tiles))
            if progress is not None:
                progress(done, n_rows)
        _store(dataset, waiting, keep=0)
    if done != n_rows:
        raise MovieError(_count_message(dataset, str(done)))


def regroup_blocks(blocks: Iterable[np.ndarray], length: int) -> Iterator[list[np.ndarray]]:
    """Cut consecutive blocks anew into `length` rows; the last may be fewer.

    Rows of several blocks stay pieces of them: joined they would be copied once more.
    """
    held: list[np.ndarray] = []
    n_held = 0
    for block in blocks:
        start = 0
        while start < len(block):
            piece = block[start : start + length - n_held]
            held.append(piece)
            n_held += len(piece)
            start += len(piece)
            if n_held == length:
                yield held
                held, n_held = [], 0
    if held:
        yield held


def _tiles(
    dataset: h5py.Dataset, slab: list[np.ndarray]
) -> Iterator[tuple[tuple[int, ...], list[np.ndarray]]]:
    """Yield (corner without the first axis, views of one chunk) through a slab of rows."""
    steps = dataset.chunks[1:]
    grids = [range(0, side, step) for side, step in zip(dataset.shape[1:], steps, strict=True)]
    for corner in product(*grids):
        window = tuple(slice(at, at + step) for at, step in zip(corner, steps, strict=True))
        yield corner, [piece[(slice(None), *window)] for piece in slab]


def _compress(tile: list[np.ndarray], chunk_shape: tuple[int, ...], is_shuffled: bool) -> Any:
    """Return the stored bytes of one chunk; chunks at the border are filled with zeros."""
    sides = (sum(map(len, tile)), *tile[0].shape[1:])
    chunk = (np.empty if sides == chunk_shape else np.zeros)(chunk_shape, tile[0].dtype)
    part = chunk[tuple(slice(0, side) for side in sides)]
    if part.ndim == 3:
        for frame, turned in zip(part, chain.from_iterable(tile), strict=True):
            frame[:] = turned  # a frame at a time fits into the cache
    else:
        np.concatenate(tile, out=part)
    if is_shuffled:
        as_bytes = chunk.reshape(-1).view(np.uint8)
        chunk = np.ascontiguousarray(as_bytes.reshape(-1, chunk.dtype.itemsize).T)
    return isal_zlib.compress(chunk.data, COMPRESSION_LEVEL)


def _store(dataset: h5py.Dataset, waiting: deque, *, keep: int) -> None:
    """Write finished chunks in order until at most `keep` are waiting."""
    while len(waiting) > keep:
        corner, future = waiting.popleft()
        dataset.id.write_direct_chunk(corner, future.result())


def _count_message(dataset: h5py.Dataset, found: str) -> str:
    """Say that the source yielded another number of rows than announced."""
    return (
        f"{dataset.name} was announced with {dataset.shape[0]} rows but its source yields {found}. "
        "The source must not change while it is converted; try again."
    )
