"""Runs the stale stages in a process of its own, and tells how far it is.

A process of its own keeps the memory of the stages out of the server, and HDF5 from handing it
what it remembers of the file: `python -P -m ace_nwb.apps.stage_runner FILE` prints JSON lines.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from ace_nwb.errors import AceNwbError


class StageRunner:
    """Starts the stale stages of a file, one run at a time.

    Parameters
    ----------
    path
        The session file.
    on_end
        Called when a run has ended, whatever came of it.
    """

    def __init__(self, path: Path, on_end: Callable[[], None]):
        self.path = path
        self.on_end = on_end
        self._lock = Lock()
        self._process: subprocess.Popen[str] | None = None
        self._state: dict[str, Any] = {"state": "idle"}

    def start(self) -> dict[str, Any]:
        """Start a run unless one is under way; return the state."""
        with self._lock:
            if self._process is None:
                command = [sys.executable, "-P", "-m", "ace_nwb.apps.stage_runner", str(self.path)]
                self._process = subprocess.Popen(
                    command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
                )
                self._state = {"state": "running", "stage": "", "share": 0.0, "done": []}
                Thread(target=self._follow, args=(self._process,), daemon=True).start()
            return dict(self._state)

    def state(self) -> dict[str, Any]:
        """Return "state" (idle, running, done, failed), and what is known beside."""
        with self._lock:
            return dict(self._state)

    def stop(self) -> None:
        """End a run; the file holds every stage that was finished."""
        with self._lock:
            process = self._process
        if process is not None:
            process.terminate()
            process.wait(10)

    def _follow(self, process: subprocess.Popen[str]) -> None:
        """Take over what the process prints until it ends."""
        with process:
            for line in process.stdout or ():
                with self._lock:
                    self._state |= json.loads(line)
        code = process.returncode
        self.on_end()
        with self._lock:
            if self._state["state"] == "running":
                self._state |= {
                    "state": "failed" if code else "done",
                    "error": f"The stages ended with code {code}. Run `ace-nwb run` to see why.",
                }
            self._process = None


def run_stale(path: Path, tell: Callable[..., None]) -> None:
    """Run the stages that are stale now, and tell what happens."""
    from ace_nwb import pipeline

    stale = tuple(s.stage for s in pipeline.status(path) if s.state == "stale")
    tell(stages=list(stale))
    done: list[str] = []

    @contextmanager
    def bar(stage: str) -> Iterator[Callable[[int, int], None]]:
        tell(stage=stage, share=0.0, done=done)
        yield lambda finished, of: tell(stage=stage, share=round(finished / max(of, 1), 3))
        done.append(stage)

    for stage in stale:
        pipeline.run(path, pipeline.Plan((stage,)), bar=bar)
    tell(state="done", done=done, stage="", share=1.0)


def _print_line(**content: Any) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        run_stale(Path(sys.argv[1]), _print_line)
    except AceNwbError as failure:
        _print_line(state="failed", error=str(failure))
        sys.exit(1)
