"""Intan and SpikeGLX against simulated raw files, NeuroConv's interfaces, and the sync stage."""

import sys
import warnings
from datetime import UTC, datetime

import numpy as np
import pytest
from pynwb import NWBHDF5IO

from ace_nwb.conversion import convert
from ace_nwb.errors import EphysError, MissingPackageError
from ace_nwb.inspection import inspect_folder
from ace_nwb.interfaces.data_interfaces import IntanInterface, SpikeGlxInterface
from ace_nwb.interfaces.neo_ephys import intan, spikeglx
from ace_nwb.interfaces.neo_ephys.streams import find_edges
from ace_nwb.nwb.content.ephys import list_analysed, list_ephys
from ace_nwb.nwb.session import open_session
from ace_nwb.pipeline import process
from tests.fixtures.recordings import METADATA, make_tiny_recording
from tests.simulators.intan import MICROVOLT_PER_BIT, ZERO
from tests.simulators.intan import write_recording as write_intan
from tests.simulators.spikeglx import write_recording as write_spikeglx

STATED = METADATA | {
    "NWBFile": {"session_description": "x", "session_start_time": "2025-06-12T15:26:31-04:00"}
}
warnings_of_readers = pytest.mark.filterwarnings("ignore::DeprecationWarning:neo|probeinterface")


def read_back(folder, truth, check):
    path = convert(truth.folder, folder / "out.nwb", metadata=STATED)
    with NWBHDF5IO(path, "r") as io:
        check(io.read())


@pytest.mark.parametrize("suffix", ["rhd", "rhs"])
def test_an_intan_file_round_trips(tmp_path, suffix):
    truth = write_intan(tmp_path / "raw", suffix=suffix)

    def check(nwbfile):
        series = nwbfile.acquisition["ElectricalSeries"]
        volts = series.data[:] * series.conversion + series.offset
        expected = MICROVOLT_PER_BIT * 1e-6 * (truth.samples.astype(float) - ZERO)
        assert series.data.dtype == np.uint16
        assert volts == pytest.approx(expected, abs=1e-12)
        assert (series.rate, series.starting_time) == (truth.rate_hz, 0)
        names = nwbfile.electrodes["channel_name"][:]
        assert list(names) == ["A-000", "A-001", "A-002", "A-003"]
        for name, (times_s, levels) in truth.edges.items():
            table = nwbfile.events[name.replace("-", "")]
            assert np.array_equal(table["timestamp"].data[:], times_s)
            assert np.array_equal(table["level"].data[:], levels)
        assert ("ElectricalSeriesDC" in nwbfile.acquisition) == (suffix == "rhs")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the stream of stimulation is announced as left out
        read_back(tmp_path, truth, check)


def test_dc_of_an_intan_headstage_is_told_apart_from_its_amplifier(tmp_path):
    truth = write_intan(tmp_path / "raw", suffix="rhs")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = convert(truth.folder, tmp_path / "out.nwb", metadata=STATED)
    with open_session(path) as session:
        names = {series.name: series.channel_names[0] for series in list_ephys(session)}
        kept, told = list_analysed(session)
    assert names == {"ElectricalSeries": "A-000", "ElectricalSeriesDC": "DC/A-000"}
    assert [series.name for series in kept] == ["ElectricalSeries"]
    assert "ElectricalSeriesDC is left out" in told[0]


def test_a_spikeglx_run_round_trips_with_every_clock_named(tmp_path):
    truth = write_spikeglx(tmp_path / "raw")

    def check(nwbfile):
        probe = nwbfile.acquisition["ElectricalSeriesImec0Ap"]
        assert np.array_equal(probe.data[:], truth.probe)
        assert probe.conversion == pytest.approx(0.6 / 512 / 500)
        assert (probe.rate, probe.starting_time) == (truth.probe_rate_hz, 0)
        assert len(nwbfile.electrodes) == 4  # the sync word is no electrode
        analog = nwbfile.acquisition["Nidq"]
        assert np.array_equal(analog.data[:], truth.analog)
        assert analog.conversion == pytest.approx(5 / 32768)
        lines = {"Imec0SyncLine": truth.sync_edges} | {
            f"NidqLine{bit}": edges for bit, edges in truth.edges.items()
        }
        assert set(nwbfile.events) == set(lines)
        for name, (times_s, levels) in lines.items():
            assert np.allclose(nwbfile.events[name]["timestamp"].data[:], times_s, atol=1e-12)
            assert np.array_equal(nwbfile.events[name]["level"].data[:], levels)
        facts = nwbfile.processing["sync"]["ClockFacts"][:]
        assert facts["clock"].tolist() == ["SpikeGLX imec0", "SpikeGLX nidq"]
        assert facts["first_count"].tolist() == [60_000, 50_000]

    read_back(tmp_path, truth, check)


def test_frames_are_aligned_through_a_digital_line(tmp_path):
    tiny = make_tiny_recording(tmp_path / "raw" / "15_26_31")
    truth = write_spikeglx(tmp_path / "raw" / "ephys", duration_s=2.84)  # 57 edges
    path = convert(tiny.folder, tmp_path / "out.nwb", ephys_folder=truth.folder, metadata=METADATA)
    process(path, "sync", {"line": "NidqLine0", "recorder": "trigger"})
    with NWBHDF5IO(path, "r") as io:
        times_s = io.read().acquisition["OnePhotonSeries"].timestamps[:]
    edges_s = truth.edges[0][0]  # every 50 ms, as the frames
    assert times_s == pytest.approx(edges_s, abs=1e-9)


