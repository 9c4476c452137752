"""Journaled commit of a session file: after a crash it is exactly as before or exactly as after.

A change is collected by an `OverlayFile` (overlay.py). The commit makes the new tail durable,
writes the changed pages of the old part to `<file>.journal`, patches them in place and removes
the journal. The file stays readable by every HDF5 program at any moment but the patching.

`<file>.journal-partial` stands from before the first byte behind the end: at first it says only
where the end was, so that such bytes are known to be ours. Bytes that it does not explain belong
to a program that has the file open, and are never cut off.
"""

import hashlib
import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from ace_nwb.errors import JournalError, OutputError, SessionLockedError, reason
from ace_nwb.forms.commands import quoted
from ace_nwb.nwb.commit.disk import Disk, read_bytes
from ace_nwb.nwb.commit.journal_file import (
    DIGEST_SIZE,
    Journal,
    begun_at,
    journal_path,
    pack,
    pack_header,
    partial_journal_path,
    read_journal,
    unusable,
)
from ace_nwb.nwb.commit.lock import WriterLock, check_not_written
from ace_nwb.nwb.commit.overlay import PAGE_SIZE, OverlayFile
from ace_nwb.nwb.commit.superblock import read_end_of_file
from ace_nwb.nwb.opening import existing_file, open_for_writing

logger = logging.getLogger(__name__)

N_SAMPLED_PAGES = 64
"""Pages that tell a file from another: read in milliseconds, whatever the size of the file."""
WAIT_FOR_WRITER_S = 5.0
"""Seconds that a recovery waits for a writer: a commit of 30 MB takes about one."""


@dataclass(frozen=True)
class Recovery:
    """What recovering a session file did, or would do.

    Parameters
    ----------
    action
        "none", "replayed" (an interrupted commit was completed) or "discarded" (an interrupted
        change was dropped).
    n_pages
        Pages patched.
    n_bytes_dropped
        Bytes cut off behind the end of the file.
    """

    action: str
    n_pages: int = 0
    n_bytes_dropped: int = 0

    def __str__(self) -> str:
        if self.action == "replayed":
            pages = f"{self.n_pages} pages"
            return f"An interrupted change was complete; it is now in the file as a whole: {pages}."
        if self.action == "discarded":
            dropped = f"{self.n_bytes_dropped} bytes behind its end"
            return f"An interrupted change was dropped, the file is as before: {dropped}."
        return "There is nothing to recover."


def check_alone(overlay: OverlayFile) -> None:
    """Refuse to finish a change of a file that another program has begun to write meanwhile.

    HDF5's lock keeps others out, unless they have switched it off. What stands behind the end may
    then be theirs, and stays.

    Raises
    ------
    SessionLockedError
        If another program has the file open for writing, or has written it.
    """
    try:
        check_not_written(overlay.path, but=os.getpid())
        if read_end_of_file(overlay.path) != overlay.old_size or not overlay.is_as_found():
            raise SessionLockedError(
                f"{overlay.path} was written by another program, with HDF5's locks off, while it "
                "was being changed. Nobody else writing was expected; what it wrote was left "
                "alone. Close the file there, then repeat the step."
            )
    except SessionLockedError:
        overlay.keep_tail = True
        raise


def commit(overlay: OverlayFile, file: FileIO) -> None:
    """Make the changes collected by `overlay` part of its session file.

    After an exception the caller takes the change back (`roll_back`), unless
    `overlay.keep_tail` says that a journal needs its bytes.

    Raises
    ------
    OutputError
        If the disk refused something; the file is as it was.
    JournalError
        If the disk failed while patching; the journal is complete and recovery finishes the work.
    """
    disk, path = overlay.disk, overlay.path
    if overlay.failure is not None:
        raise _write_failed(path, overlay.failure) from overlay.failure
    check_alone(overlay)
    pages = overlay.changed_pages()
    if not pages and overlay.size == overlay.old_size:
        _discard_partial(disk, path)
        return
    try:
        disk.truncate(file, max(overlay.size, overlay.old_size))
        disk.sync(file)
        identity = _identify(disk, file, size=overlay.size, changed=set(pages))
        journal = Journal(overlay.old_size, overlay.size, identity, pages)
        _write_journal(disk, path, journal)
        overlay.keep_tail = True  # from here on a journal may stand that needs it
        disk.rename(partial_journal_path(path), journal_path(path))
        disk.sync_folder(path.parent)
    except OSError as error:
        _withdraw_journal(disk, path)
        overlay.keep_tail = False
        raise _write_failed(path, error) from error
    try:
        _patch(disk, path, file, journal)
    except OSError as error:
        raise JournalError(
            f"{path}: the change is complete in {journal_path(path).name}, but patching the file "
            f"failed ({reason(error)}). Repair the disk, then run `ace-nwb recover {quoted(path)}`."
        ) from error


