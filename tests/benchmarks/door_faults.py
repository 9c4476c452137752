"""How many failures of the disk leave a new file whole or absent, and its command repeatable.

Run `python -m tests.benchmarks.door_faults [--points N] [--cuts N] [--only VERB]`. Every verb that
writes is run in a forked process in which one file operation fails: once (EIO), from then on
(ENOSPC, EROFS), or with the end of the process (kill). Then what stands under a final name must be
whole, no failure may have been told as a success, and the same command, run again, must end well.
Power cuts lose any part of what was not synced; a file under its final name must then be whole.
"""

import argparse
import errno
import os
import re
import shutil
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from io import FileIO
from pathlib import Path

import numpy as np
import zarr

from ace_nwb.errors import AceNwbError
from ace_nwb.nwb.commit.disk import Disk
from ace_nwb.nwb.session import edit_session, open_session
from tests.benchmarks.crash_faults import make_files, print_row
from tests.fixtures.changes import mark_frames
from tests.fixtures.faults import CrashedFolder, RecordingDisk
from tests.fixtures.recordings import METADATA, make_tiny_recording
from tests.fixtures.session_files import file_content

TOLD, CRASHED, KILLED = 3, 4, 9
"""Exit codes of a forked verb: an error of ours, any other exception, killed."""

OPERATIONS = ("open", "write_at", "truncate", "sync", "rename", "unlink", "sync_folder")


class Fault:
    """Counts file operations and fails at one of them.

    Parameters
    ----------
    kind
        "EIO", "ENOSPC", "EROFS", "kill", or "" to count only.
    stop_at
        Which operation fails.
    """

    def __init__(self, kind: str, stop_at: int):
        self.kind, self.stop_at, self.count = kind, stop_at, 0

    def install(self) -> None:
        """Let every operation of this process pass through here."""
        for name in OPERATIONS:
            setattr(Disk, name, self._wrapped(getattr(Disk, name)))
        store = zarr.storage.DirectoryStore
        store._tofile = self._wrapped(store._tofile)

    def _wrapped(self, function: Callable) -> Callable:
        def step(*arguments):  # type: ignore[no-untyped-def]
            is_reading = function.__name__ == "open" and arguments[-1] == "rb"
            if not is_reading:
                self._step()
            return function(*arguments)

        return step

    def _step(self) -> None:
        number, self.count = self.count, self.count + 1
        if self.kind == "kill" and number == self.stop_at:
            os._exit(KILLED)
        if self.kind == "EIO" and number == self.stop_at:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if self.kind in ("ENOSPC", "EROFS") and number >= self.stop_at:
            code = getattr(errno, self.kind)
            raise OSError(code, os.strerror(code))


def make_verbs(home: Path) -> dict[str, Callable[[Path], object]]:
    """Return name -> what it does with a folder for its outputs, `home` being the inputs."""
    from ace_nwb.adopt import caiman_file, movies, tables
    from ace_nwb.archive import dandiset
    from ace_nwb.convert import convert
    from ace_nwb.curation_table import export_rois
    from ace_nwb.nwb.commit.repack import repack
    from ace_nwb.nwb.shared.light import join_movies, write_light_session
    from ace_nwb.nwb.zarr.session import export_zarr, import_zarr
    from ace_nwb.report.writing import save_file

    _, analysed = make_files(home)
    raw = make_tiny_recording(home / "raw" / "15_26_31").folder
    export_zarr(analysed, home / "in.zarr")
    write_light_session(analysed, home / "light.nwb")

    def reading(write: Callable) -> Callable[[Path], None]:
        def run(out: Path) -> None:
            with open_session(analysed) as session:
                write(session, out)

        return run

    def changing(change: Callable[[Path], object]) -> Callable[[Path], None]:
        def run(out: Path) -> None:
            change(out / "session.nwb")

        return run

    def edit(path: Path) -> None:
        with edit_session(path) as writer:
            if "verdict" not in writer.h5["processing/sync/FrameLedger"]:
                mark_frames(writer)

    movie, part = movies.export_movie, movies.MovieRange(0, 12)
    return {
        "convert": lambda out: convert(raw, out / "c.nwb", metadata=METADATA),
        "export --without-raw": lambda out: write_light_session(analysed, out / "l.nwb"),
        "import --raw": lambda out: (
            join_movies(home / "light.nwb", analysed, out / "w.nwb") and None
        ),
        "export --zarr": lambda out: export_zarr(analysed, out / "s.zarr"),
        "import .zarr": lambda out: import_zarr(home / "in.zarr", out / "i.nwb"),
        "repack": changing(repack),
        "commit": changing(edit),
        "export tables": reading(lambda s, out: tables.export_tables(s, out / "tables")),
        "export pynapple": reading(lambda s, out: tables.export_pynapple(s, out / "npz")),
        "export matlab": reading(lambda s, out: tables.export_matlab(s, out / "m.mat")),
        "export estimates": reading(lambda s, out: caiman_file.write(s, out / "e.hdf5")),
        "export movie": reading(lambda s, out: movie(s, out / "m.avi", part=part)),
        "export movie (TIFF)": reading(lambda s, out: movie(s, out / "m.tif", part=part)),
        "export --rois": lambda out: export_rois(analysed, out / "r.csv"),
        "picture": lambda out: save_file(bytes(range(256)) * 8192, out / "p.png"),
        "dandi prepare": lambda out: (
            dandiset._copy_session(analysed, out, Path("sub-1", "s.nwb"), lambda _n: None) and None
        ),
    }