@pytest.mark.interop
def test_neuroconv_reads_the_same_samples_and_pulses(tmp_path):
    from neuroconv.datainterfaces import (
        IntanDigitalInterface,
        IntanRecordingInterface,
        SpikeGLXRecordingInterface,
    )

    truth = write_intan(tmp_path / "intan")
    theirs = IntanRecordingInterface(file_path=truth.file_path).recording_extractor
    (ours,) = intan.read_recording(truth.folder).streams
    samples = ours.segments[0].samples
    assert np.array_equal(theirs.get_traces(return_in_uV=False), samples.read(0, samples.shape[0]))
    events = IntanDigitalInterface(file_path=truth.file_path)._get_events_data_dict()
    for name, (times_s, levels) in truth.edges.items():
        (rising,) = [data.timestamps for key, data in events.items() if name in key]
        assert np.allclose(rising, times_s[levels == 1])  # they keep rises and durations only
    run = write_spikeglx(tmp_path / "spikeglx")
    theirs = SpikeGLXRecordingInterface(folder_path=run.folder, stream_id="imec0.ap")
    samples = theirs.recording_extractor.get_traces(return_in_uV=False)
    assert np.array_equal(samples, run.probe)


@pytest.mark.interop
def test_neuroconv_converts_with_our_interfaces(tmp_path):
    from neuroconv import NWBConverter

    class Rig(NWBConverter):
        data_interface_classes = {"probe": SpikeGlxInterface}  # noqa: RUF012 - NeuroConv's way

    truth = write_spikeglx(tmp_path / "raw", duration_s=0.2)
    converter = Rig({"probe": {"folder_path": str(truth.folder)}})
    metadata = converter.get_metadata()
    metadata["NWBFile"]["session_start_time"] = datetime(2025, 6, 12, 15, 26, tzinfo=UTC)
    converter.run_conversion(nwbfile_path=tmp_path / "theirs.nwb", metadata=metadata)
    with NWBHDF5IO(tmp_path / "theirs.nwb", "r") as io:
        nwbfile = io.read()
        assert np.array_equal(nwbfile.acquisition["ElectricalSeriesImec0Ap"].data[:], truth.probe)
        assert "NidqLine0" in nwbfile.events


def test_inspect_names_streams_lines_and_start(tmp_path):
    write_intan(tmp_path / "a")
    write_spikeglx(tmp_path / "b")
    text = inspect_folder(tmp_path / "a", metadata=METADATA).to_text()
    assert "RHD2000 amplifier channel (4 channels): 12800 samples at 20000.0000 Hz" in text
    assert "DIGITAL-IN-03: " in text
    assert "started 2025-06-12T15:26:31.000 by its own clock, no time zone recorded" in text
    text = inspect_folder(tmp_path / "b", metadata=METADATA).to_text()
    assert "Clocks of their own: SpikeGLX imec0, SpikeGLX nidq." in text
    assert "imec0.ap (4 channels)" in text


def test_a_damaged_or_foreign_file_is_refused_with_its_name(tmp_path):
    truth = write_intan(tmp_path / "a")
    truth.file_path.write_bytes(truth.file_path.read_bytes()[:-500])
    with pytest.raises(EphysError, match=r"session_250612_152631\.rhd is cut off: \d+ bytes"):
        IntanInterface(folder_path=tmp_path / "a")
    (tmp_path / "a" / "other.rhd").write_bytes(b"\x02\x27\x91\xc6")
    with pytest.raises(EphysError, match=r"other\.rhd, session_\S+ One file"):
        intan.read_recording(tmp_path / "a")
    run = write_spikeglx(tmp_path / "b")
    meta = run.folder / "run_g0_t0.nidq.meta"
    meta.write_text(meta.read_text().replace("niSampRate", "somethingElse"))
    with pytest.raises(EphysError, match="run_g0 cannot be read"):
        spikeglx.read_recording(run.folder)
    assert any("cannot be read" in text for text in inspect_folder(run.folder).problems)


def test_a_missing_reader_is_named_with_the_extra_to_install(tmp_path, monkeypatch):
    write_intan(tmp_path)
    monkeypatch.setitem(sys.modules, "neo", None)
    with pytest.raises(MissingPackageError, match=r'pip install "ace-nwb\[ephys\]"'):
        intan.read_recording(tmp_path)
    assert any("ace-nwb[ephys]" in problem for problem in inspect_folder(tmp_path).problems)


@pytest.mark.parametrize("block", [3, 7, 1000])
def test_edges_are_found_across_blocks(monkeypatch, block):
    from ace_nwb.interfaces.neo_ephys import streams

    monkeypatch.setattr(streams, "BLOCK_SAMPLES", block)
    words = np.array([1, 1, 0, 0, 2, 3, 3, 0, 1, 1, 2, 1], np.uint16)
    at, levels = find_edges(lambda start, stop: words[start:stop], len(words), bit=0)
    assert at.tolist() == [2, 5, 7, 8, 10, 11]
    assert levels.tolist() == [0, 1, 0, 1, 0, 1]
