"""The one door for new files: written beside, checked, made durable, then named in one step.

A name is claimed (`claim`) with the lock of its file; what a killed run has left beside it goes.
`new_file` and `new_files` give streams to write to, `new_h5` an HDF5 file; `make_folder` makes
folders that last. A file under its final
name is whole, whatever fails: every refused write is noted, also those that HDF5 swallows, and
what was written is read back and compared. Existing session files are changed by editing.py.
"""

import io
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from filecmp import cmp
from io import FileIO
from pathlib import Path

import h5py

from ace_nwb.errors import JournalError, OutputError, SessionFileError, reason
from ace_nwb.nwb.commit import journal
from ace_nwb.nwb.commit import overlay as overlay_module
from ace_nwb.nwb.commit.checked_file import NewFile
from ace_nwb.nwb.commit.disk import Disk
from ace_nwb.nwb.commit.interruption import InterruptGuard
from ace_nwb.nwb.commit.lock import WriterLock, check_not_written, share_with_readers

BUFFER_BYTES = 2**20
"""Writes of other libraries are gathered up to this size; a table of a session is a few of them."""

COPY_BYTES = 2**24
"""Files are copied in blocks of this size; smaller ones are slower, larger ones are not faster."""

_LEFT_OVERS = (
    *("", ".lock", ".partial", ".journal", ".journal-partial"),
    *(".repacking", ".repacking.lock", ".repacking.partial"),
)
"""Endings of what a killed run may have left of a file beside another."""


@contextmanager
def claim(
    target: Path, *, replace: bool = False, accept_same: bool = False, disk: Disk | None = None
) -> Iterator[Path]:
    """Give a free path beside a name; what then stands there, file or folder, gets the name.

    Parameters
    ----------
    target
        The name. Through a symbolic link, that of the file it leads to.
    replace
        Whether a file that stands there is replaced; else it is refused.
    accept_same
        Whether a file that stands there with the same content counts as written, so that a run
        that ended between two files can be repeated.
    disk
        The file operations; tests replace them.

    Raises
    ------
    OutputError
        If the name is taken, or the disk refuses; nothing has got the name then.
    SessionLockedError
        If another process is writing it.
    """
    disk, target = disk or Disk(), target.resolve() if target.is_symlink() else target
    if not target.parent.is_dir():
        raise OutputError(
            f"{target} cannot be written: the folder {target.parent} does not exist. An existing "
            "one was expected; make it first, or choose another."
        )
    with WriterLock(target):
        beside = partial_path(target)
        _check_free(target, replace=replace, accept_same=accept_same)
        try:
            _remove(beside)
            yield beside
            if replace and target.exists():
                _settle(target, disk)
            if target.exists() and not replace:
                _check_same(beside, target)
            else:
                move_into_place(disk, beside, target)
        except OSError as error:
            if not _is_about(error, beside, target):
                raise
            raise OutputError(
                f"{target} cannot be written ({reason(error)}). Enough space and a "
                "writable folder were expected; free space, or choose another folder."
            ) from error
        finally:
            with suppress(OSError):  # the next run removes it
                _remove(beside)


@contextmanager
def new_files(
    targets: Sequence[Path], *, replace: bool = False, disk: Disk | None = None
) -> Iterator[list[io.BufferedRandom]]:
    """Give a stream for each of some files; they get their names when all are whole.

    If all stand there already they are refused (unless `replace`); some of them, left by a run
    that was killed at the last moment, are completed.
    """
    disk, is_partly_there = disk or Disk(), not all(target.exists() for target in targets)
    with ExitStack() as stack:
        besides = [
            stack.enter_context(
                claim(target, replace=replace, accept_same=is_partly_there, disk=disk)
            )
            for target in targets
        ]
        with ExitStack() as opened:
            yield [
                opened.enter_context(_stream(target, beside, disk))
                for target, beside in zip(targets, besides, strict=True)
            ]


@contextmanager
def new_file(
    target: Path, *, replace: bool = False, disk: Disk | None = None
) -> Iterator[io.BufferedRandom]:
    """Give a stream for a file that appears when it is whole; see `claim`."""
    with new_files([target], replace=replace, disk=disk) as (stream,):
        yield stream


def write_new(target: Path, content: bytes | str, *, replace: bool = False) -> Path:
    """Write a file of this content, text as UTF-8; see `claim`."""
    with new_file(target, replace=replace) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)
    return target


@contextmanager
def as_text(stream: io.BufferedRandom) -> Iterator[io.TextIOWrapper]:
    """Give a new file as text in UTF-8, line ends as they are written (as `csv` wants it)."""
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
    try:
        yield text
    finally:
        text.detach()


def copy_bytes(
    source: Path, target: io.RawIOBase | io.BufferedRandom, report: Callable[[int], None]
) -> None:
    """Copy a file into a new one; `report` is told the bytes of each block."""
    with FileIO(source) as reading:
        while content := reading.read(COPY_BYTES):
            target.write(content)
            report(len(content))