def run_forked(verb: Callable[[Path], object], out: Path, fault: Fault) -> tuple[int, int]:
    """Run a verb in a process of its own; return its exit code and how many operations it did."""
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = CRASHED
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            fault.install()
            verb(out)
            code = 0
        except AceNwbError:
            code = TOLD
        except BaseException:
            (out.parent / "traceback.txt").write_text(traceback.format_exc())
        finally:
            os.write(tell, str(fault.count).encode())
            os._exit(code)
    os.close(tell)
    with os.fdopen(told) as pipe:
        count = int(pipe.read() or 0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), count


def finals(out: Path) -> dict[str, str]:
    """Return name -> digest of everything under a final name."""
    found = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        is_beside = re.search(r"\.(partial|lock|journal|journal-partial|repacking)(\.|/|$)", name)
        if path.is_file() and not is_beside:
            found[name] = _digest(path)
    return found


def _digest(path: Path) -> str:
    """Return a digest without what differs between two runs: dates, durations, new object ids."""
    if path.suffix in (".nwb", ".hdf5"):
        try:
            if path.suffix == ".nwb":
                with open_session(path):  # completes what a journal holds
                    pass
            content = file_content(path)
        except Exception as error:  # whatever HDF5 stumbles over
            return f"broken: {error}"
        kept = {
            key: re.sub(r"'object_id': '[^']*'", "", value) if isinstance(value, str) else value
            for key, value in content.items()
            if "stage_runs" not in key and key != "file_create_date" and "specifications" not in key
        }
        return sha256(repr(sorted(kept.items(), key=lambda item: item[0])).encode()).hexdigest()
    content = path.read_bytes()
    if path.suffix == ".mat":
        content = content[128:]  # its head holds the date
    if path.name in (".zattrs", ".zmetadata"):
        content = re.sub(rb"[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\dT[^\"]*", b"", content)
    return sha256(content).hexdigest()


def fail_everywhere(
    name: str, verb: Callable, inputs: Path, home: Path, *, n: int
) -> tuple[Counter[str], list[str]]:
    """Let a verb fail at `n` of its operations in each way; count what is left."""
    before, after, n_operations = measure(verb, inputs, home)
    counts, notes = Counter[str](points=n_operations), []
    stops = sorted({int(k) for k in np.linspace(0, n_operations - 1, n)})
    for kind in ("EIO", "ENOSPC", "EROFS", "kill"):
        for stop_at in stops:
            out = _fresh(home / "out", inputs)
            code, _ = run_forked(verb, out, Fault(kind, stop_at))
            found = finals(out)
            counts["faults"] += 1
            problem = _problem(code, found, before, after)
            again, _ = run_forked(verb, out, Fault("", 0))
            if not problem and finals(out) != after:
                problem = f"cannot be repeated (exit {again})"
            counts["after" if found == after else "before"] += 1
            if problem:
                counts["lost"] += 1
                notes.append(f"{name}, {kind} at {stop_at} of {n_operations}: {problem}")
    return counts, notes


def _problem(code: int, found: dict[str, str], before: dict, after: dict) -> str:
    """Return what is wrong after a failure, or ""."""
    wrong = [
        name for name, digest in found.items() if digest not in (after.get(name), before.get(name))
    ]
    if wrong:
        return f"{', '.join(wrong)} damaged (exit {code})"
    if code == 0 and found != after:
        return "told as a success"
    if code == CRASHED:
        return "traceback"
    return ""


