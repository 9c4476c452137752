"""Every verb that writes, failing at the k-th system call: what is left, and whether it can go on.

Run `python -m tests.benchmarks.door_faults`; `--points` and `--cuts` say how often each verb fails,
`--only` which verbs (a pattern), `--home` where the inputs are kept.

A verb runs in a process in which one system call fails: once (EIO), from then on (ENOSPC, EROFS),
or with the end of the process (kill). A power cut leaves of what was not synced nothing or any
part. Then every file under a final name must be as before or as after, no failure may have been
told as a success, what ended must be durable, and the same command, run again, must end well.
"""

import argparse
import gc
import io
import os
import re
import resource
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from unittest.mock import patch

import numpy as np

from ace_nwb.apps.server import PageServer
from ace_nwb.cli import run
from ace_nwb.nwb.commit.journal_file import begun_at, journal_path
from ace_nwb.nwb.session import open_session
from tests.benchmarks.door_verbs import VERBS, Verb, decide_once, make_inputs, plant, short_demo
from tests.benchmarks.hostile_inputs import FAULT, warm_up
from tests.benchmarks.system_calls import FAULTS, Medium, Watch, start_watched
from tests.fixtures.session_files import file_content

BESIDE = re.compile(
    r"\.(partial|lock|lock-held|journal|journal-partial|repacking|new|replaced|scratch|tmp)([./-]|$)|^tmp/"
)
"""What is no final name: files on the way, locks, the scratch folder, temporary files."""

UNREAD = re.compile(r"\.(partial|repacking|lock)(/|$)")
"""What the next run removes or takes over without a look inside."""

CHANGING = re.compile(
    rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f-]{17}|\d{4}-\d\d-\d\d[T ][\d:.+-]*"
    rb"|\d+\.\d+ s\b|\"(updated|started|peak_memory_mb|duration_s)\": [\d.]+"
)
"""What differs from run to run in a text: object ids, dates, durations."""

UNKEPT = re.compile(r"( \| )?What \w+ has found so far cannot be kept .*? begins anew\.")
"""What a stage remarks in its history if only its scratch folder failed."""

VARYING = re.compile(r"\.batch/|^a\.nwb$|^tuned/.*(csv|json|trials)")
"""What differs from run to run, since other processes write it, or it holds durations: it must be
whole, and there if the verb has ended well."""

PASSING = re.compile(r"\.batch/(logs|states)/")
"""What a power cut may take after the end: the log of a session and how far it was. The next run
begins both anew."""

CPU_LIMIT_S = 300
"""Processor time after which a verb counts as endless; the slowest one takes 20 s."""

DATED = re.compile(
    r"(^|/)(file_create_date|stage_runs/(started|duration_s|peak_memory_mb)|stage_outputs/output_id)"
    r"(/[\d.]+)?$"
)
"""Data of a session, in HDF5 or Zarr, that hold dates, durations or new object ids."""

WAYS = ("names", "contents", "any")


@dataclass
class Tally:
    """What became of a verb's faults."""

    counts: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def add(self, label: str, problem: str) -> None:
        """Count a fault, and note what was wrong after it."""
        self.counts["faults"] += 1
        if problem:
            self.counts[problem.split(":")[0]] += 1
            self.notes.append(f"{label}: {problem}")


