"""The sync stage on a session file: what it moves, what it keeps, when it refuses."""

from datetime import timedelta

import h5py
import numpy as np
import pynwb
import pytest

from ace_nwb import pipeline
from ace_nwb.cli import run
from ace_nwb.errors import SyncError, UnknownNameError
from ace_nwb.nwb.content.movie import NwbMovie
from ace_nwb.nwb.content.series import read_times
from ace_nwb.nwb.content.sync import (
    list_device_series,
    read_clock_fit,
    read_device_times,
    read_ledger,
)
from ace_nwb.nwb.history import current_runs
from ace_nwb.nwb.session import open_session
from ace_nwb.simulation.truth import load_truth

FRAME_LINE = "/events/TTLBoard0Port0Bit0"


@pytest.fixture
def truth(demo):
    return load_truth(demo[1] / "recording" / "truth")


def test_every_frame_stands_at_its_true_time(session, truth):
    with open_session(session) as opened:
        times_s = NwbMovie(opened).timestamps
    np.testing.assert_allclose(times_s, truth.movie.frame_times_s, atol=2e-3, rtol=0)


def test_ledger_knows_pulse_and_time_of_saved_frames_and_none_of_lost_ones(session, truth):
    with open_session(session) as opened:
        ledger = read_ledger(opened)
        edges_s = opened.h5[f"{FRAME_LINE}/timestamp"][:]
    saved = ledger["movie_frame"] >= 0
    np.testing.assert_allclose(
        edges_s[ledger["pulse"][saved]], truth.movie.frame_times_s, atol=2e-6, rtol=0
    )
    assert (ledger["pulse"][~saved] == -1).all()
    assert np.isnan(ledger["session_time_s"][~saved]).all()
    assert saved.sum() == len(truth.saved_frames)
    assert (~saved).sum() == len(truth.dropped_frames)


def test_fit_states_drift_counts_and_verdict(session, truth):
    with open_session(session) as opened:
        fit = read_clock_fit(opened)
    assert fit["verdict"][0] == "pass"
    assert fit["n_lost"][0] == len(truth.dropped_frames)
    assert fit["n_before"][0] + fit["n_after"][0] == len(truth.stray_pulses_s)
    assert fit["drift_ppm"][0] == pytest.approx(-truth.clock_drift_ppm, abs=60)  # 20 s only


def test_everything_on_the_camera_clock_moves_with_the_frames(session, truth):
    slope = 1 + truth.clock_drift_ppm * 1e-6
    with open_session(session) as opened:
        paths = list_device_series(opened)
        for path in paths:
            device_s = read_device_times(opened, path)
            found = opened.get(path)
            now_s = found["timestamp"].data[:] if hasattr(found, "colnames") else read_times(found)
            expected_s = truth.clock_offset_s + slope * device_s
            assert np.abs(now_s - expected_s).max() < 0.05, path  # grab jitter of the stamps
    assert len(paths) >= 5


def test_series_that_others_have_added_keep_their_times(session_copy):
    """Which clock they are of is not known."""
    times_s = np.arange(5.0)
    with pynwb.NWBHDF5IO(session_copy, "a") as io:
        nwbfile = io.read()
        pose = pynwb.TimeSeries(name="LabPose", data=times_s, timestamps=times_s, unit="px")
        nwbfile.processing["behavior"].add(pose)
        io.write(nwbfile)
    pipeline.process(session_copy, "sync", {"max_jitter_ms": 25.0})
    with open_session(session_copy) as opened:
        lab = opened.get("/processing/behavior/LabPose")
        np.testing.assert_array_equal(lab.timestamps[:], times_s)
        assert "LabPose was not written by the conversion" in current_runs(opened)["sync"].warnings
        assert len(list_device_series(opened)) >= 5


def test_wall_clock_of_the_frames_stays_true(session, truth):
    with open_session(session) as opened:
        reference = opened.nwbfile.timestamps_reference_time
        start = opened.nwbfile.session_start_time
    assert start - reference == pytest.approx(
        timedelta(seconds=truth.clock_offset_s), abs=timedelta(milliseconds=5)
    )


def test_aligning_again_starts_from_the_device_times(session, session_copy):
    pipeline.process(session_copy, "sync", {"max_jitter_ms": 25.0})
    with open_session(session) as first, open_session(session_copy) as second:
        np.testing.assert_allclose(
            NwbMovie(first).timestamps, NwbMovie(second).timestamps, atol=1e-6
        )
        assert (
            first.nwbfile.timestamps_reference_time - second.nwbfile.timestamps_reference_time
        ) < timedelta(milliseconds=5)


def test_file_without_the_frame_line_is_refused_and_stays_as_it_was(session_copy):
    with h5py.File(session_copy, "r+") as file:
        del file[FRAME_LINE]
    before = session_copy.read_bytes()
    with pytest.raises(SyncError, match="No TTL line carries the camera's frames") as caught:
        pipeline.process(session_copy, "sync", {"pulse_mode": "toggle"})
    assert "TTLBoard0Port0Bit1" in str(caught.value)
    assert session_copy.read_bytes() == before


def test_undo_gives_back_the_times_of_the_conversion_and_sync_can_be_repeated(
    session, session_copy
):
    assert run(["sync", str(session_copy), "--undo"]) == 0
    with open_session(session) as aligned, open_session(session_copy) as undone:
        for path in list_device_series(undone):
            np.testing.assert_array_equal(
                read_device_times(aligned, path), read_device_times(undone, path)
            )
        assert undone.nwbfile.timestamps_reference_time == undone.nwbfile.session_start_time
        assert not undone.has("/processing/sync/DeviceTime")
        assert "pulse" not in read_ledger(undone)
    states = {status.stage: status.state for status in pipeline.status(session_copy)}
    assert states["sync"] == "missing"
    assert states["events"] == "stale"
    assert pynwb.validate(path=str(session_copy)) == []
    pipeline.process(session_copy, "sync")
    with open_session(session) as first, open_session(session_copy) as second:
        np.testing.assert_array_equal(NwbMovie(first).timestamps, NwbMovie(second).timestamps)


def test_unknown_line_is_refused_with_the_known_ones(session_copy):
    before = session_copy.read_bytes()
    with pytest.raises(UnknownNameError, match=r"Did you mean .* Known: TTLBoard0Port0Bit0, "):
        pipeline.process(session_copy, "sync", {"line": "TTLBoard0Port0Bit"})
    assert session_copy.read_bytes() == before
