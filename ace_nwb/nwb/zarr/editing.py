"""Changing a session stored as Zarr: on a working copy in HDF5, which then takes its place whole.

A folder of many files cannot be changed in one step. The session is turned into a session file in
the scratch folder beside it, changed there through the journal, written as Zarr beside the old
one, and exchanged with it. An interrupted change leaves the session as it was. Stages leave the
working copy to go on from, since what is done there need not be done again; of any other change
nothing is left, or the same command would make it twice. Time and space are those of two copies.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path

from ace_nwb.nwb.commit.disk import Disk
from ace_nwb.nwb.commit.lock import WriterLock
from ace_nwb.nwb.commit.superblock import read_end_of_file
from ace_nwb.nwb.editing import Edit, SessionWriter, check_writable
from ace_nwb.nwb.location import replaced_path
from ace_nwb.nwb.opening import open_h5, real_path
from ace_nwb.nwb.zarr.exchange import export_zarr, import_zarr


@contextmanager
def edit_zarr(path: Path, *, wait_s: float = 0.0) -> Iterator[Path]:
    """Give stages a session file to change, which then takes the place of the Zarr session.

    Parameters
    ----------
    path
        The Zarr session.
    wait_s
        How long to wait for another writer, seconds.

    Raises
    ------
    SessionLockedError
        If another process is changing the session.
    """
    with _locked(path, wait_s) as path:
        working = _working_path(path)
        is_new = not working.exists()
        _make_working_copy(path, working)
        before = _end_and_date(working)
        try:
            yield working
        except Exception:
            if is_new and _end_and_date(working) == before:  # refused: nothing to go on from
                shutil.rmtree(working.parent)
            raise
        _take_place(working, path, Disk())


@contextmanager
def edit_zarr_session(path: Path, disk: Disk, wait_s: float) -> Iterator[SessionWriter]:
    """Open a Zarr session for one change; see `edit_session`.

    What stages have left to go on from is changed with it, and takes the place of the session.
    """
    with _locked(path, wait_s) as path:
        left, folder = _working_path(path), _change_folder(path)
        working = folder / left.name
        try:
            if left.exists():
                check_writable(left)  # completes what a journal holds
                folder.mkdir()
                shutil.copy(left, working)
            else:
                _make_working_copy(path, working)
            with Edit(working, disk) as writer:
                yield writer
            _take_place(working, path, disk)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):  # stages have left something there, or all of it is gone
                folder.parent.rmdir()


@contextmanager
def _locked(path: Path, wait_s: float) -> Iterator[Path]:
    """Lock a Zarr session and remove what interrupted changes left; give its path."""
    path = real_path(path)
    with WriterLock(path, wait_s):
        _tidy(path)
        yield path


def _end_and_date(working: Path) -> tuple[int, int]:
    """Return what every commit changes: the end of the file, and how often it was changed."""
    with open_h5(working, working, "r") as h5:
        return read_end_of_file(working), len(h5["file_create_date"])


def _working_path(path: Path) -> Path:
    """Return where the session stands as a file: as an interrupted change of this state left it."""
    return _scratch(path) / f"{_digest(path)}.nwb"


def _scratch(path: Path) -> Path:
    return path.with_name(f"{path.name}.scratch")


def _change_folder(path: Path) -> Path:
    """Return where a single change is made; nothing that is left there is taken up."""
    return _scratch(path) / "change"


def _make_working_copy(path: Path, working: Path) -> None:
    folder = working.parent
    if not working.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        import_zarr(path, working)


def _take_place(working: Path, path: Path, disk: Disk) -> None:
    """Let the working copy take the place of the session, and remove the scratch folder."""
    _exchange(working, path, disk)
    shutil.rmtree(_scratch(path), ignore_errors=True)  # the next change removes it


def _exchange(working: Path, path: Path, disk: Disk) -> None:
    """Write the working copy as Zarr and let it take the place of the session.

    Where two folders cannot take each other's name, a moment remains in which the session stands
    aside; a run that ends there leaves it for `find_folder` and `_tidy`.
    """
    new, old = _new_path(path), replaced_path(path)
    export_zarr(working, new)
    if not disk.exchange(new, path):
        disk.rename(path, old)
        disk.rename(new, path)
    disk.sync_folder(path.parent)
    _tidy(path)


def _tidy(path: Path) -> None:
    """Finish an exchange that was interrupted, and forget a single change that was."""
    old = replaced_path(path)
    if old.exists() and not path.exists():
        old.rename(path)
    for left in (old, _new_path(path), _change_folder(path)):
        shutil.rmtree(left, ignore_errors=True)


def _new_path(path: Path) -> Path:
    """Return where the changed session is written; after the exchange the old one stands there."""
    return path.with_name(f"{path.name}.new")


def _digest(path: Path) -> str:
    """Return a digest of the names, sizes and times of the files of a folder."""
    digest = blake2b(digest_size=8)
    for file in sorted(path.rglob("*")):
        stat = file.stat()
        digest.update(f"{file.relative_to(path)} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()
