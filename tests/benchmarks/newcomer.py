"""The path of a newcomer, timed: an empty environment, then every command of a page, in order.

Run it by hand: `python -m tests.benchmarks.newcomer [PAGE]`, by default the README, else such as
`docs/tutorial.md`. Somebody who has nothing but the page copies its commands, with every package
installed from the index. What they bring is the answers to what `meta.yaml` leaves blank, and a
decision on every fifth neuron. Left out are the tests, the documentation's own build, and pages
that wait in a browser. Ends with an error where a command does, which is also the case where the
file or the dandiset does not pass.
"""

import csv
import os
import shlex
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.docs.pages import PAGES, REPOSITORY, WAITS, blocks, commands, fill_in, is_verb

LEFT_OUT = ("sphinx-build", "pytest", "python3", ".", "ssh")
NOT_NOW = {**WAITS, ("dandi", "upload"): "sends data away"}


def main() -> None:
    """Walk the path and print what each step took."""
    page = REPOSITORY / sys.argv[1] if len(sys.argv) > 1 else PAGES[0]
    with tempfile.TemporaryDirectory(prefix="newcomer_") as folder:
        home = Path(folder)
        inside = home / "env" / ("Scripts" if os.name == "nt" else "bin")
        took = [("python3 -m venv env", *_timed(lambda: venv.create(home / "env", with_pip=True)))]
        steps = _steps(page, home)
        for words, where in (step for step in steps if not is_verb(step[0][1:], NOT_NOW)):
            took.append((shlex.join(words), *_timed(partial(_type, words, inside, where))))
            _answer(words, where)
        _print_times(took)


def _steps(page: Path, where: Path) -> Iterator[tuple[list[str], Path]]:
    """Yield every command of a page with the folder it is typed in; save the files it shows."""
    for kind, text in blocks(page):
        if kind == "yaml":
            _save_named(text, where)
        if kind == "python":
            (where / "page.py").write_text(text, encoding="utf-8")
            yield ["python", "page.py"], where
        typed = commands(text) if kind == "sh" else ()
        for words in [shlex.split(part) for line in typed for part in line.split(" && ")]:
            if words[0] == "cd":
                where = where / words[1]
            elif words[0] not in LEFT_OUT and not ({".[test]"} & set(words)):
                yield words, where


def _type(words: list[str], inside: Path, where: Path) -> None:
    """Run one command of the page in the newcomer's folder."""
    print(f"$ {shlex.join(words)}", flush=True)
    target = None
    if ">" in words:
        words, target = words[: words.index(">")], (where / words[-1]).open("w", encoding="utf-8")
    folder = where
    if words[0] == "pip":  # the page stands in the repository, or in a folder made there
        folder, words = REPOSITORY, [word.replace("..", ".") for word in words]
    done = subprocess.run(
        [str(inside / words[0]), *words[1:]], cwd=folder, stdout=target, check=False
    )
    if done.returncode:
        sys.exit(f"{shlex.join(words)}: exit code {done.returncode}")


def _save_named(block: str, where: Path) -> None:
    """Save a file that the page names in the first line of a block."""
    first, _, rest = block.partition("\n")
    if first.startswith("# ") and first.endswith((".yaml", ".csv")):
        (where / first.removeprefix("# ")).write_text(rest, encoding="utf-8")


def _answer(words: list[str], home: Path) -> None:
    """Do what the page asks a person to do after a command."""
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
