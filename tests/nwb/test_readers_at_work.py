"""Somebody has the file open while it is changed.

What a reader promises itself: what it has opened stays readable and recorded data stay the same;
results and times that it looks at only after the commit are those of before or of after. It sees
the change for certain once it opens the file again. The writer notices nothing.
"""

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest
from pynwb import NWBHDF5IO

from ace_nwb.nwb.checks import check_session
from ace_nwb.nwb.commit.repack import repack
from ace_nwb.nwb.layout import MOVIE, PLANE_SEGMENTATION
from ace_nwb.nwb.session import edit_session, open_session
from tests.fixtures.changes import add_motion, add_rois, align

READER = """
import sys, h5py, numpy as np
h5 = h5py.File(sys.argv[1], "r")
movie, times = h5["acquisition/OnePhotonSeries/data"], h5["acquisition/OnePhotonSeries/timestamps"]
before, first = movie[:], times[:]
print("open", flush=True)
sys.stdin.readline()
assert np.array_equal(movie[:], before)
now = times[:]
assert np.array_equal(now, first) or np.array_equal(now, first + 3.25)
try:
    list(h5["processing"])
except (KeyError, OSError, RuntimeError):
    pass  # a node of the file read half before and half after
h5.close()
h5 = h5py.File(sys.argv[1], "r")
assert np.array_equal(h5["acquisition/OnePhotonSeries/timestamps"][:], first + 3.25)
assert "PlaneSegmentation" in h5["processing/ophys/ImageSegmentation"]
print("sound", flush=True)
"""


@contextmanager
def by_pynwb(path):
    with NWBHDF5IO(path, "r") as io:
        yield io.read().acquisition["OnePhotonSeries"].data


@contextmanager
def by_h5py(path):
    with h5py.File(path, "r") as h5:
        yield h5[f"{MOVIE}/data"]


@contextmanager
def by_us(path):
    with open_session(path) as session:
        yield session.get(MOVIE).data


@pytest.mark.parametrize("reader", [by_pynwb, by_h5py, by_us])
def test_recorded_data_stay_the_same_for_a_reader_across_commits(reader, recorded):
    with reader(recorded.path) as movie:
        assert np.array_equal(movie[:3], recorded.frames[:3].transpose(0, 2, 1))
        for change in (align, add_rois):
            with edit_session(recorded.path) as writer:
                change(writer)
            assert np.array_equal(movie[:], recorded.frames.transpose(0, 2, 1))
    with open_session(recorded.path) as session:
        assert session.has(PLANE_SEGMENTATION)
        assert check_session(session) == []


def test_a_reader_in_another_process_lives_through_commits(recorded):
    command = [sys.executable, "-c", READER, str(recorded.path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as reader:
        assert reader.stdout.readline() == "open\n"
        for change in (align, add_motion, add_rois):
            with edit_session(recorded.path) as writer:
                change(writer)
        told, problem = reader.communicate("go on\n", timeout=120)
    assert told == "sound\n", problem
    with open_session(recorded.path) as session:
        assert check_session(session) == []


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be replaced there")
def test_a_reader_keeps_the_file_that_a_repacked_one_has_replaced(recorded):
    with by_h5py(recorded.path) as movie:
        repack(Path(recorded.path))
        assert np.array_equal(movie[:], recorded.frames.transpose(0, 2, 1))
