"""A stage that is killed or interrupted goes on where it was, and ends with the same result."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from ace_nwb import pipeline
from ace_nwb.cli import run
from ace_nwb.nwb.commit.scratch import FileCheckpoint
from tests.fixtures.tiny_sessions import PARAMETERS, write_tiny_session

OPHYS = "/processing/ophys"
RESULTS = {
    "motion": (f"{OPHYS}/MotionShifts/data", f"{OPHYS}/MotionQuality/data"),
    "extract": (
        f"{OPHYS}/ImageSegmentation/PlaneSegmentation/image_mask",
        f"{OPHYS}/Fluorescence/RoiResponseSeries/data",
        f"{OPHYS}/Fluorescence/Deconvolved/data",
        f"{OPHYS}/Seeds/row",
    ),
}
KILLED = """
import os, signal, sys
from ace_nwb import pipeline
from ace_nwb.nwb.commit.scratch import FileCheckpoint
from tests.fixtures.tiny_sessions import PARAMETERS

path, stage, last = sys.argv[1], sys.argv[2], int(sys.argv[3])
save, count = FileCheckpoint.save, 0

def save_and_die(self, state):
    global count
    self._next_save_s = 0.0
    save(self, state)
    count += 1
    if count == last:
        os.kill(os.getpid(), signal.SIGKILL)

FileCheckpoint.save = save_and_die
pipeline.process(path, stage, PARAMETERS[stage])
"""


@pytest.fixture(scope="module")
def before_motion(tmp_path_factory):
    """A recording of four blocks of frames."""
    return write_tiny_session(tmp_path_factory.mktemp("blocks") / "session.nwb", n_frames=800)


@pytest.fixture(scope="module")
def finished(before_motion, tmp_path_factory):
    """The same after both long stages, never interrupted."""
    path = copy(before_motion, tmp_path_factory.mktemp("finished"))
    for stage in RESULTS:
        pipeline.process(path, stage, PARAMETERS[stage])
    return path


def copy(source: Path, folder: Path) -> Path:
    path = folder / "session.nwb"
    path.write_bytes(source.read_bytes())
    return path


@pytest.fixture
def saves(monkeypatch):
    """Keep every state, and count them."""
    save, states = FileCheckpoint.save, []

    def save_each(self, state):
        self._next_save_s = 0.0
        save(self, state)
        states.append(state)

    monkeypatch.setattr(FileCheckpoint, "save", save_each)
    return states


def same_results(first: Path, second: Path, stage: str) -> bool:
    with h5py.File(first) as one, h5py.File(second) as other:
        return all(np.array_equal(one[path][()], other[path][()]) for path in RESULTS[stage])


def kill(path: Path, stage: str, *, after: int) -> None:
    command = [sys.executable, "-c", KILLED, str(path), stage, str(after)]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], check=False)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.skipif(sys.platform == "win32", reason="kills a process")
def test_registration_that_is_killed_goes_on_with_the_next_block(
    before_motion, finished, tmp_path, saves
):
    path = copy(before_motion, tmp_path)
    kill(path, "motion", after=2)
    assert path.read_bytes() == before_motion.read_bytes()
    pipeline.process(path, "motion", PARAMETERS["motion"])
    assert [len(state["quality"]) for state in saves] == [768, 800], "two of four blocks are left"
    assert same_results(path, finished, "motion")
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_what_other_parameters_left_is_not_used(before_motion, tmp_path, saves):
    path = copy(before_motion, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        interrupt_after(2, saves, lambda: pipeline.process(path, "motion", {"max_shift_px": 3}))
    saves.clear()
    pipeline.process(path, "motion", PARAMETERS["motion"])
    assert len(saves) == 4


def interrupt_after(n_saves: int, saves: list, call):
    """Send this process a real SIGINT when so many states have been kept."""
    original = FileCheckpoint.save

    def save_and_interrupt(self, state):
        original(self, state)
        if len(saves) == n_saves:
            os.kill(os.getpid(), signal.SIGINT)

    FileCheckpoint.save = save_and_interrupt
    # a shell starts its background jobs deaf to SIGINT
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return call()
    finally:
        signal.signal(signal.SIGINT, handler)
        FileCheckpoint.save = original


@pytest.mark.skipif(sys.platform == "win32", reason="signals itself")
def test_ctrl_c_within_extraction_says_what_is_kept_and_the_same_command_goes_on(
    finished, tmp_path, saves, capsys
):
    path = copy(finished, tmp_path)
    command = ["process", "extract", str(path), "--cell-diameter-px", "6", "--force"]
    assert interrupt_after(2, saves, lambda: run(command)) == 130
    told = capsys.readouterr().err
    assert "Interrupted in stage extract" in told
    assert f"{path}.scratch" in told
    assert "same command again" in told
    assert path.read_bytes() == finished.read_bytes()
    n_before = len(saves)
    assert run(command) == 0
    first = saves[n_before]["n_phases"]
    assert first == 3, "seeding and the first update are not repeated"
    assert same_results(path, finished, "extract")
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
