"""Our interfaces in converters of others: metadata, cameras, alignment, options of NeuroConv's."""

import json
from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np
import pytest
from neuroconv import ConverterPipe
from pynwb import NWBFile, read_nwb

from ace_nwb.errors import (
    AceNwbWarning,
    MetadataError,
    MissingPackageError,
    SyncError,
    TimestampError,
)
from ace_nwb.interfaces.data_interfaces import (
    MiniscopeDaqInterface,
    NeuralynxInterface,
    OpenEphysBinaryInterface,
)
from ace_nwb.nwb.content.sync import find_unaligned
from ace_nwb.nwb.session import open_session
from ace_nwb.pipeline import process
from ace_nwb.stages.sync import not_applicable
from tests.fixtures.neuralynx_files import FIRST_US, draw_samples, ttl, write_ncs, write_nev
from tests.fixtures.recordings import draw_frames, write_base, write_device
from tests.simulators import open_ephys_binary

PLANE = {"location": "CA1", "indicator": "GCaMP6f", "excitation_lambda": 470.0}
CHANNEL = {"name": "Green", "description": "Green light.", "emission_lambda": 525.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A recording of a scope and a camera, with head orientation and notes."""
    made = tmp_path_factory.mktemp("raw") / "15_26_31"
    write_base(made, ["Scope"], ["Cam"])
    write_device(made / "Scope", draw_frames(57), 40 + 50 * np.arange(57))
    write_device(made / "Cam", draw_frames(30), 60 + 90 * np.arange(30), device_type="WebCam")
    rows = [f"{stamp},1,0,0,0" for stamp in 40 + 50 * np.arange(57)]
    (made / "Scope" / "headOrientation.csv").write_text(
        "\n".join(["Time Stamp (ms),qw,qx,qy,qz", *rows]) + "\n"
    )
    (made / "notes.csv").write_text("Time Stamp (ms),Note\n1000,grooms\n")
    return made


@pytest.fixture
def scope(folder) -> MiniscopeDaqInterface:
    return MiniscopeDaqInterface(folder_path=folder)


@pytest.fixture(scope="module")
def ephys_folder(tmp_path_factory) -> Path:
    """Two channels without a gap, one of another rate, and a TTL line."""
    made = tmp_path_factory.mktemp("ephys")
    write_ncs(made / "CSC1.ncs", draw_samples(1536))
    write_ncs(made / "CSC2.ncs", draw_samples(1536, seed=1))
    write_ncs(made / "EMG.ncs", draw_samples(3072), rate_hz=4000.0)
    write_nev(made / "Events.nev", [ttl(FIRST_US + 100_000, 1), ttl(FIRST_US + 200_000, 0)])
    return made


@pytest.fixture
def ephys(ephys_folder) -> NeuralynxInterface:
    return NeuralynxInterface(folder_path=ephys_folder)


@pytest.fixture
def gapped(tmp_path) -> NeuralynxInterface:
    starts_us = FIRST_US + 256_000 * np.array([0, 1, 9])
    write_ncs(tmp_path / "CSC1.ncs", draw_samples(1536), starts_us=starts_us)
    write_nev(tmp_path / "Events.nev", [ttl(FIRST_US + 100_000, 1), ttl(FIRST_US + 2_400_000, 0)])
    return NeuralynxInterface(folder_path=tmp_path)


def add(interface, metadata=None, **options) -> NWBFile:
    """Return a file with what an interface adds."""
    nwbfile = NWBFile("x", "x", datetime(2025, 6, 12, tzinfo=UTC))
    interface.add_to_nwbfile(nwbfile, metadata, **options)
    return nwbfile


def line_times(nwbfile: NWBFile) -> list[float]:
    (table,) = (table for name, table in nwbfile.events.items() if "TTL" in name.upper())
    return list(table["timestamp"].data)


@pytest.mark.parametrize(
    "ophys",
    [
        {"ImagingPlane": [PLANE | {"name": "Mine", "optical_channel": [CHANNEL]}]},
        {"ImagingPlanes": {"mine": PLANE | {"name": "Mine", "optical_channel": [CHANNEL]}}},
        {
            "ImagingPlanes": {
                "mine": PLANE | {"name": "Mine", "optical_channel": [CHANNEL]},
                "other": {"name": "Deep", "location": "CA3"},
            },
            "MicroscopySeries": {"OnePhotonSeries": {"imaging_plane_metadata_key": "mine"}},
        },
        {
            "ImagingPlanes": {
                "deep": {"name": "Deep", "location": "CA3"},
                "mine": PLANE | {"name": "Mine", "optical_channel": [CHANNEL]},
            },
            "MicroscopySeries": {"TwoPhotons": {"imaging_plane_metadata_key": "deep"}},
        },
    ],
    ids=["a list", "by a key", "linked", "the only one that is no one else's"],
)
@pytest.mark.parametrize("is_added", [False, True], ids=["alone", "added to what we say"])
def test_planes_are_described_in_the_forms_of_neuroconv(scope, ophys, is_added):
    metadata = scope.get_metadata() if is_added else {}
    for block, entries in ophys.items():
        if is_added and isinstance(entries, dict):
            metadata["Ophys"].setdefault(block, {}).update(entries)
        else:
            metadata.setdefault("Ophys", {})[block] = entries
    (plane,) = add(scope, metadata).imaging_planes.values()
    assert (plane.name, plane.location, plane.indicator) == ("Mine", "CA1", "GCaMP6f")
    assert plane.excitation_lambda == 470.0
    (channel,) = plane.optical_channel
    assert (channel.name, channel.emission_lambda) == ("Green", 525.0)


def test_what_we_say_of_planes_can_be_filled_in(scope):
    metadata = scope.get_metadata()
    metadata["Ophys"]["ImagingPlanes"]["ImagingPlane"] |= PLANE | {"grid_spacing": [1e-6, 1e-6]}
    metadata["Ophys"]["MicroscopySeries"]["OnePhotonSeries"] |= {"name": "Raw", "power": 0.5}
    scope.validate_metadata(json.loads(json.dumps(metadata, default=str)))
    nwbfile = add(scope, metadata)
    series = nwbfile.acquisition["Raw"]
    assert series.power == 0.5
    assert series.imaging_plane.name == "ImagingPlane"
    assert series.imaging_plane.location == "CA1"
    assert list(series.imaging_plane.grid_spacing) == [1e-6, 1e-6]


def test_planes_that_nobody_takes_are_named(scope):
    planes = {name: {"location": name} for name in ("CA1", "CA3")}
    with pytest.warns(AceNwbWarning, match="describes CA1, CA3, which no series refers to"):
        nwbfile = add(scope, {"Ophys": {"ImagingPlanes": planes}})
    assert nwbfile.imaging_planes["ImagingPlane"].location == "not stated"


def test_a_field_that_a_plane_does_not_have_is_refused(scope):
    planes = {"ImagingPlane": {"excitation": 470.0}}
    with pytest.raises(MetadataError, match=r"Ophys.ImagingPlane have excitation\. Of "):
        add(scope, {"Ophys": {"ImagingPlanes": planes}})


@pytest.mark.parametrize(
    "ecephys",
    [
        {"ElectrodeGroup": [{"name": "Bundle", "location": "CA1", "description": "Wires."}],
         "ElectricalSeries": {"name": "Lfp", "description": "Raw."}},
        {"ElectrodeGroups": {"b": {"name": "Bundle", "location": "CA1", "description": "Wires."}},
         "ElectricalSeries": {"ElectricalSeries": {"name": "Lfp", "description": "Raw."}}},
    ],
    ids=["lists", "dictionaries"],
)  # fmt: skip
def test_electrodes_are_described_in_the_forms_of_neuroconv(tmp_path, ecephys):
    write_ncs(tmp_path / "CSC1.ncs", draw_samples(600))
    interface = NeuralynxInterface(folder_path=tmp_path)
    assert interface.metadata_key == "ElectricalSeries"
    nwbfile = add(interface, {"Ecephys": ecephys})
    group = nwbfile.electrode_groups["Bundle"]
    assert (group.location, group.description) == ("CA1", "Wires.")
    assert nwbfile.acquisition["Lfp"].description == "Raw."


def test_our_own_forms_still_count(scope, ephys):
    plane = {"location": "CA1", "excitation_lambda_nm": 470.0, "pixel_size_um": 2.0}
    (found,) = add(scope, {"Ophys": {"ImagingPlane": plane}}).imaging_planes.values()
    assert (found.location, found.excitation_lambda) == ("CA1", 470.0)
    own = {"location": "CA1", "channels": {"EMG": {"location": "neck"}}}
    nwbfile = add(ephys, {"Ecephys": own})
    assert set(nwbfile.electrodes["location"].data) == {"CA1", "neck"}


def test_electrodes_of_another_interface_keep_their_rows(ephys):
    """Our regions pointed at the first rows of the table, whoever's they were."""
    nwbfile = NWBFile("x", "x", datetime(2025, 6, 12, tzinfo=UTC))
    device = nwbfile.create_device("Probe")
    group = nwbfile.create_electrode_group(
        "ElectrodeGroup", description="Theirs.", location="V1", device=device
    )
    nwbfile.add_electrode_column("gain", "Gain.")
    for gain in (1.5, 2.5):
        nwbfile.add_electrode(group=group, location="V1", gain=gain)
    ephys.add_to_nwbfile(nwbfile, {})
    assert list(nwbfile.electrodes["channel_name"].data) == ["", "", "CSC1", "CSC2", "EMG"]
    assert np.isnan(nwbfile.electrodes["gain"].data[2])
    assert set(nwbfile.electrodes["group_name"].data) == {"ElectrodeGroup", "ElectrodeGroup2"}
    series = nwbfile.acquisition[ephys.metadata_key]
    assert list(series.electrodes.data) == [2, 3]


def test_a_converter_knows_planes_series_and_groups(scope, ephys):
    converter = ConverterPipe({"scope": scope, "ephys": ephys})
    properties = converter.get_metadata_schema()["properties"]
    assert {"Ophys", "Ecephys"} <= properties.keys()
    metadata = converter.get_metadata()
    assert set(metadata["Ophys"]["MicroscopySeries"]) == {"OnePhotonSeries"}
    assert set(metadata["Ecephys"]["ElectrodeGroups"]) == {"ElectrodeGroup"}
    assert ephys.metadata_key in metadata["Ecephys"]["ElectricalSeries"]
    options = converter.get_conversion_options_schema()["properties"]
    assert {"stub_test", "iterator_options"} <= options["scope"]["properties"].keys()


@pytest.mark.parametrize("backend", ["hdf5", "zarr"])
def test_cameras_come_along_named_relative_to_the_file(folder, scope, ephys, tmp_path, backend):
    out = tmp_path / "out.nwb"
    converter = ConverterPipe({"scope": scope, "ephys": ephys})
    metadata = converter.get_metadata()
    metadata["NWBFile"]["session_description"] = "x"
    converter.run_conversion(nwbfile_path=out, metadata=metadata, backend=backend)
    nwbfile = read_nwb(out)
    camera = nwbfile.acquisition["Cam"]
    assert not any(Path(name).is_absolute() for name in camera.external_file)
    files = [(tmp_path / name).resolve() for name in camera.external_file]
    assert files == [folder / "Cam" / f"{number}.avi" for number in range(6)]
    assert camera.timestamps[1] == pytest.approx(0.150)
    assert camera.device.name == "CamDevice"
    settings = nwbfile.processing["misc"]["DeviceSettings"]["device"].data[:]
    assert set(settings) == {"Scope", "CamDevice"}
    nwbfile.read_io.close()


def test_cameras_are_named_in_full_until_there_is_a_file(scope, folder):
    camera = add(scope).acquisition["Cam"]
    assert camera.external_file[0] == str(folder / "Cam" / "0.avi")


def test_cameras_can_be_left_out(scope):
    nwbfile = add(scope, cameras=False)
    assert "Cam" not in nwbfile.acquisition
    assert "FrameLedgerCam" not in nwbfile.processing["sync"].data_interfaces


def test_everything_moves_with_the_frames_but_the_ledger(scope):
    before = add(scope)
    times_s = scope.get_original_timestamps()
    scope.set_aligned_timestamps(100 + 1.01 * times_s)
    after = add(scope)

    def times_of(nwbfile, name):
        return np.asarray(nwbfile.acquisition[name].get_timestamps())

    assert np.array_equal(scope.imaging_extractor.get_timestamps(), 100 + 1.01 * times_s)
    assert times_of(after, "OnePhotonSeries") == pytest.approx(100 + 1.01 * times_s, abs=1e-9)
    expected_s = 100 + 1.01 * times_of(before, "Cam")
    inside = times_of(before, "Cam") >= times_s[0]
    assert times_of(after, "Cam")[inside] == pytest.approx(expected_s[inside], abs=1e-9)
    orientation = after.processing["behavior"]["HeadOrientation"]
    assert orientation.get_timestamps()[0] == pytest.approx(100 + 1.01 * times_s[0], abs=1e-9)
    (note_s,) = after.events["Notes"]["timestamp"].data
    assert note_s == pytest.approx(101.01, abs=1e-9)
    ledgers = [n.processing["sync"]["FrameLedger"]["device_time_s"].data for n in (before, after)]
    assert np.array_equal(*ledgers)


def test_sync_leaves_times_that_were_set_in_a_converter(scope, ephys, tmp_path):
    """It would take the aligned times of camera and orientation for those of the device."""
    out = tmp_path / "out.nwb"
    scope.set_aligned_starting_time(0.5)
    converter = ConverterPipe({"scope": scope, "ephys": ephys})
    metadata = converter.get_metadata()
    metadata["NWBFile"]["session_description"] = "x"
    metadata["Ophys"]["MicroscopySeries"]["OnePhotonSeries"]["description"] = "Mine."
    converter.run_conversion(nwbfile_path=out, metadata=metadata)
    with open_session(out) as session:
        assert find_unaligned(session) == []
        assert "set_aligned_timestamps" in not_applicable(session)
    with pytest.raises(SyncError, match="convert without setting them"):
        process(out, "sync")


def test_frames_of_a_second_scope_move_too(tmp_path):
    write_base(tmp_path, ["A", "B"])
    for name, first in (("A", 40), ("B", 45)):
        write_device(tmp_path / name, draw_frames(20), first + 50 * np.arange(20))
    interface = MiniscopeDaqInterface(folder_path=tmp_path)
    interface.set_aligned_starting_time(2.0)
    nwbfile = add(interface, interface.get_metadata())
    starts = [nwbfile.acquisition[f"OnePhotonSeries{name}"].starting_time for name in "AB"]
    assert starts == pytest.approx([2.040, 2.045])


def test_times_that_do_not_fit_are_refused(scope, ephys):
    with pytest.raises(TimestampError, match=r"shape \(3,\)\. One time \(s\) for each of the 57 f"):
        scope.set_aligned_timestamps(np.arange(3.0))
    with pytest.raises(TimestampError, match="for each of the 1536 samples"):
        ephys.set_aligned_timestamps(np.arange(3.0))
    with pytest.raises(TimestampError, match="Aligned times of 2 segments were given, of 1"):
        ephys.set_aligned_segment_timestamps([np.arange(3.0)] * 2)
    scope.set_aligned_timestamps(np.r_[np.arange(56.0), 55.0])
    with pytest.raises(TimestampError, match=r"timestamp 56 \(55\.000000 s\) does not come after"):
        add(scope)


def test_a_shifted_recording_keeps_its_rate_and_moves_lines_and_other_streams(ephys):
    before = add(ephys)
    ephys.set_aligned_starting_time(5.0)
    ephys.set_aligned_starting_time(1.0)
    after = add(ephys)
    for name, series in before.acquisition.items():
        assert after.acquisition[name].starting_time == series.starting_time + 6.0
        assert after.acquisition[name].rate == series.rate
    assert line_times(after) == pytest.approx(np.array(line_times(before)) + 6.0)


def test_samples_can_be_aligned_one_by_one(ephys):
    before = add(ephys)
    ephys.align_by_interpolation(np.array([0.0, 10.0]), np.array([3.0, 13.1]))
    after = add(ephys)
    for name, series in before.acquisition.items():
        expected_s = 3.0 + 1.01 * np.asarray(series.get_timestamps())
        found_s = np.asarray(after.acquisition[name].get_timestamps())
        is_within = expected_s <= ephys.get_timestamps()[-1]
        assert found_s[is_within] == pytest.approx(expected_s[is_within], abs=1e-6)
    assert line_times(after) == pytest.approx([3.101, 3.202], abs=1e-6)


def test_segments_are_aligned_each_by_itself(gapped):
    before_s = line_times(add(gapped))
    gapped.set_aligned_segment_starting_times([1.0, 3.0])
    after = add(gapped)
    starts = [after.acquisition[f"ElectricalSeries{index}"].starting_time for index in (0, 1)]
    assert starts == pytest.approx([1.0, 2.304 + 3.0])
    assert line_times(after) == pytest.approx([before_s[0] + 1.0, before_s[1] + 3.0])
    with pytest.raises(TimestampError, match=r"one segment of 2\..*set_aligned_segment_timestamps"):
        gapped.set_aligned_timestamps(np.arange(1536.0))


def test_a_stub_holds_the_beginning(scope, ephys):
    nwbfile = add(scope, stub_test=True, stub_samples=10)
    series = nwbfile.acquisition["OnePhotonSeries"]
    assert series.data.maxshape[0] == 10
    ledger = nwbfile.processing["sync"]["FrameLedger"]["movie_frame"].data
    assert ledger.max() == 9
    stub = add(ephys, stub_test=True).acquisition
    assert {series.data.maxshape[0] for series in stub.values()} == {100}


def test_times_can_be_written_where_a_rate_would_do(scope, ephys):
    metadata = {"Ophys": {"ImagingPlane": {"location": "CA1"}}}
    series = add(scope, metadata, always_write_timestamps=True, stub_test=True, stub_samples=5)
    assert len(series.acquisition["OnePhotonSeries"].timestamps) == 5
    for found in add(ephys, always_write_timestamps=True).acquisition.values():
        assert len(found.timestamps) == found.data.maxshape[0]


def test_arrays_are_read_as_the_iterator_is_told(scope, tmp_path, capsys):
    frames = np.asarray(add(scope, iterator_type=None).acquisition["OnePhotonSeries"].data)
    assert np.array_equal(frames.transpose(0, 2, 1), draw_frames(57))
    options = {"display_progress": True, "buffer_shape": (57, 26, 18)}
    data = add(scope, iterator_options=options).acquisition["OnePhotonSeries"].data
    (block,) = list(data)
    assert np.array_equal(block.data, frames)
    assert "1/1" in capsys.readouterr().err


def test_chunks_are_those_of_the_backend_configuration(scope, tmp_path):
    metadata = scope.get_metadata()
    metadata["NWBFile"]["session_description"] = "x"
    configuration = scope.get_default_backend_configuration(scope.create_nwbfile(metadata))
    movie = configuration.dataset_configurations["acquisition/OnePhotonSeries/data"]
    movie.chunk_shape, movie.buffer_shape = (5, 26, 9), (10, 26, 9)
    out = tmp_path / "out.nwb"
    scope.run_conversion(out, metadata=metadata, backend_configuration=configuration)
    with h5py.File(out) as h5:
        data = h5["acquisition/OnePhotonSeries/data"]
        assert data.chunks == (5, 26, 9)
        assert np.array_equal(data[:].transpose(0, 2, 1), draw_frames(57))


def test_an_extractor_gives_volts_by_channel(tmp_path):
    truth = open_ephys_binary.write_recording(tmp_path, n_samples=900)
    interface = OpenEphysBinaryInterface(folder_path=truth.folder)
    recording = interface.recording_extractor
    assert list(recording.get_channel_ids()) == list(interface.channel_ids)
    traces = recording.get_traces(
        start_frame=5, end_frame=9, channel_ids=interface.channel_ids[1:3]
    )
    assert np.array_equal(traces, truth.samples[5:9, 1:3])
    microvolts = recording.get_traces(return_in_uV=True, end_frame=3)
    assert microvolts == pytest.approx(truth.samples[:3] * truth.microvolt_per_bit)


def test_an_extractor_without_spikeinterface_names_the_extra(ephys, monkeypatch):
    import sys

    monkeypatch.delitem(sys.modules, "ace_nwb.interfaces.recording_extractor", raising=False)
    monkeypatch.setitem(sys.modules, "spikeinterface.core", None)
    with pytest.raises(MissingPackageError, match=r'pip install "ace-nwb\[ephys\]"'):
        _ = ephys.recording_extractor
    add(ephys)  # nothing else needs it
