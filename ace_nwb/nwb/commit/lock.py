"""One writer at a time: a lock file beside the session file, held by a living process only.

HDF5's own lock does not reach a Python file object. The operating system drops our lock when its
holder dies, so a lock file left behind by a crash is recognised as stale and taken over. Where
the file system offers no locks, held_file.py takes their place.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

from ace_nwb.errors import OutputError, SessionLockedError, reason
from ace_nwb.nwb.commit.held_file import NO_LOCKS, HeldFile

if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        """Lock one byte far behind the text, which must stay readable for others."""
        os.lseek(descriptor, 2**30, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _try_share(descriptor: int) -> bool:
        """Do nothing: HDF5 on Windows does not take part in these locks."""
        return descriptor >= 0
else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        """Take the exclusive lock if nobody holds it."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _try_share(descriptor: int) -> bool:
        """Take the lock that HDF5 takes for reading; fails if HDF5 has the file for writing."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in NO_LOCKS:  # without locks HDF5 takes none either
                raise
        return True


WAIT_FOR_STAGE_S = 20.0
"""Seconds that decisions and choices of people wait for a stage that is writing: its commit takes
one or two, on a slow disk ten."""

_LOCK_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)  # Windows has no such flag

_DESCRIPTORS = Path("/proc")
"""Where Linux tells which process has which file open; other systems do not tell."""


def lock_path(path: Path) -> Path:
    """Return the lock file that belongs to a session file."""
    return path.with_name(path.name + ".lock")


def held_path(path: Path) -> Path:
    """Return the file that stands for the lock where the file system offers none."""
    return path.with_name(path.name + ".lock-held")


def offers_locks(folder: Path) -> bool:
    """Try whether files in a folder can be locked.

    Raises
    ------
    OSError
        If no file can be made there.
    """
    probe = folder / f".ace-nwb-lock-{os.getpid()}"
    descriptor = os.open(probe, _LOCK_FLAGS, 0o600)
    try:
        return _try_lock(descriptor)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return False
    finally:
        os.close(descriptor)
        probe.unlink()


def share_with_readers(file: FileIO, path: Path) -> None:
    """Keep other HDF5 programs from writing the open file; they may go on reading it.

    Raises
    ------
    SessionLockedError
        If one of them has it open for writing.
    """
    if not _try_share(file.fileno()):
        raise SessionLockedError(
            f"{path} is open for writing in another HDF5 program. Nobody else writing was "
            "expected: close it there."
        )


def check_not_written(path: Path, *, but: int | None = None) -> None:
    """Refuse a file that any process of this computer has open for writing, locks or not.

    Programs may switch HDF5's locks off. Only Linux tells who has a file open, and only of the
    processes that this user may look at.

    Parameters
    ----------
    path
        The file.
    but
        A process that may have it open: this one, once it changes the file.

    Raises
    ------
    SessionLockedError
        If there is one; the message names its pid.
    """
    for pid in _find_writers(path.resolve()):
        if pid == but:
            continue
        raise SessionLockedError(
            f"{path} is open for writing in process {pid}, another HDF5 program. Nobody else "
            "writing was expected: close it there."
        )


def _find_writers(path: Path) -> Iterator[int]:
    """Yield the processes that have a file open for writing, one for each time it is open."""
    for process in _DESCRIPTORS.glob("[0-9]*"):
        try:
            for link in [one for one in (process / "fd").iterdir() if _leads_to(one, path)]:
                text = (process / "fdinfo" / link.name).read_text()
                flags = int(text.partition("flags:")[2].split()[0], 8)
                if flags & os.O_ACCMODE != os.O_RDONLY:
                    yield int(process.name)
        except (OSError, IndexError):  # it has ended, or is somebody else's
            continue


def _leads_to(descriptor: Path, path: Path) -> bool:
    try:
        return descriptor.readlink() == path
    except OSError:
        return False


class WriterLock:
    """The right to write one session file.

    Parameters
    ----------
    path
        The session file.
    wait_s
        How long to wait for another writer before giving up, seconds.
    """

    def __init__(self, path: Path, wait_s: float = 0.0):
        self.path = path
        self.wait_s = wait_s
        self._descriptor = -1
        self._held: HeldFile | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises
        ------
        SessionLockedError
            If another process holds it; the message names its pid and the age of the lock.
        """
        deadline = time.monotonic() + self.wait_s
        while not self._try_acquire():
            if time.monotonic() >= deadline:
                raise SessionLockedError(self._describe_holder())
            time.sleep(0.02)

    def release(self) -> None:
        """Give the lock back and remove its file."""
        if self._held is not None:
            self._held.release()
            self._held = None
        if self._descriptor < 0:
            return
        with suppress(OSError):  # one that stays is recognised as stale
            lock_path(self.path).unlink()
        os.close(self._descriptor)
        self._descriptor = -1

    def _try_acquire(self) -> bool:
        """Open and lock; a file that its holder removed meanwhile does not count."""
        target = lock_path(self.path)
        try:
            descriptor = os.open(target, _LOCK_FLAGS, 0o666)
        except OSError as error:
            if target.is_symlink():
                raise OutputError(
                    f"{target} is a symbolic link; a lock file of ace_nwb, or none, was expected. "
                    "Nothing was written; remove the link."
                ) from error
            raise OutputError(
                f"No lock file can be made at {target} ({error.strerror}). Writing a file needs "
                "write permission in its folder: change it, or choose another folder."
            ) from error
        held = HeldFile(held_path(self.path))
        try:
            if not _try_lock(descriptor) or not _is_same_file(descriptor, target) or held.is_held():
                os.close(descriptor)
                return False
        except OSError as error:
            os.close(descriptor)
            if error.errno not in NO_LOCKS:
                raise OutputError(
                    f"{target} cannot be locked ({reason(error)}). Try again."
                ) from error
            target.unlink(missing_ok=True)
            return self._try_hold(held)
        self._descriptor = descriptor
        with suppress(OSError):  # on a full disk the lock holds, only who has it is not told
            os.ftruncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, f"{os.getpid()} {time.time():.0f}\n".encode())
        return True

    def _try_hold(self, held: HeldFile) -> bool:
        """Hold a file of its own in place of a lock."""
        try:
            is_held = held.try_acquire()
        except OSError as error:
            raise OutputError(
                f"No lock file can be made at {held.path} ({reason(error)})."
            ) from error
        self._held = held if is_held else None
        return is_held

    def _describe_holder(self) -> str:
        """Say who writes the file and since when."""
        try:
            held = held_path(self.path)
            text = (held if held.exists() else lock_path(self.path)).read_text()
            *host, pid, since = text.split()
            age_s = max(0.0, time.time() - float(since))
            where = f" on {host[0]}" if host else ""
            holder = f"process {pid}{where}, for {age_s:.0f} s"
        except (OSError, ValueError):
            holder = "another process"
        return (
            f"{self.path} is being written by {holder}. One writer at a time was expected: "
            "wait until it has ended, or end it."
        )

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def _is_same_file(descriptor: int, path: Path) -> bool:
    """Return whether the open file is the one that now stands at `path`."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
