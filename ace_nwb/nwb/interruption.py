"""Ctrl-C while a session file is being changed: never missed, and held back during the commit.

Python raises KeyboardInterrupt between any two of its instructions, also on the way into a file
operation that HDF5 asked for, and HDF5 can swallow it together with the write. So the signal itself
is noted: a change that was interrupted anywhere is not committed.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class InterruptGuard:
    """Stands before the handler of Ctrl-C; outside the main thread it does nothing.

    Parameters
    ----------
    notice
        Called when the handler raises.

    Attributes
    ----------
    is_interrupted
        Whether the handler has raised since the guard was set up.
    """

    def __init__(self, notice: Callable[[], None]):
        self.is_interrupted = False
        self._notice = notice
        self._previous: Any = None
        self._is_holding = False
        self._held: tuple[int, FrameType | None] | None = None

    def set_up(self) -> None:
        """Take the place of a handler that may raise."""
        previous = signal.getsignal(signal.SIGINT)
        if callable(previous) and threading.current_thread() is threading.main_thread():
            self._previous = previous
            signal.signal(signal.SIGINT, self._handle)

    def take_down(self) -> None:
        """Give the place back."""
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
            self._previous = None

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Let one Ctrl-C wait until the block has ended; a second one does not wait."""
        self._is_holding = True
        try:
            yield
        finally:
            self._is_holding = False
        if self._held is not None:
            self._previous(*self._held)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        """Note what the handler raises, or put it off."""
        if self._is_holding and self._held is None:
            self._held = (number, frame)
            return
        try:
            self._previous(number, frame)
        except BaseException:
            self.is_interrupted = True
            self._notice()
            raise
