"""One calculation in the background of a page: started, followed, taken when it is done."""

import logging
from collections.abc import Callable
from threading import Lock, Thread
from typing import Any

from ace_nwb.errors import AceNwbError
from ace_nwb.imaging.movie import ProgressCallback

logger = logging.getLogger(__name__)


class Task:
    """Runs one calculation at a time in a thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._thread: Thread | None = None
        self._state: dict[str, Any] = {"state": "idle", "name": ""}

    def start(self, name: str, calculate: Callable[[ProgressCallback], None]) -> bool:
        """Start a calculation unless one is under way; return whether it was started."""
        with self._lock:
            if self._state["state"] == "running":
                return False
            self._state = {"state": "running", "name": name, "share": 0.0}
        self._thread = Thread(target=self._run, args=(calculate,), daemon=True)
        self._thread.start()
        return True

    def state(self) -> dict[str, Any]:
        """Return "state" (idle, running, done, failed), the name, and how far it is."""
        with self._lock:
            return dict(self._state)

    def wait(self) -> None:
        """Wait until the calculation has ended."""
        if self._thread is not None:
            self._thread.join()

    def _run(self, calculate: Callable[[ProgressCallback], None]) -> None:
        try:
            calculate(lambda done, of: self._note(share=round(done / max(of, 1), 3)))
        except AceNwbError as error:
            self._note(state="failed", error=str(error))
        except Exception as error:
            logger.exception("a calculation of the page failed")
            self._note(state="failed", error=f"The calculation failed ({type(error).__name__}).")
        else:
            self._note(state="done", share=1.0)

    def _note(self, **news: Any) -> None:
        with self._lock:
            self._state |= news
