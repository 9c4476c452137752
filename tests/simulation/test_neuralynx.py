import warnings
from datetime import datetime

import numpy as np
import pytest

from ace_nwb.simulation import neuralynx
from ace_nwb.simulation.neuralynx import NCS_DTYPE, NEV_DTYPE, NeuralynxSpec, combine_lines

BIT_UV = 2000 / 32767


@pytest.fixture
def spec() -> NeuralynxSpec:
    return NeuralynxSpec(
        sampling_rate_hz=2000.0,
        true_rate_hz=2000.05,
        first_timestamp_us=3_200_000_017,
        opened=datetime(2025, 6, 12, 15, 26, 23),
        closed=datetime(2025, 6, 12, 15, 26, 30),
        gap_samples=(5000, 6300),
    )


@pytest.fixture
def signal_uv() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 200, 12_345).astype(np.float32)


def read_records(path, dtype):
    return np.fromfile(path, dtype, offset=16 * 1024)


def test_records_hold_the_samples_inverted_and_skip_the_gap(tmp_path, spec, signal_uv):
    path = tmp_path / "CSC1.ncs"
    neuralynx.write_ncs(path, signal_uv, spec=spec, channel=4, input_range_uv=2000)
    records = read_records(path, NCS_DTYPE)
    samples = np.concatenate([r["samples"][: r["n_valid"]] for r in records])
    kept = np.concatenate([signal_uv[:5000], signal_uv[6300:]])
    np.testing.assert_allclose(-samples * BIT_UV, kept, atol=0.51 * BIT_UV)
    assert records["n_valid"].tolist().count(512) == len(records) - 2
    assert (records["channel"] == 4).all()


def test_record_times_follow_the_true_rate_and_jump_over_the_gap(tmp_path, spec, signal_uv):
    path = tmp_path / "CSC1.ncs"
    neuralynx.write_ncs(path, signal_uv, spec=spec, channel=0, input_range_uv=2000)
    times = read_records(path, NCS_DTYPE)["timestamp_us"].astype(float) - 3_200_000_017
    firsts = np.concatenate([np.arange(0, 5000, 512), np.arange(6300, 12_345, 512)])
    np.testing.assert_allclose(times, firsts / 2000.05 * 1e6, atol=0.5)


def test_neo_reads_every_sample_and_the_gap(tmp_path, spec, signal_uv):
    rawio = pytest.importorskip("neo.rawio")
    for number, name in enumerate(("CSC1", "CSC2", "EMG1")):
        neuralynx.write_ncs(
            tmp_path / f"{name}.ncs",
            signal_uv * (number + 1) / 3,
            spec=spec,
            channel=number,
            input_range_uv=2000,
        )
    reader = rawio.NeuralynxRawIO(dirname=str(tmp_path), gap_tolerance_ms=1.0)
    reader.parse_header()
    assert reader.segment_count(0) == 2
    for segment, (start, stop) in enumerate([(0, 5000), (6300, 12_345)]):
        for stream, channels in enumerate([[0, 1], [2]]):
            raw = reader.get_analogsignal_chunk(seg_index=segment, stream_index=stream)
            found = reader.rescale_signal_raw_to_float(raw, stream_index=stream)
            expected = np.column_stack([signal_uv[start:stop] * (c + 1) / 3 for c in channels])
            np.testing.assert_allclose(found, expected, atol=0.51 * BIT_UV)
            start_s = reader.get_signal_t_start(0, segment, stream)
            assert start_s == pytest.approx(start / 2000.05, abs=1e-6)


def test_words_carry_every_line_of_the_port():
    edges = {0: np.array([1.0, 2.0, 5.0]), 7: np.array([1.5, 4.0]), 1: np.array([3.0])}
    port = combine_lines(0, edges, start_word=0x80)
    np.testing.assert_array_equal(port.times_s, [1.0, 1.5, 2.0, 3.0, 4.0, 5.0])
    np.testing.assert_array_equal(port.words, [0x81, 0x01, 0x00, 0x02, 0x82, 0x83])


def test_events_are_in_order_and_say_their_port(tmp_path, spec):
    ports = [
        combine_lines(0, {0: np.array([0.5, 2.0]), 15: np.array([1.0])}, start_word=0),
        combine_lines(1, {3: np.array([1.25])}, start_word=0),
    ]
    neuralynx.write_nev(tmp_path / "Events.nev", ports, spec=spec, stop_s=6.0)
    events = read_records(tmp_path / "Events.nev", NEV_DTYPE)
    assert NEV_DTYPE.itemsize == 184
    assert events["event_id"].tolist() == [19, 11, 11, 11, 11, 19]
    seconds = (events["timestamp_us"] - np.uint64(3_200_000_017)) / 1e6
    np.testing.assert_array_equal(seconds, [0, 0.5, 1.0, 1.25, 2.0, 6.0])
    assert events["ttl"].view(np.uint16).tolist() == [0, 1, 0x8001, 8, 0x8000, 0]
    assert events["text"].astype(str).tolist() == [
        "Starting Recording",
        "TTL Input on AcqSystem1_0 board 0 port 0 value (0x0001).",
        "TTL Input on AcqSystem1_0 board 0 port 0 value (0x8001).",
        "TTL Input on AcqSystem1_0 board 0 port 1 value (0x0008).",
        "TTL Input on AcqSystem1_0 board 0 port 0 value (0x8000).",
        "Stopping Recording",
    ]


def test_neo_reads_the_events_of_a_recording(toy):
    rawio = pytest.importorskip("neo.rawio")
    reader = rawio.NeuralynxRawIO(dirname=str(toy.ephys_folder), gap_tolerance_ms=1.0)
    reader.parse_header()
    ours = read_records(toy.ephys_folder / "Events.nev", NEV_DTYPE)
    starts = [reader.segment_t_start(0, k) for k in range(2)]
    stops = [reader.segment_t_stop(0, k) for k in range(2)]
    seconds = (ours["timestamp_us"] - ours["timestamp_us"][0]) / 1e6
    inside = np.any(
        [(seconds >= a) & (seconds <= b) for a, b in zip(starts, stops, strict=True)], axis=0
    )
    n_channels = len(reader.header["event_channels"])
    found = sum(reader.event_count(0, s, c) for s in range(2) for c in range(n_channels))
    assert found == inside.sum()


def test_neuroconv_reads_the_folder(toy):
    pytest.importorskip("neuroconv")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of spikeinterface's own deprecated calls
        from neuroconv.datainterfaces import NeuralynxRecordingInterface

        folder = str(toy.ephys_folder)
        streams = NeuralynxRecordingInterface.get_stream_names(folder_path=folder)
        recordings = [
            NeuralynxRecordingInterface(folder_path=folder, stream_name=name).recording_extractor
            for name in streams
        ]
    names = [r.get_property("channel_name").tolist() for r in recordings]
    assert names == [["CSC1", "CSC2"], ["EMG1"]]
    assert [r.get_num_segments() for r in recordings] == [2, 2]