def begin(path: Path, end: int, disk: Disk) -> None:
    """Say durably that bytes behind the end of a file, where it is now, are ours.

    Raises
    ------
    OutputError
        If that cannot be written; the file is as it was.
    """
    try:
        with disk.open(partial_journal_path(path), "xb") as file:
            disk.write_at(file, 0, pack_header(Journal(end, end, bytes(DIGEST_SIZE), {})))
            disk.sync(file)
        disk.sync_folder(path.parent)
    except BaseException as error:  # a Ctrl-C too: nothing of ours is behind the end yet
        with suppress(OSError):
            _discard_partial(disk, path)
        if isinstance(error, OSError):
            raise _write_failed(path, error) from error
        raise


def roll_back(overlay: OverlayFile, file: FileIO) -> None:
    """Cut off what an uncommitted change has written behind the end."""
    disk, path = overlay.disk, overlay.path
    _cut(disk, file, overlay.old_size)
    _discard_partial(disk, path)


def recover(
    path: str | Path, dry_run: bool = False, *, cut: bool = False, disk: Disk | None = None
) -> Recovery:
    """Complete or drop an interrupted change of a session file.

    Parameters
    ----------
    path
        The session file.
    dry_run
        Only say what would be done.
    cut
        Also cut off bytes behind the end that no journal explains: the caller knows that no
        program has the file open.

    Raises
    ------
    JournalError
        If the journal is damaged or belongs to another file; nothing is written then.
    SessionLockedError
        If another process is writing the file.
    """
    path, disk = existing_file(path), disk or Disk()
    if dry_run:
        with disk.open(path, "rb") as file:
            return recover_opened(path, file, disk, dry_run=True, cut=cut)
    with (
        WriterLock(path, wait_s=WAIT_FOR_WRITER_S),
        open_for_writing(path, disk) as file,
    ):
        return recover_opened(path, file, disk, cut=cut)


def needs_recovery(path: Path) -> bool:
    """Return whether a complete journal waits beside the file."""
    return journal_path(path).exists()


def check_not_renamed(path: Path) -> None:
    """Refuse a file whose journal was left behind under its former name.

    Raises
    ------
    JournalError
        If a journal without a file beside it was written for this one.
    """
    for source in path.parent.glob("*.journal"):
        former = source.with_name(source.name.removesuffix(".journal"))
        if not former.exists() and _belongs(former, path):
            raise JournalError(
                f"{path} was renamed while an interrupted change waits in {source.name}. The "
                f"journal was expected beside it as {journal_path(path).name}: rename it, then "
                f"run `ace-nwb recover {quoted(path)}`. Nothing was written."
            )


def recover_opened(
    path: Path, file: FileIO, disk: Disk, *, dry_run: bool = False, cut: bool = False
) -> Recovery:
    """Recover a file that the caller has locked, opened and shared with readers, in this order."""
    if needs_recovery(path):
        journal = read_journal(path)
        _check_belongs(disk, file, path, journal)
        if not dry_run:
            _patch(disk, path, file, journal)
            _discard_partial(disk, path)
        return Recovery("replayed", n_pages=len(journal.pages))
    check_not_renamed(path)
    end, size = read_end_of_file(path), path.stat().st_size
    if size > end and not cut and begun_at(path) != end:
        raise SessionLockedError(_unexplained(path, size - end))
    is_partial = partial_journal_path(path).exists()
    if not dry_run:
        _cut(disk, file, end)
        _discard_partial(disk, path)
    if size == end and not is_partial:
        return Recovery("none")
    return Recovery("discarded", n_bytes_dropped=size - end)


def _cut(disk: Disk, file: FileIO, size: int) -> None:
    """Cut the leftover tail of an interrupted change."""
    if os.fstat(file.fileno()).st_size != size:
        disk.truncate(file, size)
        disk.sync(file)


