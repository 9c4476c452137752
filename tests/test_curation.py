"""Curation of a session file: rows, staleness, what a run recomputes, what a crash leaves."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pynwb
import pytest

from ace_nwb import pipeline
from ace_nwb.archive.layout import check_layout
from ace_nwb.curation import Draft, decide, load_curation
from ace_nwb.errors import CurationError
from ace_nwb.nwb.content.roi_series import read_roi_table
from ace_nwb.nwb.session import edit_session, open_session
from ace_nwb.nwb.shared.light import write_light_session
from ace_nwb.stages.common.choosing import accepted_rois
from ace_nwb.stages.common.curated import read_curation

OPHYS = "/processing/ophys"
MASKS = f"{OPHYS}/ImageSegmentation/PlaneSegmentation/image_mask"


def states(path, wanted="stale"):
    return {status.stage for status in pipeline.status(path) if status.state == wanted}


def ran(outcomes):
    return {outcome.stage for outcome in outcomes if outcome.action == "ran"}


def table(path):
    with open_session(path) as session:
        return read_roi_table(session)


def line_across(path, roi):
    """A vertical line through the middle of a ROI, recorded field."""
    with h5py.File(path) as file:
        columns, rows = np.nonzero(file[MASKS][roi])
    middle = float(columns.mean())
    return (float(rows.min()), middle, float(rows.max()), middle)


def test_verdicts_make_stale_what_reads_the_acceptance_and_a_run_recomputes_just_that(
    session_copy,
):
    proposed = table(session_copy)["accepted"]
    wanted = int(np.flatnonzero(proposed)[0])
    decide(session_copy, [Draft("reject", (wanted,), "Ann", "on a vessel")])
    stale = states(session_copy)
    assert stale == {"curate", "spectrogram", "coupling"}
    assert ran(pipeline.run(session_copy)) == stale
    assert states(session_copy) == set()
    after = table(session_copy)
    assert after["decision"][wanted] == "reject"
    assert after["reviewer"][wanted] == "Ann"
    assert after["reason"][wanted] == "on a vessel"
    np.testing.assert_array_equal(after["accepted"], proposed)
    with open_session(session_copy) as session:
        assert set(accepted_rois(session)) == set(np.flatnonzero(proposed)) - {wanted}
    assert pynwb.validate(path=str(session_copy)) == []


def test_merge_and_split_give_rois_of_their_own_and_undo_gives_the_extraction_back(session_copy):
    with h5py.File(session_copy) as file:
        masks = file[MASKS][:]
        raw = file[f"{OPHYS}/Fluorescence/RoiResponseSeries/data"][:]
    drafts = [
        Draft("merge", (0, 1), "Ann"),
        Draft("split", (2,), "Ann", line=line_across(session_copy, 2)),
    ]
    merge, split = decide(session_copy, drafts)
    stale = states(session_copy)
    assert {"regroup", "evaluate", "dff", "deconvolve", "events", "coupling"} <= stale
    assert not {"sync", "motion", "extract", "summary", "ephys-filter"} & stale
    plan = pipeline.Plan(("regroup", "evaluate"))
    assert ran(pipeline.run(session_copy, plan)) == {"regroup", "evaluate"}
    assert states(session_copy) == stale - {"regroup", "evaluate"}
    found = table(session_copy)
    n_rois = len(masks)
    assert found["id"].tolist() == [*range(3, n_rois), *merge.makes, *split.makes]
    assert found["made_from"][-3:].tolist() == ["0; 1", "2", "2"]
    with h5py.File(session_copy) as file:
        new = file[MASKS][:]
        np.testing.assert_array_equal(new[-3] > 0, (masks[0] > 0) | (masks[1] > 0))
        np.testing.assert_array_equal((new[-2] > 0) | (new[-1] > 0), masks[2] > 0)
        np.testing.assert_array_equal((new[-2] > 0) & (new[-1] > 0), False)
        np.testing.assert_array_equal(new[:-3], masks[3:])
        traces = file[f"{OPHYS}/Fluorescence/RoiResponseSeries/data"][:]
        np.testing.assert_array_equal(traces[:, :-3], raw[:, 3:])
        halves = traces[:, -2] + traces[:, -1]
        assert np.corrcoef(halves, raw[:, 2])[0, 1] > 0.95
    assert pynwb.validate(path=str(session_copy)) == []
    undo = [Draft("undo", (), "Ann", undoes=d.number) for d in (merge, split)]
    decide(session_copy, undo)
    pipeline.run(session_copy, plan)
    with h5py.File(session_copy) as file:
        np.testing.assert_array_equal(file[MASKS][:], masks)
        assert "ImageSegmentation_extracted" not in file[OPHYS]
        assert "Fluorescence_extracted" not in file[OPHYS]
    assert pynwb.validate(path=str(session_copy)) == []


def test_a_decision_costs_what_it_adds_not_what_the_file_holds(session_copy):
    decide(session_copy, [Draft("accept", (0,), "Ann")])
    before = session_copy.stat().st_size
    for roi in range(4):
        decide(session_copy, [Draft("accept", (roi,), "Ann")])
    assert session_copy.stat().st_size - before < 4 * 10_000
    assert len(load_curation(session_copy).decisions) == 5


def test_decisions_are_all_made_or_none(session_copy):
    with pytest.raises(CurationError, match="99"):
        decide(session_copy, [Draft("accept", (0,), "Ann"), Draft("accept", (99,), "Ann")])
    assert load_curation(session_copy).decisions == ()


def test_another_window_does_not_overrule_what_it_has_not_seen(session_copy):
    decide(session_copy, [Draft("accept", (1,), "Ann")], seen=0)
    with pytest.raises(CurationError, match="another window"):
        decide(session_copy, [Draft("reject", (1,), "Ann")], seen=0)
    decide(session_copy, [Draft("reject", (1,), "Bob")], seen=0)
    decide(session_copy, [Draft("reject", (1,), "Ann")], seen=2)
    assert load_curation(session_copy).outcome(1) == "reject"


def test_decision_waits_for_another_writer(session_copy):
    with edit_session(session_copy):
        code = (
            "from ace_nwb.curation import Draft, decide\n"
            f"decide({str(session_copy)!r}, [Draft('accept', (0,), 'Ann')])"
        )
        other = subprocess.Popen([sys.executable, "-c", code])
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(1.0)
    assert other.wait(60) == 0
    assert load_curation(session_copy).outcome(0) == "accept"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
def test_acknowledged_decisions_survive_a_kill_at_any_time(session_copy):
    code = (
        "from ace_nwb.curation import Draft, decide\n"
        "for index in range(10**6):\n"
        f"    made = decide({str(session_copy)!r}, [Draft('accept', (index % 5,), 'Ann')])\n"
        "    print(made[0].number, flush=True)"
    )
    acknowledged = -1
    for n_before_kill in (1, 2, 3):
        victim = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(n_before_kill):
            acknowledged = int(victim.stdout.readline())
        os.kill(victim.pid, signal.SIGKILL)
        acknowledged = max([acknowledged, *map(int, victim.stdout.read().split())])
        victim.stdout.close()
        victim.wait()
        numbers = [decision.number for decision in load_curation(session_copy).decisions]
        assert numbers == list(range(len(numbers)))
        assert len(numbers) > acknowledged
    assert pynwb.validate(path=str(session_copy)) == []


def test_new_extraction_with_the_decisions_discarded_starts_clean(session_copy):
    decide(session_copy, [Draft("merge", (0, 1), "Ann")])
    pipeline.run(session_copy, pipeline.Plan(("regroup",)))
    pipeline.process(
        session_copy,
        "extract",
        {"merge_correlation": 0.9},
        replacement=pipeline.Replacement(discard_curation=True),
    )
    assert load_curation(session_copy).decisions == ()
    with h5py.File(session_copy) as file:
        assert not [name for name in file[OPHYS] if "extracted" in name or "Decisions" in name]


def test_the_file_has_no_name_but_the_ones_that_were_typed(session_copy):
    decide(session_copy, [Draft("accept", (0,), "Ann")])
    with h5py.File(session_copy) as file:
        rows = file[f"{OPHYS}/CurationDecisions"]
        texts = {rows[name].asstr()[0] for name in ("action", "reviewer", "reason")}
    assert texts == {"accept", "Ann", ""}
    assert str(Path.home()) not in " ".join(texts)


def test_curated_file_follows_the_layout_and_shares_no_names(session_copy, tmp_path):
    drafts = [
        Draft("merge", (0, 1), "Ann Quagga", "one okapi"),
        Draft("reject", (2,), "Bob Quagga", "an okapi"),
        Draft("accept", (2,), "Ann Quagga"),
    ]
    decide(session_copy, drafts)
    pipeline.run(session_copy, pipeline.Plan(("regroup", "evaluate", "curate")))
    with open_session(session_copy) as session:
        assert check_layout(session) == []
    light = tmp_path / "light.nwb"
    write_light_session(session_copy, light, n_preview_frames=0, is_anonymous=True)
    content = light.read_bytes()
    assert b"Quagga" not in content
    assert b"okapi" not in content
    with open_session(light) as session:
        votes = read_curation(session).votes[2]
    assert {name: vote.action for name, vote in votes.items()} == {
        "reviewer 1": "accept",
        "reviewer 2": "reject",
    }
