"""What stands before the pixels of an FFV1 frame of version 0 or 1 (RFC 9043, 3.8.1, 4.2, 4.9).

Only what Miniscope recorders write is understood here: one grey plane of 8 bits, Golomb-Rice codes,
contexts of three differences. `ffv1_decoding` reads the pixels; libav reads every other kind.
"""

from dataclasses import dataclass

import numpy as np

_GREY_8 = {"coder": 0, "colour_space": 0, "bits": 8, "chroma": 0, "transparency": 0}
_CONTEXT_TABLES = 3
_LONGEST_EXPONENT = 31
_MOST_CONTEXTS = 1 << 15

_ONE_STATE = bytes.fromhex(
    "00000000000000001415161718191a1b1c1d1e1f20212223242525262728292a2b2c2d2e2f30313233343536"
    "373838393a3b3c3d3e3f404142434445464748494a4b4b4c4d4e4f505152535455565758595a5b5c5d5e5e5f"
    "606162636465666768696a6b6c6d6e6f70717272737475767778797a7b7c7d7e7f8081828384858586878889"
    "8a8b8c8d8e8f90919293949596979898999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaababacadaeafb0b1b2b3"
    "b4b5b6b7b8b9babbbcbdbebebfc0c2c2c3c4c5c6c7c8c9cacacccdcecfd0d1d1d2d3d4d5d7d7d8d9dadbdcdc"
    "dedfe0e1e2e3e3e5e5e6e7e8eaeaebecedeeeff0f1f2f3f4f5f6f7f8f800000000000000"
)
"""State that follows a one (RFC 9043, 3.8.1.5)."""

_ZERO_STATE = bytes([0, *(256 - _ONE_STATE[256 - state] & 255 for state in range(1, 256))])


@dataclass(frozen=True)
class FrameStart:
    """Where the pixels of a frame begin, and for a key frame how they are coded.

    Parameters
    ----------
    first_bit
        Of the pixels, in the packet.
    tables
        Context of each of three differences (modulo 256), shape (3, 256); None unless the frame is
        a key frame.
    """

    first_bit: int
    tables: np.ndarray | None


class _RangeDecoder:
    """Reads bits and numbers of the range coder."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._low = int.from_bytes(content[:2], "big")
        self._range = 0xFF00
        self.n_read = 2

    def read_bit(self, states: bytearray, index: int) -> int:
        """Return a bit and move its state on."""
        state = states[index]
        upper = self._range * state >> 8
        self._range -= upper
        bit = int(self._low >= self._range)
        if bit:
            self._low -= self._range
            self._range = upper
        states[index] = (_ONE_STATE if bit else _ZERO_STATE)[state]
        if self._range < 1 << 8:
            following = self._content[self.n_read : self.n_read + 1]
            self._low = self._low << 8 | int.from_bytes(following, "big")
            self._range <<= 8
            self.n_read += 1
        return bit

    def read_number(self, states: bytearray) -> int:
        """Return a number that is not negative: its exponent, then its bits."""
        if self.read_bit(states, 0):
            return 0
        exponent = 0
        while self.read_bit(states, 1 + min(exponent, 9)):
            exponent += 1
            if exponent > _LONGEST_EXPONENT:
                raise ValueError("a number of more than 32 bits")
        number = 1
        for place in reversed(range(exponent)):
            number = 2 * number + self.read_bit(states, 22 + min(place, 9))
        return number


def read_frame_start(packet: bytes) -> FrameStart | None:
    """Read what stands before the pixels.

    Parameters
    ----------
    packet
        A coded frame, or its first bytes.

    Returns
    -------
    FrameStart or None
        None if the frame is of another kind than is understood here.
    """
    decoder = _RangeDecoder(packet)
    is_key = decoder.read_bit(bytearray([128]), 0)
    try:
        tables = _read_tables(decoder) if is_key else None
    except ValueError:
        return None
    if is_key and tables is None:
        return None
    return FrameStart(8 * (decoder.n_read - 1), tables)


def count_contexts(tables: np.ndarray) -> int:
    """Return the number of contexts, of which those of opposite sign are one."""
    return int(tables.max(axis=1).sum()) + 1


def _read_tables(decoder: _RangeDecoder) -> np.ndarray | None:
    """Return the context tables of a key frame, None if it is of another kind."""
    states = bytearray([128] * 32)
    version = decoder.read_number(states)
    if version > 1:
        return None
    kind = {
        "coder": decoder.read_number(states),
        "colour_space": decoder.read_number(states),
        "bits": decoder.read_number(states) if version else 8,
        "chroma": decoder.read_bit(states, 0),
    }
    for _subsampling in range(2):
        decoder.read_number(states)
    kind["transparency"] = decoder.read_bit(states, 0)
    if kind != _GREY_8:
        return None
    tables = np.zeros((5, 256), np.int64)
    scale = 1
    for table in tables:
        scale *= _read_table(decoder, table, scale)
    if tables[_CONTEXT_TABLES:].any() or count_contexts(tables) > _MOST_CONTEXTS:
        return None
    return tables[:_CONTEXT_TABLES]


def _read_table(decoder: _RangeDecoder, table: np.ndarray, scale: int) -> int:
    """Fill the table of one difference, which is antisymmetric; return its number of levels."""
    states = bytearray([128] * 32)
    at, level = 0, 0
    while at < 128:
        length = decoder.read_number(states) + 1
        if at + length > 128:
            raise ValueError("a table of more than 128 entries")
        table[at : at + length] = scale * level
        at += length
        level += 1
    table[:128:-1] = -table[1:128]
    table[128] = -table[127]
    return 2 * level - 1
