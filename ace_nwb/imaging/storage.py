"""How arrays lie in a file: NWB's axis order, and chunks for both ways of reading."""

import math
import mmap

import numpy as np

CHUNK_BYTES = 1_000_000
"""Largest uncompressed chunk: the default cache of an HDF5 reader holds one."""


def empty_pages(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return an array of zeros in pages of its own, which go back to the system with it.

    Large arrays made and dropped in turn otherwise leave holes that the process keeps.
    """
    n_bytes = math.prod(shape) * dtype.itemsize
    return np.frombuffer(mmap.mmap(-1, max(1, n_bytes)), dtype, math.prod(shape)).reshape(shape)


def turn_axes(frames: np.ndarray) -> np.ndarray:
    """Swap (frame, row, column) and NWB's (frame, x, y), as a view."""
    return frames.swapaxes(-1, -2)


def movie_chunk_shape(shape: tuple[int, int, int], *, itemsize: int) -> tuple[int, int, int]:
    """Return a chunk that serves reading of whole frames and of a patch over all time.

    Parameters
    ----------
    shape
        Of the movie, in the axis order in which it is stored.
    itemsize
        Bytes per pixel.
    """
    n_frames, *sides = shape
    pieces = 3 if max(sides) > 256 else 2
    height, width = (math.ceil(side / min(pieces, side)) for side in sides)
    frames = CHUNK_BYTES // (height * width * itemsize)
    return max(1, min(64, frames, n_frames)), height, width


def sample_chunk_shape(shape: tuple[int, int], *, itemsize: int) -> tuple[int, int]:
    """Return a chunk for an array (sample, channel) that is read over time by channels."""
    n_samples, n_channels = shape
    channels = max(1, min(n_channels, 16))
    return max(1, min(n_samples, CHUNK_BYTES // (channels * itemsize))), channels
