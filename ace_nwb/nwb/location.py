"""Where a session is, and opening it there: an NWB file, a Zarr folder, or a URL."""

from io import FileIO
from pathlib import Path

import h5py

from ace_nwb.errors import SessionFileError
from ace_nwb.nwb.commit import journal
from ace_nwb.nwb.commit.superblock import read_end_of_file
from ace_nwb.nwb.opening import existing_file, open_h5, real_path
from ace_nwb.nwb.reading import Session


def open_at(location: str | Path) -> Session:
    """Open what is at a location for reading; an interrupted commit is completed first.

    What libraries raise on a damaged file while it is open is not told as its fault: see `faults`.
    """
    url = as_url(location)
    if url is not None:
        from ace_nwb.nwb.remote import open_remote_session  # loads fsspec

        return open_remote_session(url)
    folder = find_folder(location)
    if folder is not None:
        from ace_nwb.nwb.zarr.reading import open_zarr_session  # loads zarr

        return open_zarr_session(folder)
    path = existing_file(location)
    _complete(path)
    return Session(path, open_h5(path, path, "r"))


def open_apart(path: Path) -> Session:
    """Open a session file for reading, for long, while this process may also change it.

    Two handles of one process share what HDF5 remembers of a file, so that a new one would not
    see a change made since the old one was opened; this handle is kept apart from all others.
    """
    path = existing_file(path)
    _complete(path)
    stream = _NamedStream(path, "rb")
    try:
        return _SessionApart(path, open_h5(path, stream, "r"), stream)
    except BaseException:
        stream.close()
        raise


def _complete(path: Path) -> None:
    """Complete an interrupted commit; refuse a file cut short or parted from its journal."""
    if journal.needs_recovery(path):
        journal.recover(path)
    else:
        journal.check_not_renamed(path)
    read_end_of_file(path)


class _NamedStream(FileIO):
    """A file object that HDF5 reads through; h5py takes its text for the name of the file."""

    def __repr__(self) -> str:
        return str(self.name)


class _SessionApart(Session):
    """A session with a file object of its own."""

    def __init__(self, path: Path, h5: h5py.File, stream: FileIO):
        super().__init__(path, h5)
        self._stream = stream

    def close(self) -> None:
        """Close the file."""
        super().close()
        self._stream.close()


def check_changeable(location: str | Path) -> None:
    """Raise SessionFileError if a session can only be read where it is."""
    url = as_url(location)
    if url is not None:
        raise SessionFileError(
            f"{url} can be read but not changed; a session on a disk of this computer was "
            "expected. Download it."
        )


def find_folder(path: str | Path) -> Path | None:
    """Return the folder of a Zarr session, or None if it is no folder.

    A symbolic link is followed: what stands beside a session belongs beside the folder itself.
    After an exchange that was interrupted the session stands where the old one was put aside.
    """
    path = real_path(Path(path))
    if not path.exists() and replaced_path(path).is_dir():
        return replaced_path(path)
    return path if path.is_dir() else None


def replaced_path(path: Path) -> Path:
    """Return where a Zarr session stands while its successor takes its place."""
    return path.with_name(f"{path.name}.replaced")


def as_url(location: str | Path) -> str | None:
    """Return the URL that a location is, or None if it is a path.

    A URL that was taken for a path on its way ("https:/host/file") is one all the same.
    """
    scheme, colon, rest = str(location).replace("\\", "/").partition(":/")
    if not colon or len(scheme) < 2 or not scheme.isalnum():
        return None
    return f"{scheme}://{rest.lstrip('/')}"