class Trial:
    """A verb, its folder, and what it holds before and after.

    Parameters
    ----------
    verb
        The verb.
    home
        The inputs.
    watch
        The system calls below the folder.
    out
        The folder.
    """

    def __init__(self, verb: Verb, *, home: Path, watch: Watch, out: Path):
        self.verb, self.home, self.watch, self.out = verb, home, watch, out
        self.command = verb.command
        self.known: dict[str, str] = {}
        self.prepare()
        start = self._state()
        self.before = self.finals()
        self.between = self._parts()
        self.prepare()
        self.run(apart=False)  # the forked ones find everything imported and compiled
        self.prepare()
        code, self.n_calls = self.run()
        if code != verb.code:
            print(f"{verb.command} ends with {code}:\n{self.said()[-800:]}", flush=True)
        self.after = self.finals()
        self.repeated = {start: ""}
        self.varying = {name for name in self.after if VARYING.search(name)}

    def _parts(self) -> dict[str, set[str]]:
        """Do the verb in parts; return name -> digests of what each part leaves."""
        found: dict[str, set[str]] = {}
        for part in self.verb.parts:
            self.command = part
            self.run()
            for name, told in self.finals().items():
                found.setdefault(name, set()).add(told)
        self.command = self.verb.command
        return found

    def prepare(self) -> None:
        """Make the folder anew."""
        shutil.rmtree(self.out, ignore_errors=True)
        (self.out / "tmp").mkdir(parents=True)
        for name in self.verb.inputs:
            source = self.home / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, self.out / name)

    def run(
        self, fault: str = "", stop_at: int = 0, *, is_logging: bool = False, apart: bool = True
    ) -> tuple[int, int]:
        """Run the verb, in a process of its own; return its exit code and the number of calls."""
        (self.out / "tmp").mkdir(exist_ok=True)
        self.watch.arm(fault, stop_at, is_logging=is_logging)
        status = 0
        if not apart:
            with redirect_stdout(io.StringIO()):
                self._do()
        elif (child := os.fork()) == 0:
            self._be_the_verb()
        else:
            status = os.waitpid(child, 0)[1]
        return os.waitstatus_to_exitcode(status), self.watch.disarm()

    def said(self) -> str:
        """Return what the last run said."""
        return (self.home / "said.txt").read_text(errors="replace")

    def _be_the_verb(self) -> None:
        code = FAULT
        gc.disable()
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S))
            told = os.open(self.home / "said.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(told, 1)
            os.dup2(told, 2)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            os.chdir(self.out)
            tempfile.tempdir = os.environ["TMPDIR"] = str(self.out / "tmp")
            code = self._do()
        finally:
            sys.stdout.flush()
            os._exit(code)

    def _do(self) -> int:
        """Run the command; chance and durations are the same each time."""
        recorded = self.home / "project" / "data" / "r00"
        names = {"home": self.home, "out": self.out, "ephys": recorded / "ephys"}
        names["scope"] = next(recorded.glob("raw/*/*/*"))
        # a run that goes on must not give its objects the ids of those that are there
        rng = np.random.default_rng(sum(path.stat().st_size for path in self.out.glob("*.nwb")))
        command, _, n_stages = self.command.partition(" #")
        with (
            patch("ace_nwb.stages.extract.compute", plant),
            patch("os.urandom", rng.bytes),
            patch("time.perf_counter", lambda: 0.0),
            patch.object(PageServer, "serve_forever", decide_once),
            short_demo(int(n_stages or 2)),
        ):
            return run([part.format(**names) for part in command.split()])

    def problem(self, code: int, *, is_over: bool = False) -> str:
        """Return what is wrong with what stands there after a fault, or ""."""
        found = self.finals()
        wrong = [
            name
            for name in {*found, *self.before} - self.varying
            if found.get(name, "") not in self._whole(name)
        ]
        wrong += [name for name, told in found.items() if told.startswith("broken")]
        if wrong:
            return f"damaged: {', '.join(sorted(wrong))[:300]} (exit {code})"
        missing = [one for one in self._missing(found) if not (is_over and PASSING.search(one))]
        if (code == 0 or is_over) and missing:
            return f"told as a success: but {', '.join(missing)[:300]} is not there"
        if code == FAULT:
            return f"traceback: {_where(self.said())}"
        return ""

    def _whole(self, name: str) -> set[str]:
        """Return the digests of a file before, between and after the changes of the verb."""
        ends = {found.get(name, "") for found in (self.before, self.after)}
        return ends | self.between.get(name, set())

    def can_go_on(self) -> str:
        """Run the command again; return what is wrong then, or "".

        States that differ in what the next run does not read are tried once.
        """
        state = self._state()
        if state not in self.repeated:
            if self._is_after(self.finals()):
                return ""  # there is nothing left to do
            code, _ = self.run()
            is_well = self._is_after(self.finals())
            said = "" if is_well else f"exit {code}, {self.said().strip()[-300:]}"
            self.repeated[state] = said and f"cannot be repeated: {said}"
        return self.repeated[state]

    def _is_after(self, found: dict[str, str]) -> bool:
        return not self._missing(found)

    def _missing(self, found: dict[str, str]) -> list[str]:
        """Return the names that are not as the verb leaves them."""
        return sorted(
            name
            for name, digest in self.after.items()
            if found.get(name) != digest and not (name in self.varying and name in found)
        )

    def _state(self) -> tuple[tuple[str, str], ...]:
        """Return names and digests of all that stands there."""
        return tuple(
            (path.relative_to(self.out).as_posix(), _read_by_the_next_run(path))
            for path in sorted(self.out.rglob("*"))
            if not path.is_relative_to(self.out / "tmp")
        )

    def finals(self) -> dict[str, str]:
        """Return name -> digest of everything under a final name."""
        found = {}
        for path in sorted(self.out.rglob("*")):
            name = path.relative_to(self.out).as_posix()
            if path.is_file() and not BESIDE.search(name):
                found[name] = self._digest(path)
        return found

    def _digest(self, path: Path) -> str:
        journal = path.with_name(f"{path.name}.journal")
        content = path.read_bytes() + (journal.read_bytes() if journal.exists() else b"")
        raw = sha256(content).hexdigest()
        if raw not in self.known:
            self.known[raw] = digest(path)
        return self.known[raw]


def _read_by_the_next_run(path: Path) -> str:
    """Return a digest of what the next run of a verb reads of a file.

    It removes unread what stands under a `.partial` name, and cuts off what an unfinished change
    has written behind the end of a session.
    """
    if not path.is_file() or UNREAD.search(path.as_posix()):
        return ""
    content = path.read_bytes()
    if not journal_path(path).exists():
        content = content[: begun_at(path)]
    return sha256(content).hexdigest()


def _where(said: str) -> str:
    """Return the last lines of ours in a traceback, and its error."""
    places = re.findall(r'ace_nwb/([\w/]+\.py)", line (\d+)', said)
    errors = re.findall(r"^\w*(?:Error|Exception)\b.*", said, re.MULTILINE)
    return " < ".join(f"{name}:{line}" for name, line in places[:-5:-1]) + f" {errors[-1:]}"


def digest(path: Path) -> str:
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
            key: UNKEPT.sub("", re.sub(r"'object_id': '[^']*'", "", value))
            if isinstance(value, str)
            else value
            for key, value in content.items()
            if not DATED.search(key) and "specifications" not in key
        }
        return sha256(repr(sorted(kept.items(), key=lambda item: item[0])).encode()).hexdigest()
    text = b"" if DATED.search(path.as_posix()) else path.read_bytes()
    if path.suffix == ".mat":
        text = text[128:]  # its head holds the date
    if path.name.startswith(".z") or path.suffix in (".json", ".html", ".log", ".md"):
        text = CHANGING.sub(b"", text)
    return sha256(text).hexdigest()


