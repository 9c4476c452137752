"""Sessions on a web server or in cloud storage, read lazily: only what is asked for is fetched."""

import gc
import io
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import fsspec
import h5py

from ace_nwb.errors import SessionFileError
from ace_nwb.nwb.reading import Session
from ace_nwb.nwb.safety import check_safe

BLOCK_BYTES = 256 * 2**10
"""Bytes fetched at once: HDF5 reads many small pieces of metadata that lie close together."""

MAX_BLOCKS = 256
"""Blocks kept in memory."""


class RemoteSession(Session):
    """A session on a server, opened for reading."""

    def __init__(self, url: str, h5: h5py.File, file: Any):
        super().__init__(Path(urlsplit(url).path), h5)
        self.url = url
        self._file = file

    @property
    def location(self) -> str:
        """The URL."""
        return self.url

    def close(self) -> None:
        """Close the session and the connection."""
        super().close()
        self._file.close()


class _FetchingFile(io.RawIOBase):
    """A remote file for h5py that fetches without garbage collection.

    HDF5's global lock is held during a read. Fetching runs in another thread; were that thread
    to collect an h5py object, it would wait for the lock for ever.
    """

    def __init__(self, file: Any):
        self._file = file

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return int(self._file.tell())

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return int(self._file.seek(offset, whence))

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        view = memoryview(buffer).cast("B")
        is_collecting = gc.isenabled()
        gc.disable()
        try:
            content = self._file.read(len(view))
        finally:
            if is_collecting:
                gc.enable()
        view[: len(content)] = content
        return len(content)

    def close(self) -> None:
        self._file.close()
        super().close()


def open_remote_session(url: str) -> RemoteSession:
    """Open a session file at a URL ("https://...", "s3://...") for reading.

    Raises
    ------
    SessionFileError
        If it cannot be reached, is no HDF5 file, or points at other files.
    """
    try:
        opened = fsspec.open(
            url,
            "rb",
            block_size=BLOCK_BYTES,
            cache_type="blockcache",
            cache_options={"maxblocks": MAX_BLOCKS},
        ).open()
        file = _FetchingFile(opened)
        h5 = h5py.File(file, "r")
    except (OSError, ValueError, ImportError) as error:
        raise SessionFileError(
            f"{url} cannot be opened ({error}). An NWB session file on a server that serves parts "
            "of files was expected. Check the address, or download the file."
        ) from error
    session = RemoteSession(url, h5, file)
    try:
        check_safe(h5, session.path, allow_beside=False)
    except BaseException:
        session.close()
        raise
    return session
