"""The path of a newcomer, timed: an empty environment, then every command of the README.

Run it by hand: `python -m tests.benchmarks.newcomer`. Somebody who has nothing but the README
copies its commands. What they bring is their recording (here the one that `ace-nwb demo` has just
made, under the names that the README uses), the answers to what `meta.yaml` leaves blank, and a
decision on every fifth neuron. Left out are the tests, the documentation's own build, and pages
that wait in a browser. Ends with an error where a command does, which is also the case where the
file or the dandiset does not pass.
"""

import csv
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from tests.docs.pages import PAGES, REPOSITORY, WAITS, blocks, commands, fill_in, is_verb

LEFT_OUT = ("sphinx-build", "pytest", "python3")
NOT_NOW = {**WAITS, ("batch",): "needs a manifest of several sessions"}


def main() -> None:
    """Walk the path and print what each step took."""
    with tempfile.TemporaryDirectory(prefix="newcomer_") as folder:
        home = Path(folder)
        lines = [line for kind, text in blocks(PAGES[0]) if kind == "sh" for line in commands(text)]
        took = [("python3 -m venv env", *_timed(lambda: venv.create(home / "env", with_pip=True)))]
        for line in lines:
            for command in line.split(" && "):
                words = shlex.split(command)
                if words[0] in LEFT_OUT or ".[test]" in words or is_verb(words[1:], NOT_NOW):
                    continue
                took.append((command, *_timed(lambda words=words: _type(words, home))))
                _answer(words, home)
        _print_times(took)


def _type(words: list[str], home: Path) -> None:
    """Run one command of the README in the newcomer's folder."""
    inside = home / "env" / ("Scripts" if os.name == "nt" else "bin")
    where = REPOSITORY if words[0] == "pip" else home
    print(f"$ {shlex.join(words)}", flush=True)
    done = subprocess.run([str(inside / words[0]), *words[1:]], cwd=where, check=False)
    if done.returncode:
        sys.exit(f"{shlex.join(words)}: exit code {done.returncode}")


def _answer(words: list[str], home: Path) -> None:
    """Do what the README asks a person to do after a command."""
    if words[1:2] == ["demo"]:
        recording = next(home.glob("*/recording"))
        day = next((recording / "raw").glob("*/*"))
        shutil.copytree(day, home / day.name)
        shutil.copytree(next((recording / "ephys").iterdir()), home / "CheetahData")
    if "--template" in words:
        fill_in(home / words[words.index("--template") + 1])
    if "--rois" in words:
        _decide(home / words[words.index("--rois") + 1])


def _decide(table: Path) -> None:
    """Reject every fifth neuron, as a person with a spreadsheet would."""
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows[::5]:
        row["decision"] = "reject"
    with table.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _timed(step) -> tuple[float, float]:
    """Return the wall and processor seconds of a step and of the programs it ran."""
    started, before = time.perf_counter(), os.times()
    step()
    after = os.times()
    return time.perf_counter() - started, sum(after[:4]) - sum(before[:4])


def _print_times(took: list[tuple[str, float, float]]) -> None:
    print(f"\n{'wall s':>8} {'CPU s':>8}  command")
    total = ("all", sum(wall_s for _, wall_s, _ in took), sum(cpu_s for *_, cpu_s in took))
    for command, wall_s, cpu_s in [*took, total]:
        print(f"{wall_s:8.1f} {cpu_s:8.1f}  {command}")


if __name__ == "__main__":
    main()
