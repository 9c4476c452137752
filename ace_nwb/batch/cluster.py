"""Sessions on a Dask cluster that exists already, or on one that Slurm provides.

The scheduler sees one small independent task per session: a text of a few kilobytes goes in, a
name and a state come out. Data stay on the shared disk.
"""

import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ace_nwb.batch.dask_client import load_package, open_client
from ace_nwb.batch.launch import run_in_own_process
from ace_nwb.batch.plan import SessionJob
from ace_nwb.batch.settings import BatchSettings


@dataclass(frozen=True)
class SlurmOptions:
    """What Slurm is asked for.

    Parameters
    ----------
    jobs
        Jobs at the same time; each runs one session after the other.
    walltime
        Longest time of a job, such as 08:00:00.
    partition, account
        Queue and account.
    extra
        Further lines for sbatch, such as "--constraint=cpu".
    """

    jobs: int = 4
    walltime: str = "08:00:00"
    partition: str | None = None
    account: str | None = None
    extra: tuple[str, ...] = ()


class DaskPool:
    """Sessions as tasks of a Dask cluster; lost workers are replaced by the scheduler."""

    def __init__(self, client: Any, settings: BatchSettings):
        self.client = client
        self.settings = settings
        self._batch = uuid.uuid4().hex[:8]
        self._kept: dict[str, Any] = {}  # a task lives as long as somebody holds its future

    def submit(self, job: SessionJob) -> "Future[dict[str, Any]]":
        """Have a session run on any worker."""
        dask_future = self.client.submit(
            run_in_own_process,
            job.to_json(),
            self.settings,
            key=f"session-{self._batch}-{job.name}",
            pure=False,
            retries=self.settings.retries,
        )
        self._kept[job.name] = dask_future
        future = _mirror(dask_future)
        # once the scheduler has forgotten it, a lost worker does not make it run again
        future.add_done_callback(lambda _done: self._kept.pop(job.name).release())
        return future


@contextmanager
def connect(address: str, settings: BatchSettings) -> Iterator[DaskPool]:
    """Use a Dask cluster that exists.

    Parameters
    ----------
    address
        Of its scheduler, such as tcp://10.0.0.1:8786, or a scheduler file.

    Raises
    ------
    InputError
        If nobody answers there.
    """
    with open_client(address) as client:
        yield DaskPool(client, settings)


@contextmanager
def start_slurm(
    options: SlurmOptions, settings: BatchSettings, log_folder: Path
) -> Iterator[DaskPool]:
    """Ask Slurm for workers and use them; a job that is lost is asked for again."""
    distributed = load_package("distributed")
    cluster = make_slurm_cluster(options, settings, log_folder)
    try:
        cluster.adapt(minimum_jobs=options.jobs, maximum_jobs=options.jobs)
        with distributed.Client(cluster, set_as_default=False) as client:
            yield DaskPool(client, settings)
    finally:
        cluster.close()


def make_slurm_cluster(options: SlurmOptions, settings: BatchSettings, log_folder: Path) -> Any:
    """Return a cluster whose jobs hold one worker with one session each."""
    jobqueue = load_package("dask_jobqueue")
    return jobqueue.SLURMCluster(
        cores=1,
        processes=1,
        job_cpu=settings.threads,
        memory=f"{settings.limit_bytes / 2**30:.2f}GiB",
        walltime=options.walltime,
        queue=options.partition,
        account=options.account,
        job_extra_directives=list(options.extra),
        log_directory=str(log_folder),
        scheduler_options={"dashboard_address": ":0"},
        # the session's own process is watched by us; the worker beside it is small
        worker_extra_args=["--memory-limit", "0"],
    )


def _mirror(dask_future: Any) -> "Future[dict[str, Any]]":
    """Return a plain future that follows one of Dask."""
    future: Future[dict[str, Any]] = Future()
    future.set_running_or_notify_cancel()

    def follow(finished: Any) -> None:
        try:
            if finished.status == "finished":
                future.set_result(finished.result())
            else:
                future.set_exception(finished.exception() or RuntimeError(finished.status))
        except Exception as error:
            future.set_exception(error)

    dask_future.add_done_callback(
        lambda finished: threading.Thread(target=follow, args=(finished,), daemon=True).start()
    )
    return future
