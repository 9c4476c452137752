"""The few file operations of a commit, one method each, so that tests can stop after any one."""

import errno
import os
import sys
from io import FileIO
from pathlib import Path

if sys.platform == "darwin":
    import fcntl
if sys.platform == "linux":
    import ctypes

    _WORKING_FOLDER, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux


class Disk:
    """Operations on real files; positions are explicit, nothing is buffered."""

    def open(self, path: Path, mode: str) -> FileIO:
        """Open an unbuffered binary file ("rb", "r+b" or "xb")."""
        return FileIO(path, mode.replace("b", ""))

    def read_at(self, file: FileIO, offset: int, buffer: memoryview) -> int:
        """Fill `buffer` from `offset`; return the bytes read, fewer only at the end of the file."""
        file.seek(offset)
        done = 0
        while done < len(buffer):
            count = file.readinto(buffer[done:])
            if not count:
                break
            done += count
        return done

    def write_at(self, file: FileIO, offset: int, data: bytes | memoryview) -> None:
        """Write all of `data` at `offset`."""
        file.seek(offset)
        view = memoryview(data)
        while len(view):
            view = view[file.write(view) :]

    def truncate(self, file: FileIO, size: int) -> None:
        """Cut or extend the file to `size` bytes."""
        file.truncate(size)

    def sync(self, file: FileIO) -> None:
        """Wait until the file's bytes are on the medium."""
        if sys.platform == "darwin":  # there fsync stops at the cache of the drive
            fcntl.fcntl(file.fileno(), fcntl.F_FULLFSYNC)
        else:
            os.fsync(file.fileno())

    def rename(self, source: Path, target: Path) -> None:
        """Rename a file, replacing the target."""
        source.replace(target)

    def exchange(self, first: Path, second: Path) -> bool:
        """Let two folders take each other's name in one step; False where that cannot be done.

        Linux can, but not on every file system (NFS cannot), nor with a C library before 2018.
        """
        if sys.platform != "linux":
            return False
        rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
        names = (os.fsencode(path.absolute()) for path in (first, second))
        where = [part for name in names for part in (_WORKING_FOLDER, name)]
        if rename is None or rename(*where, _EXCHANGE) == 0:
            return rename is not None
        number = ctypes.get_errno()
        if number in (errno.EINVAL, errno.ENOSYS):
            return False
        raise OSError(number, os.strerror(number), str(first))

    def unlink(self, path: Path) -> None:
        """Remove a file."""
        path.unlink()

    def sync_folder(self, folder: Path) -> None:
        """Wait until the folder's entries are on the medium (no such call on Windows)."""
        if os.name == "nt":
            return
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_bytes(disk: Disk, file: FileIO, offset: int, size: int) -> bytes:
    """Return `size` bytes from `offset`, with zeros where the file has ended."""
    buffer = bytearray(size)
    disk.read_at(file, offset, memoryview(buffer))
    return bytes(buffer)
