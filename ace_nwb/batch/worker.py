"""The process around one session: `python -m ace_nwb.batch.worker`, job and limits on its input.

The input stays open as a leash: when the process that holds it dies, however it dies, the pipe
ends and this process ends with it, so that no orphan goes on writing a session file.
"""

import json
import logging
import os
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ace_nwb.batch.plan import SessionJob
from ace_nwb.batch.settings import BatchSettings
from ace_nwb.errors import AceNwbError, AceNwbWarning, SessionLockedError

DONE, FAILED, LOCKED, LEASH = 0, 3, 4, 5
"""Exit codes; 1 and 2 are Python's and the command line's own."""
_REPORT_INTERVAL_S = 0.5  # seconds between states: nobody sees more, and it costs nothing


class Reporter:
    """Writes how far a session is into its state file, whole or not at all."""

    def __init__(self, path: Path, attempt: int):
        self.path = path
        self.content: dict[str, Any] = {
            "state": "running",
            "attempt": attempt,
            "started": time.time(),
            "stage": "",
            "done": 0,
            "of": 0,
            "stages": [],
        }
        self._last_s = 0.0

    def update(self, **values: Any) -> None:
        """Change the state and write it."""
        self.content |= values
        self._last_s = time.monotonic()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_suffix(f".{os.getpid()}.tmp")
        beside.write_text(json.dumps(self.content | {"updated": time.time()}), encoding="utf-8")
        beside.replace(self.path)

    @contextmanager
    def bar(self, stage: str) -> Iterator[Callable[[int, int], None]]:
        """Report the progress of a stage now and then."""
        self.update(stage=stage, done=0, of=0)
        logging.info("%s begins", stage)
        started = time.monotonic()

        def report(done: int, of: int) -> None:
            if time.monotonic() - self._last_s > _REPORT_INTERVAL_S:
                self.update(done=int(done), of=int(of))

        yield report
        duration_s = round(time.monotonic() - started, 2)
        self.content["stages"].append([stage, duration_s])
        self.update(done=0, of=0)
        logging.info("%s: %.1f s", stage, duration_s)


def main() -> int:
    """Read the job, run it, report; return the exit code."""
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_hold_leash, daemon=True).start()
    job = SessionJob.from_json(order["job"])
    settings = BatchSettings(**order["settings"])
    _log_to_output()
    reporter = Reporter(job.state_path, order["attempt"])
    reporter.update()
    try:
        return _run(job, settings, reporter)
    except SessionLockedError as error:
        logging.warning("%s", error)
        reporter.update(state="waiting", error=str(error))
        return LOCKED
    except AceNwbError as error:
        from ace_nwb.interfaces.policies import in_manifest_words

        logging.error("%s", error)
        reporter.update(state="failed", error=in_manifest_words(str(error)), mark=job.mark)
    except Exception as error:
        logging.error("%s", traceback.format_exc())
        text = f"{type(error).__name__}: {error}. The log {job.log_path.name} has the details."
        reporter.update(state="failed", error=text, mark=job.mark)
    return FAILED


def _run(job: SessionJob, settings: BatchSettings, reporter: Reporter) -> int:
    """Run the session and report what became of it."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    from ace_nwb.batch.session import read_fingerprints, run_session
    from ace_nwb.stages.running.execution import peak_memory_mb

    with threadpool_limits(settings.threads):
        outcomes = run_session(job, settings, reporter.bar)
    reporter.update(
        state="done",
        stage="",
        mark=job.mark,
        outcomes=[[o.stage, o.action, round(o.duration_s, 3)] for o in outcomes],
        remarks=[f"{o.stage}: {remark}" for o in outcomes for remark in o.remarks],
        fingerprints=read_fingerprints(job),
        peak_memory_mb=peak_memory_mb(),
    )
    return DONE


def _log_to_output() -> None:
    """Let messages and warnings of this process go to its output, which is the log file."""
    logging.basicConfig(
        stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    logging.captureWarnings(True)
    warnings.simplefilter("default", AceNwbWarning)


def _hold_leash() -> None:
    """End this process as soon as the other end of its input is gone."""
    while sys.stdin.buffer.raw.read(1):  # type: ignore[union-attr]
        pass
    os._exit(LEASH)


if __name__ == "__main__":
    sys.exit(main())
