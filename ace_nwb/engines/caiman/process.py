"""One run of CaImAn in its own process: start, follow, stop, and leave nothing behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

from ace_nwb.engines.caiman.environment import CHILD, CaimanEnvironment, child_environment
from ace_nwb.errors import StageError
from ace_nwb.imaging.movie import ProgressCallback

LOG = "log.txt"
PREFIX = "ace-nwb-caiman-"
_GRACE_S = 3  # seconds to end by itself before it is killed
_LOG_LINES = 6  # lines of CaImAn's log that an error shows: a traceback's end


@contextmanager
def job_folder() -> Iterator[Path]:
    """Make a folder for a run, and remove it afterwards, whatever happens.

    Those of runs whose process was killed are removed first.
    """
    if sys.platform != "win32":
        remove_abandoned(Path(gettempdir()))
    with TemporaryDirectory(
        prefix=f"{PREFIX}{os.getpid()}-", ignore_cleanup_errors=sys.platform == "win32"
    ) as name:
        yield Path(name).resolve()


def remove_abandoned(parent: Path) -> None:
    """Remove the folders of runs in `parent` whose process is no more."""
    for folder in parent.glob(f"{PREFIX}*-*"):
        number = folder.name.removeprefix(PREFIX).partition("-")[0]
        if number.isdigit() and not _is_running(int(number)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_running(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def run_job(
    environment: CaimanEnvironment,
    task: str,
    job: dict[str, Any],
    *,
    folder: Path,
    progress: ProgressCallback,
) -> dict[str, Any]:
    """Run CaImAn on a job and return its last message.

    Parameters
    ----------
    environment
        Where CaImAn is.
    task
        "extract" or "motion".
    job
        What `child.py` reads: movie, parameters, processes.
    folder
        Where the job is written and its result expected.
    progress
        Called with (done, of how many).

    Raises
    ------
    StageError
        If CaImAn fails; the message has its error and the end of its log.
    """
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    with (folder / LOG).open("wb") as log:
        process = subprocess.Popen(
            [str(environment.python), str(CHILD), task, str(folder)],
            stdin=subprocess.PIPE,  # its end tells the child that we are gone
            stdout=subprocess.PIPE,
            stderr=log,
            env=child_environment(environment.python, folder),
            cwd=folder,
            start_new_session=True,
        )
        try:
            last = _follow(process, progress)
            code = process.wait()
        finally:
            _stop(process)
    if last.get("kind") != "done":
        raise StageError(_failure(last, code, folder / LOG))
    return last


def _follow(process: subprocess.Popen[bytes], progress: ProgressCallback) -> dict[str, Any]:
    """Pass the child's progress on and return its last message."""
    last: dict[str, Any] = {}
    for line in process.stdout or ():
        try:
            message = json.loads(line)
        except ValueError:
            continue
        if isinstance(message, dict):
            last = message
            if message.get("kind") == "progress":
                progress(int(message["done"]), int(message["of"]))
    return last


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the child and everything it started."""
    if sys.platform == "win32":
        if process.poll() is None:
            command = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
            subprocess.run(command, capture_output=True, check=False)
    else:
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
            except (ProcessLookupError, PermissionError):
                break
            try:
                process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                continue
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def _failure(last: dict[str, Any], code: int, log: Path) -> str:
    """Say what went wrong in CaImAn."""
    if last.get("kind") == "error":
        what = f"{last['type']}: {last['text']} ({last['where']})"
    elif code < 0:
        what = f"killed by signal {-code}, which may mean that memory ran out"
    else:
        what = f"exit code {code} without a word"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
    tail = "\n".join(f"  {line}" for line in lines)
    return (
        f"CaImAn stopped: {what}. The file is unchanged. Change its parameters (see `ace-nwb "
        f"process extract --help`), or use the engine cnmfe. The end of its log:\n{tail}"
    )
