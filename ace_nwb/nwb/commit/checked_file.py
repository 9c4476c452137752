"""The file object that a new file is written through: it notes refused writes, and compares."""

import time
from collections.abc import Iterable
from io import FileIO
from itertools import count
from pathlib import Path
from typing import NamedTuple

from isal import isal_zlib

from ace_nwb.nwb.commit.disk import Disk
from ace_nwb.nwb.commit.overlay import OverlayFile

ALWAYS_CHECKED_BYTES = 2**26
"""A smaller file is read back whole: that takes some hundredths of a second."""

SMALL_WRITE_BYTES = 2**16
"""Smaller writes are always read back: tables and the structure of HDF5, a few MB in all."""

CHECK_SHARE = 0.04
"""Share of the time of writing that reading the rest back may take; a disk that gives its files
more slowly than they were made is not waited for."""


class _Written(NamedTuple):
    """A write as it was asked for: place, length (bytes), checksum, which one it was."""

    start: int
    length: int
    checksum: int
    number: int


class NewFile(OverlayFile):
    """A new file as the libraries see it that write it.

    Parameters
    ----------
    path
        The name it will get; HDF5 and pynwb take it for that of the file.
    file
        The file, where it stands until then, open for reading and writing.
    disk
        The file operations.
    is_telling
        Whether a write that the disk refuses raises; HDF5 must not be told (see `OverlayFile`).
    """

    def __init__(self, path: Path, file: FileIO, *, disk: Disk, is_telling: bool):
        super().__init__(path, file, old_size=0, disk=disk)
        self._is_telling = is_telling
        self._writes: dict[int, _Written] = {}
        self._numbers = count()
        self._started_s = time.monotonic()

    def write(self, data) -> int:  # type: ignore[no-untyped-def]
        """Write, or raise what the disk says."""
        was_whole = self.failure is None
        written = super().write(data)
        if self._is_telling and was_whole:
            self.check_failure()
        return written

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        """Fill `buffer`; HDF5 gets zeros behind the end, others learn that it ends there."""
        start = self._position
        count = super().readinto(buffer)
        if self._is_telling:
            count = max(0, min(count, self.size - start))
            self._position = start + count
        return count

    def truncate(self, size: int | None = None) -> int:
        """Set the length."""
        size = super().truncate(size)
        self._writes = {
            start: one for start, one in self._writes.items() if start + one.length <= size
        }
        return size

    def check_failure(self) -> None:
        """Raise the first error of the disk, if there was one."""
        if self.failure is not None:
            raise self.failure

    def finish(self) -> None:
        """Make the content durable and compare it with what was to be written.

        Raises
        ------
        OSError
            If a write was refused, or the file does not hold what was written.
        """
        self.check_failure()
        self.disk.sync(self._file)
        wrote_s = time.monotonic() - self._started_s
        writes = sorted(_last_writes(self._writes.values()), key=lambda one: one.length)
        deadline = time.monotonic() + CHECK_SHARE * wrote_s
        for one in writes:
            is_needed = self.size <= ALWAYS_CHECKED_BYTES or one.length <= SMALL_WRITE_BYTES
            if not is_needed and time.monotonic() > deadline:
                break
            self._compare(one)

    def _compare(self, one: _Written) -> None:
        content = bytearray(one.length)
        found = self.disk.read_at(self._file, one.start, memoryview(content))
        if found != one.length or isal_zlib.crc32(content) != one.checksum:
            raise OSError(
                f"the {one.length} bytes at {one.start} are not those that were written; "
                "check the disk"
            )

    def _write_tail(self, start: int, view: memoryview) -> None:
        super()._write_tail(start, view)
        if len(view):
            checksum = isal_zlib.crc32(view)
            self._writes[start] = _Written(start, len(view), checksum, next(self._numbers))


def _last_writes(writes: Iterable[_Written]) -> list[_Written]:
    """Return the writes that no later one has covered, be it in part."""
    kept: list[_Written] = []
    for one in sorted(writes):
        while kept and kept[-1].start + kept[-1].length > one.start:
            if kept[-1].number > one.number:
                break
            kept.pop()
        else:
            kept.append(one)
    return kept
