"""Frames of an AVI file counted by its chunks and its index, without reading a picture.

Only a file in which everything agrees is counted here: length, list of movie chunks, index, number
in the header. `video` walks through the packets of every other file, which reads all of it.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_VIDEO = (b"00dc", b"00db")
_KEY_FRAME = 0x10
_INDEX_ENTRY = struct.Struct("<4sIII")


@dataclass(frozen=True)
class AviCount:
    """Frames of a movie, and the largest number of them from one key frame to the next."""

    n_frames: int
    key_interval: int


def count_avi_frames(file_path: Path, *, n_stated: int) -> AviCount | None:
    """Count the frames of an AVI file of one stream.

    Parameters
    ----------
    file_path
        The file.
    n_stated
        Frames by its header.

    Returns
    -------
    AviCount or None
        None if the file is not one in which everything agrees.
    """
    with file_path.open("rb", buffering=0) as file:
        try:
            parts = dict(_list_parts(file, file_path.stat().st_size))
            if not {b"movi", b"idx1"} <= parts.keys():
                return None
            sizes = [size for _name, size in _video_chunks(file, *parts[b"movi"])]
            entries = _read_index(file, *parts[b"idx1"])
        except (ValueError, struct.error):
            return None
    if [entry[3] for entry in entries] != sizes or len(sizes) != n_stated or 0 in sizes:
        return None
    return AviCount(len(sizes), _key_interval([bool(entry[1] & _KEY_FRAME) for entry in entries]))


def _list_parts(file: BinaryIO, n_bytes: int) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Yield (name, (start, stop)) of the parts of the only RIFF chunk of a file."""
    name, size = _read_head(file, 0)
    if name != b"RIFF" or file.read(4) != b"AVI " or size + 8 != n_bytes:
        raise ValueError("not one whole RIFF chunk")
    at = 12
    while at < n_bytes:
        name, size = _read_head(file, at)
        start = at + 8
        if name == b"LIST":
            name = file.read(4)
            start += 4
        if at + 8 + size > n_bytes:
            raise ValueError("a part beyond the end")
        yield name, (start, at + 8 + size)
        at += 8 + size + size % 2


def _video_chunks(file: BinaryIO, start: int, stop: int) -> Iterator[tuple[bytes, int]]:
    """Yield (name, size) of the chunks of the movie list, which must all be pictures."""
    while start < stop:
        name, size = _read_head(file, start)
        start += 8 + size + size % 2
        if name not in _VIDEO or start > stop + 1:
            raise ValueError("a chunk that is no whole picture")
        yield name, size


def _read_index(file: BinaryIO, start: int, stop: int) -> list[tuple[bytes, int, int, int]]:
    """Return (name, flags, offset, size) of the entries of the index."""
    file.seek(start)
    content = file.read(stop - start)
    return list(_INDEX_ENTRY.iter_unpack(content))


def _read_head(file: BinaryIO, at: int) -> tuple[bytes, int]:
    """Return name and size of the chunk at a place."""
    file.seek(at)
    name, size = struct.unpack("<4sI", file.read(8))
    return name, size


def _key_interval(is_key: list[bool]) -> int:
    """Return the largest number of frames from one key frame to the next."""
    longest, length = 0, 0
    for key in is_key:
        length = 1 if key else length + 1
        longest = max(longest, length)
    return longest
