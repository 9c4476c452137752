"""The alignment against sessions of another generator: start and stop order, stalls, gates, losses.

Run `python -m tests.benchmarks.sync_rigs GENERATOR.py --sessions 3000`; the generator is a file
with `session`, `start_stop` and `stall` (see `session` there for what they return). Each session
is drawn from one category; it prints one line per category and ends with an error if a session is
silently wrong: a frame off by more than half an interval that is neither flagged nor within the
shifts that the alignment states. With `--log FILE` a run that was interrupted goes on where it was.
"""

import argparse
import importlib.util
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ace_nwb.errors import SyncError
from ace_nwb.sync.alignment import TRUSTED, align_frames
from ace_nwb.sync.evidence import MINISCOPE_DAQ_QT, TRIGGERED, Evidence, Recorder
from ace_nwb.sync.frames import frame_interval
from ace_nwb.sync.pulses import find_pulses
from tests.benchmarks.sync_rigs_ideal import posterior_of_truth

HALF = 0.5
MOST_SECONDS = 5.0
"""CPU seconds that 99.9 % of sessions must stay below."""

KINDS = ("good", "mid", "gauss", "tick15")
Draw = Callable[[ModuleType, np.random.Generator, int], dict[str, Any]]


@dataclass(frozen=True)
class Outcome:
    """What became of one session."""

    category: str
    seed: int
    kind: str
    """placed, ambiguous, flagged (wrong, and said so), outside (flagged, the truth not among the
    shifts named), refused, silent."""
    seconds: float
    n_frames: int
    message: str
    knowable: float
    """Probability of the true place to an ideal observer."""


def usual(rng: np.random.Generator) -> dict[str, Any]:
    """Draw what differs between ordinary rigs."""
    return {
        "fps": float(rng.choice([10, 15, 20, 30, 30, 60])),
        "seconds": float(rng.uniform(60, 400)),
        "kind": str(rng.choice(KINDS)),
        "daq": bool(rng.random() < 0.4),
        "lost": float(rng.choice([0.0, 0.001, 0.004])),
        "first_level": int(rng.integers(2)),
        "inverted": bool(rng.random() < 0.3),
    }


def _with(**more: Any) -> Draw:
    """Return a category of usual sessions with some options fixed or drawn."""

    def draw(rigs: ModuleType, rng: np.random.Generator, seed: int) -> dict[str, Any]:
        chosen = {name: value(rng) if callable(value) else value for name, value in more.items()}
        one = usual(rng) | chosen
        if one.get("ttl") == "pulse" and "share" in one:
            one["width"] = one.pop("share") / one["fps"]
        one.pop("share", None)
        return dict(rigs.session(seed, **one)) | {"every": one.get("every", 1)}

    return draw


def _start_stop(k1: int, k2: int) -> Draw:
    def draw(rigs: ModuleType, rng: np.random.Generator, seed: int) -> dict[str, Any]:
        return dict(rigs.start_stop(seed, k1, k2, **usual(rng)))

    return draw


def _stall(milliseconds: float, n: int, **more: Any) -> Draw:
    def draw(rigs: ModuleType, rng: np.random.Generator, seed: int) -> dict[str, Any]:
        one = usual(rng) | more
        one.pop("kind"), one.pop("lost")
        return dict(rigs.stall(seed, milliseconds, n, **one))

    return draw


def _late_stamp(rigs: ModuleType, rng: np.random.Generator, seed: int) -> dict[str, Any]:
    one = dict(rigs.session(seed, **(usual(rng) | {"kind": "good", "lost": 0.0})))
    stamps = one["device_time_s"].copy()
    stamps[int(rng.uniform(0.1, 0.9) * stamps.size)] += rng.uniform(0.03, 0.12)
    return one | {"device_time_s": stamps}


def _first_pulse_missed(rigs: ModuleType, rng: np.random.Generator, seed: int) -> dict[str, Any]:
    one = dict(rigs.session(seed, lost_end=1, **usual(rng)))
    return one | {"edges": one["edges"][1:], "levels": one["levels"][1:]}


def _jump(rng: np.random.Generator) -> list[tuple[float, float]]:
    return [(float(rng.uniform(0.2, 0.8)), float(rng.choice([-1, 1]) * rng.uniform(0.02, 3)))]


