"""The heaps in which HDF5 keeps texts: one that it would go through without end is found before.

A text of variable length is stored as a reference to an object of a heap, and HDF5 goes through a
whole heap to read its first object. In one that a failing disk has left zeros in, it comes to an
object of 0 bytes, and stays there for ever (seen with HDF5 2.0). Words of the HDF5 file format
specification; a heap is its "global heap collection".
"""

import os
import zlib
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from struct import unpack_from

import h5py
import numpy as np

_SIGNATURE = b"GCOL\x01\0\0\0"
_HEADER = 16
"""Bytes before the first object of a heap, and before the content of each object."""

_LARGEST_HEADER = 2**20
"""Bytes of one block of an object header that are looked at, and of the attributes that one object
keeps apart: 1 MB; an attribute in either is below 64 kB."""

_ATTRIBUTE, _CONTINUATION, _LAYOUT, _APART = 0x0C, 0x10, 0x08, 0x15
"""Messages of an object header: an attribute; where the header goes on; data in the header; where
attributes are kept apart."""

_MOST_TEXTS = 10_000_000
"""Texts of a data set that are looked at: beyond, their references take over 160 MB of memory."""

_REFERENCE = 12
"""Bytes of a reference to an object of a heap."""

_MOST_BLOCKS = 1000
"""Blocks of one object header; a damaged one may lead back to itself."""


def find_endless_texts(
    path: Path,
    *,
    base: int,
    headers: dict[int, str],
    texts: list[tuple[str, h5py.h5d.DatasetID]],
) -> str:
    """Return the name of an object whose texts HDF5 would look for without end, or "".

    Of attributes kept apart from their object ("dense": more than eight, in files for HDF5 1.8 and
    later alone) those that stand in blocks of 64 kB at most are looked at, some 500 kB.

    Parameters
    ----------
    path
        The file.
    base
        Where its addresses count from, bytes.
    headers
        Address of the header of an object -> its name.
    texts
        Names of data sets with texts of variable length, and the data sets.
    """
    with path.open("rb", buffering=0) as file:
        parts = [(name, _attributes(file, base, place)) for place, name in headers.items()]
        parts += [(name, _stored(file, dataset)) for name, dataset in texts]
        size = os.fstat(file.fileno()).st_size
        starts, places = _references(b"".join(part for _, part in parts), size - base)
        heaps = {int(place): _read_heap(file, base + int(place)) for place in np.unique(places)}
    endless = _endless({place: heap for place, heap in heaps.items() if heap})
    if not len(endless):
        return ""
    ends = np.cumsum([len(part) for _, part in parts])
    first = starts[np.flatnonzero(np.isin(places, endless))[0]]
    return parts[int(np.searchsorted(ends, first, side="right"))][0]


