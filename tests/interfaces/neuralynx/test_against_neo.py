"""Our reader and neo's give the same where neo can read; where it cannot is shown."""

import warnings

import numpy as np
import pytest

from ace_nwb.interfaces.neuralynx.folder import read_recording
from tests.fixtures.neuralynx_files import FIRST_US, draw_samples, ttl, write_ncs, write_nev

pytestmark = pytest.mark.interop


def open_neo(folder, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from neo.rawio import NeuralynxRawIO

        reader = NeuralynxRawIO(dirname=str(folder), **options)
        reader.parse_header()
    return reader


@pytest.mark.parametrize("inverted", ["True", "False"])
def test_samples_times_and_scale_equal_those_of_neo(tmp_path, inverted):
    starts = FIRST_US + 256000 * np.arange(10) + np.where(np.arange(10) >= 6, 250_000, 0)
    for number in range(3):
        write_ncs(
            tmp_path / f"CSC{number}.ncs",
            draw_samples(512 * 10 - 90, seed=number),
            starts_us=starts,
            InputInverted=inverted,
        )
    reader = open_neo(tmp_path, gap_tolerance_ms=0.0)
    recording = read_recording(tmp_path)
    (stream,) = recording.streams
    assert reader.segment_count(0) == len(stream.segments) == 2
    for index, segment in enumerate(stream.segments):
        theirs = reader.get_analogsignal_chunk(block_index=0, seg_index=index, stream_index=0)
        assert np.array_equal(segment.samples.read(0, segment.samples.shape[0]), theirs)
        start_s = reader.get_signal_t_start(0, index, 0)
        assert segment.start_s == pytest.approx(start_s, abs=1e-9)
    assert stream.rate_hz == reader.get_signal_sampling_rate(0)
    gains = reader.header["signal_channels"]["gain"]
    assert stream.scale * 1e6 == pytest.approx(gains)


def test_event_times_equal_those_of_neo(tmp_path):
    write_ncs(tmp_path / "CSC1.ncs", draw_samples(5120))
    times_us = FIRST_US + np.sort(np.random.default_rng(0).integers(0, 2_500_000, 40))
    write_nev(tmp_path / "Events.nev", [ttl(int(t), (n + 1) % 2) for n, t in enumerate(times_us)])
    reader = open_neo(tmp_path)
    theirs = []
    for channel in range(len(reader.header["event_channels"])):
        stamps, _, _ = reader.get_event_timestamps(event_channel_index=channel)
        theirs.append(reader.rescale_event_timestamp(stamps, dtype="float64"))
    assert read_recording(tmp_path).lines[0].times_s == pytest.approx(
        np.sort(np.concatenate(theirs)), abs=1e-9
    )


def test_neo_refuses_a_cut_last_record_that_we_read(tmp_path):
    path = tmp_path / "CSC1.ncs"
    write_ncs(path, draw_samples(5120))
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(ValueError, match="multiple of the data-type size"):
        open_neo(tmp_path)
    assert read_recording(tmp_path).streams[0].n_samples == 4608


def test_neuroconv_joins_a_short_gap_that_we_keep(tmp_path):
    starts = FIRST_US + 256000 * np.arange(10) + np.where(np.arange(10) >= 6, 60_000, 0)
    write_ncs(tmp_path / "CSC1.ncs", draw_samples(5120), starts_us=starts)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from neuroconv.datainterfaces import NeuralynxRecordingInterface

        theirs = NeuralynxRecordingInterface(folder_path=str(tmp_path))
    assert theirs.recording_extractor.get_num_segments() == 1
    assert read_recording(tmp_path).streams[0].gaps_s == pytest.approx([0.060])


def test_neo_refuses_channels_with_different_gaps_that_we_read(tmp_path):
    starts = FIRST_US + 256000 * np.arange(10)
    write_ncs(tmp_path / "CSC1.ncs", draw_samples(5120), starts_us=starts)
    late = starts + np.where(np.arange(10) >= 6, 250_000, 0)
    write_ncs(tmp_path / "EMG.ncs", draw_samples(5120), starts_us=late, InputRange="3000")
    with pytest.raises(ValueError, match="Incompatible section structures"):
        open_neo(tmp_path, gap_tolerance_ms=0.0)
    assert [len(stream.segments) for stream in read_recording(tmp_path).streams] == [1, 2]