def measure(verb: Callable, inputs: Path, home: Path) -> tuple[dict, dict, int]:
    """Run a verb without a fault: what stood before, what stands after, how many operations."""
    out = _fresh(home / "out", inputs)
    before = finals(out)
    code, n_operations = run_forked(verb, out, Fault("", 0))
    if code:
        sys.exit((home / "traceback.txt").read_text() if code == CRASHED else f"exit {code}")
    return before, finals(out), n_operations


def cut_power(
    name: str, verb: Callable, inputs: Path, home: Path, *, n: int
) -> tuple[Counter[str], list[str]]:
    """Cut the power at `n` operations, each with three chances of what the medium holds."""
    before, after, _ = measure(verb, inputs, home)
    out = _fresh(home / "out", inputs)
    disk = RecordingDisk()
    originals = {name: getattr(Disk, name) for name in OPERATIONS}
    recorded = {name: getattr(RecordingDisk, name) for name in OPERATIONS if name != "open"}
    counts, notes = Counter[str](), []
    start = {path.name: bytearray(path.read_bytes()) for path in out.iterdir()}
    try:
        for operation in recorded:
            setattr(Disk, operation, _recording(disk, operation, originals[operation]))
        Disk.open = _recording_open(disk, originals["open"])
        verb(out)
    finally:
        for operation, function in originals.items():
            setattr(Disk, operation, function)
    counts["points"] = len(disk.operations)
    wanted = [{Path(key).name: value for key, value in one.items()} for one in (before, after)]
    for stop_at in sorted({int(k) for k in np.linspace(0, len(disk.operations), n)}):
        for seed in range(3):
            folder = CrashedFolder({key: bytearray(value) for key, value in start.items()})
            for operation in disk.operations[:stop_at]:
                folder.apply(operation)
            left = _fresh(home / "cut")
            for key, content in folder.crash(
                np.random.default_rng([seed, stop_at]), "power"
            ).items():
                (left / key).write_bytes(content)
            found = finals(left)
            counts["faults"] += 1
            wanted = [
                {Path(key).name: value for key, value in one.items()} for one in (before, after)
            ]
            wrong = [k for k, v in found.items() if v not in (wanted[0].get(k), wanted[1].get(k))]
            counts["after" if found == wanted[1] else "before"] += 1
            if wrong:
                counts["lost"] += 1
                notes.append(f"{name}, power cut after {stop_at}: {', '.join(wrong)} damaged")
    return counts, notes


def _recording(disk: RecordingDisk, name: str, original: Callable) -> Callable:
    """Return a file operation that is written down and done."""

    def step(self, *arguments):  # type: ignore[no-untyped-def]
        details = {
            "write_at": lambda file, at, data: (
                "write",
                file.name,
                {"offset": at, "data": bytes(data)},
            ),
            "truncate": lambda file, size: ("truncate", file.name, {"offset": size}),
            "sync": lambda file: ("sync", file.name, {}),
            "rename": lambda source, target: ("rename", source, {"target": target.name}),
            "unlink": lambda path: ("unlink", path, {}),
            "sync_folder": lambda path: ("sync folder", path, {}),
        }[name](*arguments)
        disk._record(details[0], details[1], **details[2])
        return original(self, *arguments)

    return step


def _recording_open(disk: RecordingDisk, original: Callable) -> Callable:
    def step(self, path: Path, mode: str) -> FileIO:  # type: ignore[no-untyped-def]
        if mode.startswith("x"):
            disk._record("create", path)
        return original(self, path, mode)

    return step


def _fresh(folder: Path, inputs: Path | None = None) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if inputs is not None:
        shutil.copy(inputs, folder / "session.nwb")
    return folder


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--points", type=int, default=45, help="per verb and kind of failure")
    parser.add_argument("--cuts", type=int, default=40, help="power cuts per verb, three each")
    parser.add_argument("--only", default="", help="one verb")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    total, notes = Counter[str](), []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        verbs = make_verbs(home)
        print(f"{'verb':<24}{'points':>8}{'faults':>8}{'before':>8}{'after':>8}{'lost':>6}")
        for name, verb in verbs.items():
            if chosen.only not in ("", name):
                continue
            inputs = home / "analysed.nwb" if name == "repack" else home / "recorded.nwb"
            found, told = fail_everywhere(name, verb, inputs, home, n=chosen.points)
            print_row(name, found)
            notes += told
            total += found
            if name != "export --zarr":  # a folder of folders; its syncs are counted above
                found, told = cut_power(name, verb, inputs, home, n=chosen.cuts)
                print_row("  power cuts", found)
                notes += told
                total += found
    print_row("all", total)
    print("\n".join(notes))


if __name__ == "__main__":
    main()
