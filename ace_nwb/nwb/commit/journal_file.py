"""What a journal looks like on the disk: header, page records, digest. journal.py uses it."""

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ace_nwb.errors import JournalError
from ace_nwb.nwb.commit.overlay import PAGE_SIZE

MAGIC = b"ACENWBJ\n"
FORMAT_VERSION = 1  # rises when an older ace_nwb could not read the journal
# magic, format version, page size, changed pages, old size, new size, digest of sampled pages
_HEADER = struct.Struct("<8sIIQQQ32s")
_PAGE = struct.Struct("<QI")  # page number, length; the old and the new content follow
DIGEST_SIZE = 32  # bytes of blake2b, as in the header: a chance match is out of the question

ChangedPages = dict[int, tuple[bytes, bytes]]


@dataclass(frozen=True)
class Journal:
    """A complete journal: what a commit wanted to change.

    Parameters
    ----------
    old_size, new_size
        Length of the session file before and after, bytes.
    identity
        Digest of pages of the session file that the commit leaves alone.
    pages
        Page number -> (old content, new content).
    """

    old_size: int
    new_size: int
    identity: bytes
    pages: ChangedPages


def journal_path(path: Path) -> Path:
    """Return the journal that belongs to a session file."""
    return path.with_name(path.name + ".journal")


def partial_journal_path(path: Path) -> Path:
    """Return where a journal is written before it is complete."""
    return path.with_name(path.name + ".journal-partial")


def read_journal(path: Path) -> Journal:
    """Read and check the journal of a session file.

    Raises
    ------
    JournalError
        If it is not a journal of a known version, or its checksum is wrong.
    """
    source = journal_path(path)
    content = source.read_bytes()
    body, digest = content[:-DIGEST_SIZE], content[-DIGEST_SIZE:]
    if len(body) < _HEADER.size or body[: len(MAGIC)] != MAGIC:
        raise JournalError(unusable(source, "is not a journal of ace_nwb"))
    if hashlib.blake2b(body, digest_size=DIGEST_SIZE).digest() != digest:
        raise JournalError(unusable(source, "is damaged (wrong checksum)"))
    _, version, page_size, n_pages, old_size, new_size, identity = _HEADER.unpack_from(body)
    if version != FORMAT_VERSION or page_size != PAGE_SIZE:
        raise JournalError(unusable(source, f"has format version {version}, not {FORMAT_VERSION}"))
    return Journal(old_size, new_size, identity, _unpack_pages(body, n_pages))


def begun_at(path: Path) -> int | None:
    """Return where the file ended when an unfinished change of ours began, if there is one."""
    try:
        head = partial_journal_path(path).read_bytes()[: _HEADER.size]
    except FileNotFoundError:
        return None
    if len(head) < _HEADER.size or not head.startswith(MAGIC):
        return None
    return int(_HEADER.unpack(head)[4])


def pack(journal: Journal) -> Iterator[bytes]:
    """Yield the journal's bytes without the closing digest, 256 pages at a time."""
    yield pack_header(journal)
    records = [
        _PAGE.pack(number, len(old)) + old + new for number, (old, new) in journal.pages.items()
    ]
    for start in range(0, len(records), 256):
        yield b"".join(records[start : start + 256])


def pack_header(journal: Journal) -> bytes:
    """Return the head of a journal, which also stands for a change that has only begun."""
    return _HEADER.pack(
        MAGIC,
        FORMAT_VERSION,
        PAGE_SIZE,
        len(journal.pages),
        journal.old_size,
        journal.new_size,
        journal.identity,
    )


def _unpack_pages(body: bytes, n_pages: int) -> ChangedPages:
    """Return the page records of a journal whose digest is right."""
    pages, position = {}, _HEADER.size
    for _ in range(n_pages):
        number, length = _PAGE.unpack_from(body, position)
        position += _PAGE.size
        old, new = body[position : position + length], body[position + length :][:length]
        pages[number] = (old, new)
        position += 2 * length
    return pages


def unusable(source: Path, reason: str) -> str:
    """Return the message of a journal that cannot be replayed."""
    return (
        f"{source} {reason}. A journal left by an interrupted change of this very session file "
        "was expected. Nothing was written; move the journal away if it does not belong here, "
        "or restore both files from a backup."
    )
