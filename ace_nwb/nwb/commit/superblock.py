"""Where an HDF5 file ends by its own account: the superblock (HDF5 format, section II)."""

import struct
from pathlib import Path

from ace_nwb.errors import SessionFileError

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_ADDRESSES = {0: 24, 1: 28, 2: 12, 3: 12}  # version -> offset of base address, then 2 x 8, then end


def read_end_of_file(path: Path) -> int:
    """Return the end-of-file address that the superblock states, bytes.

    Raises
    ------
    SessionFileError
        If this is not an HDF5 file, or one cut short.
    """
    with path.open("rb") as file:
        head = file.read(64)
    if len(head) < 64 or not head.startswith(SIGNATURE):
        raise SessionFileError(
            f"{path} does not begin with the HDF5 signature; an NWB session file was expected. "
            "Give a file made by `ace-nwb convert` or another NWB writer."
        )
    version = head[8]
    offset_size = head[13] if version < 2 else head[9]
    if version not in _ADDRESSES or offset_size != 8:
        raise SessionFileError(
            f"{path} has HDF5 superblock version {version} with {offset_size}-byte addresses; "
            "versions 0 to 3 with 8-byte addresses were expected. Repack it with h5repack."
        )
    base, _, end = struct.unpack_from("<QQQ", head, _ADDRESSES[version])
    if base != 0:
        raise SessionFileError(f"{path} has an HDF5 user block, which NWB does not use. Repack it.")
    size = path.stat().st_size
    if size < end:
        raise SessionFileError(
            f"{path} is {size} bytes long but should have {end}: it was cut off while being "
            "copied or downloaded. Get a complete copy."
        )
    return int(end)
