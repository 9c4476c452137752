"""Verdicts: what counts as good, and what to do otherwise."""

from dataclasses import replace

import numpy as np
import pytest

from ace_nwb.archive import Finding
from ace_nwb.report.content import judge
from ace_nwb.report.sections.field import Rois, judge_rois
from ace_nwb.report.sections.frames import judge_frames
from ace_nwb.report.sections.motion import ShiftCourse, judge_motion
from ace_nwb.report.sections.sync import judge_sync
from ace_nwb.report.sections.validation import judge_findings
from tests.report.examples import make_content, without

HINT = Finding("BEST_PRACTICE_SUGGESTION", "check_x", "/processing/sync", "Unusual name.")
FLAW = Finding("BEST_PRACTICE_VIOLATION", "check_y", "/acquisition", "No unit.")


@pytest.fixture(scope="module")
def content():
    return make_content(n_rois=6, duration_s=20.0)


def test_a_good_session_is_good_in_all_five_respects(content):
    frames = replace(content.frames, n_lost=0)
    good = replace(content, sync=good_sync(content), frames=frames)
    found = judge(good, [HINT], "s.nwb")
    assert [v.topic for v in found] == ["Sync", "Frames", "Motion", "ROIs", "Validation"]
    assert {v.state for v in found} == {"good"}
    assert not any(v.advice for v in found)


def test_nothing_run_is_no_problem_and_names_the_commands(content):
    bare = without(content, "sync", "motion", "rois")
    found = judge(bare, None, "my session.nwb")
    missing = [v for v in found if v.state == "missing"]
    assert [v.topic for v in missing] == ["Sync", "Motion", "ROIs", "Validation"]
    assert all("ace-nwb" in v.advice and "my session.nwb" in v.advice for v in missing)


def good_sync(content):
    return replace(content.sync, n_matched=content.sync.n_frames)


@pytest.mark.parametrize(("share", "state"), [(1.0, "good"), (0.97, "look"), (0.5, "problem")])
def test_sync_is_judged_by_the_frames_that_have_a_pulse(content, share, state):
    fit = replace(content.sync, n_frames=1000, n_matched=round(1000 * share))
    assert judge_sync(fit, "s.nwb").state == state


def test_a_drift_that_no_quartz_has_is_a_problem(content):
    fit = replace(good_sync(content), drift_ppm=-4000.0)
    found = judge_sync(fit, "s.nwb")
    assert found.state == "problem"
    assert found.advice


def test_a_doubtful_alignment_says_why(content):
    fit = replace(good_sync(content), verdict="warn", reasons="Two clock jumps.")
    found = judge_sync(fit, "s.nwb")
    assert (found.state, found.advice) == ("look", "Two clock jumps.")


@pytest.mark.parametrize(("n_lost", "state"), [(0, "good"), (20, "look"), (200, "problem")])
def test_frames_are_judged_by_the_share_that_was_lost(content, n_lost, state):
    frames = replace(content.frames, n_recorded=1000, n_lost=n_lost)
    assert judge_frames(frames).state == state


def test_time_stamps_that_do_not_increase_are_a_problem(content):
    assert judge_frames(replace(content.frames, n_irregular=1)).state == "problem"
    frozen = judge_frames(replace(content.frames, n_unusable=content.frames.n_recorded // 2))
    assert frozen.state == "problem"
    assert "frozen" in frozen.note


def test_shifts_at_the_edge_of_the_search_ask_for_a_look():
    shifts = np.zeros((100, 2))
    shifts[:5, 1] = -20
    motion = ShiftCourse(np.arange(100.0), shifts, None, max_shift_px=20.0)
    found = judge_motion(motion, "s.nwb")
    assert found.state == "look"
    assert "max_shift_px" in found.advice
    assert judge_motion(replace(motion, max_shift_px=40.0), "s.nwb").state == "good"


@pytest.mark.parametrize(("n_accepted", "state"), [(9, "good"), (2, "look"), (0, "problem")])
def test_rois_are_judged_by_how_many_were_accepted(n_accepted, state):
    rois = Rois(10, np.arange(10) < n_accepted, np.arange(10.0), None, is_evaluated=True)
    found = judge_rois(rois, "s.nwb")
    assert (found.state, found.figure) == (state, str(n_accepted))


def test_rois_without_evaluation_ask_for_it():
    rois = Rois(10, np.ones(10, bool), None, None, is_evaluated=False)
    assert "evaluate" in judge_rois(rois, "s.nwb").advice


def test_rois_without_a_known_ratio_are_judged_without_a_warning():
    rois = Rois(2, np.ones(2, bool), np.full(2, np.nan), None, is_evaluated=True)
    assert judge_rois(rois, "s.nwb").state == "good"


def test_a_flaw_makes_the_file_invalid_and_a_hint_does_not():
    assert judge_findings([HINT, FLAW], "s.nwb").state == "problem"
    assert judge_findings([HINT], "s.nwb").state == "good"
    assert judge_findings([], "s.nwb").state == "good"
