import numpy as np
import pytest

from ace_nwb.interfaces.imaging_recording import DeviceFolder
from ace_nwb.interfaces.miniscope_daq.recording import read_device, read_recording
from tests.fixtures.recordings import draw_frames, write_device


def make_ledger(folder, stamps_ms, daq_frames=None):
    device = folder / "scope"
    write_device(device, draw_frames(len(stamps_ms)), stamps_ms, per_file=4, daq_frames=daq_frames)
    return read_device(DeviceFolder("scope", "scope", device, {}), base_path=folder).ledger


def test_every_frame_has_its_file_and_place(tmp_path):
    ledger = make_ledger(tmp_path, 10 + 50 * np.arange(10))
    assert ledger.file.tolist() == ["scope/0.avi"] * 4 + ["scope/1.avi"] * 4 + ["scope/2.avi"] * 2
    assert ledger.index_in_file.tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    assert ledger.movie_frame.tolist() == list(range(10))
    assert (ledger.daq_frame == -1).all()
    assert ledger.n_dropped == 0


def test_frames_that_the_board_counted_in_between_are_rows_without_a_picture(tmp_path):
    captured = np.array([0, 1, 2, 5, 6, 8, 9, 10])
    ledger = make_ledger(tmp_path, 10 + 50 * captured, captured)
    assert ledger.daq_frame.tolist() == list(range(11))
    assert ledger.movie_frame.tolist() == [0, 1, 2, -1, -1, 3, 4, -1, 5, 6, 7]
    assert ledger.status.tolist().count("dropped") == ledger.n_dropped == 3
    lost = ledger.status == "dropped"
    assert np.isnan(ledger.device_time_s[lost]).all()
    assert np.isfinite(ledger.device_time_s[~lost]).all()
    assert set(ledger.file[lost]) == {""}


def test_losses_are_found_across_the_wrap_of_the_board_number(tmp_path):
    captured = np.array([65533, 65534, 65537, 65538, 65539])
    ledger = make_ledger(tmp_path, 50 * (captured - 65500), captured % 65536)
    assert ledger.daq_frame.tolist() == list(range(65533, 65540))
    assert ledger.n_dropped == 2


def test_a_board_that_starts_anew_loses_no_frames(tmp_path):
    daq = np.array([0, 1, 2, 3, 30000, 30001, 30002, 30003])
    ledger = make_ledger(tmp_path, 10 + 50 * np.arange(8), daq)
    assert ledger.n_dropped == 0


def test_a_loss_beside_a_failed_read_is_put_into_the_longest_interval(tmp_path):
    stamps = np.array([10, 60, 110, 260, 310])
    ledger = make_ledger(tmp_path, stamps, [0, 1, -1, 5, 6])
    assert ledger.movie_frame.tolist() == [0, 1, 2, -1, -1, 3, 4]


def test_raw_stamps_stand_beside_the_repaired_ones(tmp_path):
    ledger = make_ledger(tmp_path, [935703178, *(60 + 50 * np.arange(7))])
    assert ledger.device_time_raw_s[0] == 935703.178
    assert ledger.device_time_s[0] == pytest.approx(0.010)


def test_the_simulated_losses_are_found_exactly(toy_source):
    recording = read_recording(toy_source.miniscope_folder)
    ledger = recording.scopes[0].ledger
    truth = toy_source.truth
    assert np.flatnonzero(ledger.status == "dropped").tolist() == truth.dropped_frames.tolist()
    assert np.flatnonzero(ledger.status == "recorded").tolist() == truth.saved_frames.tolist()
    late_s = ledger.device_time_s[truth.saved_frames] - truth.device_times_s[truth.saved_frames]
    assert late_s.min() > -0.002
    assert late_s.max() < 0.032
