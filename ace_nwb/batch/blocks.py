"""The blocks of one session's movie on a Dask cluster, with the result of one machine.

A pass over the movie is an order (movie by its path, function) in a folder beside the session
file; tasks carry the order's path and a span of frames, and leave their result in that folder.
Workers read the session file from the shared disk, so that the scheduler holds no data.
"""

import pickle
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ace_nwb.batch.dask_client import load_package, open_client
from ace_nwb.errors import AceNwbError, InputError, StageError
from ace_nwb.imaging.blocks import spread_blocks
from ace_nwb.imaging.movie import Movie
from ace_nwb.imaging.packing import PackedMovie
from ace_nwb.nwb.content.movie import NwbMovie
from ace_nwb.stages.running.execution import software

_BLOCKS_PER_THREAD = 3  # one in work, one ahead, one on its way, so that no worker waits
_WAIT_FOR_WORKERS_S = 60  # seconds; a worker that was just started imports the package first


@contextmanager
def spread_over(address: str | None, nwb_path: Path) -> Iterator[None]:
    """Have stages hand the blocks of a movie to a Dask cluster; nothing in the result changes.

    Parameters
    ----------
    address
        Of its scheduler, such as tcp://10.0.0.1:8786, or a scheduler file; None spreads nothing.
    nwb_path
        The session file, which the workers see under the same path.

    Raises
    ------
    InputError
        If nobody answers there, or the cluster has no workers.
    """
    if address is None:
        yield
        return
    path = Path(nwb_path).resolve()
    scratch = path.with_name(f"{path.name}.scratch")
    with open_client(address) as client:
        _await_workers(client, address)
        scratch.mkdir(exist_ok=True)
        place = TemporaryDirectory(prefix="blocks-", dir=scratch, ignore_cleanup_errors=True)
        with place as folder, spread_blocks(DaskBlocks(client, Path(folder))):
            yield
    with suppress(OSError):
        scratch.rmdir()  # what an interrupted stage keeps stays


class DaskBlocks:
    """Blocks as tasks of a Dask cluster; satisfies `ace_nwb.imaging.blocks.BlockPool`.

    Parameters
    ----------
    client
        Of the cluster.
    folder
        Where orders and results lie; all workers see it under this path.
    """

    def __init__(self, client: Any, folder: Path):
        self.client = client
        self.folder = folder

    def can_read(self, movie: Movie) -> bool:
        """Return whether the movie comes from a file that all workers see."""
        source: Any = movie
        while hasattr(source, "source"):
            source = source.source
        if isinstance(source, PackedMovie):
            return isinstance(source.frames, Path) and source.frames.is_relative_to(self.folder)
        return isinstance(source, NwbMovie) and Path(source.session.path).is_file()

    def map(
        self,
        movie: Movie,
        function: Callable[[int, np.ndarray], Any],
        spans: Sequence[tuple[int, int]],
    ) -> Iterator[Any]:
        """Yield `function(start, frames start..stop)` for every span, in order."""
        with TemporaryDirectory(dir=self.folder, ignore_cleanup_errors=True) as folder:
            order = Path(folder) / "order"
            content = load_package("cloudpickle").dumps((movie, function))
            order.write_bytes(pickle.dumps((software(), content)))
            ahead = max(4, _BLOCKS_PER_THREAD * sum(self.client.nthreads().values()))
            waiting: deque[tuple[int, Any]] = deque()
            remaining = iter(spans)
            try:
                while True:
                    for start, stop in islice(remaining, ahead - len(waiting)):
                        waiting.append((start, self._submit(order, start, stop)))
                    if not waiting:
                        return
                    start, future = waiting.popleft()
                    yield _collect(future, _result_path(order, start))
            finally:
                self.client.cancel([future for _, future in waiting])

    def _submit(self, order: Path, start: int, stop: int) -> Any:
        key = f"block-{uuid.uuid4().hex}"
        return self.client.submit(compute_block, str(order), start, stop, key=key, pure=False)


def compute_block(order: str, start: int, stop: int) -> None:
    """Compute one block on a worker and leave the result beside the order."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    movie, function = _load_order(order)
    with threadpool_limits(1, user_api="blas"):
        result = function(start, movie.read(start, stop))
    path = _result_path(Path(order), start)
    partial = path.with_name(f"{path.name}-{uuid.uuid4().hex}")
    partial.write_bytes(pickle.dumps(result))
    partial.replace(path)


@lru_cache(maxsize=1)
def _load_order(order: str) -> tuple[Movie, Callable[[int, np.ndarray], Any]]:
    """Return movie and function; the session file stays open until the next pass."""
    versions, content = pickle.loads(Path(order).read_bytes())
    if versions != software():
        raise StageError(
            f"A worker of the cluster has {software()}, and the session is processed with "
            f"{versions}. The same versions were expected everywhere, for the same results; "
            "install them, or leave --scheduler out."
        )
    movie, function = pickle.loads(content)
    return movie, function


def _collect(future: Any, path: Path) -> Any:
    """Wait for a block and return its result.

    Raises
    ------
    StageError
        If the cluster cannot compute it.
    """
    try:
        future.result()
        result = pickle.loads(path.read_bytes())
    except AceNwbError:
        raise
    except Exception as error:
        raise StageError(
            f"A block of the movie could not be computed on the cluster ({type(error).__name__}: "
            f"{error}). Workers with enough memory that see the folder {path.parent.parent} were "
            "expected; the logs of the workers say more. Without --scheduler this machine does it."
        ) from error
    future.release()
    path.unlink(missing_ok=True)
    return result


def _result_path(order: Path, start: int) -> Path:
    return order.with_name(f"from-{start}")


def _await_workers(client: Any, address: str) -> None:
    """Wait for the first worker."""
    try:
        client.wait_for_workers(1, timeout=_WAIT_FOR_WORKERS_S)
    except TimeoutError as error:
        raise InputError(
            f"The Dask cluster at {address} has no workers. At least one was expected; start it "
            f"with `dask worker {address}`."
        ) from error
