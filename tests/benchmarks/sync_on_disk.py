"""Recordings on disk as rigs leave them, through `ace-nwb convert` and `ace-nwb sync` alone.

Run `python -m tests.benchmarks.sync_on_disk FOLDER`: it writes a Miniscope recording and an Open
Ephys recording for each case, runs both commands, and prints exit code, verdict, error of the frame
times and what was said. It ends with an error if an exit code or a time is not as expected.
"""

import argparse
import contextlib
import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml

from ace_nwb.cli import run
from ace_nwb.nwb.content.movie import NwbMovie
from ace_nwb.nwb.content.sync import read_clock_fit
from ace_nwb.nwb.session import open_session
from tests.fixtures.recordings import METADATA, draw_frames, write_base, write_device
from tests.simulators import open_ephys_binary

PERIOD_S, N_FRAMES, START_S = 0.05, 600, 4.0
RATE_HZ = 4000.0
EPHYS_S = 46.0
TRIGGER = "recorder=trigger"


@dataclass(frozen=True)
class Case:
    """One rig on one day: what happens to the frames, the line, and what the user types."""

    name: str
    saved: tuple[int, int] = (0, N_FRAMES)
    edges: tuple[int, ...] = (0, N_FRAMES)
    """Captured frames that have an edge."""
    stall_s: float = 0.0
    width_s: float = 0.0
    """Of an exposure gate; 0 is a line that toggles."""
    is_gate: bool = False
    ephys_from_s: float = 0.0
    rig: dict[str, object] = field(default_factory=dict)
    chosen: tuple[tuple[str, ...], ...] = ((),)
    """Options of `sync`, one tuple for each time it is called."""
    codes: tuple[int, ...] = (0,)
    verdict: str = "pass"
    most_frames_off: int = 0


CASES = (
    Case(
        "one frame before the first edge, one edge after the last frame",
        saved=(0, N_FRAMES - 1),
        edges=(1, N_FRAMES),
        verdict="ambiguous",
        most_frames_off=3,
    ),
    Case(
        "the same with rig.yaml",
        saved=(0, N_FRAMES - 1),
        edges=(1, N_FRAMES),
        rig={"frames_before_first_edge": 1, "edges_after_last_frame": 1, "measured": "flash check"},
    ),
    Case("a stall of 0.4 s", stall_s=0.4, chosen=(("--set", TRIGGER),)),
    Case(
        "ephys started 6 s after the camera",
        ephys_from_s=START_S + 6,
        chosen=(("--set", TRIGGER), ("--set", TRIGGER, "--accept-ambiguity")),
        codes=(1, 0),
        verdict="ambiguous",
        most_frames_off=3,
    ),
    Case("an exposure gate", width_s=0.035, chosen=(("--set", TRIGGER),)),
    Case(
        "a pulse every 4th frame",
        edges=(0, N_FRAMES, 4),
        chosen=(
            ("--line", "TTLLine2", "--set", TRIGGER),
            ("--set", "frames_per_pulse=4", "--set", "lost_at_start=0"),
        ),
        codes=(1, 0),
    ),
    Case(
        "a gate only",
        is_gate=True,
        chosen=((), ("--line", "TTLLine2", "--set", "method=gate")),
        codes=(1, 0),
        verdict="warn",
        most_frames_off=2,
    ),
    Case("no line at all", edges=(0, 0), codes=(1,), verdict=""),
)


def write_case(case: Case, folder: Path) -> np.ndarray:
    """Write the recording of a case; returns the true time of each saved frame, ephys clock."""
    rng = np.random.default_rng(len(case.name))
    captured = START_S + PERIOD_S * np.arange(N_FRAMES)
    late = rng.gamma(2.0, 0.6e-3, N_FRAMES)
    stamps = captured - START_S + 0.012 + late
    if case.stall_s:
        queued = slice(200, 200 + int(case.stall_s / PERIOD_S) + 1)
        behind = np.arange(stamps[queued].size) * 2e-3
        stamps[queued] = np.maximum(stamps[queued], stamps[200] + case.stall_s + behind)
    saved = np.arange(N_FRAMES)[slice(*case.saved)]
    write_base(folder / "raw", ["Miniscope"])
    write_device(
        folder / "raw" / "Miniscope",
        draw_frames(saved.size, 8, 12),
        np.round(stamps[saved] * 1e3).astype(int),
        per_file=1000,
    )
    edges = captured[slice(*case.edges)]
    if case.width_s:
        edges = np.sort(np.concatenate([edges, edges + case.width_s]))
    if case.is_gate:
        edges = np.array([captured[0] - 0.03, captured[-1] + 0.05])
    heard = edges[edges > case.ephys_from_s] - case.ephys_from_s
    open_ephys_binary.write_recording(
        folder / "ephys",
        n_samples=int((EPHYS_S - case.ephys_from_s) * RATE_HZ),
        rate_hz=RATE_HZ,
        pulses_s={2: heard} if heard.size else None,
    )
    (folder / "meta.yaml").write_text(yaml.safe_dump(METADATA))
    if case.rig:
        (folder / "rig.yaml").write_text(yaml.safe_dump(case.rig))
    return captured[saved] - case.ephys_from_s


def call(*arguments: str) -> tuple[int, str]:
    """Run the command line; returns its exit code and what it said."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = run(list(arguments))
    return int(code or 0), " ".join(said.getvalue().split())


def run_case(case: Case, folder: Path) -> list[str]:
    """Run a case and print it; returns what was not as expected."""
    truth = write_case(case, folder)
    nwb = str(folder / "session.nwb")
    options = ("--ephys", str(folder / "ephys"), "--metadata", str(folder / "meta.yaml"))
    code, said = call("convert", str(folder / "raw"), nwb, *options)
    faults = [f"convert: exit {code}: {said}"] if code else []
    print(f"\n{case.name}: convert exit {code}")
    for chosen, wanted in zip(case.chosen, case.codes, strict=True):
        code, said = call("sync", nwb, *chosen)
        print(f"  sync {' '.join(chosen)}: exit {code}: {said}")
        faults += [f"sync {chosen}: exit {code}, not {wanted}"] if code != wanted else []
    if case.codes[-1] == 0 and not faults:
        faults += _compare(case, nwb, truth)
    return [f"{case.name}: {fault}" for fault in faults]


def _compare(case: Case, nwb: str, truth: np.ndarray) -> list[str]:
    """Compare verdict and times with what was expected."""
    with open_session(Path(nwb)) as session:
        verdict = str(read_clock_fit(session)["verdict"][0])
        off = np.abs(NwbMovie(session).timestamps - truth) / PERIOD_S
    print(f"  verdict {verdict}, frames off by at most {off.max():.3f}")
    wrong = [] if verdict == case.verdict else [f"verdict {verdict}, not {case.verdict}"]
    if off.max() > case.most_frames_off + 0.2:
        wrong.append(f"{off.max():.2f} frames off")
    return wrong


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a new folder for the recordings")
    folder = parser.parse_args().folder
    faults = []
    for number, case in enumerate(CASES):
        faults += run_case(case, folder / f"case{number}")
    if faults:
        raise SystemExit("\n".join(faults))
    print(f"\n{len(CASES)} cases as expected")


if __name__ == "__main__":
    main()
