"""Processes that are really killed, or interrupted by Ctrl-C, while they change a session file.

Run `python -m tests.benchmarks.crash_kills [--kills N] [--interrupts N]`. A child does one change
after the other, of every kind, with repacking between; it is killed at random times. What was
recorded must then be there to the byte, everything else sound.
"""

import argparse
import io
import os
import random
import select
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

from ace_nwb.nwb.checks import check_session
from ace_nwb.nwb.commit.journal import journal_path, recover
from ace_nwb.nwb.commit.repack import repack
from ace_nwb.nwb.objects.links import find_dangling_links
from ace_nwb.nwb.session import edit_session, open_session
from tests.benchmarks.crash_faults import is_readable, make_files, print_row, raw_content
from tests.fixtures.changes import CHANGES, FURTHER_CHANGES, Change


def change_for_ever(path: Path, seed: int, told: int) -> None:
    """Do one change after the other; say what happens."""
    changes = {name: change for name, (_, change) in (CHANGES | FURTHER_CHANGES).items()}
    del changes["stream movie"]  # no NWB object: pynwb would not read the file again
    names = [*sorted(changes), "repack"]
    rng = random.Random(seed)
    while True:
        try:  # a Ctrl-C may strike between two changes, too
            os.write(told, b"begin ")
            name = rng.choice(names)
            os.write(told, b"refused " if _is_refused(path, name, changes) else b"done ")
        except KeyboardInterrupt:
            os.write(told, b"interrupted ")


def _is_refused(path: Path, name: str, changes: dict[str, Change]) -> bool:
    """Do one change; return whether something is missing or taken, after the others."""
    try:
        if name == "repack":
            repack(path)
        else:
            with edit_session(path) as writer:
                changes[name](writer)
    except Exception:
        return True
    return False


class Child:
    """A forked process that changes a session until it is killed."""

    def __init__(self, path: Path, seed: int):
        self.told, told = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            sys.stderr = io.StringIO()  # for "Exception ignored in"
            try:
                change_for_ever(path, seed, told)
            finally:
                os._exit(1)
        os.close(told)
        self.wait_for(b"begin")

    def wait_for(self, word: bytes, *, within_s: float = 60.0) -> bool:
        """Return whether the child says a word in time."""
        deadline, heard = time.monotonic() + within_s, b""
        while word not in heard and time.monotonic() < deadline:
            if select.select([self.told], [], [], 1.0)[0]:
                latest = os.read(self.told, 65536)
                heard += latest
                if not latest:  # it has died
                    break
        return word in heard

    def send(self, number: int) -> None:
        """Forget what was said so far, and send a signal."""
        while select.select([self.told], [], [], 0)[0] and os.read(self.told, 65536):
            pass
        os.kill(self.pid, number)

    def end(self) -> None:
        """Kill it and wait."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.told)


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--interrupts", type=int, default=200)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        _, analysed = make_files(Path(folder))
        path = Path(folder) / "killed" / "session.nwb"
        path.parent.mkdir()
        shutil.copy(analysed, path)
        print(f"{'signal':<24}{'points':>8}{'faults':>8}{'before':>8}{'after':>8}{'lost':>6}")
        print_row("SIGKILL", kill(path, arguments.kills))
        shutil.copy(analysed, path)
        print_row("SIGINT", interrupt(path, arguments.interrupts))


def recorded_values(path: Path) -> dict[str, object]:
    """Return what was recorded, but for the times, which an alignment rewrites."""
    content = raw_content(path) or {}
    return {
        key: value
        for key, value in content.items()
        if isinstance(value, str) and "timestamps" not in key
    }


def _is_sound(path: Path, raw: dict[str, object]) -> bool:
    """Return whether nothing is lost; one of the changes takes an alignment back."""
    if not is_readable(path) or recorded_values(path) != raw:
        return False
    with open_session(path) as session:
        found = [one.check for one in check_session(session)]
        return not find_dangling_links(session.h5) and not set(found) - {"check_clocks"}


def kill(path: Path, n_kills: int) -> Counter[str]:
    """Kill a child at random times; "after" counts journals that had to be replayed."""
    rng, raw = np.random.default_rng(0), recorded_values(path)
    counts: Counter[str] = Counter(points=n_kills)
    for number in range(n_kills):
        child = Child(path, number)
        time.sleep(rng.uniform(0, 2.0))
        child.end()
        had_journal = journal_path(path).exists()
        is_readable_now = had_journal or is_readable(path)  # without one, by any program
        recover(path)
        counts["faults"] += 1
        outcome = "after" if had_journal else "before"
        counts[outcome if is_readable_now and _is_sound(path, raw) else "lost"] += 1
    return counts


def interrupt(path: Path, n_signals: int) -> Counter[str]:
    """Send Ctrl-C at random times; the child must live on, and the file stay sound."""
    rng, raw = np.random.default_rng(1), recorded_values(path)
    counts: Counter[str] = Counter(points=n_signals)
    child = Child(path, 1)
    for _ in range(n_signals):
        time.sleep(rng.uniform(0, 0.2))
        child.send(signal.SIGINT)
        counts["faults"] += 1
        counts["before" if child.wait_for(b"interrupted") else "lost"] += 1
    child.end()
    recover(path)
    counts["lost"] += not _is_sound(path, raw)
    return counts


if __name__ == "__main__":
    main()
