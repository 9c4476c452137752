"""Sessions in processes of this machine."""

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

from ace_nwb.batch.launch import run_in_own_process
from ace_nwb.batch.plan import SessionJob
from ace_nwb.batch.settings import BatchSettings


class LocalPool:
    """So many sessions at a time, each in a process of its own."""

    def __init__(self, settings: BatchSettings):
        self.settings = settings
        self._threads = ThreadPoolExecutor(settings.workers, thread_name_prefix="session")

    def submit(self, job: SessionJob) -> "Future[dict[str, Any]]":
        """Have a session run as soon as a place is free."""
        return self._threads.submit(run_in_own_process, job.to_json(), self.settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._threads.shutdown(wait=error is None, cancel_futures=True)
