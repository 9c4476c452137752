"""The file object that HDF5 writes through: the old part of the file stays as it is until commit.

Bytes behind the old end go straight to the tail of the file, which HDF5 ignores until the
superblock says otherwise; bytes inside the old file go to pages in memory. journal.py commits.
"""

import io
import os
from io import FileIO
from pathlib import Path

from ace_nwb.nwb.commit.disk import Disk, read_bytes

PAGE_SIZE = 4096
"""Bytes: a page of memory and of most disks, the least that a disk writes as a whole."""


class OverlayFile(io.RawIOBase):
    """A session file opened for changing, for `h5py.File(overlay, "r+")`.

    Parameters
    ----------
    path
        The session file.
    file
        The same, open for reading and writing.
    old_size
        Length of the file as it is, bytes; a leftover tail must have been cut off.
    disk
        The file operations.

    Attributes
    ----------
    pages
        Page number -> new content of that page of the old file.
    size
        Length the file will have, bytes.
    failure
        The first error of the disk. HDF5 is not told (it can crash on a full disk): later writes
        are dropped and the commit refuses.
    keep_tail
        Whether the bytes behind the old end must stay, because a journal counts on them.
    """

    def __init__(self, path: Path, file: FileIO, *, old_size: int, disk: Disk):
        self.path = path
        self.disk = disk
        self.old_size = old_size
        self.size = old_size
        self.pages: dict[int, bytearray] = {}
        self._found: dict[int, bytes] = {}
        self.failure: OSError | None = None
        self.keep_tail = False
        self._file = file
        self._position = 0
        self._is_discarding = False

    def __repr__(self) -> str:
        # h5py takes this for the file name, and pynwb compares it with the source of containers
        return str(self.path)

    def readable(self) -> bool:
        """Return True."""
        return True

    def writable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move the position."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
        self._position = origin + offset
        return self._position

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        """Fill `buffer` with the file as it will be; zeros where nothing was written yet."""
        view = memoryview(buffer).cast("B")
        start, stop = self._position, self._position + len(view)
        done = self.disk.read_at(self._file, start, view)
        view[done:] = bytes(len(view) - done)
        for number in self._pages_within(start, stop):
            page_start = number * PAGE_SIZE
            page = self.pages[number]
            low, high = max(start, page_start), min(stop, page_start + len(page))
            if low < high:
                view[low - start : high - start] = page[low - page_start : high - page_start]
        self._position = stop
        return len(view)

    def write(self, data) -> int:  # type: ignore[no-untyped-def]
        """Write to the pages, the tail, or both."""
        view = memoryview(data).cast("B")
        start = self._position
        self._position += len(view)
        if not self._is_discarding:
            inside = min(len(view), max(0, self.old_size - start))
            try:
                self._write_pages(start, view[:inside])
                self._write_tail(start + inside, view[inside:])
            except BaseException:  # HDF5 may swallow a Ctrl-C that strikes here
                self.note_interruption()
                raise
            self.size = max(self.size, self._position)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Set the length; the old part is only cut by the commit."""
        size = self._position if size is None else size
        if not self._is_discarding:
            try:
                self.disk.truncate(self._file, max(size, self.old_size))
            except OSError as error:
                self._fail(error)
            self.size = size
        return size

    def flush(self) -> None:
        """Do nothing: durability is the commit's concern."""

    def discard(self) -> None:
        """Drop all that was or will be written; the tail is cut off by the caller."""
        self._is_discarding = True

    def note_interruption(self) -> None:
        """Drop everything from now on, because a write may have been missed."""
        self._fail(OSError("a write was interrupted"))

    def changed_pages(self) -> dict[int, tuple[bytes, bytes]]:
        """Return page number -> (content as it was found, new content) of the pages that differ."""
        changed = {}
        for number in sorted(self.pages):
            old, new = self._found[number], bytes(self.pages[number])
            if old != new and number * PAGE_SIZE < self.size:
                changed[number] = (old, new)
        return changed

    def is_as_found(self) -> bool:
        """Return whether the disk still holds the pages that a change has begun with."""
        return all(
            read_bytes(self.disk, self._file, number * PAGE_SIZE, len(found)) == found
            for number, found in self._found.items()
        )

    def _pages_within(self, start: int, stop: int) -> list[int]:
        """Return the numbers of overlaid pages that touch start..stop."""
        first, last = start // PAGE_SIZE, (min(stop, self.old_size) - 1) // PAGE_SIZE
        if last - first < len(self.pages):
            return [number for number in range(first, last + 1) if number in self.pages]
        return [number for number in self.pages if first <= number <= last]

    def _write_pages(self, start: int, view: memoryview) -> None:
        """Put bytes of the old part into pages."""
        while len(view):
            number, offset = divmod(start, PAGE_SIZE)
            page = self._load_page(number)
            count = min(len(view), len(page) - offset)
            page[offset : offset + count] = view[:count]
            start, view = start + count, view[count:]

    def _load_page(self, number: int) -> bytearray:
        """Return the page in memory, fetched from disk the first time."""
        if number not in self.pages:
            start = number * PAGE_SIZE
            length = min(PAGE_SIZE, self.old_size - start)
            self._found[number] = read_bytes(self.disk, self._file, start, length)
            self.pages[number] = bytearray(self._found[number])
        return self.pages[number]

    def _write_tail(self, start: int, view: memoryview) -> None:
        """Write bytes behind the old end to the file itself."""
        if not len(view):
            return
        try:
            self.disk.write_at(self._file, start, view)
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        """Remember the first error and drop everything from now on."""
        self.failure = self.failure or error
        self.discard()
