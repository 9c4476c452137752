"""Movies kept for several passes: 16 bits per pixel, in memory if they fit, else in a plain file.

Each frame has its own offset and step, 65535 steps from its darkest to its brightest pixel, which
is far below the noise. A movie that is not kept is rounded the same way while reading: what is
kept where changes no result.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numba
import numpy as np

from ace_nwb.imaging.blocks import map_blocks, shared_folder
from ace_nwb.imaging.movie import Movie, ProgressCallback, no_progress

_STEPS = 65535  # grey levels of 16 bits
_BYTES_PER_PIXEL = 2  # 16 bits


@dataclass(frozen=True)
class PackedMovie:
    """A movie of 16-bit frames, each with an offset and a step; read as float32.

    Parameters
    ----------
    frames
        Array of shape (frame, row, column), uint16, or the file that holds it.
    scales
        Offset and step of each frame, shape (frame, 2), float32.
    shape
        (n_frames, n_rows, n_columns).
    frame_rate_hz
        Frames per second.
    """

    frames: np.ndarray | Path
    scales: np.ndarray
    shape: tuple[int, int, int]
    frame_rate_hz: float

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return frames start..stop, shape (frame, row, column), float32."""
        stop = min(stop, self.shape[0])
        if isinstance(self.frames, Path):
            size = self.shape[1] * self.shape[2]
            packed = np.fromfile(
                self.frames,
                np.uint16,
                max(0, stop - start) * size,
                offset=_BYTES_PER_PIXEL * start * size,
            ).reshape(-1, *self.shape[1:])
        else:
            packed = self.frames[start:stop]
        return unpack_frames(packed, self.scales[start:stop])


@dataclass(frozen=True)
class RoundedMovie:
    """A movie read anew each time, rounded like a packed one."""

    source: Movie

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n_frames, n_rows, n_columns)."""
        return self.source.shape

    @property
    def frame_rate_hz(self) -> float:
        """Frames per second."""
        return self.source.frame_rate_hz

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return frames start..stop, shape (frame, row, column), float32."""
        return unpack_frames(*pack_frames(self.source.read(start, stop)))


@dataclass
class PackingSpace:
    """Memory and disk that may still be filled with packed movies.

    Parameters
    ----------
    memory_bytes
        Memory for all movies together.
    disk_bytes
        Room for files in `folder`.
    folder
        Where the files go.
    """

    memory_bytes: int
    disk_bytes: int
    folder: Path


@contextmanager
def open_space(movie: Movie, *, memory_bytes: int) -> Iterator[PackingSpace]:
    """Open a folder for packed versions of a movie, as large together as it was recorded.

    While blocks are computed by others (`spread_blocks`), all is kept where they can read it.

    Parameters
    ----------
    movie
        What will be packed is made of it.
    memory_bytes
        Memory that may be used.
    """
    shared = shared_folder()
    place = TemporaryDirectory(prefix="packed-", dir=shared, ignore_cleanup_errors=True)
    with place as folder:
        memory_bytes = memory_bytes if shared is None else 0
        yield PackingSpace(memory_bytes, recorded_bytes(movie), Path(folder))


def pack(
    movie: Movie,
    space: PackingSpace,
    name: str,
    *,
    workers: int,
    progress: ProgressCallback = no_progress,
) -> Movie:
    """Return the movie packed in memory, else in a file, else rounded while reading.

    Parameters
    ----------
    movie
        Read once if there is space for it.
    space
        What may be used; what is used is taken from it.
    name
        Name of the file.
    workers
        Number of threads.
    progress
        Called with (frames done, number of frames).
    """
    size = packed_bytes(movie)
    if size <= space.memory_bytes:
        space.memory_bytes -= size
        return _fill(movie, np.empty(movie.shape, np.uint16), workers, progress)
    if size <= space.disk_bytes:
        space.disk_bytes -= size
        return _fill(movie, space.folder / name, workers, progress)
    return RoundedMovie(movie)


def packed_bytes(movie: Movie) -> int:
    """Return what the movie takes when packed."""
    return _BYTES_PER_PIXEL * int(np.prod(movie.shape, dtype=np.int64))


def recorded_bytes(movie: Movie) -> int:
    """Return the size of the movie as it was recorded, before any correction."""
    source: Any = movie
    while hasattr(source, "source"):
        source = source.source
    n_pixels = int(np.prod(source.shape, dtype=np.int64))
    return n_pixels * source.read(0, 1).itemsize if n_pixels else 0


def _fill(
    movie: Movie, target: np.ndarray | Path, workers: int, progress: ProgressCallback
) -> PackedMovie:
    scales = np.zeros((movie.shape[0], 2), np.float32)

    def convert(_start: int, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return pack_frames(block)

    blocks = map_blocks(movie, convert, workers=workers, progress=progress)
    start = 0
    with target.open("wb") if isinstance(target, Path) else nullcontext(target) as store:
        for packed, part in blocks:
            stop = start + len(packed)
            scales[start:stop] = part
            if isinstance(store, np.ndarray):
                store[start:stop] = packed
            else:
                store.write(packed.data)
            start = stop
    return PackedMovie(target, scales, movie.shape, movie.frame_rate_hz)


def pack_frames(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return frames as uint16 and (offset, step) of each, shapes (frame, row, column), (frame, 2).

    Parameters
    ----------
    frames
        Shape (frame, row, column), finite.
    """
    source = np.ascontiguousarray(frames, np.float32)
    packed = np.empty(source.shape, np.uint16)
    scales = np.zeros((len(source), 2), np.float32)
    if source.size:
        flat = source.reshape(len(source), -1)
        lowest = flat.min(1)
        scales[:, 0] = lowest
        scales[:, 1] = (flat.max(1) - lowest) / np.float32(_STEPS)
        _pack(flat, scales, packed.reshape(flat.shape))
    return packed, scales


def unpack_frames(packed: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Return packed frames as float32, shape (frame, row, column)."""
    frames = np.empty(packed.shape, np.float32)
    if frames.size:
        flat = packed.reshape(len(packed), -1)
        _unpack(flat, np.ascontiguousarray(scales), frames.reshape(flat.shape))
    return frames


@numba.njit(
    "void(f4[:, ::1], f4[:, ::1], u2[:, ::1])",
    nogil=True,
    cache=True,
    error_model="numpy",
    boundscheck=False,
)
def _pack(frames: np.ndarray, scales: np.ndarray, packed: np.ndarray) -> None:
    half, highest = np.float32(0.5), np.float32(65535)
    for f in range(frames.shape[0]):
        offset = scales[f, 0]
        factor = np.float32(1) / scales[f, 1] if scales[f, 1] > 0 else np.float32(0)
        for p in range(frames.shape[1]):
            value = (frames[f, p] - offset) * factor + half
            packed[f, p] = np.uint16(np.int32(min(value, highest)))


@numba.njit("void(u2[:, ::1], f4[:, ::1], f4[:, ::1])", nogil=True, cache=True, boundscheck=False)
def _unpack(packed: np.ndarray, scales: np.ndarray, frames: np.ndarray) -> None:
    for f in range(packed.shape[0]):
        offset, step = scales[f, 0], scales[f, 1]
        for p in range(packed.shape[1]):
            frames[f, p] = np.float32(np.int32(packed[f, p])) * step + offset