def fail_everywhere(name: str, trial: Trial, *, n: int) -> Tally:
    """Let a verb fail at `n` of its system calls in each way."""
    tally = Tally()
    for fault in FAULTS[1:]:
        for stop_at in sorted({int(k) for k in np.linspace(0, trial.n_calls - 1, n)}):
            trial.prepare()
            code, _ = trial.run(fault, stop_at)
            problem = trial.problem(code) or trial.can_go_on()
            tally.add(f"{name}, {fault} at {stop_at} of {trial.n_calls}", problem)
    return tally


def cut_power(name: str, trial: Trial, *, n: int) -> Tally:
    """Cut the power after `n` of its system calls, in three ways each."""
    tally, medium = Tally(), Medium()
    trial.prepare()
    medium.add_existing(trial.out)
    trial.run(is_logging=True)
    calls = list(trial.watch.calls())
    stops = {int(k) for k in np.linspace(0, len(calls), n)}
    for number in range(len(calls) + 1):
        for seed, how in enumerate(WAYS if number in stops else ()):
            shutil.rmtree(trial.out)
            trial.out.mkdir()
            medium.crash(np.random.default_rng([seed, number]), how, trial.out)
            is_over = number == len(calls)
            problem = trial.problem(-9, is_over=is_over) or trial.can_go_on()
            tally.add(f"{name}, power cut ({how}) after {number} of {len(calls)}", problem)
        if number < len(calls):
            medium.apply(calls[number])
    return tally


def try_verbs(home: Path, chosen: argparse.Namespace) -> Iterator[tuple[str, Tally]]:
    """Yield each verb with what became of it, and a row for its power cuts."""
    out = home.with_name(f"{home.name}-out")
    watch = Watch(out)
    for name, verb in VERBS.items():
        if not re.search(chosen.only, name):
            continue
        trial = Trial(verb, home=home, watch=watch, out=out)
        n_points = max(2, round(chosen.points * verb.share))
        yield name, fail_everywhere(name, trial, n=n_points)
        if chosen.cuts:
            yield "  power cuts", cut_power(name, trial, n=max(2, round(chosen.cuts * verb.share)))


def start_inputs(home: Path) -> None:
    """Make the inputs unless they are there, and begin to watch system calls."""
    if "ACE_SYSTEM_CALLS" in os.environ:
        return
    if not (home / "sessions.yaml").exists():  # the last one that is written
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        make_inputs(home)
    start_watched(home)


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--points", type=int, default=20, help="per verb and kind of failure")
    parser.add_argument("--cuts", type=int, default=8, help="power cuts per verb, three ways each")
    parser.add_argument("--only", default="", help="pattern of verbs")
    parser.add_argument("--home", type=Path, default=Path(tempfile.gettempdir(), "door_faults"))
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    home = chosen.home.resolve()
    start_inputs(home)
    warm_up()
    import_module("ace_nwb.tuning.headless")
    gc.freeze()  # forked processes share what is there
    total, notes, started_s = Counter[str](), [], time.process_time()
    for name, tally in try_verbs(home, chosen):
        print(f"{name:<28}", dict(tally.counts), *tally.notes[:4], sep="\n    ", flush=True)
        total += tally.counts
        notes += tally.notes
    print("all", dict(total), f"{time.process_time() - started_s:.0f} s", *notes, sep="\n")


if __name__ == "__main__":
    main()