def _pauses(rng: np.random.Generator) -> list[tuple[float, float]]:
    return [(float(rng.uniform(0.1, 0.9)), float(rng.uniform(0.1, 20))) for _ in range(2)]


CATEGORIES: dict[str, Draw] = {
    "usual": _with(),
    "heavy stamps": _with(kind="heavy", daq=False),
    "heavy stamps, DAQ": _with(kind="heavy", daq=True),
    "stall 50 ms": _stall(50, 1),
    "stalls 300 ms": _stall(300, 4),
    "stalls 300 ms, DAQ": _stall(300, 4, daq=True),
    "stalls 1.5 s": _stall(1500, 2),
    "stalls 1.5 s, DAQ": _stall(1500, 2, daq=True),
    "one late stamp": _late_stamp,
    **{f"start {k1} stop {k2}": _start_stop(k1, k2) for k1 in range(3) for k2 in range(3)},
    "first pulse missed, last frame lost": _first_pulse_missed,
    "exposure gate": _with(ttl="pulse", share=lambda rng: rng.uniform(0.62, 0.78)),
    "short pulses": _with(ttl="pulse", share=lambda rng: rng.uniform(0.02, 0.3)),
    "ephys late": _with(start=5.0, ephys_from=lambda rng: rng.uniform(6, 40)),
    "ephys early stop": _with(ephys_to=lambda rng: rng.uniform(-25, -1)),
    "ephys gap": _with(ephys_gap=lambda rng: (rng.uniform(0.2, 0.8), rng.uniform(1, 8))),
    "latency, lost at both ends": _with(
        latency=lambda rng: rng.uniform(0.01, 0.1),
        lost_start=lambda rng: int(rng.integers(0, 4)),
        lost_end=lambda rng: int(rng.integers(0, 4)),
    ),
    "lost in the camera": _with(lost=0.004, pulses_absent_for_lost=True),
    "lost in bursts": _with(burst_lost=lambda rng: int(rng.integers(1, 5))),
    "missing pulses": _with(missing=0.004),
    "spurious pulses": _with(spurious=0.003),
    "glitches": _with(glitch=0.003),
    "bounce": _with(bounce=0.02),
    "pauses": _with(pauses=_pauses),
    "clock jump": _with(ntp=_jump),
    "DAQ reset": _with(daq=True, daq_reset=True),
    "exposure varies": _with(exposure_var=2e-3),
    "rate off by 0.3 %": _with(drift_fps=1.003),
    "pulses apart before, after": _with(
        before=lambda rng: int(rng.integers(0, 30)), after=lambda rng: int(rng.integers(0, 30))
    ),
    "line runs freely": _with(
        before=lambda rng: int(rng.integers(1, 30)),
        after=lambda rng: int(rng.integers(1, 30)),
        before_kind="steady",
    ),
    "every 2nd to 10th frame": _with(every=lambda rng: int(rng.integers(2, 11))),
}


_NO_TRIGGER = {"first pulse missed, last frame lost", "line runs freely"} | {
    f"start {k1} stop {k2}" for k1 in (1, 2) for k2 in range(3)
}


def judge(one: dict[str, Any], category: str, seed: int, evidence: Evidence) -> Outcome:
    """Align one session and compare with the truth."""
    n, began, message = one["device_time_s"].size, time.process_time(), ""
    try:
        interval_s = frame_interval(one["device_time_s"])
        between_s = interval_s * evidence.frames_per_pulse
        pulses = find_pulses(one["edges"], one["levels"], frame_interval_s=between_s)
        result = align_frames(
            one["device_time_s"], pulses.times_s, daq_frame=one["daq"], evidence=evidence
        )
        kind = _compare(result, one)
        message = "; ".join(result.reasons)
    except SyncError as error:
        kind, message = "refused", str(error)
    seconds = time.process_time() - began
    recorder = evidence.recorder.divided(evidence.frames_per_pulse)
    knowable = posterior_of_truth(one, recorder)
    return Outcome(category, seed, kind, seconds, n, message, knowable)


def _compare(result: Any, one: dict[str, Any]) -> str:
    off = (result.session_time_s - one["truth"]) / one["period"]
    bad, sure = np.abs(off) > HALF, result.confidence >= TRUSTED
    if (bad & sure).any():
        return "silent"
    shifts = dict(result.shifts)
    if shifts[0] < TRUSTED:
        most = float(np.median(off))
        return "ambiguous" if np.abs(most + np.array(list(shifts))).min() < HALF else "outside"
    return "flagged" if bad.mean() > 0.01 or sure.mean() < 0.9 else "placed"


