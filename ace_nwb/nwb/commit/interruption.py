"""Ctrl-C while a session file is being changed: never missed, held back where it would do harm.

Python raises KeyboardInterrupt between any two of its instructions, also within a file operation
that HDF5 asked for: HDF5 then swallows it together with the write, or crashes. So the signal itself
is noted, a change that was interrupted anywhere is not committed, and the exception waits until
HDF5 has returned.
"""

import _thread
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_PAUSE_S = 0.005
"""Seconds until the signal is sent again: a write of HDF5 takes about a tenth of that."""


class InterruptGuard:
    """Stands before the handler of Ctrl-C; outside the main thread it does nothing.

    Parameters
    ----------
    notice
        Called on Ctrl-C.
    callbacks
        Source file of the functions that HDF5 calls.

    Attributes
    ----------
    is_interrupted
        Whether there was a Ctrl-C since the guard was set up, other than one held back.
    """

    def __init__(self, notice: Callable[[], None], *, callbacks: str):
        self.is_interrupted = False
        self._notice = notice
        self._callbacks = callbacks
        self._previous: Any = None
        self._is_holding = False
        self._is_told = False
        self._held: tuple[int, FrameType | None] | None = None

    def set_up(self) -> None:
        """Take the place of Python's own handler, or of another guard."""
        previous = signal.getsignal(signal.SIGINT)
        is_known = previous is signal.default_int_handler or isinstance(
            getattr(previous, "__self__", None), InterruptGuard
        )
        if is_known and threading.current_thread() is threading.main_thread():
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
        held, self._held = self._held, None
        if held is not None:
            self._pass_on(*held)

    def check(self) -> None:
        """Raise KeyboardInterrupt if one was swallowed."""
        if self.is_interrupted:
            self._is_told = True
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        """Note the signal; pass it on at once, or when HDF5 or the commit is done."""
        if self._is_holding and self._held is None:
            self._held = (number, frame)
            return
        self.is_interrupted = True
        self._notice()
        if self._is_called_by_hdf5(frame):
            _thread.start_new_thread(self._send_again, ())
        else:
            self._pass_on(number, frame)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        self._is_told = True
        self._previous(number, frame)

    def _is_called_by_hdf5(self, frame: FrameType | None) -> bool:
        while frame is not None and frame.f_code.co_filename != self._callbacks:
            frame = frame.f_back
        return frame is not None

    def _send_again(self) -> None:
        """Repeat the signal after a moment, unless it was told or the change has ended."""
        time.sleep(_PAUSE_S)
        if self._previous is not None and not self._is_told:
            _thread.interrupt_main()
