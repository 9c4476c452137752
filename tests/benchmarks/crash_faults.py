"""How many crashes leave a session file as before or as after: ours, and a plain pynwb append.

Run `python -m tests.benchmarks.crash_faults`. Every file operation of every kind of change is a
point of interruption; each is tried as a kill, as a torn write, and as a power cut that loses any
part of what was not yet synced; so is every operation of the recovery. Then the disk refuses or is
full, or the change itself fails. Processes are really killed by `tests.benchmarks.crash_kills`.
"""

import argparse
import io
import os
import resource
import shutil
import signal
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

import h5py
import numpy as np
from pynwb import NWBHDF5IO

from ace_nwb.errors import AceNwbError
from ace_nwb.nwb.commit.disk import Disk
from ace_nwb.nwb.commit.journal import recover
from ace_nwb.nwb.objects.links import find_dangling_links
from ace_nwb.nwb.session import edit_session
from tests.fixtures.changes import CHANGES, FURTHER_CHANGES, add_motion, add_rois, align
from tests.fixtures.faults import CrashedFolder, FailingDisk, Operation, RecordingDisk
from tests.fixtures.session_files import file_content, write_session_file

NAME = "session.nwb"
WAYS = ("kill", "torn", "power", "power", "power")


class RecordingFile(io.RawIOBase):
    """A plain file for h5py that writes down what is written, as HDF5 itself would do it."""

    def __init__(self, path: Path):
        self._file = FileIO(path, "r+")
        self.operations: list[Operation] = []

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        view = memoryview(buffer).cast("B")
        count = self._file.readinto(view)
        view[count:] = bytes(len(view) - count)
        return len(view)

    def write(self, data) -> int:  # type: ignore[no-untyped-def]
        content = bytes(data)
        self.operations.append(Operation("write", NAME, self._file.tell(), content))
        return self._file.write(content)

    def truncate(self, size: int | None = None) -> int:
        size = self._file.tell() if size is None else size
        self.operations.append(Operation("truncate", NAME, size))
        return self._file.truncate(size)


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--refusals", type=int, default=4, help="per kind of operation and change")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with tempfile.TemporaryDirectory() as folder:
        recorded, analysed = make_files(Path(folder))
        print(f"{'change':<24}{'points':>8}{'faults':>8}{'before':>8}{'after':>8}{'lost':>6}")
        total: Counter[str] = Counter()
        for name, (is_analysed, change) in (CHANGES | FURTHER_CHANGES).items():
            source = analysed if is_analysed else recorded
            for label, counts in (
                (name, interrupt_everywhere(source, change, Path(folder))),
                ("  its recovery", interrupt_recovery(source, change, Path(folder))),
                (
                    "  refusing disk, failure",
                    refuse_everywhere(source, change, Path(folder), n=arguments.refusals),
                ),
            ):
                print_row(label, counts)
                total += counts
        print_row("all", total)
        _print_plain(interrupt_plain_append(recorded, Path(folder)))


def interrupt_everywhere(source: Path, change: Callable, folder: Path) -> Counter[str]:
    """Interrupt a change after each of its operations in each way; count what is left."""
    path = _fresh(folder / "traced") / NAME
    shutil.copy(source, path)
    before, disk = path.read_bytes(), RecordingDisk()
    with edit_session(path, disk=disk) as writer:
        change(writer)
    after = path.read_bytes()
    counts: Counter[str] = Counter(points=len(disk.operations) + 1)
    crashed = CrashedFolder({NAME: bytearray(before)})
    for stop_at in range(len(disk.operations) + 1):
        if stop_at:
            crashed.apply(disk.operations[stop_at - 1])
        for number, how in enumerate(WAYS):
            copy = CrashedFolder(
                {name: bytearray(content) for name, content in crashed.files.items()},
                list(crashed.pending),
            )
            files = copy.crash(np.random.default_rng([number, stop_at]), how)
            counts["faults"] += 1
            counts[_outcome(files, before, after, _fresh(folder / "crashed"))] += 1
    return counts


def _outcome(files: dict[str, bytes], before: bytes, after: bytes, folder: Path) -> str:
    """Return what a crash left: "before", "after" or "lost"."""
    if len(files) == 1 and files[NAME][: len(before)] == before:
        return "before"  # a tail is ignored by HDF5 and cut off by the next writer
    for name, content in files.items():
        (folder / name).write_bytes(content)
    try:
        recover(folder / NAME, disk=RecordingDisk())
    except Exception:  # any failure to recover is a loss
        return "lost"
    found = (folder / NAME).read_bytes()
    return {before: "before", after: "after"}.get(found, "lost")


def interrupt_recovery(source: Path, change: Callable, folder: Path) -> Counter[str]:
    """Crash while pages are patched, then again at every operation of the recovery."""
    path = _fresh(folder / "traced") / NAME
    shutil.copy(source, path)
    before, disk = path.read_bytes(), RecordingDisk()
    with edit_session(path, disk=disk) as writer:
        change(writer)
    after = path.read_bytes()
    crashed = CrashedFolder({NAME: bytearray(before)})
    kinds = [operation.kind for operation in disk.operations]
    committed = kinds.index("sync folder", kinds.index("rename")) + 1
    for operation in disk.operations[: committed + 2]:
        crashed.apply(operation)
    files = crashed.crash(np.random.default_rng(0), "torn")
    repair = RecordingDisk()
    torn = _fresh(folder / "torn")
    for name, content in files.items():
        (torn / name).write_bytes(content)
    recover(torn / NAME, disk=repair)
    counts: Counter[str] = Counter(points=len(repair.operations) + 1)
    for stop_at in range(len(repair.operations) + 1):
        for number, how in enumerate(WAYS):
            again = CrashedFolder({name: bytearray(content) for name, content in files.items()})
            for operation in repair.operations[:stop_at]:
                again.apply(operation)
            left = again.crash(np.random.default_rng([number, stop_at]), how)
            counts["faults"] += 1
            counts[_outcome(left, before, after, _fresh(folder / "crashed"))] += 1
    return counts


