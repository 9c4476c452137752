"""A look at the computer: packages, codecs, engines, disk, memory, permissions.

Every check is one small function that measures and never raises; the result says what was found
and, if it is not good, what to do.
"""

import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

State = Literal["ok", "note", "problem"]

PACKAGES = ("numpy", "scipy", "numba", "h5py", "hdmf", "pynwb", "neuroconv", "roiextractors", "av")
OPTIONAL_PACKAGES = ("dandi", "multitaper", "distributed", "dask_jobqueue", "spikeinterface", "isx")
MOVIE_CODECS = ("ffv1", "rawvideo", "mjpeg", "mpeg4", "hevc", "h264")
CONFLICTING = "ndx-events"
"""Its mere presence makes `dandi validate` refuse files."""

SLOW_DISK_MB_S = 50
"""MB/s: half of what a hard disk does; a session of 5 GB then takes 100 s to read."""
SMALL_MEMORY_GB = 8  # GB; extraction takes up to 3, a browser and the system the rest
SMALL_DISK_GB = 20
"""GB; an hour of 608 x 608 pixels at 20 fps is 27 before compression."""
_TEST_MB = 64  # MB written and read: over a second on a slow disk, under one on any other


@dataclass(frozen=True)
class Check:
    """One thing looked at.

    Parameters
    ----------
    topic
        "system", "packages", "codecs", "engines" or "disk".
    name
        What was looked at.
    state
        "ok"; "note": worth knowing; "problem": something will not work.
    found
        What was found.
    advice
        What to do, if anything.
    """

    topic: str
    name: str
    state: State
    found: str
    advice: str = ""


def examine(folder: Path | str = ".") -> list[Check]:
    """Look at everything that the work depends on.

    Parameters
    ----------
    folder
        Where session files are to be written; 64 MB are written there and removed.
    """
    checks: list[Check] = []
    topics: tuple[Callable[[Path], Iterator[Check]], ...] = (
        _system,
        _packages,
        _codecs,
        _engines,
        _disk,
    )
    for topic in topics:
        checks += topic(Path(folder))
    return checks


def is_fit(checks: list[Check]) -> bool:
    """Return whether no check found a problem."""
    return all(check.state != "problem" for check in checks)


def _system(_folder: Path) -> Iterator[Check]:
    yield Check("system", "python", "ok", f"{platform.python_version()} on {platform.platform()}")
    yield Check("system", "processors", "ok", f"{os.cpu_count()}")
    memory_gb = _memory_gb()
    if memory_gb is None:
        yield Check("system", "memory", "note", "unknown", "Give --max-memory.")
    elif memory_gb < SMALL_MEMORY_GB:
        advice = "Give --max-memory below it; every stage keeps to it."
        yield Check("system", "memory", "note", f"{memory_gb:.0f} GB", advice)
    else:
        yield Check("system", "memory", "ok", f"{memory_gb:.0f} GB")


def _packages(_folder: Path) -> Iterator[Check]:
    yield Check("packages", "ace-nwb", "ok", version("ace-nwb"))
    for name in PACKAGES:
        found = _version(name)
        advice = "" if found else "Install ace-nwb again."
        yield Check("packages", name, "ok" if found else "problem", found or "missing", advice)
    for name in OPTIONAL_PACKAGES:
        found = _version(name)
        yield Check(
            "packages", name, "ok" if found else "note", found or "not installed (optional)"
        )
    if _version(CONFLICTING):
        advice = f"`pip uninstall {CONFLICTING}`: with it, dandi refuses files of other programs."
        yield Check("packages", CONFLICTING, "problem", str(_version(CONFLICTING)), advice)


def _codecs(_folder: Path) -> Iterator[Check]:
    import av

    for name in MOVIE_CODECS:
        try:
            av.Codec(name, "r")
        except ValueError:
            advice = "Install the package av from its wheel; this build lacks the decoder."
            yield Check("codecs", name, "problem", "cannot be read", advice)
        else:
            yield Check("codecs", name, "ok", "can be read")


