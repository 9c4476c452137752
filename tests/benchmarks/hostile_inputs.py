"""What every verb does with hostile and damaged inputs: 0 tracebacks, bounded, the object named.

Run `python -m tests.benchmarks.hostile_inputs --inputs 500 --first-seed 0`. Every input is a copy
of a sound one with a damage of `tests.fixtures.hostile_inputs`, made from its seed, and meets
several verbs, each in a process of its own with bounds on time and memory. Counted are the ends:
done, refused (exit 1 or 2 with a message), traceback (a fault of ours), endless (killed by time),
memory (beyond the bound), crash (a signal, as from inside HDF5). `--only SEED` repeats one input
and shows what the verbs said.
"""

import argparse
import contextlib
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.fixtures.hostile_inputs import RAW, SESSION, TEXTS, ZARR

CPU_LIMIT_S = 60
"""Most processor time of a verb: the slowest one on the sound session of the demo takes 20 s."""

TIME_LIMIT_S = 600
"""Longest a verb may take on a machine that does other things besides."""

ADDRESS_SPACE_BYTES = 12 * 2**30
"""Bound on what a verb may map; code, thread stacks and thread pools take 3 GB of it."""

RESIDENT_LIMIT_BYTES = 3 * 2**29
"""1.5 GB: most memory a verb may really use. Sound, the demo's session takes 0.6 GB."""

N_VERBS = 3
"""Verbs that an input of a session file meets, drawn by its seed."""

FAULT = 70
"""Exit code of the command line for a fault of ours."""

SESSION_VERBS: tuple[str, ...] = (
    "status {file}",
    "history {file}",
    "history {file} --as-pipeline",
    "contents {file}",
    "validate {file}",
    "report {file} --output {out}.html",
    "describe {file} {meta}",
    "run {file}",
    "process motion {file} --force",
    "process dff {file} --force",
    "process events {file} --force",
    "sync {file} --force",
    "export {file} --zarr {out}.zarr",
    "export {file} --without-raw {out}.nwb",
    "export {file} --rois {out}.csv",
    "export tables {file} {out}",
    "export matlab {file} {out}.mat",
    "export pynapple {file} {out}",
    "import {file} {out}.nwb --raw {sound}",
    "repack {file}",
    "recover {file}",
    "upgrade {file}",
    "movie {file} --out {out}.mp4",
    "diff {file} {sound}",
    "adopt {sound} {file} --keep-as before",
    "dandi prepare {out} {file}",
)
_HEAVY = (
    "ace_nwb.cli",
    "ace_nwb.pipeline",
    "ace_nwb.archive",
    "ace_nwb.report",
    "ace_nwb.nwb.zarr.exchange",
    "ace_nwb.conversion",
    "ace_nwb.inspection",
    "ace_nwb.adopt",
    "ace_nwb.batch",
    "ace_nwb.curation_table",
    "ace_nwb.report.clip",
    "nwbinspector",
    "neuroconv",
)
"""What the forked verbs would each import."""

ZARR_VERBS = ("status {file}", "contents {file}", "validate {file}", "import {file} {out}.nwb")
RAW_VERBS = ("inspect {file} --ephys {ephys}", "convert {file} --ephys {ephys} {out}.nwb")
YAML_VERBS = (
    "describe {sound} {file}",
    "run {sound} {file}",
    "batch {file} --check",
    "convert {raw} {out}.nwb --metadata {file}",
)
CSV_VERBS = (
    "import {file} {sound} --reviewer Ann",
    "batch {file} --check",
    "adopt {sound} {sound} --spreadsheet {file} 1",
)


@dataclass(frozen=True)
class Outcome:
    """How a verb ended."""

    seed: int
    damage: str
    verb: str
    end: str
    seconds: float
    peak_bytes: int
    said: str


@dataclass(frozen=True)
class Sound:
    """The undamaged inputs."""

    folder: Path

    @property
    def session(self) -> Path:
        return self.folder / "session.nwb"

    @property
    def raw(self) -> Path:
        return self.folder / "recording"


