"""The 16 kB text header of Neuralynx files and the whole records behind it."""

import re
from pathlib import Path

import numpy as np

from ace_nwb.errors import EphysError

HEADER_BYTES = 16_384  # of every Neuralynx file, by its own format description
MAGIC = "########"
LARGEST_ENTRY = 1e6
"""Of rate (Hz) and scale (V per bit) of any system by far; a damaged header says 1e300."""
_KEY_LINE = re.compile(r"^\s*-(\S+)[ \t]*(.*?)\s*$", re.MULTILINE)


def read_header(file_path: Path) -> dict[str, str]:
    """Return the entries of a header, "-Key value" per line.

    Raises
    ------
    EphysError
        If the file does not begin as Neuralynx files do.
    """
    with file_path.open("rb") as file:
        text = file.read(HEADER_BYTES).decode("latin-1").split("\0", 1)[0]
    if not text.startswith(MAGIC):
        raise EphysError(
            f"{file_path} begins with {text[:16]!r}. The text header of a Neuralynx file "
            f"({MAGIC} ...) was expected; is this file from Cheetah?"
        )
    entries = {key: value.replace('"', "").strip() for key, value in _KEY_LINE.findall(text)}
    for line in text.splitlines():
        if "Time Opened" in line and "TimeCreated" not in entries:
            entries["TimeOpened"] = line.split("Time Opened", 1)[1].strip()
    return entries


def map_records(file_path: Path, dtype: np.dtype) -> tuple[np.ndarray, int]:
    """Map the whole records of a file.

    Parameters
    ----------
    file_path
        The file.
    dtype
        Of one record.

    Returns
    -------
        The records, and how many bytes of a cut last record follow them.
    """
    n_bytes = max(0, file_path.stat().st_size - HEADER_BYTES)
    n_records, n_cut = divmod(n_bytes, dtype.itemsize)
    if n_records == 0:
        return np.empty(0, dtype), n_cut
    return np.memmap(file_path, dtype, "r", offset=HEADER_BYTES, shape=(n_records,)), n_cut


def number_entry(entries: dict[str, str], key: str, *, file_path: Path) -> float:
    """Return a number of the header.

    Raises
    ------
    EphysError
        If it is not there or no positive number.
    """
    try:
        value = float(entries[key].split()[0])
    except (KeyError, IndexError, ValueError) as error:
        raise EphysError(
            f"{file_path} has -{key} {entries.get(key, '(absent)')} in its header. A number was "
            "expected; copy the file again."
        ) from error
    if not 0 < value <= LARGEST_ENTRY:
        raise EphysError(
            f"{file_path} has -{key} {value} in its header. A positive number of at most "
            f"{LARGEST_ENTRY:,.0f} was expected; copy the file again."
        )
    return value
