"""An exclusive file for file systems without locks: host, pid, and a heartbeat.

Some clusters and network drives answer every request for a lock with an error. There a file that
only one process can create stands for the lock. Its holder renews the file's time; one that has
been silent for long, or is known to have ended, has lost it.
"""

import errno
import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP})
"""What such file systems answer: no such function, no locks available, not supported."""

BEAT_S = 10.0
"""Seconds between two signs of life."""

SILENCE_S = 120.0
"""A holder silent for longer has ended, seconds: twice what NFS may keep old file times (60 s)."""


class HeldFile:
    """The file that stands for a lock.

    Parameters
    ----------
    path
        Where it is.
    """

    def __init__(self, path: Path):
        self.path = path
        self._over = threading.Event()
        self._mark = f"{socket.gethostname()} {os.getpid()} {time.time():.0f}\n"

    def try_acquire(self) -> bool:
        """Create the file if nobody holds it; keep it alive from then on."""
        if self.path.exists():
            self._drop_silent()
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            return False
        with os.fdopen(descriptor, "w") as file:
            file.write(self._mark)
        self._over.clear()
        threading.Thread(target=self._beat, name="lock heartbeat", daemon=True).start()
        return True

    def release(self) -> None:
        """Remove the file, if it still is ours."""
        self._over.set()
        with suppress(OSError):
            if self.path.read_text() == self._mark:
                self.path.unlink()

    def is_held(self) -> bool:
        """Return whether somebody alive holds the file."""
        return self.path.exists() and not self._is_silent()

    def _beat(self) -> None:
        while not self._over.wait(BEAT_S):
            with suppress(OSError):
                os.utime(self.path)

    def _drop_silent(self) -> None:
        """Remove a file whose holder has ended; what is taken away is looked at again."""
        with suppress(OSError):
            judged = self.path.stat()
            if not self._is_silent():
                return
            aside = self.path.with_name(f"{self.path.name}.{socket.gethostname()}-{os.getpid()}")
            self.path.rename(aside)
            if aside.stat().st_ino != judged.st_ino:  # another process was faster: give it back
                aside.rename(self.path)
            else:
                aside.unlink()

    def _is_silent(self) -> bool:
        try:
            host, pid, _ = self.path.read_text().split()
            if host == socket.gethostname() and not _is_running(int(pid)):
                return True
            age_s = self._now_s() - self.path.stat().st_mtime
        except ValueError:  # just created, not yet filled, or left so by a full disk
            age_s = self._now_s() - self.path.stat().st_mtime
        return age_s > SILENCE_S

    def _now_s(self) -> float:
        """Return the time by the clock of the file system, which times its files."""
        probe = self.path.with_name(f"{self.path.name}.now-{socket.gethostname()}-{os.getpid()}")
        probe.write_text("")
        try:
            return probe.stat().st_mtime
        finally:
            probe.unlink()


def _is_running(pid: int) -> bool:
    if os.name == "nt":  # there os.kill would end it
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
