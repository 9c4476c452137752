"""Starting the process of one session and watching it: memory, death, another try."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ace_nwb.batch.plan import SessionJob
from ace_nwb.batch.settings import BatchSettings
from ace_nwb.batch.worker import DONE, FAILED, LOCKED, Reporter

WORKER = (sys.executable, "-m", "ace_nwb.batch.worker")
_POLL_S = 0.1
"""Seconds between looks at the memory of a worker, which can grow by a gigabyte in one."""
_LOCK_PAUSE_S = 2.0
"""Seconds between tries: a worker takes about two to start and find the file locked."""
_LOCK_PATIENCE = 30
"""Tries while another process holds the session file."""


def run_in_own_process(job_text: str, settings: BatchSettings) -> dict[str, Any]:
    """Run one session in a process of its own; begin again if that process is lost.

    The result holds no data of the session, so that it may travel through a scheduler.

    Parameters
    ----------
    job_text
        See `SessionJob.to_json`.
    settings
        Threads, memory, retries.

    Returns
    -------
        "name", "state" ("done" or "failed") and "attempts".
    """
    job = SessionJob.from_json(job_text)
    job.log_path.parent.mkdir(parents=True, exist_ok=True)
    first = _earlier_attempts(job) + 1
    attempt, waits = first, 0
    while True:
        code, is_too_large = _run_once(job, settings, attempt)
        if code in (DONE, FAILED):
            return _result(job, "done" if code == DONE else "failed", attempt)
        if is_too_large:
            limit_gb = settings.limit_bytes / 2**30
            return _give_up(job, attempt, f"The process needed more than {limit_gb:.1f} GB.")
        if code == LOCKED and waits < _LOCK_PATIENCE:
            waits += 1
            time.sleep(_LOCK_PAUSE_S)
            continue
        if attempt >= first + settings.retries:
            return _give_up(job, attempt, f"The process was lost {attempt} times (exit {code}).")
        attempt += 1


def _earlier_attempts(job: SessionJob) -> int:
    """Return how often the session was begun by a machine of the cluster that was lost."""
    content = _read_state(job)
    return int(content["attempt"]) if content.get("state") == "running" else 0


def _read_state(job: SessionJob) -> dict[str, Any]:
    """Return what a session's process last said; nothing if that is lost or damaged."""
    try:
        content = json.loads(job.state_path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _run_once(job: SessionJob, settings: BatchSettings, attempt: int) -> tuple[int, bool]:
    """Run the process; return its exit code, and whether it was ended for its memory."""
    order = {"job": job.to_json(), "settings": asdict(settings), "attempt": attempt}
    environment = os.environ | {
        name: str(settings.threads)
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    }
    with job.log_path.open("ab") as log:
        process = subprocess.Popen(
            WORKER,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        with process:
            try:
                return _watch(process, json.dumps(order), settings.limit_bytes)
            except BaseException:
                process.kill()
                raise


def _watch(process: "subprocess.Popen[bytes]", order: str, limit_bytes: int) -> tuple[int, bool]:
    """Hand over the order and wait for the end; end the process above its memory."""
    if process.stdin is None:
        raise ValueError("the process has no input")
    try:
        process.stdin.write(f"{order}\n".encode())
        process.stdin.flush()
    except BrokenPipeError:
        return process.wait(), False
    while True:
        try:
            return process.wait(_POLL_S), False
        except subprocess.TimeoutExpired:
            if resident_bytes(process.pid) > limit_bytes:
                process.kill()
                process.wait()
                return -9, True


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process; 0 where it cannot be known."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError, AttributeError):
        return _resident_by_psutil(pid)


def _resident_by_psutil(pid: int) -> int:
    """Return the resident memory where there is no /proc."""
    try:
        import psutil  # type: ignore[import-untyped]
    except ImportError:
        return 0
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _give_up(job: SessionJob, attempt: int, reason: str) -> dict[str, Any]:
    """Report a session whose process was lost."""
    stage = _read_state(job).get("stage", "")
    where = f" in stage {stage}" if stage else ""
    text = (
        f"{reason} It was{where}; the session file holds what was finished before. Give more "
        "memory with --max-memory, or see the log."
    )
    Reporter(job.state_path, attempt).update(state="failed", error=text, stage=stage, mark=job.mark)
    return _result(job, "failed", attempt)


def _result(job: SessionJob, state: str, attempts: int) -> dict[str, Any]:
    return {"name": job.name, "state": state, "attempts": attempts}


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
