"""Programs of ours on the same sessions at once: two batches, two curate servers beside a stage.

Run `python -m tests.benchmarks.at_once [--decisions 30]`. Two batches of one manifest must both
end in words, and leave sessions that are as one batch leaves them. Decisions that two pages make
while stages run must all be in the file if the page was told so, and the stages must have ended.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import yaml

from ace_nwb import pipeline
from ace_nwb.curation import load_curation
from ace_nwb.nwb.checks import check_session
from ace_nwb.nwb.session import open_session
from tests.apps.serving import Client
from tests.benchmarks.door_faults import digest
from tests.benchmarks.door_verbs import make_inputs

N_SESSIONS = 3
PROGRAM = (sys.executable, "-m", "ace_nwb")
STAGES = ("events", "dff")
"""What runs beside the pages: quick, and both change what the pages show."""


def main() -> None:
    """Run both parts and print what became of them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--decisions", type=int, default=30, help="per page")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        home = Path(place, "home")
        home.mkdir()
        make_inputs(home)
        print("two batches:", run_two_batches(home, Path(place)), flush=True)
        print("two pages beside a stage:", serve_twice(home, Path(place), n=chosen.decisions))


def run_two_batches(home: Path, place: Path) -> dict[str, object]:
    """Run two batches at once, one after them, and one in another folder to compare."""
    both, alone = (write_manifest(home, place / name) for name in ("both", "alone"))
    ends = [*_together([_batch(both), _batch(both)]), *_together([_batch(both)])]
    _together([_batch(alone)])
    names = [f"s{number}.nwb" for number in range(N_SESSIONS)]
    differing = [
        name for name in names if digest(both.parent / name) != digest(alone.parent / name)
    ]
    plan = home / "short.yaml"
    unsound = [name for name in names if not is_sound(both.parent / name, plan)]
    return {"exit codes": ends, "differ from one batch": differing, "not sound": unsound}


def write_manifest(home: Path, folder: Path) -> Path:
    """Write a manifest of sessions that are made from one recording."""
    folder.mkdir()
    content = {
        "defaults": {"pipeline": f"{home}/short.yaml", "metadata": f"{home}/meta.yaml"},
        "output_folder": ".",
        "sessions": [
            {"name": f"s{number}", "folder": f"{home}/tiny"} for number in range(N_SESSIONS)
        ],
    }
    manifest = folder / "sessions.yaml"
    manifest.write_text(yaml.safe_dump(content))
    return manifest


def _batch(manifest: Path) -> list[str]:
    return [*PROGRAM, "batch", str(manifest), "--workers", "1", "--threads", "1"]


def _together(commands: list[list[str]]) -> list[int]:
    """Run commands at once; return their exit codes, with what was said by those that failed."""
    running = [
        subprocess.Popen(one, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for one in commands
    ]
    said = [one.communicate()[0] for one in running]
    for one, text in zip(running, said, strict=True):
        if one.returncode:
            print(text[-1500:], flush=True)
    return [one.returncode for one in running]


def is_sound(path: Path, plan: Path) -> bool:
    """Return whether nothing is wrong with a file, and no stage of it contradicts another."""
    with open_session(path) as session:
        problems = {one.check for one in check_session(session)} - {"check_clocks"}
    done = pipeline.run(path, pipeline.read_plan(plan))  # a stage whose input is gone fails here
    return not problems and all(one.action in ("ran", "already done") for one in done)


def serve_twice(home: Path, place: Path, *, n: int) -> dict[str, object]:
    """Let two people decide while stages run."""
    path = Path(shutil.copy(home / "session.nwb", place / "curated.nwb"))
    with ExitStack() as opened:
        pages = [opened.enter_context(serving(path)) for _ in range(2)]
        with ThreadPoolExecutor() as threads:
            deciding = [
                threads.submit(decide_often, page, reviewer, n)
                for page, reviewer in zip(pages, ("Ann", "Bob"), strict=True)
            ]
            ends = Counter[int]()
            while not all(one.done() for one in deciding):
                for stage in STAGES:
                    ends.update(_together([[*PROGRAM, "process", stage, str(path), "--force"]]))
            answers = sum((one.result() for one in deciding), Counter[int]())
    found = load_curation(path).decisions
    return {
        "answers": dict(answers),
        "decisions in the file": len(found),
        "exit codes of stages": dict(ends),
        "sound": is_sound(path, home / "pipeline.yaml"),
    }


@contextmanager
def serving(path: Path):  # type: ignore[no-untyped-def]
    """Serve a page in a process of its own; yields a client."""
    command = [*PROGRAM, "curate", str(path), "--port", "0", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = urlsplit(server.stdout.readline().removeprefix("Open ").strip())
        token = parse_qs(address.query)["token"][0]
        place = SimpleNamespace(server_address=(address.hostname,), port=address.port, token=token)
        try:
            yield Client(place)
        finally:
            server.terminate()


def decide_often(page: Client, reviewer: str, n: int) -> Counter[int]:
    """Accept and reject ROIs in turn; return the answers by status."""
    answers = Counter[int]()
    for number in range(n):
        status, answer = page.json("/api/decisions")
        if status != HTTPStatus.OK:
            answers[status] += 1
            continue
        seen = answer["seen"]
        action = ("accept", "reject")[number % 2]
        draft = {"action": action, "rois": [number % 3]}
        body = {"reviewer": reviewer, "seen": seen, "decisions": [draft]}
        answers[page.json("/api/decide", body)[0]] += 1
    return answers


if __name__ == "__main__":
    main()
