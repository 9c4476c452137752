"""Frames that show nothing are told, kept out of traces and events, and do no harm."""

import h5py
import numpy as np
import pytest

from ace_nwb import pipeline
from ace_nwb.archive import validate
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.roi_series import read_roi_series
from ace_nwb.nwb.history import current_runs
from ace_nwb.nwb.session import open_session
from tests.fixtures.session_files import write_session_file
from tests.fixtures.tiny_sessions import CENTRES, PARAMETERS, make_frames

N_FRAMES = 240
SETTINGS = [
    f"{stage}.{name}={value}"
    for stage in ("motion", "summary", "extract")
    for name, value in PARAMETERS[stage].items()
]
STAGES = ("preprocess", "motion", "summary", "extract", "evaluate", "dff", "deconvolve", "events")


def frozen(frames):
    frames[100:180] = frames[99]


def dark(frames):
    frames[:60] //= 12


def missing(frames):
    frames[30, 4, 4] = frames[200] = np.nan


def run(tmp_path, spoil, dtype=np.uint8):
    path = tmp_path / "s.nwb"
    frames = make_frames(N_FRAMES).astype(dtype)
    spoil(frames)
    write_session_file(path, frames=frames)
    plan = pipeline.read_plan(None, SETTINGS)
    outcomes = pipeline.run(path, pipeline.Plan(STAGES, plan.choices))
    assert [one.action for one in outcomes] == ["ran"] * len(STAGES)
    return path


@pytest.mark.parametrize(
    ("spoil", "dtype", "kind", "unusable"),
    [
        (frozen, np.uint8, "frozen", range(100, 180)),
        (dark, np.uint8, "dark", range(60)),
        (missing, np.float32, "missing pixels", (30, 200)),
    ],
)
def test_frames_that_show_nothing_have_no_dff_and_are_told(tmp_path, spoil, dtype, kind, unusable):
    path = run(tmp_path, spoil, dtype)
    unusable = np.array(unusable)
    with open_session(path) as session:
        remark = current_runs(session)["preprocess"].warnings
        table = session.read_table(layout.UNUSABLE_FRAMES)
        dff = read_roi_series(session, layout.DFF_TRACES)
        times_s = session.get(layout.MOVIE).timestamps[:]
        events = session.own_paths([layout.CALCIUM_EVENTS])
        onsets_s = session.read_table(events[0])["timestamp"]
    assert f"{len(unusable)} of {N_FRAMES} frames are left out ({kind})" in remark
    assert table["n_frames"].sum() == len(unusable)
    assert set(table["kind"]) == {kind}
    assert np.isnan(dff[unusable]).all()
    assert np.isfinite(np.delete(dff, unusable, axis=0)).all()
    if kind != "missing pixels":  # what happened meanwhile is an event, somewhere in it
        within = (onsets_s > times_s[unusable[0]]) & (onsets_s < times_s[unusable[-1]])
        assert within.sum() <= len(CENTRES)
    about = [one for one in validate(path) if "UnusableFrames" in one.location]
    assert {one.severity for one in about} <= {"BEST_PRACTICE_SUGGESTION"}


def test_a_whole_movie_has_no_table_of_them(tmp_path):
    path = run(tmp_path, lambda _frames: None)
    with h5py.File(path) as file:
        assert layout.UNUSABLE_FRAMES not in file
