"""Do the tests hold the numbers? Small changes of core modules, drawn at random: which go unseen?

    python -m tests.benchmarks.mutants [--mutants 60] [--seed 1] [--near-only] [--log mutants.jsonl]

A mutant is the package with one change in one place: a number a quarter larger (a small integer
by one), a comparison that takes its edge in or leaves it out, plus for minus, times for divided
by, "and" for "or". What a message says, and sizes of blocks of work, are left alone. The tests
that import the changed module run first, then the quick half of the suite. A mutant that survives
both either cannot change a result (read it), or a test is missing.
"""

import argparse
import ast
import json
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
ROOMS = ("engines", "imaging", "signals", "sync")
NO_RESULT = re.compile(r"BLOCK|BATCH|BYTES|PER_READ|MEMORY|WORKERS|progress|Steps\(|steps\.|logger")
"""Lines whose numbers change time and memory only."""
COMPARISONS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
OPERATIONS = {"+": "-", "-": "+", "*": "/", "/": "*"}
LARGE = 20  # an integer from which on it grows by a quarter, as other numbers do
TIMEOUT_S = 900  # an endless loop is seen, too
IGNORED = ("--ignore=tests/test_architecture.py", "--ignore=tests/docs")  # look at the text itself


@dataclass(frozen=True)
class Mutant:
    """One change: where, from what, to what."""

    module: str
    line: int
    start: int
    stop: int
    old: str
    new: str

    def apply(self, root: Path) -> None:
        """Write the changed module into a copy of the repository."""
        path = root / self.module
        text = path.read_bytes()
        path.write_bytes(text[: self.start] + self.new.encode() + text[self.stop :])


def list_mutants(path: Path) -> Iterator[Mutant]:
    """Yield every change of a module."""
    text = path.read_bytes()
    lines = text.splitlines(keepends=True)
    firsts = [0]
    for line in lines:
        firsts.append(firsts[-1] + len(line))
    tree = ast.parse(text)
    silent = {id(n) for node in ast.walk(tree) if is_said(node) for n in ast.walk(node)}

    def place(line: int, column: int) -> int:
        return firsts[line - 1] + column

    for node in ast.walk(tree):
        if id(node) in silent or not hasattr(node, "lineno"):
            continue
        if NO_RESULT.search(lines[node.lineno - 1].decode()):
            continue
        for start, stop, new in changes(node, text, place):
            module = path.relative_to(ROOT).as_posix()
            yield Mutant(module, node.lineno, start, stop, text[start:stop].decode(), new)


def is_said(node: ast.AST) -> bool:
    """Return whether a part of the code is words: a message, a docstring, a type."""
    if isinstance(node, ast.FunctionDef) and node.name == "__repr__":
        return True
    return isinstance(node, ast.Raise | ast.JoinedStr | ast.Assert)


def changes(node: ast.AST, text: bytes, place) -> Iterator[tuple[int, int, str]]:
    """Yield (start, stop, new text) of the changes of one node of the code."""
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield (
            place(node.lineno, node.col_offset),
            place(node.end_lineno, node.end_col_offset),
            larger(node.value),
        )
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield from between(node.left, node.comparators[0], COMPARISONS, text, place)
    if isinstance(node, ast.BinOp):
        yield from between(node.left, node.right, OPERATIONS, text, place)
    if isinstance(node, ast.BoolOp):
        words = {"and": "or", "or": "and"}
        yield from between(node.values[0], node.values[1], words, text, place)


def between(left, right, table, text: bytes, place) -> Iterator[tuple[int, int, str]]:
    """Yield the change of the operator that stands between two operands."""
    first = place(left.end_lineno, left.end_col_offset)
    gap = text[first : place(right.lineno, right.col_offset)].decode()
    found = re.fullmatch(r"([\s)\\]*)(\S+)([\s(\\]*)", gap)
    if found and found[2] in table:
        start = first + len(found[1].encode())
        yield start, start + len(found[2]), table[found[2]]


def larger(value: float) -> str:
    """Return a number that is a quarter larger, or a small integer that is one larger."""
    if isinstance(value, int):
        return str(value + 1 if abs(value) < LARGE else round(value * 1.25))
    return repr(value * 1.25 if value else 0.25)


def near_tests(module: str) -> list[str]:
    """Return the test files that import a module by its name."""
    dotted = module.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    parent, _, name = dotted.rpartition(".")
    wanted = re.compile(rf"{re.escape(dotted)}\b|from {re.escape(parent)} import .*\b{name}\b")
    files = [p for p in (ROOT / "tests").rglob("test_*.py") if "benchmarks" not in p.parts]
    found = [p for p in files if wanted.search(p.read_text(encoding="utf-8"))]
    return [path.relative_to(ROOT).as_posix() for path in found]


def is_killed(root: Path, tests: list[str], processes: str) -> bool:
    """Run tests on the changed copy; return whether one of them fails."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    command += ["-n", processes, *IGNORED, *tests]
    try:
        done = subprocess.run(
            command, cwd=root, capture_output=True, check=False, timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode == 1


def judge(mutant: Mutant, root: Path, *, near_only: bool, processes: str) -> str:
    """Return "near", "quick" (who has seen the mutant), or "survived"."""
    whole = (root / mutant.module).read_bytes()
    mutant.apply(root)
    try:
        near = near_tests(mutant.module)
        if near and is_killed(root, near, processes):
            return "near"
        if not near_only and is_killed(root, ["-m", "not slow", "tests"], processes):
            return "quick"
        return "survived"
    finally:
        (root / mutant.module).write_bytes(whole)


def main() -> None:
    """Draw mutants, run the tests on each, and print who was seen."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mutants", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rooms", default=",".join(ROOMS))
    parser.add_argument("--near-only", action="store_true", help="leave the quick half out")
    parser.add_argument("--processes", default="auto", help="of pytest")
    parser.add_argument("--log", type=Path, default=Path("mutants.jsonl"))
    options = parser.parse_args()
    paths = [
        p for room in options.rooms.split(",") for p in (ROOT / "ace_nwb" / room).rglob("*.py")
    ]
    every = [mutant for path in sorted(paths) for mutant in list_mutants(path)]
    drawn = random.Random(options.seed).sample(every, options.mutants)
    counts = {"near": 0, "quick": 0, "survived": 0}
    with TemporaryDirectory() as folder:
        root = Path(folder) / "copy"
        shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(".git", "__pycache__", "*.jsonl"))
        for number, mutant in enumerate(drawn, 1):
            verdict = judge(mutant, root, near_only=options.near_only, processes=options.processes)
            counts[verdict] += 1
            where = f"{mutant.module}:{mutant.line}"
            print(f"{number:3d} {verdict:9s} {where} {mutant.old} -> {mutant.new}", flush=True)
            with options.log.open("a", encoding="utf-8") as log:
                log.write(json.dumps(asdict(mutant) | {"verdict": verdict}) + "\n")
    seen = counts["near"] + counts["quick"]
    print(f"{len(every)} possible, {len(drawn)} drawn: {seen} seen {counts}")


if __name__ == "__main__":
    main()
