"""Opening sessions, to read them (reading.py) or to change them (editing.py)."""

from pathlib import Path

from ace_nwb.errors import SessionFileError
from ace_nwb.nwb import journal
from ace_nwb.nwb.disk import Disk
from ace_nwb.nwb.editing import Edit, SessionWriter
from ace_nwb.nwb.opening import existing_file, open_h5
from ace_nwb.nwb.reading import Session
from ace_nwb.nwb.superblock import read_end_of_file

__all__ = ["Session", "SessionWriter", "edit_session", "open_session"]


def open_session(path: str | Path) -> Session:
    """Open a session file for reading; an interrupted commit is completed first.

    Parameters
    ----------
    path
        An NWB file, a Zarr folder, or the URL of an NWB file.

    Raises
    ------
    SessionFileError
        If it is no readable NWB file, or points at files outside its folder.
    JournalError
        If an interrupted commit cannot be completed.
    """
    if is_url(path):
        from ace_nwb.nwb.remote import open_remote_session  # loads fsspec

        return open_remote_session(str(path))
    if Path(path).is_dir():
        from ace_nwb.nwb.zarr_session import open_zarr_session  # loads zarr

        return open_zarr_session(Path(path))
    path = existing_file(path)
    if journal.needs_recovery(path):
        journal.recover(path)
    read_end_of_file(path)
    return Session(path, open_h5(path, path, "r"))


def edit_session(path: str | Path, *, disk: Disk | None = None, wait_s: float = 0.0) -> Edit:
    """Open a session file for changing, to be used in a `with` statement.

    The change is committed as a whole at the end; after an exception, or if the program dies,
    the file is as it was. Yields a `SessionWriter`.

    Parameters
    ----------
    path
        An NWB file.
    disk
        The file operations; tests replace them.
    wait_s
        How long to wait for another writer, seconds.

    Raises
    ------
    SessionLockedError
        If another process is writing the file.
    """
    if is_url(path) or Path(path).is_dir():
        raise SessionFileError(
            f"{path} can be read but not changed; an NWB file on a local disk was expected. "
            "Download it, or turn a Zarr folder into a file with `ace-nwb import`."
        )
    return Edit(existing_file(path), disk or Disk(), wait_s)


def is_url(location: str | Path) -> bool:
    """Return whether a location is a URL rather than a path."""
    return isinstance(location, str) and "://" in location