def make_sound(folder: Path) -> Sound:
    """Simulate a recording, process it, and write it in every form that is damaged."""
    from ace_nwb.curation_table import export_rois
    from ace_nwb.demo import run_demo
    from ace_nwb.nwb.zarr.exchange import export_zarr

    if not (folder / "session.nwb").exists():
        run_demo(folder, size="toy", seed=6)
    if not (folder / "session.zarr").exists():
        export_zarr(folder / "session.nwb", folder / "session.zarr")
        export_rois(folder / "session.nwb", folder / "rois.csv")
    return Sound(folder)


def run_apart(verb: list[str], log: Path) -> tuple[str, float, int]:
    """Run a verb in a forked process; return its end, its seconds and its peak memory."""
    started = time.perf_counter()
    child = os.fork()
    if child == 0:
        _be_the_verb(verb, log)
    while True:
        ended, status, used = os.wait4(child, os.WNOHANG)
        seconds = time.perf_counter() - started
        if ended:
            return _end_of(status, used.ru_maxrss * 1024), seconds, used.ru_maxrss * 1024
        if seconds > TIME_LIMIT_S:
            os.killpg(child, signal.SIGKILL)
            _, _, used = os.wait4(child, 0)
            return "endless", seconds, used.ru_maxrss * 1024
        time.sleep(0.01)


def _be_the_verb(verb: list[str], log: Path) -> None:
    """Become the verb: bounds, output into the log, exit code of the command line."""
    code = FAULT
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(target, 1)
        os.dup2(target, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        from ace_nwb.cli import run

        code = run(verb)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _end_of(status: int, peak_bytes: int) -> str:
    if peak_bytes > RESIDENT_LIMIT_BYTES:
        return "memory"
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL):
        return "endless"
    if os.WIFSIGNALED(status):
        return f"crash ({signal.Signals(os.WTERMSIG(status)).name})"
    code = os.WEXITSTATUS(status)
    return {0: "done", 1: "refused", 2: "refused"}.get(code, "traceback")


def make_input(seed: int, sound: Sound, folder: Path) -> tuple[str, list[str]]:
    """Make the input of a seed; return its damage and the verbs that it meets."""
    rng = np.random.default_rng(seed)
    kind = ("session", "session", "session", "zarr", "raw", "texts")[seed % 6]
    maker: dict[str, Callable[[], tuple[str, list[str]]]] = {
        "session": lambda: _session(rng, sound, folder),
        "zarr": lambda: _zarr(rng, sound, folder),
        "raw": lambda: _raw(rng, sound, folder),
        "texts": lambda: _texts(rng, sound, folder),
    }
    return maker[kind]()


def _session(rng: np.random.Generator, sound: Sound, folder: Path) -> tuple[str, list[str]]:
    file = Path(shutil.copy(sound.session, folder / "bad.nwb"))
    damage = str(rng.choice(list(SESSION)))
    SESSION[damage](file, rng)
    return damage, [str(one) for one in rng.choice(SESSION_VERBS, N_VERBS, replace=False)]


def _zarr(rng: np.random.Generator, sound: Sound, folder: Path) -> tuple[str, list[str]]:
    file = Path(shutil.copytree(sound.folder / "session.zarr", folder / "bad.nwb"))
    damage = str(rng.choice(list(ZARR)))
    ZARR[damage](file, rng)
    return damage, list(ZARR_VERBS)


def _raw(rng: np.random.Generator, sound: Sound, folder: Path) -> tuple[str, list[str]]:
    file = Path(shutil.copytree(sound.raw, folder / "bad.nwb"))
    damage = str(rng.choice(list(RAW)))
    RAW[damage](file, rng)
    return damage, list(RAW_VERBS)


def _texts(rng: np.random.Generator, sound: Sound, folder: Path) -> tuple[str, list[str]]:
    damage = str(rng.choice(list(TEXTS)))
    source = sound.raw / "meta.yaml" if damage == "yaml" else sound.folder / "rois.csv"
    file = Path(shutil.copy(source, folder / f"bad.{damage}"))
    TEXTS[damage](file, rng)
    return damage, list(YAML_VERBS if damage == "yaml" else CSV_VERBS)