def _references(content: bytes, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where in bytes something like a reference to a heap stands, and the place it names.

    A reference is an address (8 bytes) and the number of an object of that heap (4 bytes, at most
    65,535, as HDF5 counts them in 2).
    """
    values = np.frombuffer(content + bytes(_REFERENCE), np.uint8)
    at_any = np.lib.stride_tricks.sliding_window_view(values, _REFERENCE)[: len(content)]
    low, high, number = np.ascontiguousarray(at_any).view("<u4").T
    starts = np.flatnonzero((number > 0) & (number < 2**16) & (high <= size >> 32) & (low > 0))
    places = (high[starts].astype(np.int64) << 32) + low[starts]
    is_inside = places < size
    return starts[is_inside], places[is_inside]


def _attributes(file: FileIO, base: int, address: int) -> bytes:
    """Return the attributes in the header of an object, and the data that stand there."""
    start = _read(file, base + address, 64)
    if start[:4] == b"OHDR":
        return b"".join(_new_messages(file, base, address, start))
    if len(start) < 16:
        return b""
    (length,) = unpack_from("<I", start, 8)
    return b"".join(_old_messages(file, base, (address + 16, length)))


def _old_messages(file: FileIO, base: int, first: tuple[int, int]) -> Iterator[bytes]:
    """Yield what a header of version 1 holds, block after block."""
    blocks = [first]
    for place, length in blocks:
        block, position = _block(file, base + place, length), 0
        while position + 8 <= len(block):
            kind, n_bytes = unpack_from("<HH", block, position)
            content = block[position + 8 : position + 8 + n_bytes]
            position += 8 + n_bytes
            if kind in (_ATTRIBUTE, _LAYOUT):
                yield content
            elif kind == _CONTINUATION and len(content) >= 16 and len(blocks) < _MOST_BLOCKS:
                blocks.append(unpack_from("<QQ", content))


def _new_messages(file: FileIO, base: int, address: int, start: bytes) -> Iterator[bytes]:
    """Yield what a header of version 2 holds."""
    flags = start[5]
    width, skipped = 1 << (flags & 3), 6 + 16 * bool(flags & 32) + 4 * bool(flags & 16)
    length = int.from_bytes(start[skipped : skipped + width], "little")
    head = 6 if flags & 4 else 4  # with the order in which attributes were made
    blocks = [(address + skipped + width, length)]
    for place, n_block in blocks:
        block, position = _block(file, base + place, n_block), 0
        while position + head <= len(block):
            kind, n_bytes = unpack_from("<BH", block, position)
            content = block[position + head : position + head + n_bytes]
            position += head + n_bytes
            if kind in (_ATTRIBUTE, _LAYOUT):
                yield content
            elif kind == _APART and len(content) >= 18:
                yield _dense(file, base, unpack_from("<Q", content, 2 + 2 * (content[1] & 1))[0])
            elif kind == _CONTINUATION and len(content) >= 16 and len(blocks) < _MOST_BLOCKS:
                there, n_there = unpack_from("<QQ", content)
                blocks.append((there + 4, n_there - 8))  # signature before, checksum behind


def _dense(file: FileIO, base: int, address: int) -> bytes:
    """Return the blocks of a "fractal heap", in which attributes are kept apart."""
    head = _read(file, base + address, 146)
    if len(head) < 146 or not head.startswith(b"FRHP"):
        return b""
    width, first, largest, n_bits = unpack_from("<HQQH", head, 110)
    root, n_rows = unpack_from("<QH", head, 132)
    if not n_rows:
        return _block(file, base + root, first)
    start = 13 + -(-n_bits // 8)  # signature, version, address of the head, place in the heap
    table = _block(file, base + root, start + 8 * width * n_rows)[start:]
    found, left = [], _LARGEST_HEADER
    for number in range(len(table) // 8):
        size = first << max(0, number // width - 1)  # two rows alike, then twice that of the last
        if size > min(largest, left):
            break
        found.append(_block(file, base + unpack_from("<Q", table, 8 * number)[0], size))
        left -= size
    return b"".join(found)


def _block(file: FileIO, place: int, length: int) -> bytes:
    """Return one block of a header; a damaged one may claim any place and length."""
    return _read(file, place, max(0, min(length, _LARGEST_HEADER)))


def _read(file: FileIO, place: int, n_bytes: int) -> bytes:
    """Return bytes of the file, fewer only behind its end."""
    if not 0 <= place < 2**62:
        return b""
    file.seek(place)
    return file.read(n_bytes) or b""


def _stored(file: FileIO, dataset: h5py.h5d.DatasetID) -> bytes:
    """Return the references of a data set as they are stored."""
    try:
        if dataset.get_space().get_simple_extent_npoints() > _MOST_TEXTS:
            return b""
        if dataset.get_create_plist().get_layout() == h5py.h5d.CHUNKED:
            return b"".join(_chunks(dataset))
        place = dataset.get_offset()
        return _read(file, place, dataset.get_storage_size()) if place else b""
    except (OSError, RuntimeError, ValueError, zlib.error):  # told when it is read
        return b""


def _chunks(dataset: h5py.h5d.DatasetID) -> Iterator[bytes]:
    """Yield the chunks, if they are plain or compressed as NWB programs do it."""
    plist = dataset.get_create_plist()
    filters = {plist.get_filter(n)[0] for n in range(plist.get_nfilters())}
    # texts of variable length are never shuffled, whatever the data set says: HDF5 skips it
    if not {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE}.issuperset(filters):
        return
    found: list[tuple[int, ...]] = []
    dataset.chunk_iter(lambda chunk: found.append(chunk.chunk_offset))
    for offset in found:
        _, content = dataset.read_direct_chunk(offset)
        if h5py.h5z.FILTER_DEFLATE in filters:
            content = zlib.decompressobj().decompress(content, 16 * _MOST_TEXTS)
        yield content


def _read_heap(file: FileIO, place: int) -> bytes:
    """Return a heap; empty if there is none at that place."""
    head = _read(file, place, _HEADER)
    if len(head) < _HEADER or not head.startswith(_SIGNATURE):
        return b""
    (length,) = unpack_from("<Q", head, 8)
    left = os.fstat(file.fileno()).st_size - place
    return _read(file, place, length) if length <= left else b""


def _endless(heaps: dict[int, bytes]) -> np.ndarray:
    """Return the places of the heaps in which an object of 0 bytes stands; all go on together."""
    content = np.frombuffer(b"".join(heaps.values()), np.uint8)
    places = np.array(list(heaps), np.int64)
    stops = np.cumsum([len(heap) for heap in heaps.values()], dtype=np.int64)
    here = stops - [len(heap) for heap in heaps.values()] + _HEADER
    found: list[np.ndarray] = []
    while True:
        is_left = (here + _HEADER <= stops) & (here >= 0)
        places, stops, here = places[is_left], stops[is_left], here[is_left]
        if not len(here):
            return np.concatenate(found) if found else places
        heads = content[here[:, None] + np.arange(_HEADER)]
        numbers = np.ascontiguousarray(heads[:, :2]).view("<u2")[:, 0]
        lengths = np.ascontiguousarray(heads[:, 8:]).view("<u8")[:, 0].astype(np.int64)
        found.append(places[(numbers == 0) & (lengths == 0)])
        lengths[lengths < 0] = len(content)  # beyond any heap
        padded = _HEADER + (lengths + 7) // 8 * 8
        steps = np.where(numbers > 0, padded, lengths)
        here = np.where(steps > 0, here + steps, stops)
