"""The files of an ONIX acquisition: fixed prefixes, a free suffix, known types."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ace_nwb.errors import EphysError, FormatError
from ace_nwb.interfaces.base import Candidate, Evidence, find_below

MINISCOPE_NAME = "onix-miniscope"
EPHYS_NAME = "onix"
CLOCK = "ONIX acquisition clock"
"""Its name; what names the same clock needs no alignment."""
CLOCK_HZ = 250_000_000.0
"""Rate of the acquisition clock where start-time does not say it."""

VIDEO = ("ucla-miniscope-v4-video", "ucla-miniscope-v4-image", "video")
VIDEO_CLOCK = ("ucla-miniscope-v4-clock", "video-clock")
RHS2116 = ("rhs2116pair", "rhs2116")
_FRACTION = re.compile(r"(\.\d{1,6})\d*")
_ISO = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:?\d\d)?")


@dataclass(frozen=True)
class StartTime:
    """When an acquisition began, and the rate of its clock."""

    start: datetime | None
    clock_hz: float


def find_miniscopes(folder_path: Path) -> list[Candidate]:
    """Return every ONIX Miniscope recording at or below a folder."""
    found = find_below(folder_path, lambda path: bool(_videos(path)))
    return [
        Candidate(
            MINISCOPE_NAME,
            path,
            (
                Evidence(2, f"movie {_videos(path)[0].name}"),
                Evidence(3, f"frame clock {find_files(path, VIDEO_CLOCK, 'raw')[0].name}"),
                *_start_evidence(path),
            ),
        )
        for path in found
    ]


def find_ephys(folder_path: Path) -> list[Candidate]:
    """Return every folder with RHS2116 or analog or digital streams at or below a folder."""
    found = find_below(folder_path, lambda path: bool(_stream_clocks(path)))
    return [
        Candidate(
            EPHYS_NAME,
            path,
            (
                *(Evidence(3, f"sample clock {file.name}") for file in _stream_clocks(path)),
                Evidence(2, "raw streams of Bonsai beside it"),
                *_start_evidence(path),
            ),
        )
        for path in found
    ]


def find_files(folder_path: Path, prefixes: Sequence[str], extension: str) -> list[Path]:
    """Return the files "<prefix>_<anything>.<extension>", in name order."""
    return sorted(
        path
        for path in folder_path.iterdir()
        if path.is_file()
        and path.suffix.lower() == f".{extension}"
        and path.name.partition("_")[0].lower() in prefixes
    )


def find_one(folder_path: Path, prefixes: Sequence[str], extension: str) -> Path | None:
    """Return the only such file, None if there is none.

    Raises
    ------
    FormatError
        If there are several: files of two acquisitions would mix.
    """
    found = find_files(folder_path, prefixes, extension)
    if len(found) > 1:
        raise FormatError(
            f"{folder_path} holds {', '.join(path.name for path in found)}. One acquisition was "
            "expected; move the files of each into a folder of its own."
        )
    return found[0] if found else None


def read_start(folder_path: Path) -> StartTime:
    """Return the start of the acquisition from start-time_*.csv, with or without a header."""
    file_path = find_one(folder_path, ("start-time",), "csv")
    if file_path is None:
        return StartTime(None, CLOCK_HZ)
    text = file_path.read_text(encoding="utf-8-sig", errors="replace")
    lines = [line for line in text.splitlines() if _ISO.match(line.strip())]
    if not lines:
        raise FormatError(
            f"{file_path} holds no time stamp. A line such as 2024-03-01T12:34:56.1234567+00:00,"
            "250000000,2048,2048 was expected; copy the file again."
        )
    stamp, *rest = lines[0].strip().split(",")
    clock_hz = CLOCK_HZ
    if rest and rest[0].strip().replace(".", "", 1).isdigit():
        clock_hz = float(rest[0])
    return StartTime(parse_iso(stamp), clock_hz)


def parse_iso(stamp: str) -> datetime:
    """Return a time written by .NET: seven digits of a second, UTC where no zone is written."""
    shortened = _FRACTION.sub(r"\1", stamp.strip())
    parsed = datetime.fromisoformat(shortened)
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)


def map_raw(file_path: Path, dtype: type | np.dtype) -> np.ndarray:
    """Map a file of plain numbers; a cut last number is left out."""
    item = np.dtype(dtype)
    n_values = file_path.stat().st_size // item.itemsize
    if n_values == 0:
        raise EphysError(
            f"{file_path} is empty. Numbers of type {item} were expected; copy the file again."
        )
    return np.memmap(file_path, item, "r", shape=(n_values,))


def check_clock(clock: np.ndarray, file_path: Path) -> None:
    """Raise if a clock does not run forwards."""
    block = 4_000_000
    for start in range(0, len(clock) - 1, block):
        steps = np.diff(clock[start : start + block + 1].astype(np.int64))
        bad = np.flatnonzero(steps <= 0)
        if len(bad):
            row = start + int(bad[0]) + 1
            raise EphysError(
                f"{file_path} value {row} is {clock[row]}, after {clock[row - 1]}. A clock that "
                "runs forwards was expected; the file is damaged or of two acquisitions."
            )


def _videos(path: Path) -> list[Path]:
    """Return the movies of a folder that have a frame clock beside them."""
    if not find_files(path, VIDEO_CLOCK, "raw"):
        return []
    return find_files(path, VIDEO, "avi")


def _stream_clocks(path: Path) -> list[Path]:
    """Return the sample clocks of a folder."""
    names = [f"{prefix}-clock" for prefix in RHS2116] + ["analog-clock"]
    return find_files(path, names, "raw")


def _start_evidence(path: Path) -> list[Evidence]:
    """Return the evidence of a start-time file."""
    return [Evidence(2, file.name) for file in find_files(path, ("start-time",), "csv")[:1]]
