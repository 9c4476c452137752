"""Repacking: the session file is written anew without the space of removed objects.

The copy is written beside the file, compared with it data set by data set, and then takes its
place in one step. Chunks are copied as they are stored, without decompressing them.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py

from ace_nwb.errors import OutputError, SessionFileError, reason
from ace_nwb.nwb.commit.disk import Disk
from ace_nwb.nwb.commit.journal import recover_opened
from ace_nwb.nwb.commit.lock import WriterLock
from ace_nwb.nwb.commit.new_file import move_into_place, new_h5
from ace_nwb.nwb.faults import blamed_on
from ace_nwb.nwb.objects.copying import copy_file, find_difference
from ace_nwb.nwb.opening import existing_file, open_for_writing, open_h5

MARGIN_BYTES = 16 * 2**20
"""Free space asked for beyond the data: metadata of the copy."""


@dataclass(frozen=True)
class Repacked:
    """Size of a session file before and after repacking, bytes."""

    size_before: int
    size_after: int


def repack(
    path: str | Path,
    *,
    progress: Callable[[int, int], None] | None = None,
    disk: Disk | None = None,
) -> Repacked:
    """Reclaim the space that removed and replaced objects left in a session file.

    Parameters
    ----------
    path
        The session file.
    progress
        Called with (bytes copied, of how many).
    disk
        The file operations; tests replace them.

    Raises
    ------
    OutputError
        If there is not enough free space for the copy; nothing has been written then.
    SessionFileError
        If the copy is not identical; the file stays as it was.
    """
    path, disk = existing_file(path), disk or Disk()
    copy = path.with_name(path.name + ".repacking")
    with WriterLock(path), open_for_writing(path, disk) as file:
        recover_opened(path, file, disk)
        size_before = path.stat().st_size
        try:
            with open_h5(path, path, "r") as source, blamed_on(path):
                _check_space(path, live_bytes(source))
                with new_h5(copy, replace=True, disk=disk) as target:
                    copy_file(source, target, progress=progress or _no_progress)
                _verify(source, copy, path)
            shutil.copystat(path, copy)
            _replace(disk, copy, path)
        finally:
            copy.unlink(missing_ok=True)
    return Repacked(size_before, path.stat().st_size)


def live_bytes(h5: h5py.File) -> int:
    """Return the stored size of all data sets of a file, bytes."""
    sizes: list[int] = []
    h5.visititems(
        lambda _name, found: (
            sizes.append(found.id.get_storage_size()) if isinstance(found, h5py.Dataset) else None
        )
    )
    return sum(sizes)


def _check_space(path: Path, n_bytes: int) -> None:
    """Refuse to begin what the disk cannot hold."""
    free = shutil.disk_usage(path.parent).free
    needed = n_bytes + MARGIN_BYTES
    if free < needed:
        raise OutputError(
            f"Repacking {path} needs {needed / 1e6:.0f} MB for a copy, and the disk has "
            f"{free / 1e6:.0f} MB free. Free space, or move the file to a larger disk first."
        )


def _verify(source: h5py.File, copy: Path, path: Path) -> None:
    """Compare the copy with the file."""
    with open_h5(copy, copy, "r") as copied:
        difference = find_difference(source, copied)
    if difference:
        raise SessionFileError(
            f"The repacked copy of {path} differs at {difference}; an identical one was expected. "
            "The file stays as it was; check the disk."
        )


def _replace(disk: Disk, copy: Path, path: Path) -> None:
    """Make the copy durable, then let it take the place of the file."""
    try:
        move_into_place(disk, copy, path)
    except OSError as error:
        raise OutputError(
            f"{path} could not be replaced by its repacked copy ({reason(error)}). It stays as "
            "it was."
        ) from error


def _no_progress(_done: int, _of: int) -> None:
    """Report nothing."""
