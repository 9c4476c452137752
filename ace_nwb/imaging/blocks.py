"""The walk through a movie with several threads: blocks of fixed size, results in order.

The size of a block depends on the field alone, never on workers or memory, and partial results
come back in frame order: sums are the same to the last bit for any number of threads.
Inside `spread_blocks` another pool computes the blocks, such as the machines of a cluster.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from ace_nwb.imaging.movie import Movie, ProgressCallback

Result = TypeVar("Result")

BLOCK_PIXELS = 2**22
"""Pixels times frames of one block; 16 MB as float32: small enough to recycle, not to map anew."""


class BlockPool(Protocol):
    """Computes blocks outside this process.

    Attributes
    ----------
    folder
        A folder that all who compute see under the same path.
    """

    folder: Path

    def can_read(self, movie: Movie) -> bool:
        """Return whether those who compute can read a movie by themselves."""
        ...

    def map(
        self,
        movie: Movie,
        function: Callable[[int, np.ndarray], Any],
        spans: Sequence[tuple[int, int]],
    ) -> Iterator[Any]:
        """Yield `function(start, frames start..stop)` for every span, in order."""
        ...


_POOL: ContextVar[BlockPool | None] = ContextVar("block_pool", default=None)


@contextmanager
def spread_blocks(pool: BlockPool | None) -> Iterator[None]:
    """Have `map_blocks` hand its blocks to a pool, if that can read the movie; None to none."""
    token = _POOL.set(pool)
    try:
        yield
    finally:
        _POOL.reset(token)


def shared_folder() -> Path | None:
    """Return the folder that the pool of `spread_blocks` sees, None outside of it."""
    pool = _POOL.get()
    return None if pool is None else pool.folder


def block_frames(movie: Movie, block_pixels: int = BLOCK_PIXELS) -> int:
    """Return how many frames of `movie` make one block."""
    _, n_rows, n_columns = movie.shape
    return int(np.clip(block_pixels // (n_rows * n_columns), 4, 256))


def map_blocks(
    movie: Movie,
    function: Callable[[int, np.ndarray], Result],
    *,
    workers: int,
    progress: ProgressCallback,
    first_frame: int = 0,
    block_pixels: int = BLOCK_PIXELS,
) -> Iterator[Result]:
    """Yield `function(first_frame, block)` for every block of `movie`, in order.

    Parameters
    ----------
    movie
        Its `read` must be safe to call from several threads.
    function
        Called with the first frame and the block, shape (frame, row, column), as read. It may
        run in another process: what it finds, it returns.
    workers
        Number of threads.
    progress
        Called with (frames done, number of frames).
    first_frame
        Where to begin: the first frame of a block.
    block_pixels
        Pixels times frames of one block.
    """
    n_frames = movie.shape[0]
    step = block_frames(movie, block_pixels)

    def run(start: int) -> Result:
        return function(start, movie.read(start, min(start + step, n_frames)))

    others = _POOL.get()
    if others is not None and others.can_read(movie):
        starts = range(first_frame, n_frames, step)
        spans = [(start, min(start + step, n_frames)) for start in starts]
        for (_, stop), result in zip(spans, others.map(movie, function, spans), strict=True):
            yield result
            progress(stop, n_frames)
        return
    if workers <= 1:
        for start in range(first_frame, n_frames, step):
            yield run(start)
            progress(min(start + step, n_frames), n_frames)
        return
    waiting: deque[tuple[int, Future[Result]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for start in range(first_frame, n_frames, step):
            waiting.append((start, pool.submit(run, start)))
            if len(waiting) > workers:
                yield _next_result(waiting, step, n_frames, progress)
        while waiting:
            yield _next_result(waiting, step, n_frames, progress)


def _next_result(
    waiting: deque[tuple[int, Future[Result]]],
    step: int,
    n_frames: int,
    progress: ProgressCallback,
) -> Result:
    start, future = waiting.popleft()
    result = future.result()
    progress(min(start + step, n_frames), n_frames)
    return result


def sample_frames(movie: Movie, n_samples: int) -> np.ndarray:
    """Return at most `n_samples` evenly spaced frames, shape (frame, row, column), float32."""
    n_frames = movie.shape[0]
    indices = np.unique(np.linspace(0, n_frames - 1, min(n_samples, n_frames)).astype(int))
    sampled = np.empty((len(indices), *movie.shape[1:]), np.float32)
    for position, index in enumerate(indices):
        sampled[position] = movie.read(int(index), int(index) + 1)[0]
    return sampled
