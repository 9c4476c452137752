"""ONIX acquisitions against the truth of the simulation: one clock for everything."""

import warnings

import numpy as np
import pytest
from pynwb import NWBHDF5IO

from ace_nwb.conversion import convert
from ace_nwb.errors import AceNwbWarning, EphysError, FormatError, TimestampError
from ace_nwb.inspection import inspect_folder
from ace_nwb.interfaces.onix.miniscope import read_recording
from ace_nwb.interfaces.onix.streams import read_streams
from ace_nwb.nwb.content.ephys import list_analysed
from ace_nwb.nwb.session import open_session
from tests.fixtures.recordings import METADATA
from tests.simulators.onix import CLOCK_HZ, SAMPLE_STEP, write_acquisition


def converted(folder, truth, check):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = convert(truth.folder, folder / "out.nwb", metadata=METADATA)
    with NWBHDF5IO(path, "r") as io:
        check(io.read())


@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"values_per_frame": 1, "has_header": False, "is_tutorial": False, "has_flag": True},
        {"suffix": "7", "n_channels": 16},
    ],
    ids=["608 values a frame", "one value a frame", "one headstage chip"],
)
def test_an_acquisition_round_trips(tmp_path, layout):
    truth = write_acquisition(tmp_path / "raw", **layout)

    def check(nwbfile):
        movie = nwbfile.acquisition["OnePhotonSeries"]
        assert np.array_equal(movie.data[:].transpose(0, 2, 1), truth.frames)
        assert np.array_equal(movie.timestamps[:], truth.frame_times_s)
        ac, dc = (nwbfile.acquisition[f"ElectricalSeriesRHS2116{kind}"] for kind in ("AC", "DC"))
        volts = ac.data[:] * ac.conversion + ac.offset
        assert volts == pytest.approx(0.195e-6 * (truth.ac.astype(float) - 32768), abs=1e-15)
        volts = dc.data[:] * dc.conversion + dc.offset
        assert volts == pytest.approx(-19.23e-3 * (truth.dc.astype(float) - 512), abs=1e-12)
        assert ac.rate == pytest.approx(CLOCK_HZ / SAMPLE_STEP, rel=1e-12)
        times = ac.starting_time + np.arange(len(ac.data)) / ac.rate
        assert np.abs(times - truth.sample_times_s).max() < 1e-9
        assert np.array_equal(nwbfile.acquisition["RHS2116Recovery"].data[:], truth.recovery)
        analog = nwbfile.acquisition["AnalogInput"]
        assert np.array_equal(analog.data[:], truth.analog)
        assert analog.starting_time == truth.analog_times_s[0]
        assert np.array_equal(nwbfile.acquisition["AnalogCO2"].data[:], truth.analog[:, 0])
        line = nwbfile.events["DigitalInput2"]
        assert np.array_equal(line["timestamp"].data[:], truth.edges_s)
        assert np.array_equal(line["level"].data[:], truth.levels)
        assert nwbfile.events["PortStatus"][:]["code"].tolist() == [1, 4]
        head = nwbfile.processing["behavior"]["HeadOrientation"]
        assert np.array_equal(head.data[:], truth.quaternions)
        assert np.array_equal(head.timestamps[:], truth.quaternion_times_s)
        assert nwbfile.processing["behavior"]["HeadSensorTemperature"].data[0] == 31
        assert nwbfile.session_start_time.isoformat() == "2024-03-01T12:34:56.123456+00:00"
        facts = nwbfile.processing["sync"]["ClockFacts"][:]
        assert set(facts["clock"]) == {"ONIX acquisition clock"}
        assert set(facts["rate_hz"]) == {CLOCK_HZ}
        first = dict(zip(facts["series"], facts["first_count"], strict=True))
        assert first["/acquisition/OnePhotonSeries"] == 2_000_000

    converted(tmp_path, truth, check)


def test_a_gap_makes_two_series_at_their_true_times(tmp_path):
    truth = write_acquisition(tmp_path / "raw", gap_at_sample=2500)

    def check(nwbfile):
        first, second = (nwbfile.acquisition[f"ElectricalSeriesRHS2116AC{n}"] for n in range(2))
        assert len(first.data) == 2500
        assert second.starting_time == truth.sample_times_s[2500]
        assert np.array_equal(second.data[:], truth.ac[2500:])

    converted(tmp_path, truth, check)


def test_inspect_names_streams_and_the_clock(tmp_path):
    truth = write_acquisition(tmp_path / "raw")
    inspection = inspect_folder(truth.folder, metadata=METADATA)
    text = inspection.to_text()
    for words in ("Miniscope on ONIX", "250000000 Hz", "RHS2116AC (32 channels)", "DigitalInput2"):
        assert words in text
    assert inspection.problems == ()


def test_a_clock_of_another_movie_is_refused_with_both_numbers(tmp_path):
    truth = write_acquisition(tmp_path / "raw", values_per_frame=100)
    with pytest.raises(TimestampError, match=r"3000 values for a movie of 30 frames.* = 18240"):
        read_recording(truth.folder)


def test_a_clock_that_runs_backwards_is_refused(tmp_path):
    truth = write_acquisition(tmp_path / "raw")
    path = next(truth.folder.glob("rhs2116pair-clock*"))
    clock = np.fromfile(path, np.uint64)
    clock[100] = 5
    clock.tofile(path)
    with pytest.raises(EphysError, match="value 100 is 5"):
        read_streams(truth.folder)


def test_a_cut_last_sample_is_left_out_and_said(tmp_path):
    truth = write_acquisition(tmp_path / "raw")
    path = next(truth.folder.glob("rhs2116pair-ac*"))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.warns(AceNwbWarning, match="the 5999 whole ones are read"):
        out = convert(truth.folder, tmp_path / "out.nwb", metadata=METADATA)
    with NWBHDF5IO(out, "r") as io:
        series = io.read().acquisition["ElectricalSeriesRHS2116AC"]
        assert np.array_equal(series.data[:], truth.ac[:5999])


def test_two_acquisitions_in_one_folder_are_refused(tmp_path):
    truth = write_acquisition(tmp_path / "raw")
    write_acquisition(truth.folder, suffix="other")
    with pytest.raises(FormatError, match="One acquisition was expected"):
        read_streams(truth.folder)


def test_ac_is_the_field_potential_and_dc_is_not(tmp_path):
    truth = write_acquisition(tmp_path / "raw")
    path = convert(truth.folder, tmp_path / "out.nwb", metadata=METADATA)
    with open_session(path) as session:
        kept, told = list_analysed(session)
    assert [series.name for series in kept] == ["ElectricalSeriesRHS2116AC"]
    assert kept[0].channel_names[:2] == ("RHS2116_0", "RHS2116_1")
    assert told == ["ElectricalSeriesRHS2116DC is left out (DC, no field potential)."]


def test_files_that_no_reader_takes_are_named(tmp_path):
    truth = write_acquisition(tmp_path / "raw")
    for name in ("memory-use_0.csv", "rhs2116trigger_0.raw", "protocol.docx"):
        (truth.folder / name).write_bytes(b"x")
    text = inspect_folder(truth.folder, metadata=METADATA).to_text()
    assert text.count("Not read: memory-use_0.csv, protocol.docx, rhs2116trigger_0.raw.") == 1
