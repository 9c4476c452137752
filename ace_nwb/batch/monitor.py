"""How far a batch is: read from the state files of the sessions, and handed to whoever shows it."""

import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ace_nwb.batch.plan import SessionJob

_LEAST_POLL_S = 0.25  # seconds: an eye takes it for "at once"
_SESSIONS_PER_SECOND = 2000  # state files read per second at most: others use the disk too
_EXPECTED_STAGES = 17
"""Steps of a session with all stages; only the time left is guessed with it."""


class Pool(Protocol):
    """Something that runs sessions: local processes or a cluster."""

    def submit(self, job: SessionJob) -> "Future[dict[str, Any]]":
        """Have a session run; the future gives what `run_in_own_process` returns."""
        ...


@dataclass(frozen=True)
class SessionView:
    """Where a session stands."""

    name: str
    state: str = "waiting"
    stage: str = ""
    share: float = 0.0
    elapsed_s: float = 0.0
    error: str = ""
    content: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Snapshot:
    """Where all sessions stand.

    Parameters
    ----------
    sessions
        In the order of the manifest.
    elapsed_s
        Since the start of the batch.
    eta_s
        Expected until its end, None while nothing is known.
    """

    sessions: tuple[SessionView, ...]
    elapsed_s: float
    eta_s: float | None

    def count(self, state: str) -> int:
        """Return how many sessions are in a state."""
        return sum(view.state == state for view in self.sessions)


def watch(
    jobs: Sequence[SessionJob], pool: Pool, show: Callable[[Snapshot], None] | None = None
) -> Snapshot:
    """Have all sessions run and tell how far they are, until the last one has ended.

    A session that fails is reported in its state and does not disturb the others.
    """
    started = time.monotonic()
    began = time.time()
    for job in jobs:
        job.state_path.unlink(missing_ok=True)
    futures = {job.name: pool.submit(job) for job in jobs}
    states = StateFolder(jobs[0].state_path.parent) if jobs else None
    pause_s = max(_LEAST_POLL_S, len(jobs) / _SESSIONS_PER_SECOND)
    while True:
        is_over = all(future.done() for future in futures.values())
        known = states.read() if states else {}
        views = tuple(_view(job, futures[job.name], known.get(job.name, {})) for job in jobs)
        elapsed_s = time.monotonic() - started
        snapshot = Snapshot(views, elapsed_s, estimate_eta_s(views, elapsed_s))
        if show is not None:
            show(snapshot)
        if is_over:
            return snapshot
        _wait(futures, pause_s if time.time() - began > 1 else _LEAST_POLL_S)


def estimate_eta_s(views: Sequence[SessionView], elapsed_s: float) -> float | None:
    """Return the time still needed if the rest goes as fast as what is done."""
    ended = sum(1.0 if view.state in ("done", "failed") else view.share for view in views)
    if ended <= 0 or not views:
        return None
    return elapsed_s * (len(views) - ended) / ended


class StateFolder:
    """The states of all sessions; only files that have changed are read again."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._known: dict[str, tuple[int, dict[str, Any]]] = {}

    def read(self) -> dict[str, dict[str, Any]]:
        """Return session -> content of its state file."""
        if self.folder.is_dir():
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    if entry.name.endswith(".json"):
                        self._refresh(entry)
        return {name: content for name, (_, content) in self._known.items()}

    def _refresh(self, entry: "os.DirEntry[str]") -> None:
        try:
            changed = entry.stat().st_mtime_ns
            name = entry.name.removesuffix(".json")
            if self._known.get(name, (0, {}))[0] != changed:
                content = json.loads(Path(entry.path).read_text(encoding="utf-8"))
                self._known[name] = changed, content
        except (OSError, ValueError):
            return  # it is being replaced; the next look will see it


def _view(
    job: SessionJob, future: "Future[dict[str, Any]]", content: dict[str, Any]
) -> SessionView:
    """Return where a session stands, by its state file and its future."""
    state, error = content.get("state", "waiting"), str(content.get("error", ""))
    if future.done():
        failure = None if future.cancelled() else future.exception()
        if failure is not None or future.cancelled():
            state, error = "failed", f"{type(failure).__name__}: {failure}"
        else:
            state = future.result()["state"]
    elif not future.done() and state in ("done", "failed"):
        state = "running"
    done, of = content.get("done", 0), content.get("of", 0)
    n_stages = len(content.get("stages", []))
    share = min(0.95, (n_stages + (done / of if of else 0)) / _EXPECTED_STAGES)
    elapsed_s = content.get("updated", 0) - content.get("started", 0) if content else 0.0
    return SessionView(
        job.name,
        state,
        content.get("stage", ""),
        1.0 if state == "done" else share,
        elapsed_s,
        error,
        content,
    )


def _wait(futures: dict[str, "Future[dict[str, Any]]"], pause_s: float) -> None:
    """Wait a little, or until every session has ended."""
    stop = time.monotonic() + pause_s
    while time.monotonic() < stop:
        if all(future.done() for future in futures.values()):
            return
        time.sleep(0.05)
