"""Opening sessions, to read them (reading.py) or to change them (editing.py)."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from ace_nwb.nwb.commit.disk import Disk
from ace_nwb.nwb.editing import Edit, SessionWriter
from ace_nwb.nwb.faults import blamed_on, explain
from ace_nwb.nwb.location import check_changeable, find_folder, open_at
from ace_nwb.nwb.opening import existing_file
from ace_nwb.nwb.reading import Session

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
    session = open_at(path)
    session.explain = explain
    return session


def edit_session(
    path: str | Path, *, disk: Disk | None = None, wait_s: float = 0.0
) -> AbstractContextManager[SessionWriter]:
    """Open a session file for changing, to be used in a `with` statement.

    The change is committed as a whole at the end; after an exception, or if the program dies,
    the file is as it was. Yields a `SessionWriter`.

    Parameters
    ----------
    path
        An NWB file, or a session in Zarr; that is changed as a whole, for the price of two copies.
    disk
        The file operations; tests replace them.
    wait_s
        How long to wait for another writer, seconds.

    Raises
    ------
    SessionLockedError
        If another process is writing the file.
    """
    check_changeable(path)
    if find_folder(path) is not None:
        from ace_nwb.nwb.zarr.editing import edit_zarr_session  # loads zarr

        return edit_zarr_session(Path(path), disk or Disk(), wait_s)
    return _edit(existing_file(path), disk or Disk(), wait_s)


@contextmanager
def _edit(path: Path, disk: Disk, wait_s: float) -> Iterator[SessionWriter]:
    """Change a file; what is wrong in it is told as an error of the file."""
    with blamed_on(path), Edit(path, disk, wait_s) as writer:
        try:
            with blamed_on(path):  # while the objects still have names
                yield writer
        except Exception:
            writer.check_disk()  # whatever followed from it is not the fault of file or stage
            raise
