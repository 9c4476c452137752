"""Checksums of FFV1 frames (version 3), which libav reads but does not act upon.

A slice ends in its size (3 bytes), an error status (1) and a CRC-32 (4) that makes the remainder of
the whole slice zero (RFC 9043, sections 4.9.1 to 4.9.3). Older recorders write no checksums.
"""

from collections.abc import Sequence

from isal import isal_zlib

FOOTER_BYTES = 8  # of a slice: size (3), error status (1), checksum (4); RFC 9043, 4.9
_MIRRORED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))
"""Bytes with their bits in the other order: FFV1 takes the highest bit first, zlib the lowest."""

_ZERO = 0xFFFFFFFF
"""A remainder of zero, as zlib inverts it before and after."""


def find_damaged_frame(packets: Sequence[bytes]) -> int | None:
    """Return the first frame with a wrong checksum; None if all are right, or there are none.

    Parameters
    ----------
    packets
        Coded frames of one file; damage is seen beside at least one frame that is right.
    """
    are_right = [has_right_checksum(packet) for packet in packets]
    if all(are_right) or not any(are_right):
        return None
    return are_right.index(False)


def has_right_checksum(packet: bytes) -> bool:
    """Whether a coded frame consists of slices whose checksums are right."""
    stop = len(packet)
    while stop > FOOTER_BYTES:
        footer = stop - FOOTER_BYTES
        start = footer - int.from_bytes(packet[footer : footer + 3], "big")
        if start < 0:
            return False
        if isal_zlib.crc32(packet[start:stop].translate(_MIRRORED), _ZERO) != _ZERO:
            return False
        stop = start
    return stop == 0
