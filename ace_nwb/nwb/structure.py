"""The structure of an HDF5 file, visited once within bounds when it is opened.

What is damaged is named here, before anything is read or written; what shows only when it is read
is explained in `faults.py`.
"""

from collections.abc import Iterator
from math import prod
from pathlib import Path

import h5py

from ace_nwb.errors import SessionFileError
from ace_nwb.nwb.objects.links import visit_links

DEEPEST = 64
"""Groups within groups. NWB nests less than 10 deep; beyond some 1,000 Python cannot follow."""

MOST_LINKS = 2_000_000
"""Links of a file. 100,000 sweeps of intracellular recording make 1,000,000; it bounds the time
of the visit to a minute, and its memory to a few hundred MB."""

MOST_BYTES_PER_BYTE = 4096
"""Most bytes that a data set may declare per byte of the whole file. Deflate, the filter that every
NWB program has, makes at most 1,032 bytes of one; the rest is for stronger filters."""

ALWAYS_BYTES = 2**30
"""A data set may declare this much in any file: 1 GB, which every computer can hold."""

_FAILURES = (KeyError, OSError, RuntimeError, TypeError, ValueError)
"""What h5py raises on what HDF5 cannot read."""


class Structure:
    """The links of an open file, by kind; made by visiting them all.

    Parameters
    ----------
    h5
        The open file.
    path
        Where it lies, for messages.

    Attributes
    ----------
    hard, soft, external
        Full names of the links without the leading slash.

    Raises
    ------
    SessionFileError
        If the file is damaged, or its links do not come to an end.
    """

    def __init__(self, h5: h5py.File, path: Path):
        self.hard: list[bytes] = []
        self.soft: list[bytes] = []
        self.external: list[bytes] = []
        self._h5 = h5
        self._path = path
        self._first_at = {h5py.h5o.get_info(h5.id).addr: b""}
        self._problem = ""
        try:
            visit_links(h5.id, self._take)
        except _FAILURES as error:
            raise self._damaged(self._latest(), error) from error
        if self._problem:
            raise SessionFileError(f"{path}: {self._problem} Do not trust this file.")

    def datasets(self) -> Iterator[tuple[str, h5py.h5d.DatasetID]]:
        """Open every object; yield the data sets, whose type and size are sound."""
        for name in self.hard:
            shown = _shown(name)
            try:
                found = h5py.h5o.open(self._h5.id, name)
                is_dataset = isinstance(found, h5py.h5d.DatasetID)
                declared = _declared_bytes(found) if is_dataset else 0
            except _FAILURES as error:
                raise self._damaged(shown, error) from error
            if is_dataset:
                self._check_size(shown, declared)
                yield shown, found

    def headers(self) -> dict[int, str]:
        """Return where the header of each object stands in the file -> its first name."""
        return {address: _shown(name) for address, name in self._first_at.items()}

    def _take(self, name: bytes, info: h5py.h5l.LinkInfo) -> bool | None:
        """Take a link; whatever is returned but None ends the visit."""
        if info.type == h5py.h5l.TYPE_HARD:
            self.hard.append(name)
            first = self._first_at.setdefault(info.u, name)
            if first != name and _is_within(name, first):
                self._problem = f"{_shown(name)} is its own ancestor {_shown(first)}."
        elif info.type == h5py.h5l.TYPE_EXTERNAL:
            self.external.append(name)
        elif info.type == h5py.h5l.TYPE_SOFT:
            self.soft.append(name)
        if name.count(b"/") >= DEEPEST:
            self._problem = f"{_shown(name)} lies more than {DEEPEST} groups deep."
        if len(self.hard) > MOST_LINKS:
            self._problem = f"it holds more than {MOST_LINKS} objects."
        return True if self._problem else None

    def _latest(self) -> str:
        return f"what follows {_shown(self.hard[-1])}" if self.hard else "the root group"

    def _check_size(self, shown: str, declared: int) -> None:
        """Refuse a data set that cannot be in the file; reading it would fill the memory."""
        size = self._h5.id.get_filesize()
        if declared > max(ALWAYS_BYTES, MOST_BYTES_PER_BYTE * size):
            raise SessionFileError(
                f"{self._path}: {shown} declares {declared / 1e9:,.0f} GB, and the whole file has "
                f"{size / 1e6:,.1f} MB; even compressed they cannot be in it. The file is damaged "
                "or was never filled; get a complete copy."
            )

    def _damaged(self, shown: str, error: Exception) -> SessionFileError:
        return SessionFileError(
            f"{self._path}: {shown} is damaged ({error}). A whole NWB file was expected; get a "
            "copy from before, or convert the recording again."
        )


def _declared_bytes(found: h5py.h5d.DatasetID) -> int:
    """Return the bytes that a data set says it holds; of texts, those of the pointers to them."""
    if found.get_create_plist().get_layout() == h5py.h5d.VIRTUAL:
        return 0  # its samples are elsewhere
    space = found.get_space()
    if space.get_simple_extent_type() == h5py.h5s.NULL:
        return 0
    return int(found.dtype.itemsize * prod(map(int, space.get_simple_extent_dims())))


def _is_within(name: bytes, ancestor: bytes) -> bool:
    return not ancestor or name.startswith(ancestor + b"/")


def _shown(name: bytes) -> str:
    """Return a name as a message shows it; a damaged one may be no text."""
    return "/" + name.decode("utf-8", "backslashreplace")
