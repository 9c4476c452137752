"""From raw folders through the real readers to aligned frames: ONIX, and Open Ephys."""

import numpy as np
import pytest

from ace_nwb import pipeline
from ace_nwb.conversion import convert
from ace_nwb.nwb.content.events import read_events
from ace_nwb.nwb.content.movie import NwbMovie
from ace_nwb.nwb.content.sync import read_clock_fit, read_ledger
from ace_nwb.nwb.session import open_session
from tests.fixtures.recordings import METADATA
from tests.simulators import onix, open_ephys, open_ephys_binary

OFFSET_S, SLOPE = 2.5, 1 + 60e-6


def test_an_onix_acquisition_is_recognised_by_its_one_clock(tmp_path):
    truth = onix.write_acquisition(tmp_path / "raw")
    path = convert(truth.folder, tmp_path / "out.nwb", metadata=METADATA)
    pipeline.process(path, "sync")
    with open_session(path) as session:
        fit = read_clock_fit(session)
        assert fit["method"][0] == "hardware-clock"
        np.testing.assert_array_equal(NwbMovie(session).timestamps, truth.frame_times_s)


def test_a_scope_of_the_open_ephys_gui_is_aligned_to_an_open_ephys_recording(tmp_path):
    n_frames, lost = 300, (40, 41, 170)
    scope = open_ephys.write_recording(tmp_path / "scope", n_frames=n_frames, lost=lost)
    captured_s = OFFSET_S + SLOPE * 0.033 * np.arange(n_frames)
    ephys = open_ephys_binary.write_recording(
        tmp_path / "ephys", n_samples=64_000, rate_hz=4000.0, pulses_s={2: captured_s}
    )
    path = convert(scope.folder, tmp_path / "out.nwb", ephys_folder=ephys.folder, metadata=METADATA)
    measured = {"frames_before_first_edge": 0, "edges_after_last_frame": 0}
    pipeline.process(path, "sync", measured)
    saved_s = np.delete(captured_s, lost)
    with open_session(path) as session:
        fit, ledger = read_clock_fit(session), read_ledger(session)
        times = NwbMovie(session).timestamps
        digital, _ = read_events(session, "/events/ScopeDigitalIn0")
    assert np.abs(times - saved_s).max() < 5e-4  # a sample of 4 kHz
    assert fit["verdict"][0] == "pass"
    assert fit["n_lost"][0] == len(lost)
    assert fit["line"][0].endswith("2")
    assert (ledger["pulse"][ledger["status"] == "dropped"] == -1).all()
    edges = np.flatnonzero(np.diff(scope.levels)) + 1
    assert digital == pytest.approx(saved_s[edges], abs=4e-3)


def test_a_wave_on_an_analog_channel_of_a_recording_on_disk_carries_the_frames(tmp_path):
    n_frames, rate_hz = 150, 4000.0
    scope = open_ephys.write_recording(tmp_path / "scope", n_frames=n_frames, lost=(40,))
    captured_s = OFFSET_S + SLOPE * 0.033 * np.arange(n_frames)
    ephys = open_ephys_binary.write_recording(tmp_path / "ephys", n_samples=36_000, rate_hz=rate_hz)
    # the wave of the frame line on the third channel: a toggle with ramps of a millisecond
    at_s = np.arange(36_000) / rate_hz
    frame = np.clip(np.searchsorted(captured_s, at_s + 5e-4) - 1, 0, None)
    rise = np.clip((at_s - captured_s[frame]) / 1e-3 + 0.5, 0, 1)
    rise[at_s < captured_s[0] - 5e-4] = 0
    samples = ephys.samples.copy()
    samples[:, 2] = 3000 * np.where(frame % 2 == 0, rise, 1 - rise)
    (data,) = ephys.folder.rglob("continuous.dat")
    samples.tofile(data)
    path = convert(scope.folder, tmp_path / "out.nwb", ephys_folder=ephys.folder, metadata=METADATA)
    measured = {"frames_before_first_edge": 0, "edges_after_last_frame": 0}
    pipeline.process(path, "sync", {"analog_line": "CH3"} | measured)
    with open_session(path) as session:
        fit, times = read_clock_fit(session), NwbMovie(session).timestamps
    assert fit["verdict"][0] == "pass"
    assert fit["line"][0] == "CH3"
    assert fit["n_lost"][0] == 1
    assert np.abs(times - np.delete(captured_s, 40)).max() < 2e-5  # far below a sample of 250 us