def try_input(seed: int, sound: Sound) -> Iterator[Outcome]:
    """Let every verb meet a fresh copy of the input of a seed."""
    with tempfile.TemporaryDirectory(dir=sound.folder) as place:
        damaged = Path(place) / "damaged"
        damaged.mkdir()
        damage, verbs = make_input(seed, sound, damaged)
        for verb in verbs:
            with tempfile.TemporaryDirectory(dir=place) as scratch:
                yield _meet(seed, damage, verb, sound=sound, scratch=Path(scratch))


def _meet(seed: int, damage: str, verb: str, *, sound: Sound, scratch: Path) -> Outcome:
    work = scratch / "work"
    shutil.copytree(scratch.parent / "damaged", work)
    file = next(iter(sorted(work.iterdir())))
    names = {"file": file, "out": scratch / "out", "meta": sound.raw / "meta.yaml"}
    if "{sound}" in verb:
        names["sound"] = Path(shutil.copy(sound.session, scratch / "sound.nwb"))
    scope = next(iter(sorted((sound.raw / "raw").glob("*/*/*"))))
    names["raw"] = scope
    if "{ephys}" in verb:
        names["ephys"] = file / "ephys"
        names["file"] = file / scope.relative_to(sound.raw)
    arguments = [part.format(**names) for part in verb.split()]
    log = scratch / "log.txt"
    end, seconds, peak = run_apart(arguments, log)
    said = log.read_text(errors="replace") if log.exists() else ""
    return Outcome(seed, damage, verb, end, seconds, peak, said)


def warm_up() -> None:
    """Import once what every verb would import."""
    import importlib

    for name in _HEAVY:
        importlib.import_module(name)


def main() -> None:
    """Run the inputs and print the table of outcomes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--inputs", type=int, default=500)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--only", type=int, nargs="*", help="seeds to repeat, with what was said")
    parser.add_argument("--sound", type=Path, help="folder that keeps the sound inputs")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as scratch:
        sound = make_sound(arguments.sound or Path(scratch))
        warm_up()
        first = arguments.first_seed
        seeds = arguments.only or range(first, first + arguments.inputs)
        outcomes: list[Outcome] = []
        for seed in seeds:
            for outcome in try_input(seed, sound):
                outcomes.append(outcome)
                _tell(outcome, whole=arguments.only is not None)
        print_table(outcomes)


def _tell(outcome: Outcome, *, whole: bool) -> None:
    if outcome.end in ("done", "refused") and not whole:
        print(f"{outcome.seed} {outcome.damage} {outcome.end} {outcome.seconds:.0f} s", flush=True)
        return
    lines = outcome.said.strip().splitlines()
    said = outcome.said if whole else " | ".join(lines[-1:])[:300]
    print(
        f"{outcome.seed} {outcome.damage} [{outcome.verb}] {outcome.end} "
        f"{outcome.seconds:.1f} s {outcome.peak_bytes / 2**20:.0f} MB: {said}",
        flush=True,
    )


def print_table(outcomes: list[Outcome]) -> None:
    """Print the ends by damage, and the worst figures."""
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for outcome in outcomes:
        table[outcome.damage][outcome.end] += 1
    for damage, ends in sorted(table.items()):
        print(f"{damage:<22}", ", ".join(f"{n} {end}" for end, n in sorted(ends.items())))
    total = Counter(outcome.end for outcome in outcomes)
    slowest = max(outcomes, key=lambda one: one.seconds)
    largest = max(outcomes, key=lambda one: one.peak_bytes)
    print(f"{len({o.seed for o in outcomes})} inputs, {len(outcomes)} runs: {dict(total)}")
    print(f"slowest {slowest.seconds:.1f} s (seed {slowest.seed}, {slowest.verb})")
    print(f"largest {largest.peak_bytes / 2**20:.0f} MB (seed {largest.seed}, {largest.verb})")


if __name__ == "__main__":
    main()
