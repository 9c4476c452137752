"""Open Ephys binary recordings against the truth of the simulation."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pynwb import NWBHDF5IO

from ace_nwb.conversion import convert
from ace_nwb.errors import EphysError
from ace_nwb.inspection import inspect_folder
from ace_nwb.interfaces.open_ephys_binary import read_recording
from ace_nwb.nwb.content.ephys import list_ephys
from ace_nwb.nwb.session import open_session
from tests.fixtures.recordings import METADATA
from tests.simulators.open_ephys_binary import FIRST_SAMPLE, STREAM, write_recording

STATED = METADATA | {
    "NWBFile": {"session_description": "x", "session_start_time": "2025-06-12T15:26:31-04:00"}
}


@pytest.mark.parametrize("is_old", [False, True], ids=["0.6", "0.5"])
def test_a_recording_round_trips(tmp_path, is_old):
    truth = write_recording(tmp_path / "raw", is_old=is_old)
    path = convert(tmp_path / "raw", tmp_path / "out.nwb", metadata=STATED)
    with NWBHDF5IO(path, "r") as io:
        nwbfile = io.read()
        series = nwbfile.acquisition["ElectricalSeries"]
        assert np.array_equal(series.data[:], truth.samples)
        assert series.conversion == pytest.approx(truth.microvolt_per_bit * 1e-6)
        assert (series.starting_time, series.rate) == (0, 30_000)
        assert nwbfile.electrodes["channel_name"][:].tolist() == ["CH1", "CH2", "CH3", "CH4"]
        for line, (times_s, levels) in truth.edges.items():
            table = nwbfile.events[f"TTLLine{line}"]
            assert table["timestamp"].data[:] == pytest.approx(times_s, abs=1e-9)
            assert table["level"].data[:].tolist() == levels.tolist()


def test_a_gap_of_the_sample_numbers_makes_two_series(tmp_path):
    truth = write_recording(tmp_path / "raw")
    numbers = FIRST_SAMPLE + np.arange(30_000)
    numbers[20_000:] += 3000
    np.save(truth.folder / "continuous" / STREAM / "sample_numbers.npy", numbers)
    path = convert(tmp_path / "raw", tmp_path / "out.nwb", metadata=STATED)
    with NWBHDF5IO(path, "r") as io:
        second = io.read().acquisition["ElectricalSeries1"]
        assert second.starting_time == pytest.approx(23_000 / 30_000)
        assert np.array_equal(second.data[:], truth.samples[20_000:])


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 2**32 - 1),
    jitter=st.floats(0, 0.499),
    place=st.integers(1, 599),
    n_lost=st.integers(0, 10**9),
)
def test_any_loss_of_whole_samples_and_only_that_is_a_gap(tmp_path, seed, jitter, place, n_lost):
    """Time stamps in seconds may be late by any part of a sample; the numbers say what is lost."""
    if not any(tmp_path.iterdir()):
        write_recording(tmp_path, n_samples=600)
    folder = next(tmp_path.rglob("structure.oebin")).parent / "continuous" / STREAM
    numbers = FIRST_SAMPLE + np.arange(600)
    numbers[place:] += n_lost
    late = np.random.default_rng(seed).uniform(-jitter, jitter, 600)
    np.save(folder / "sample_numbers.npy", numbers)
    np.save(folder / "timestamps.npy", (numbers + late) / 30_000)
    (stream,) = read_recording(folder.parents[1]).streams
    assert stream.lengths == ((600,) if n_lost == 0 else (place, 600 - place))
    assert stream.gaps_s == pytest.approx(() if n_lost == 0 else (n_lost / 30_000,), abs=1e-6)


def test_inputs_are_no_field_potential_and_a_muscle_is_what_the_metadata_say(tmp_path):
    truth = write_recording(tmp_path / "raw")
    structure = truth.folder / "structure.oebin"
    structure.write_text(
        structure.read_text().replace('"CH3"', '"ADC1"').replace('"CH4"', '"A_AUX2"')
    )
    stated = STATED | {"Ecephys": {"location": "CA1", "channels": {"CH2": {"kind": "EMG"}}}}
    path = convert(tmp_path / "raw", tmp_path / "out.nwb", metadata=stated)
    with open_session(path) as session:
        (series,) = list_ephys(session)
    assert series.kinds == ("", "EMG", "auxiliary", "auxiliary")


def test_inspect_counts_edges(tmp_path):
    write_recording(tmp_path)
    text = inspect_folder(tmp_path, metadata=STATED).to_text()
    assert "Rhythm Data (4 channels)" in text
    assert "TTL Line 1: 60 edges, 60.00 per s" in text


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("structure.oebin", b"{", "not readable JSON"),
        ("structure.oebin", b"[]", "holds a list"),
        ("structure.oebin", b'{"continuous": [{"folder_name": 3}]}', "lacks an entry"),
        (
            "structure.oebin",
            b'{"continuous": [{"folder_name": "../../x", "channels": []}]}',
            "outside",
        ),
        ("structure.oebin", b"{}", "names no continuous stream"),
        (f"continuous/{STREAM}/sample_numbers.npy", b"junk", "no array of numbers"),
        (f"continuous/{STREAM}/continuous.dat", b"12345678", "holds 1 samples"),
    ],
)
def test_damaged_recordings_are_refused(tmp_path, name, content, words):
    truth = write_recording(tmp_path)
    (truth.folder / name).write_bytes(content)
    with pytest.raises(EphysError, match=words):
        read_recording(truth.folder)
