"""Opening the file behind a session: what is missing, damaged, locked or unsafe is refused."""

from io import FileIO
from pathlib import Path

import h5py

from ace_nwb.errors import OutputError, SessionFileError
from ace_nwb.nwb.commit.disk import Disk
from ace_nwb.nwb.commit.held_file import NO_LOCKS
from ace_nwb.nwb.commit.lock import check_not_written, share_with_readers
from ace_nwb.nwb.commit.overlay import OverlayFile
from ace_nwb.nwb.safety import check_safe


def existing_file(path: str | Path) -> Path:
    """Return the path of a file that exists, or raise SessionFileError.

    A symbolic link is followed: lock and journal belong beside the file itself.
    """
    path = Path(path)
    if path.is_dir():
        raise SessionFileError(
            f"{path} is a folder; an NWB session file was expected. A session in Zarr needs no "
            "repacking or recovery; for all else `ace-nwb import` turns it into a file."
        )
    if not path.is_file():
        raise SessionFileError(
            f"{path} does not exist or is not a file. An NWB session file was expected; "
            "`ace-nwb convert` makes one."
        )
    return real_path(path)


def real_path(path: Path) -> Path:
    """Return where a symbolic link leads; any other path as it is."""
    return path.resolve() if path.is_symlink() else path


def open_for_writing(path: Path, disk: Disk) -> FileIO:
    """Open the raw file and keep other HDF5 programs from writing it; changes nothing yet."""
    check_not_written(path)
    if path.stat().st_nlink > 1:
        raise OutputError(
            f"{path} has {path.stat().st_nlink} names (hard links); one was expected, because "
            "journal and lock belong to a name, and a backup may be the other. Copy the file and "
            "change the copy, or remove the other names."
        )
    try:
        file = disk.open(path, "r+b")
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror}). Change its permissions or use a copy."
        ) from error
    try:
        share_with_readers(file, path)
    except BaseException:
        file.close()
        raise
    return file


def _open(source: Path | OverlayFile | FileIO, mode: str) -> h5py.File:
    """Open HDF5, without its lock where the file system offers none."""
    try:
        return h5py.File(source, mode)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return h5py.File(source, mode, locking=False)


def open_h5(path: Path, source: Path | OverlayFile | FileIO, mode: str) -> h5py.File:
    """Open HDF5 and refuse what is damaged or unsafe."""
    try:
        h5 = _open(source, mode)
    except OSError as error:
        raise SessionFileError(
            f"{path} cannot be opened as HDF5 ({error}). An NWB session file was expected; "
            "if another program has it open, close it there."
        ) from error
    try:
        _check_once(h5, path, source)
    except BaseException:
        h5.close()
        raise
    return h5


def _check_once(h5: h5py.File, path: Path, source: Path | OverlayFile | FileIO) -> None:
    """Check a file unless it has been checked in the state in which it still is.

    A check looks at every object, and a run of the stages opens the file five times a stage.
    """
    state = None if isinstance(source, FileIO) else _state(path)
    if state is not None and _checked.get(path) == state:
        return
    _checked.pop(path, None)
    if check_safe(h5, path) and state is not None:
        _checked[path] = state


_checked: dict[Path, tuple[int, ...]] = {}
"""File that holds all of its data itself -> its state when it was checked."""


def _state(path: Path) -> tuple[int, ...]:
    """Return what differs once a file has been changed or replaced."""
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
