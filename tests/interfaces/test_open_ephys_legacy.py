"""Open Ephys's legacy format against the truth of the simulation, and against neo."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pynwb import NWBHDF5IO

from ace_nwb.conversion import convert
from ace_nwb.errors import EphysError
from ace_nwb.interfaces.open_ephys_legacy import read_recording
from ace_nwb.nwb.content.ephys import list_ephys
from ace_nwb.nwb.session import open_session
from tests.fixtures.recordings import METADATA
from tests.simulators.open_ephys_legacy import RATE_HZ, write_recording

STATED = METADATA | {
    "NWBFile": {"session_description": "x", "session_start_time": "2025-06-12T15:26:31-04:00"}
}


def samples_of(segment):
    return segment.samples.read(0, segment.samples.shape[0])


def test_a_recording_round_trips(tmp_path):
    truth = write_recording(tmp_path / "raw")
    path = convert(truth.folder, tmp_path / "out.nwb", metadata=STATED)
    with NWBHDF5IO(path, "r") as io:
        nwbfile = io.read()
        assert nwbfile.electrodes["channel_name"][:].tolist() == ["CH1", "CH2", "CH10", "ADC1"]
        electrodes, inputs = (nwbfile.acquisition[f"ElectricalSeries{n}"] for n in "AB")
        assert np.array_equal(electrodes.data[:], truth.samples[:, :3])
        assert np.array_equal(inputs.data[:], truth.samples[:, 3:])
        assert electrodes.conversion == pytest.approx(0.195e-6)
        assert inputs.conversion == pytest.approx(0.00015258789)
        assert (electrodes.rate, electrodes.starting_time) == (RATE_HZ, 0)
        for line, (times_s, levels) in truth.edges.items():
            table = nwbfile.events[f"TTLLine{line}"]
            assert table["timestamp"].data[:] == pytest.approx(times_s, abs=1e-9)
            assert table["level"].data[:].tolist() == levels.tolist()
    with open_session(path) as session:
        assert [series.kinds[0] for series in list_ephys(session)] == ["auxiliary", ""]


@pytest.mark.parametrize("span", [(0, 1), (0, 1024), (1000, 1030), (5000, 9000), (12_000, 12_288)])
def test_any_range_is_read(tmp_path, span):
    truth = write_recording(tmp_path, names=("CH1", "CH2"))
    (stream,) = read_recording(truth.folder).streams
    found = stream.segments[0].samples.read(*span)
    assert np.array_equal(found, truth.samples[slice(*span)])


@settings(max_examples=25, deadline=None, derandomize=True)
@given(record=st.integers(1, 11), n_lost=st.integers(1, 10**9))
def test_any_loss_of_whole_samples_is_a_gap_in_its_place(tmp_path_factory, record, n_lost):
    folder = tmp_path_factory.mktemp("raw")
    truth = write_recording(folder, names=("CH1",), lost={record: n_lost})
    (stream,) = read_recording(folder).streams
    assert stream.lengths == (record * 1024, (12 - record) * 1024)
    assert stream.gaps_s == pytest.approx((n_lost / RATE_HZ,), abs=1e-6)
    assert np.array_equal(samples_of(stream.segments[1]), truth.samples[record * 1024 :])


def test_a_cut_record_leaves_the_whole_ones(tmp_path):
    truth = write_recording(tmp_path, names=("CH1", "CH2"))
    path = tmp_path / "100_CH2.continuous"
    path.write_bytes(path.read_bytes()[:-700])
    recording = read_recording(truth.folder)
    assert [stream.n_samples for stream in recording.streams] == [12 * 1024, 11 * 1024]
    assert "cut off after 1370 bytes" in recording.told()[0]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("100_CH1_2.continuous", None, "of two experiments"),
        ("all_channels.events", b"x" * 2000, "The header of Open Ephys"),
        ("100_CH1.continuous", b"header.format = 1;".ljust(1024), "no samples in them"),
    ],
)
def test_damaged_recordings_are_refused(tmp_path, name, content, words):
    truth = write_recording(tmp_path, names=("CH1",))
    first = (truth.folder / "100_CH1.continuous").read_bytes()
    (truth.folder / name).write_bytes(first if content is None else content)
    with pytest.raises(EphysError, match=words):
        read_recording(truth.folder)


def test_a_record_of_impossible_length_is_refused(tmp_path):
    write_recording(tmp_path, names=("CH1",))
    path = tmp_path / "100_CH1.continuous"
    content = bytearray(path.read_bytes())
    content[1024 + 8 : 1024 + 10] = (60_000).to_bytes(2, "little")
    path.write_bytes(content)
    with pytest.raises(EphysError, match="record 0 holds 60000 samples"):
        read_recording(tmp_path)


@pytest.mark.interop
def test_samples_and_scale_equal_those_of_neo(tmp_path):
    truth = write_recording(tmp_path, names=("CH1", "CH2"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from neo.rawio import OpenEphysRawIO

        reader = OpenEphysRawIO(dirname=str(tmp_path))
        reader.parse_header()
    theirs = reader.get_analogsignal_chunk(block_index=0, seg_index=0, stream_index=0)
    (stream,) = read_recording(truth.folder).streams
    assert np.array_equal(samples_of(stream.segments[0]), theirs)
    assert stream.scale * 1e6 == pytest.approx(reader.header["signal_channels"]["gain"])
    times_s = []
    for channel in range(reader.event_channels_count()):
        stamps, _, _ = reader.get_event_timestamps(0, 0, channel)
        times_s += (reader.rescale_event_timestamp(stamps, dtype="float64")).tolist()
    ours = np.sort(np.concatenate([line.times_s for line in read_recording(tmp_path).lines]))
    assert len(times_s) == len(ours)
