"""The few file operations of a commit, one method each, so that tests can stop after any one."""

import os
import sys
from io import FileIO
from pathlib import Path

if sys.platform == "darwin":
    import fcntl


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
