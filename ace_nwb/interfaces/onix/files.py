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
ANALOG = ("analog-clock", "analog-data")
SINGLE_ANALOG = ("o2", "co2", "iso", "sev")
"""Inputs of the breakout board that labs write one by one, on the analog clock."""
DIGITAL = ("digital-clock", "digital-pins", "digital-buttons")
DIGITAL_TABLES = ("digital-input", "digital-inputs", "digital")
_SAMPLES = tuple(f"{prefix}-{kind}" for prefix in RHS2116 for kind in ("ac", "dc", "recovery"))
_CLOCKS = (*(f"{prefix}-clock" for prefix in RHS2116), ANALOG[0])
_RUNNING = ("start-time", *VIDEO, *VIDEO_CLOCK, *_CLOCKS, *_SAMPLES, *ANALOG, *SINGLE_ANALOG)
"""Files that Bonsai begins with the acquisition; others begin with their first event."""
_READ = (*_RUNNING, *DIGITAL, *DIGITAL_TABLES, "bno055", "port-status")

START_SPREAD_S = 60.0
"""Files of one start are named within this time of each other, s: each writer takes the time of
its first block, and headstages take seconds to power up."""

_MARK = re.compile(r"(\d{4}-\d\d-\d\dT\d\d)[_:.-](\d\d)[_:.-](\d\d)|(\d+)(?=[_.]|$)")
"""In the name of a file behind its prefix: when it was begun, or its number."""

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
                *(Evidence(3, f"movie or frame clock {file.name}") for file in _videos(path)),
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
                *(Evidence(3, f"samples or clock {file.name}") for file in _stream_clocks(path)),
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


def check_one_start(folder_path: Path) -> None:
    """Raise if files are of two starts by their names: their counts or times differ.

    Raises
    ------
    FormatError
        Naming two of them.
    """
    marks = [
        (mark, path)
        for path in sorted(folder_path.iterdir())
        if _prefix(path) in _RUNNING and (mark := _read_mark(path)) is not None
    ]
    for is_time, spread in ((True, START_SPREAD_S), (False, 0.0)):
        alike = [
            (value, path)
            for (is_named_by_time, value), path in marks
            if is_named_by_time is is_time
        ]
        if not alike:
            continue
        (first, one), (last, other) = min(alike), max(alike)
        if last - first > spread:
            raise FormatError(
                f"{one} and {other.name} are of two starts by their names. One acquisition was "
                "expected; move the files of each start into a folder of its own."
            )


def describe_unread(folder_path: Path) -> tuple[str, ...]:
    """Say which files of the folder neither reader takes."""
    names = [
        path.name
        for path in sorted(folder_path.iterdir())
        if path.is_file() and _prefix(path) not in _READ and not path.name.startswith(".")
    ]
    return (f"Not read: {', '.join(names)}.",) if names else ()


def _prefix(path: Path) -> str:
    """Return what a file holds by its name, in lower case."""
    return path.name.partition("_")[0].lower()


def _read_mark(path: Path) -> tuple[bool, float] | None:
    """Return (whether it is a time, seconds or number) from a file's name; None without one."""
    found = _MARK.match(path.stem.partition("_")[2])
    if found is None:
        return None
    hour, minute, second, number = found.groups()
    if number is not None:
        return False, float(number)
    try:
        return True, datetime.fromisoformat(f"{hour}:{minute}:{second}+00:00").timestamp()
    except ValueError:
        return None


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
    """Return movies and frame clocks of a folder; one of them alone if its name is ONIX's."""
    movies, clocks = find_files(path, VIDEO, "avi"), find_files(path, VIDEO_CLOCK, "raw")
    if movies and clocks:
        return [*movies, *clocks]
    return [
        file for file in (*movies, *clocks) if _prefix(file) not in ("video", "video-clock")
    ] or ([*movies, *clocks] if find_files(path, ("start-time",), "csv") else [])


def has_streams(folder_path: Path) -> bool:
    """Return whether the folder holds streams beside the Miniscope."""
    return bool(_stream_clocks(folder_path))


def _stream_clocks(path: Path) -> list[Path]:
    """Return the sample clocks of a folder, or the samples that lack theirs."""
    return find_files(path, _CLOCKS, "raw") or find_files(path, (*_SAMPLES, ANALOG[1]), "raw")


def _start_evidence(path: Path) -> list[Evidence]:
    """Return the evidence of a start-time file."""
    return [Evidence(2, file.name) for file in find_files(path, ("start-time",), "csv")[:1]]
