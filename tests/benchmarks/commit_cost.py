"""What it costs to add a little to a large session: our commit, and copy-and-rename.

Run `python -m tests.benchmarks.commit_cost [--gigabytes 5] [--megabytes 30]`.
"""

import argparse
import os
import resource
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import psutil
from pynwb import NWBHDF5IO, TimeSeries

from ace_nwb.nwb.content.series import write_series
from ace_nwb.nwb.session import edit_session
from tests.fixtures.session_files import write_session_file

MEGABYTE = 2**20


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--gigabytes", type=float, default=5.0)
    parser.add_argument("--megabytes", type=float, default=30.0)
    arguments = parser.parse_args()
    data = np.random.default_rng(0).random(int(arguments.megabytes * MEGABYTE / 8))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "session.nwb"
        write_session_file(path)
        _grow(path, arguments.gigabytes)
        print(f"session of {path.stat().st_size / 1e9:.2f} GB, {data.nbytes / 1e6:.0f} MB added")
        for name, action in (
            ("commit", lambda: commit(path, data)),
            ("commit again", lambda: commit(path, data)),
            ("copy, append, rename", lambda: copy_append_rename(path, data)),
        ):
            wall_s, cpu_s, extra_mb = _measure(action)
            print(f"{name:<22} {wall_s:7.2f} s  {cpu_s:6.2f} s CPU  {extra_mb:7.1f} MB more memory")


def commit(path: Path, data: np.ndarray) -> None:
    """Add the data through our journaled commit."""
    with edit_session(path) as writer:
        number = len(writer.h5["processing"])
        write_series(
            writer,
            f"/processing/misc/Added{number}",
            data,
            unit="n.a.",
            description="Added.",
            rate_hz=20.0,
        )


def copy_append_rename(path: Path, data: np.ndarray) -> None:
    """Add the data to a copy, which then takes the place of the file."""
    copy = path.with_suffix(".copy.nwb")
    shutil.copyfile(path, copy)
    with NWBHDF5IO(copy, "r+") as io:
        nwbfile = io.read()
        module = nwbfile.create_processing_module("copied", "Added")
        module.add(TimeSeries(name="Added", data=data, unit="n.a.", rate=20.0))
        io.write(nwbfile)
    with copy.open("r+b") as file:
        os.fsync(file.fileno())
    copy.replace(path)


def _grow(path: Path, gigabytes: float) -> None:
    """Give the session a large data set of incompressible bytes."""
    block = np.random.default_rng(1).integers(0, 256, 64 * MEGABYTE, np.uint8)
    n_blocks = int(gigabytes * 1024 / 64)
    with h5py.File(path, "r+") as h5:
        large = h5["acquisition"].create_group("Large")
        large.attrs.update(h5["acquisition/OnePhotonSeries"].attrs)
        large.attrs["object_id"] = "00000000-0000-4000-8000-000000000000"
        large.attrs["neurodata_type"] = "TimeSeries"
        data = large.create_dataset("data", (n_blocks * block.size,), np.uint8)
        data.attrs.update({"unit": "n.a.", "conversion": 1.0, "resolution": -1.0, "offset": 0.0})
        start = large.create_dataset("starting_time", data=0.0)
        start.attrs.update({"rate": 1e6, "unit": "seconds"})
        for number in range(n_blocks):
            data[number * block.size : (number + 1) * block.size] = block
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _measure(action: Callable[[], None]) -> tuple[float, float, float]:
    """Return wall time, CPU time and the largest memory above that at the start."""
    process, peak, is_done = psutil.Process(), [0], threading.Event()
    before = process.memory_info().rss

    def watch() -> None:
        while not is_done.wait(0.01):
            peak[0] = max(peak[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    usage, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    action()
    wall_s = time.perf_counter() - started
    now = resource.getrusage(resource.RUSAGE_SELF)
    is_done.set()
    watcher.join()
    cpu_s = now.ru_utime + now.ru_stime - usage.ru_utime - usage.ru_stime
    return wall_s, cpu_s, max(0, peak[0] - before) / 1e6


if __name__ == "__main__":
    main()
