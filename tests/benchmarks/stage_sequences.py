"""Random sequences of stages, re-runs, decisions and crashes on one session, many of them.

Run `python -m tests.benchmarks.stage_sequences [--sequences N] [--length N] [--seed N]`.
"""

import argparse
import shutil
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from tests.fixtures import stage_sequences as sequences
from tests.fixtures.tiny_sessions import write_tiny_session


def main() -> None:
    """Try sequences; print what was done, and every sequence that left something wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sequences", type=int, default=100)
    parser.add_argument("--length", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        begun = write_tiny_session(Path(folder) / "begun.nwb")
        model = sequences.start(begun)
        started_s = time.monotonic()
        for number in range(arguments.sequences):
            rng = np.random.default_rng([arguments.seed, number])
            drawn = [draw(rng) for _ in range(arguments.length)]
            counts.update(f"{a[0]} {a[4]}".strip() if a[0] == "run" else a[0] for a in drawn)
            counts["wrong"] += not try_one(begun, model, drawn, Path(folder) / str(number))
    counts["sequences"] = arguments.sequences
    print(f"{time.monotonic() - started_s:.0f} s", dict(counts))


def draw(rng: np.random.Generator) -> tuple[Any, ...]:
    """Return something to do."""
    kind = rng.choice(["run", "run", "run", "run", "run", "decide", "curate", "undo", "repack"])
    if kind == "run":
        stage = str(rng.choice(sorted(sequences.VARIANTS)))
        mode, crash = str(rng.choice(sequences.MODES)), str(rng.choice(sequences.CRASHES))
        return ("run", stage, int(rng.integers(2)), mode, crash, int(rng.integers(10**6)))
    return {
        "decide": ("decide", int(rng.integers(4))),
        "curate": ("run", "curate", 0, "replace", "", 0),
        "undo": ("undo sync",),
        "repack": ("repack",),
    }[str(kind)]


def try_one(begun: Path, model: sequences.Model, drawn: list[Any], folder: Path) -> bool:
    """Do a sequence to a copy; return whether all is right after each step."""
    folder.mkdir()
    path = folder / "session.nwb"
    shutil.copy(begun, path)
    own = sequences.Model(dict(model.made))
    done = []
    try:
        for action in drawn:
            done.append(action)
            sequences.act(path, own, action)
        sequences.check_end(path)
    except Exception as error:  # whatever it is, it is what we look for
        print(f"WRONG after {done}: {type(error).__name__}: {str(error)[:600]}", flush=True)
        return False
    finally:
        shutil.rmtree(folder)
    return True


if __name__ == "__main__":
    main()