@contextmanager
def new_h5(
    target: Path,
    *,
    replace: bool = False,
    copy_of: Path | None = None,
    report: Callable[[int], None] = lambda _n_bytes: None,
    disk: Disk | None = None,
) -> Iterator[h5py.File]:
    """Give an HDF5 file to fill, which appears when it is whole; see `claim`.

    Parameters
    ----------
    target, replace, disk
        See `claim`.
    copy_of
        An HDF5 file; the new one begins as a copy of it, in place of empty.
    report
        Called with the number of bytes of each block that was copied.
    """
    disk = disk or Disk()
    with (
        claim(target, replace=replace, disk=disk) as beside,
        _opened(target, beside, disk, is_telling=False) as raw,
    ):
        if copy_of is not None:
            copy_bytes(copy_of, raw, report)
            raw.check_failure()
        guard = InterruptGuard(raw.note_interruption, callbacks=overlay_module.__file__)
        guard.set_up()
        try:
            mode = "w" if copy_of is None else "r+"
            with _closing(h5py.File(raw, mode), raw) as h5:
                yield h5
            guard.check()
            raw.finish()
        except Exception:
            guard.check()  # what a Ctrl-C that HDF5 swallowed has led to
            raise
        finally:
            guard.take_down()


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing, so that a power cut leaves them.

    Raises
    ------
    OutputError
        If that cannot be done.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in missing:
            Disk().sync_folder(path.parent)
    except OSError as error:
        raise OutputError(
            f"The folder {folder} cannot be made ({reason(error)}). A writable place "
            "for it was expected; choose another, or free space."
        ) from error


def move_into_place(disk: Disk, beside: Path, target: Path) -> None:
    """Make a file or folder durable and give it its name."""
    for path in [beside, *beside.rglob("*")] if beside.is_dir() else [beside]:
        if path.is_dir():
            disk.sync_folder(path)
        else:
            with disk.open(path, "r+b") as file:
                disk.sync(file)
    disk.rename(beside, target)
    disk.sync_folder(target.parent)


def partial_path(target: Path) -> Path:
    """Return where a file stands while it is written."""
    return target.with_name(f"{target.name}.partial")


@contextmanager
def _stream(target: Path, beside: Path, disk: Disk) -> Iterator[io.BufferedRandom]:
    """Open a stream on a new file; it is durable and compared at the end."""
    with _opened(target, beside, disk, is_telling=True) as raw:
        stream = io.BufferedRandom(raw, BUFFER_BYTES)
        try:
            yield stream
            stream.flush()
            raw.finish()
        except BaseException:
            raw.discard()
            raise
        finally:
            stream.detach()


@contextmanager
def _opened(target: Path, beside: Path, disk: Disk, *, is_telling: bool) -> Iterator[NewFile]:
    with disk.open(beside, "x+b") as file:
        yield NewFile(target, file, disk=disk, is_telling=is_telling)


@contextmanager
def _closing(h5: h5py.File, raw: NewFile) -> Iterator[h5py.File]:
    """Close an HDF5 file, after an exception without letting it write."""
    try:
        yield h5
    except BaseException:
        raw.discard()
        with suppress(Exception):  # the state inside HDF5 no longer matters
            h5.close()
        raise
    h5.close()


def _is_about(error: OSError, beside: Path, target: Path) -> bool:
    """Return whether an error concerns the new file, and not one that is being read."""
    # what HDF5 cannot read of a source has no number; what a disk refuses has one
    if error.errno is None and "read data" in str(error):
        return False
    named = str(error.filename or "")
    return not named or named == str(target) or named.startswith(str(beside))


def _check_free(target: Path, *, replace: bool, accept_same: bool) -> None:
    """Refuse a name that is taken, before any work."""
    if target.is_dir() and replace:
        raise OutputError(f"{target} is a folder. A file name was expected; give one within it.")
    if target.exists() and not replace and not accept_same:
        raise OutputError(
            f"{target} exists already. A new name was expected; give another one, or remove it."
        )
    if target.exists():
        _check_unused(target)


def _check_unused(target: Path) -> None:
    """Refuse to replace a file that somebody is writing."""
    check_not_written(target)
    if target.is_file():
        with FileIO(target) as file:
            share_with_readers(file, target)


def _settle(target: Path, disk: Disk) -> None:
    """Finish what was begun with the file that is to be replaced, so that nothing of it is left."""
    _check_unused(target)
    if journal.needs_recovery(target):
        with suppress(JournalError, SessionFileError), disk.open(target, "r+b") as file:
            journal.recover_opened(target, file, disk)
        journal.journal_path(target).unlink(missing_ok=True)


def _check_same(beside: Path, target: Path) -> None:
    if not cmp(beside, target, shallow=False):
        raise OutputError(
            f"{target} exists already, with another content. A new name was expected; give another "
            "one, or remove it."
        )


def _remove(beside: Path) -> None:
    """Remove what stands beside a name; the caller holds its lock, so that it is nobody's."""
    for ending in _LEFT_OVERS:
        left = beside.with_name(beside.name + ending)
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left)
        else:
            left.unlink(missing_ok=True)