def _engines(_folder: Path) -> Iterator[Check]:
    from ace_nwb.errors import AceNwbError
    from ace_nwb.registry import ENGINES

    for name in ENGINES.names():
        if name == "caiman":
            yield _caiman()
            continue
        try:
            ENGINES.load(name)
        except (AceNwbError, ImportError, AttributeError) as error:
            yield Check("engines", name, "problem", str(error), "Install its package again.")
        else:
            yield Check("engines", name, "ok", "ready")


def _caiman() -> Check:
    from ace_nwb.engines.caiman.environment import find_environment
    from ace_nwb.errors import AceNwbError

    try:
        environment = find_environment()
    except AceNwbError:
        advice = "Only for --engine caiman; see `ace-nwb process extract --help`."
        return Check("engines", "caiman", "note", "not installed (optional)", advice)
    return Check("engines", "caiman", "ok", f"ready: {environment.software['caiman']}")


def _disk(folder: Path) -> Iterator[Check]:
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".ace-nwb-doctor-") as scratch:
            written, read = _speeds_mb_s(Path(scratch))
            yield _rename_check(Path(scratch))
            yield _lock_check(Path(scratch))
    except OSError as error:
        advice = "Choose a folder that you may write to; session files change beside themselves."
        yield Check("disk", "permissions", "problem", f"{folder}: {error.strerror}", advice)
        return
    yield Check("disk", "permissions", "ok", "files can be made, renamed and removed")
    slow = min(written, read) < SLOW_DISK_MB_S
    advice = "Conversion and source extraction will wait for it; use a local disk." if slow else ""
    found = f"writes {written:.0f} MB/s, reads {read:.0f} MB/s"
    yield Check("disk", "speed", "note" if slow else "ok", found, advice)
    free_gb = shutil.disk_usage(folder).free / 1e9
    small = free_gb < SMALL_DISK_GB
    advice = "An hour of 608 x 608 movie needs about 20 GB." if small else ""
    yield Check("disk", "free space", "note" if small else "ok", f"{free_gb:.0f} GB", advice)


def _speeds_mb_s(scratch: Path) -> tuple[float, float]:
    """Return how fast the disk takes and gives a file, MB/s; reading may come from its cache."""
    file, block = scratch / "speed", os.urandom(2**20)
    started = time.perf_counter()
    with file.open("wb") as stream:
        for _ in range(_TEST_MB):
            stream.write(block)
        stream.flush()
        os.fsync(stream.fileno())
    written = time.perf_counter()
    with file.open("rb") as stream:
        while stream.read(2**20):
            pass
    read = time.perf_counter()
    return _TEST_MB / max(written - started, 1e-6), _TEST_MB / max(read - written, 1e-6)


def _rename_check(scratch: Path) -> Check:
    """Check what a commit needs: a file replaced by another in one step."""
    first, second = scratch / "first", scratch / "second"
    first.write_bytes(b"1")
    second.write_bytes(b"2")
    second.replace(first)
    return Check("disk", "replacing files", "ok", "in one step")


def _lock_check(scratch: Path) -> Check:
    """Try whether two programs that write the same file are kept apart."""
    from ace_nwb.errors import SessionLockedError
    from ace_nwb.nwb.commit.lock import WriterLock, offers_locks

    try:
        with WriterLock(scratch / "session.nwb"), WriterLock(scratch / "session.nwb"):
            found = "two programs can write one file at the same time"
    except SessionLockedError:
        if offers_locks(scratch):
            return Check("disk", "locks", "ok", "files can be locked")
        advice = (
            "A file with host, process and heartbeat stands for the lock; it keeps only programs "
            "of ace-nwb apart. Keep session files closed in others, and set "
            "HDF5_USE_FILE_LOCKING=FALSE for them."
        )
        return Check("disk", "locks", "note", "this file system offers no locks", advice)
    return Check("disk", "locks", "problem", found, "Use another disk, or one program at a time.")


def _memory_gb() -> float | None:
    if sys.platform == "win32":
        return None
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (ValueError, OSError):
        return None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