def _write_journal(disk: Disk, path: Path, journal: Journal) -> None:
    """Write the journal under its provisional name and make it durable.

    It goes over the beginning that stands there: kind and old size stay readable at any moment.
    """
    digest = hashlib.blake2b(digest_size=DIGEST_SIZE)
    with disk.open(partial_journal_path(path), "r+b") as file:
        position = 0
        for part in pack(journal):
            digest.update(part)
            disk.write_at(file, position, part)
            position += len(part)
        disk.write_at(file, position, digest.digest())
        disk.sync(file)


def _withdraw_journal(disk: Disk, path: Path) -> None:
    """Take back a journal that could not be made durable; it still explains the new bytes."""
    if journal_path(path).exists():
        disk.rename(journal_path(path), partial_journal_path(path))


def _patch(disk: Disk, path: Path, file: FileIO, journal: Journal) -> None:
    """Bring the new pages into the file and drop the journal; may be repeated any time."""
    for number, (_, new) in journal.pages.items():
        disk.write_at(file, number * PAGE_SIZE, new)
    disk.truncate(file, journal.new_size)
    disk.sync(file)
    disk.unlink(journal_path(path))
    try:
        disk.sync_folder(path.parent)
    except OSError as error:  # should the journal come back after a power cut, replay is harmless
        logger.warning("%s: the folder could not be synced: %s", path, error)


def _check_belongs(disk: Disk, file: FileIO, path: Path, journal: Journal) -> None:
    """Refuse a journal that was written for another file, or for an earlier state of this one."""
    size = path.stat().st_size
    is_size_right = size in {journal.new_size, max(journal.old_size, journal.new_size)}
    changed = set(journal.pages)
    if (
        is_size_right
        and _identify(disk, file, size=journal.new_size, changed=changed) == journal.identity
    ):
        current = (
            (read_bytes(disk, file, number * PAGE_SIZE, len(old)), old, new)
            for number, (old, new) in journal.pages.items()
        )
        if all(_is_between(*page) for page in current):
            return
    raise JournalError(unusable(journal_path(path), f"was not written for {path} as it is now"))


def _belongs(former: Path, path: Path) -> bool:
    """Return whether the journal of `former` was written for the file at `path`."""
    try:
        journal = read_journal(former)
        with Disk().open(path, "rb") as file:
            _check_belongs(Disk(), file, path, journal)
    except (JournalError, OSError):
        return False
    return True


def _is_between(found: bytes, old: bytes, new: bytes) -> bool:
    """Return whether every byte is the old or the new one (a page may be patched by half)."""
    if found in (old, new):
        return True
    return all(byte in pair for byte, *pair in zip(found, old, new, strict=True))


def _identify(disk: Disk, file: FileIO, *, size: int, changed: set[int]) -> bytes:
    """Return the digest of pages spread over the file that the commit leaves alone."""
    n_pages = max(1, -(-size // PAGE_SIZE))
    step = max(1, n_pages // N_SAMPLED_PAGES)
    digest = hashlib.blake2b(digest_size=DIGEST_SIZE)
    for number in [*range(0, n_pages, step), n_pages - 1]:
        if number not in changed:
            length = min(PAGE_SIZE, size - number * PAGE_SIZE)
            digest.update(read_bytes(disk, file, number * PAGE_SIZE, length))
    return digest.digest()


def _discard_partial(disk: Disk, path: Path) -> None:
    """Remove a journal that was never completed."""
    if partial_journal_path(path).exists():
        disk.unlink(partial_journal_path(path))


def _write_failed(path: Path, error: OSError) -> OutputError:
    """Build the error for a disk that refused to write; the file is unchanged."""
    return OutputError(
        f"{path} could not be changed: {error}. The file is as it was before. "
        "Free space or repair the disk, then repeat the step."
    )


def _unexplained(path: Path, n_bytes: int) -> str:
    """Return the message for bytes that somebody else wrote behind the end of the file."""
    return (
        f"{path} is {n_bytes} bytes longer than it says it is, and no interrupted change of ours "
        "explains them: another program has it open for writing, or ended without closing it. "
        f"Nothing was changed. Close it there; if no program has it open, `ace-nwb recover {path} "
        "--cut` drops these bytes."
    )