def load(path: Path) -> ModuleType:
    """Load the generator from a file."""
    spec = importlib.util.spec_from_file_location("rigs", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def print_table(outcomes: list[Outcome]) -> None:
    """Print how often each outcome came in each category, and the times."""
    kinds = ("placed", "ambiguous", "flagged", "refused", "outside", "silent")
    print(f"{'category':38s}" + "".join(f"{kind:>11s}" for kind in kinds))
    for category in [*dict.fromkeys(o.category for o in outcomes), "all"]:
        found = Counter(o.kind for o in outcomes if category in (o.category, "all"))
        print(f"{category:38s}" + "".join(f"{found[kind]:11d}" for kind in kinds))
    seconds = np.array([o.seconds for o in outcomes])
    print(
        f"CPU s: median {np.median(seconds):.2f}, longest {seconds.max():.2f}, "
        f"{np.mean(seconds > MOST_SECONDS):.2%} over {MOST_SECONDS:.0f}"
    )
    known = [o for o in outcomes if o.knowable >= TRUSTED]
    missed = [(o.category, o.seed, o.kind) for o in known if o.kind != "placed"]
    print(f"an ideal observer places {len(known)}; of these not placed: {len(missed)} {missed}")


def _measured(name: str) -> Recorder:
    """Return the recorder of a lab that has measured its rig, by a category's start and stop."""
    _, start, _, stop = name.split()
    return MINISCOPE_DAQ_QT.measured(int(start), int(stop))


def run(
    rigs: ModuleType,
    names: list[str],
    seeds: range,
    recorder_of: Callable[[str], Recorder],
    log: Path | None,
) -> list[Outcome]:
    """Run sessions, those that a log holds already left out."""
    kept = log.read_text().splitlines() if log is not None and log.exists() else []
    outcomes = {one["seed"]: Outcome(**one) for one in map(json.loads, kept)}
    for seed in seeds:
        if seed in outcomes:
            continue
        name = names[(seed - seeds.start) % len(names)]
        one = CATEGORIES[name](rigs, np.random.default_rng([seed, 3]), seed)
        evidence = Evidence(
            record_press_s=0.0,
            recorder=recorder_of(name),
            recorded_s=one["span"],
            frames_per_pulse=one.get("every", 1),
        )
        outcomes[seed] = judge(one, name, seed, evidence)
        if log is not None:
            with log.open("a") as file:
                file.write(json.dumps(asdict(outcomes[seed])) + "\n")
    return [outcomes[seed] for seed in seeds]


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("generator", type=Path)
    parser.add_argument("--sessions", type=int, default=400)
    parser.add_argument("--first-seed", type=int, default=900_000)
    parser.add_argument("--category", help="only categories whose name holds this")
    parser.add_argument("--trigger", action="store_true", help="state one pulse per frame")
    parser.add_argument("--stated", action="store_true", help="state start and stop as measured")
    parser.add_argument("--log", type=Path, help="one line per session, to go on from")
    parser.add_argument("--show", help="print seeds and messages of outcomes of this kind")
    options = parser.parse_args()
    rigs = load(options.generator)
    recorder = TRIGGERED if options.trigger else MINISCOPE_DAQ_QT
    recorder_of = _measured if options.stated else lambda _: recorder
    wanted = (options.category or "").split("|")
    names = [name for name in CATEGORIES if any(part in name for part in wanted)]
    if options.trigger:  # of these that statement is not true
        names = [name for name in names if name not in _NO_TRIGGER]
    if options.stated:
        names = [name for name in names if name.startswith("start ")]
    seeds = range(options.first_seed, options.first_seed + options.sessions)
    outcomes = run(rigs, names, seeds, recorder_of, options.log)
    for outcome in outcomes:
        if outcome.kind == options.show:
            print(outcome)
    print_table(outcomes)
    silent = [(o.category, o.seed) for o in outcomes if o.kind == "silent"]
    if silent:
        raise SystemExit(f"silently wrong: {silent}")


if __name__ == "__main__":
    main()
