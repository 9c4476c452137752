"""Open Ephys Miniscope GUI and Bonsai files against the truth of the simulation."""

import numpy as np
import pytest
from pynwb import NWBHDF5IO

from ace_nwb.conversion import convert
from ace_nwb.errors import FormatError, TimestampError
from ace_nwb.inspection import inspect_folder
from ace_nwb.interfaces.open_ephys_miniscope import read_recording
from tests.fixtures.recordings import METADATA
from tests.simulators.open_ephys import write_recording


@pytest.mark.parametrize("is_gui", [True, False], ids=["GUI", "Bonsai"])
def test_a_recording_round_trips(tmp_path, is_gui):
    truth = write_recording(tmp_path / "raw", lost=(9, 20, 21), is_gui=is_gui)
    path = convert(tmp_path / "raw", tmp_path / "out.nwb", metadata=METADATA)
    with NWBHDF5IO(path, "r") as io:
        nwbfile = io.read()
        series = nwbfile.acquisition["OnePhotonSeries"]
        assert np.array_equal(series.data[:].transpose(0, 2, 1), truth.frames)
        assert series.timestamps[:] == pytest.approx(truth.times_s, abs=1e-9)
        assert nwbfile.session_start_time.isoformat() == "2026-03-01T12:34:56.123000-05:00"
        head = nwbfile.processing["behavior"]["HeadOrientation"]
        assert np.array_equal(head.data[:], truth.quaternions)  # W is last in the one, first in
        ledger = nwbfile.processing["sync"]["FrameLedger"][:]  # the other
        assert np.flatnonzero(ledger["status"] == "dropped").tolist() == [9, 20, 21]
        if is_gui:
            edges = np.flatnonzero(np.diff(truth.levels)) + 1
            line = nwbfile.events["ScopeDigitalIn0"]
            assert line["timestamp"].data[:] == pytest.approx(truth.times_s[edges])
            assert nwbfile.processing["sync"]["ClockFacts"]["first_count"][0] == 5000


def test_inspect_explains_what_it_saw(tmp_path):
    write_recording(tmp_path)
    text = inspect_folder(tmp_path, metadata=METADATA).to_text()
    assert "movie scope1.avi with the table scope1.csv" in text
    assert "Y800" in text
    assert "Problems" not in text


def test_two_recordings_in_one_folder_are_refused(tmp_path):
    write_recording(tmp_path)
    write_recording(tmp_path, is_gui=False)
    with pytest.raises(FormatError, match="One movie and the table"):
        read_recording(tmp_path)


def test_a_time_that_is_none_is_refused_with_its_line(tmp_path):
    write_recording(tmp_path, is_gui=False)
    table = tmp_path / "uclaminiscopev4-quat_0.csv"
    table.write_text(table.read_text().replace("2026-03-01T12:34:56.156", "yesterday"))
    with pytest.raises(TimestampError, match="line 3"):
        read_recording(tmp_path)