def refuse_everywhere(source: Path, change: Callable, folder: Path, *, n: int) -> Counter[str]:
    """Let the disk refuse an operation, be full, or the change itself fail; count what is left."""
    path = _fresh(folder / "refused") / NAME
    before = source.read_bytes()
    counts: Counter[str] = Counter()
    path.write_bytes(before)
    with edit_session(path, disk=(disk := RecordingDisk())) as writer:
        change(writer)
    kinds = Counter(operation.kind for operation in disk.operations)
    for kind in ("write", "truncate", "sync", "rename", "sync folder"):
        for stop_at in sorted({int(k) for k in np.linspace(0, kinds[kind] - 1, n)}):
            with suppress(AceNwbError, OSError):
                _change(path, before, change, disk=FailingDisk(stop_at, kinds=(kind,)))
            counts["points"] += 1
            counts[_state(path, before)] += 1
    grown = path.stat().st_size - len(before) if path.stat().st_size > len(before) else 4096
    for room in np.linspace(0, grown * 2, n).astype(int):
        with suppress(AceNwbError, OSError), limited_files(len(before) + int(room)):
            _change(path, before, change)
        counts["points"] += 1
        counts[_state(path, before)] += 1
    with suppress(RuntimeError):
        _change(path, before, change, is_failing=True)
    counts["points"] += 1
    counts[_state(path, before)] += 1
    counts["faults"] = counts["points"]
    return counts


def _change(
    path: Path,
    before: bytes,
    change: Callable,
    *,
    disk: Disk | None = None,
    is_failing: bool = False,
) -> None:
    for left in path.parent.iterdir():
        left.unlink()
    path.write_bytes(before)
    with edit_session(path, disk=disk) as writer:
        change(writer)
        writer.h5.flush()
        if is_failing:
            raise RuntimeError("the stage fails")


def _state(path: Path, before: bytes) -> str:
    """Return what a refused change left, recovered: all of it, nothing of it, or "lost"."""
    recover(path)
    if path.read_bytes() == before:
        return "before"
    with suppress(Exception), h5py.File(path) as h5:
        old = h5py.File(io.BytesIO(before))
        is_later = len(h5["file_create_date"]) == len(old["file_create_date"]) + 1
        return "after" if is_later and not find_dangling_links(h5) else "lost"
    return "lost"


@contextmanager
def limited_files(n_bytes: int) -> Iterator[None]:
    """Let no file grow beyond a size, as a full disk would."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


def interrupt_plain_append(source: Path, folder: Path) -> Counter[str]:
    """Append with pynwb alone, kill after each write, and count the files that are lost."""
    path = _fresh(folder / "plain") / NAME
    shutil.copy(source, path)
    before = path.read_bytes()
    raw = raw_content(path)
    file = RecordingFile(path)
    h5 = h5py.File(file, "r+")
    with NWBHDF5IO(file=h5, mode="r+", load_namespaces=True) as io_:
        nwbfile = io_.read()
        _append_like_add_motion(nwbfile)
        io_.write(nwbfile)
    counts: Counter[str] = Counter(points=len(file.operations))
    crashed = CrashedFolder({NAME: bytearray(before)})
    for operation in file.operations:
        crashed._do(operation)
        path.write_bytes(bytes(crashed.files[NAME]))
        counts["faults"] += 1
        is_sound = is_readable(path) and raw_content(path) == raw
        counts["sound" if is_sound else "lost"] += 1
    return counts


def _append_like_add_motion(nwbfile) -> None:  # type: ignore[no-untyped-def]
    from pynwb import TimeSeries

    module = nwbfile.create_processing_module("ophys", "Results")
    for name in ("MotionShifts", "MotionQuality", "A", "B", "C", "D"):
        module.add(TimeSeries(name=name, data=np.ones((60, 2)), unit="px", rate=20.0))


def make_files(folder: Path) -> tuple[Path, Path]:
    recorded, analysed = folder / "recorded.nwb", folder / "analysed.nwb"
    write_session_file(recorded)
    shutil.copy(recorded, analysed)
    for change in (align, add_motion, add_rois):
        with edit_session(analysed) as writer:
            change(writer)
    return recorded, analysed


def is_readable(path: Path) -> bool:
    try:
        with NWBHDF5IO(path, "r") as io_:
            return bool(io_.read().identifier)
    except Exception:  # whatever pynwb stumbles over
        return False


def raw_content(path: Path) -> dict[str, object] | None:
    """Return what was recorded; None if it cannot be read."""
    try:
        content = file_content(path)
    except Exception:  # whatever HDF5 stumbles over
        return None
    return {key: value for key, value in content.items() if key.startswith("acquisition")}


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def print_row(name: str, counts: Counter[str]) -> None:
    columns = [counts[key] for key in ("points", "faults", "before", "after")]
    print(f"{name:<24}" + "".join(f"{value:>8}" for value in columns) + f"{counts['lost']:>6}")


def _print_plain(counts: Counter[str]) -> None:
    print(
        f"plain pynwb append: {counts['lost']} of {counts['faults']} kills leave a file that "
        "cannot be read, or not all of what was recorded."
    )


if __name__ == "__main__":
    main()
