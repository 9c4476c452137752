"""How many crashes leave a session file as before or as after: ours, and a plain pynwb append.

Run `python -m tests.benchmarks.crash_faults [--kills N]`. Every file operation of every kind of
change is a point of interruption; each is tried as a kill, as a torn write, and as a power cut
that loses any part of what was not yet synced. Then processes are really killed at random times.
"""

import argparse
import io
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from io import FileIO
from pathlib import Path

import h5py
import numpy as np
from pynwb import NWBHDF5IO

from ace_nwb.nwb.journal import journal_path, recover
from ace_nwb.nwb.session import edit_session
from tests.fixtures.changes import CHANGES, add_motion, add_rois, align
from tests.fixtures.faults import CrashedFolder, Operation, RecordingDisk
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
    parser.add_argument("--kills", type=int, default=100, help="processes really killed")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        recorded, analysed = _make_files(Path(folder))
        print(f"{'change':<16}{'points':>8}{'faults':>8}{'before':>8}{'after':>8}{'lost':>6}")
        total: Counter[str] = Counter()
        for name, (is_analysed, change) in CHANGES.items():
            source = analysed if is_analysed else recorded
            counts = interrupt_everywhere(source, change, Path(folder))
            _print_row(name, counts)
            total += counts
        _print_row("all", total)
        counts = kill_for_real(recorded, Path(folder), arguments.kills)
        _print_row("SIGKILL", counts)
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


CHILD = """
import sys
from pathlib import Path
from ace_nwb.nwb.session import edit_session
from tests.fixtures.changes import add_rois
print("ready", flush=True)
while True:
    with edit_session(Path(sys.argv[1])) as writer:
        print("begin", flush=True)
        add_rois(writer)
"""


def kill_for_real(source: Path, folder: Path, n_kills: int) -> Counter[str]:
    """Kill writing processes at random times; count what plain pynwb, or ours, can read."""
    rng = np.random.default_rng(0)
    counts: Counter[str] = Counter(points=n_kills)
    path = _fresh(folder / "killed") / NAME
    shutil.copy(source, path)
    raw = _raw_content(path)
    for _ in range(n_kills):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        while child.stdout.readline().strip() != "begin":
            pass
        time.sleep(rng.uniform(0, 2.5))
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        had_journal = journal_path(path).exists()
        recover(path)
        counts["faults"] += 1
        is_sound = _is_readable(path) and _raw_content(path) == raw
        counts["lost" if not is_sound else "after" if had_journal else "before"] += 1
    return counts


def interrupt_plain_append(source: Path, folder: Path) -> Counter[str]:
    """Append with pynwb alone, kill after each write, and count the files that are lost."""
    path = _fresh(folder / "plain") / NAME
    shutil.copy(source, path)
    before = path.read_bytes()
    raw = _raw_content(path)
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
        is_sound = _is_readable(path) and _raw_content(path) == raw
        counts["sound" if is_sound else "lost"] += 1
    return counts


def _append_like_add_motion(nwbfile) -> None:  # type: ignore[no-untyped-def]
    from pynwb import TimeSeries

    module = nwbfile.create_processing_module("ophys", "Results")
    for name in ("MotionShifts", "MotionQuality", "A", "B", "C", "D"):
        module.add(TimeSeries(name=name, data=np.ones((60, 2)), unit="px", rate=20.0))


def _make_files(folder: Path) -> tuple[Path, Path]:
    recorded, analysed = folder / "recorded.nwb", folder / "analysed.nwb"
    write_session_file(recorded)
    shutil.copy(recorded, analysed)
    for change in (align, add_motion, add_rois):
        with edit_session(analysed) as writer:
            change(writer)
    return recorded, analysed


def _is_readable(path: Path) -> bool:
    try:
        with NWBHDF5IO(path, "r") as io_:
            return bool(io_.read().identifier)
    except Exception:  # whatever pynwb stumbles over
        return False


def _raw_content(path: Path) -> dict[str, object] | None:
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


def _print_row(name: str, counts: Counter[str]) -> None:
    columns = [counts[key] for key in ("points", "faults", "before", "after")]
    print(f"{name:<16}" + "".join(f"{value:>8}" for value in columns) + f"{counts['lost']:>6}")


def _print_plain(counts: Counter[str]) -> None:
    print(
        f"plain pynwb append: {counts['lost']} of {counts['faults']} kills leave a file that "
        "cannot be read, or not all of what was recorded."
    )


if __name__ == "__main__":
    main()
