"""What a converted file holds, against the truth of the simulation and of hand-made folders."""

from datetime import datetime, timedelta, timezone
from pathlib import Path

import h5py
import numpy as np
import pytest
from pynwb import NWBHDF5IO

from ace_nwb.conversion import convert
from ace_nwb.errors import AceNwbWarning
from ace_nwb.interfaces.movie_source import iterate_frames
from ace_nwb.interfaces.video import probe_movie
from tests.fixtures.neuralynx_files import FIRST_US, draw_samples, ttl, write_ncs, write_nev
from tests.fixtures.recordings import METADATA, draw_frames, write_base, write_device


@pytest.fixture(scope="module")
def toy_path(toy_source, tmp_path_factory) -> Path:
    return convert(
        toy_source.miniscope_folder,
        tmp_path_factory.mktemp("out") / "session.nwb",
        ephys_folder=toy_source.ephys_folder,
        metadata=toy_source.metadata_path,
    )


@pytest.fixture(scope="module")
def toy(toy_path):
    with NWBHDF5IO(toy_path, "r") as io:
        yield io.read()


def convert_tiny(tiny, **options) -> Path:
    return convert(tiny.folder, tiny.folder.parent / "out.nwb", **{"metadata": METADATA} | options)


def test_raw_pixels_equal_the_decoded_files_bit_for_bit(toy, toy_source):
    scope = toy_source.miniscope_folder / "My_V4_Miniscope"
    probes = [probe_movie(scope / f"{number}.avi") for number in range(13)]
    frames = np.stack(list(iterate_frames(probes)))
    data = toy.acquisition["OnePhotonSeries"].data
    assert data.dtype == np.uint8
    assert np.array_equal(data[:].transpose(0, 2, 1), frames)


def test_hand_made_pixels_are_found_again(tiny):
    with h5py.File(convert_tiny(tiny)) as h5:
        data = h5["acquisition/OnePhotonSeries/data"]
        assert np.array_equal(data[:].transpose(0, 2, 1), tiny.frames)
        assert data.compression == "gzip"
        assert not data.shuffle


def test_time_stamps_are_those_of_the_recorder_in_seconds(tiny):
    with h5py.File(convert_tiny(tiny)) as h5:
        stamps = h5["acquisition/OnePhotonSeries/timestamps"]
        assert stamps.dtype == np.float64
        assert np.array_equal(stamps[:], tiny.stamps_ms / 1000)


def test_start_time_is_exact_and_zone_aware(toy):
    expected = datetime(2025, 6, 12, 15, 26, 31, 176000, timezone(timedelta(hours=-4)))
    assert toy.session_start_time == expected
    assert toy.session_start_time.utcoffset() == timedelta(hours=-4)
    assert toy.timestamps_reference_time == expected


def test_the_ledger_accounts_for_every_captured_frame(toy, toy_source):
    ledger = toy.processing["sync"]["FrameLedger"][:]
    truth = toy_source.truth
    assert len(ledger) == len(truth.device_times_s)
    lost = ledger["status"] == "dropped"
    assert np.flatnonzero(lost).tolist() == truth.dropped_frames.tolist()
    kept = ledger[~lost]
    assert kept["movie_frame"].tolist() == list(range(len(kept)))
    stamps = toy.acquisition["OnePhotonSeries"].timestamps[:]
    assert np.array_equal(kept["device_time_s"], stamps)
    assert kept["device_time_raw_s"].iloc[0] == 935703.178
    assert kept["file"].iloc[32] == "My_V4_Miniscope/1.avi"


def test_samples_of_all_channels_are_in_volts_at_their_times(toy, toy_source):
    first, second = (toy.acquisition[f"ElectricalSeries{number}"] for number in range(2))
    gap_start_s, gap_stop_s = toy_source.truth.gap_s
    assert first.electrodes.data[:].tolist() == [0, 1, 2]
    assert toy.electrodes["channel_name"][:].tolist() == ["CSC1", "CSC2", "EMG1"]
    assert first.starting_time == 0
    assert first.starting_time + len(first.data) / first.rate == pytest.approx(
        gap_start_s, abs=2e-6
    )
    assert second.starting_time == pytest.approx(gap_stop_s, abs=2e-6)
    assert first.conversion == pytest.approx(-2000e-6 / 32767)
    assert first.data.dtype == np.int16


def test_samples_equal_the_records_of_the_file(toy, toy_source):
    path = toy_source.ephys_folder / "CSC2.ncs"
    raw = np.frombuffer(path.read_bytes()[16384:], np.uint8).reshape(-1, 1044)
    lengths = raw[:, 16:20].copy().view("<u4")[:, 0]
    samples = [row[20:].view("<i2")[:n] for row, n in zip(raw, lengths, strict=True)]
    series = [toy.acquisition[f"ElectricalSeries{number}"].data[:, 1] for number in range(2)]
    assert np.array_equal(np.concatenate(series), np.concatenate(samples))


def test_every_ttl_line_is_a_table_of_edges(toy, toy_source):
    assert {name for name in toy.events if name.startswith("TTL")} == {
        "TTLBoard0Port0Bit0",
        "TTLBoard0Port0Bit1",
        "TTLBoard0Port0Bit7",
        "TTLBoard0Port1Bit3",
    }
    table = toy.events["TTLBoard0Port0Bit0"]
    truth = toy_source.truth
    expected = np.sort(np.concatenate([truth.taken_times_s, truth.stray_pulses_s]))
    found = table["timestamp"].data[:]
    assert np.abs(found[-len(expected) :] - expected).max() < 1e-6
    assert set(np.abs(np.diff(table["level"].data[:].astype(int)))) == {1}


def test_messages_notes_and_control_changes_are_events(toy):
    messages = toy.events["NeuralynxMessages"][:]
    assert messages["text"].tolist() == ["Starting Recording", "Stopping Recording"]
    assert toy.events["Notes"][:]["note"].tolist() == ["animal settles", "grooming, then still"]
    change = toy.events["ControlChanges"][:].iloc[0]
    assert (change["device"], change["control"], change["value"]) == (
        "MyV4Miniscope",
        "led0",
        "30",
    )


def test_the_camera_is_an_external_movie_with_a_path_that_travels(toy, toy_path):
    camera = toy.acquisition["BehavCam1"]
    for name in camera.external_file[:]:
        assert not Path(name).is_absolute()
        assert (toy_path.parent / name).is_file()
    assert camera.starting_frame[:].tolist() == [32 * number for number in range(7)]
    assert len(camera.timestamps) == 200
    assert camera.device.model.name == "WebCam"


def test_repaired_stamps_of_the_head_orientation_are_kept(tiny, tmp_path):
    text = "Time Stamp (ms),qw,qx,qy,qz\n-99999,1,0,0,0\n90,0.6,0,0,0.8\n140,0,1,0,0\n190,0,0,1,0\n"
    (tiny.scope / "headOrientation.csv").write_text(text)
    path = convert(tiny.folder, tmp_path / "out.nwb", metadata=METADATA)
    with h5py.File(path) as h5:
        table = h5["processing/sync/HeadOrientationRepairs"]
        assert table["sample"][:].tolist() == [0]
        assert table["device_time_raw_s"][:].tolist() == [-99.999]
        assert table["device_time_s"][:] == pytest.approx([0.04])
        assert table["repair"].asstr()[:].tolist() == ["junk_stamps"]
        assert "timestamps" not in h5["processing/behavior/HeadOrientation"]  # 20 Hz throughout


def test_head_orientation_is_stored_as_quaternion_and_yaw(toy):
    quaternion = toy.processing["behavior"]["HeadOrientation"]
    yaw = toy.processing["behavior"]["CompassDirection"]["HeadYaw"]
    assert quaternion.data.shape == (395, 4)
    w, z = quaternion.data[:, 0], quaternion.data[:, 3]
    level = np.abs(quaternion.data[:, 1:3]).max(axis=1) < 1e-3
    assert level.any()
    wrapped = np.angle(np.exp(2j * np.arctan2(z, w)))
    assert yaw.data[:][level] == pytest.approx(wrapped[level], abs=1e-4)
    assert yaw.timestamps is quaternion or np.array_equal(
        yaw.timestamps[:], quaternion.timestamps[:]
    )


def test_settings_of_all_devices_are_in_one_long_table_without_paths(toy):
    settings = toy.processing["misc"]["DeviceSettings"][:].set_index(["device", "setting"])["value"]
    assert settings["MyV4Miniscope", "ewl"] == "-12"
    assert settings["MyV4Miniscope", "ROI.width"] == "96"
    assert settings["BehavCam1", "compression"] == "MJPG"
    assert not any("D:/" in value for value in settings)


def test_metadata_of_the_user_win_over_those_of_the_folder(tiny):
    path = convert_tiny(tiny, metadata=METADATA | {"Subject": {"subject_id": "other"}})
    with NWBHDF5IO(path, "r") as io:
        assert io.read().subject.subject_id == "other"


def test_a_session_is_named_by_its_start_unless_the_lab_names_it(tiny):
    with h5py.File(convert_tiny(tiny)) as h5:
        start = datetime.fromisoformat(h5["session_start_time"].asstr()[()])
        assert h5["general/session_id"].asstr()[()] == f"{start:%Y-%m-%d-%H-%M-%S}"
    stated = {**METADATA, "NWBFile": {**METADATA.get("NWBFile", {}), "session_id": "day-3"}}
    with h5py.File(convert_tiny(tiny, metadata=stated, overwrite=True)) as h5:
        assert h5["general/session_id"].asstr()[()] == "day-3"


def test_the_animal_of_the_folder_is_taken_if_the_user_names_none(tiny):
    subject = {"species": "Mus musculus", "sex": "F", "age": "P90D"}
    path = convert_tiny(tiny, metadata=METADATA | {"Subject": subject})
    with NWBHDF5IO(path, "r") as io:
        nwbfile = io.read()
        assert nwbfile.subject.subject_id == "m1"
        assert nwbfile.subject.age == "P90D"


def test_missing_required_metadata_are_warned_of_and_marked(tiny):
    with pytest.warns(AceNwbWarning, match=r"Ophys\.ImagingPlane\.location"):
        path = convert_tiny(tiny, metadata=None)
    with NWBHDF5IO(path, "r") as io:
        plane = io.read().imaging_planes["ImagingPlane"]
        assert plane.location == "not stated"
        assert np.isnan(plane.excitation_lambda)


def test_the_conversion_is_the_first_run_of_the_history(toy):
    run = toy.processing["misc"]["stage_runs"][:].iloc[0]
    assert run["stage"] == "convert"
    assert run["duration_s"] > 0
    assert 50 < run["peak_memory_mb"] < 4000
    assert "My V4 Miniscope: junk_stamps=repair for 1" in run["warnings"]
    parameters = toy.processing["misc"]["stage_parameters"][:].set_index("parameter")["value"]
    assert parameters["imaging_format"] == "miniscope-daq"
    assert parameters["ephys_format"] == "neuralynx"
    assert parameters["policy.backward_stamps"] == "repair_single"


def test_no_path_user_or_host_is_in_the_file(toy_path, toy_source):
    import getpass
    import socket

    content = toy_path.read_bytes()
    folder = toy_source.miniscope_folder.parents[3]
    names = {str(folder), str(Path.home()), socket.gethostname(), getpass.getuser()}
    for name in names:
        assert len(name) < 6 or name.encode() not in content, name  # short ones occur by chance


def test_the_same_recording_has_the_same_identifier_wherever_it_lies(tiny):
    import shutil

    moved = shutil.copytree(tiny.folder, tiny.folder.parents[1] / "elsewhere" / "x")
    names = []
    for folder in (tiny.folder, moved):
        path = convert(folder, tiny.folder.parents[1] / f"{folder.name}.nwb", metadata=METADATA)
        with h5py.File(path) as h5:
            names.append(h5["identifier"][()])
    assert names[0] == names[1]


def test_several_scopes_each_have_their_series_plane_and_ledger(tiny):
    write_base(tiny.folder, ["My Scope", "Second"])
    other = draw_frames(6, 10, 14, seed=5)
    write_device(tiny.folder / "Second", other, 10 + 50 * np.arange(6))
    with NWBHDF5IO(convert_tiny(tiny), "r") as io:
        nwbfile = io.read()
        second = nwbfile.acquisition["OnePhotonSeriesSecond"]
        assert np.array_equal(second.data[:].transpose(0, 2, 1), other)
        assert "OnePhotonSeriesMyScope" in nwbfile.acquisition
        assert second.imaging_plane.name == "ImagingPlaneSecond"
        assert len(nwbfile.processing["sync"]["FrameLedgerSecond"]) == 6


def test_channels_of_other_rate_or_gaps_have_their_own_series(tiny, tmp_path):
    ephys = tmp_path / "ephys"
    ephys.mkdir()
    lfp, emg = draw_samples(2048), draw_samples(6000, seed=1)
    starts = FIRST_US + 256000 * np.arange(4) + np.array([0, 0, 90_000, 90_000])
    write_ncs(ephys / "CSC1.ncs", lfp, starts_us=starts)
    write_ncs(ephys / "EMG.ncs", emg, rate_hz=6000.0, bit_volts="0.000001")
    write_nev(ephys / "Events.nev", [ttl(FIRST_US - 2000, 1), ttl(FIRST_US + 9000, 0)])
    with NWBHDF5IO(convert_tiny(tiny, ephys_folder=ephys), "r") as io:
        nwbfile = io.read()
        series = {n: s for n, s in nwbfile.acquisition.items() if n.startswith("Electrical")}
        assert set(series) == {
            "ElectricalSeries2000Hz0",
            "ElectricalSeries2000Hz1",
            "ElectricalSeries6000Hz",
        }
        assert np.array_equal(series["ElectricalSeries6000Hz"].data[:, 0], emg)
        assert series["ElectricalSeries6000Hz"].conversion == 1e-6
        assert series["ElectricalSeries2000Hz1"].starting_time == pytest.approx(0.602)
        assert np.array_equal(series["ElectricalSeries2000Hz1"].data[:, 0], lfp[1024:])
        assert nwbfile.events["TTLBoard0Port0Bit0"]["timestamp"].data[:].tolist() == [-0.002, 0.009]


def test_a_cut_last_ephys_record_is_warned_of_and_the_rest_converted(tiny, tmp_path):
    ephys = tmp_path / "ephys"
    ephys.mkdir()
    write_ncs(ephys / "CSC1.ncs", draw_samples(2048))
    content = (ephys / "CSC1.ncs").read_bytes()
    (ephys / "CSC1.ncs").write_bytes(content[:-10])
    with pytest.warns(AceNwbWarning, match=r"CSC1\.ncs ends in a record cut off"):
        path = convert_tiny(tiny, ephys_folder=ephys)
    with h5py.File(path) as h5:
        assert h5["acquisition/ElectricalSeries/data"].shape == (1536, 1)
        assert b"CSC1.ncs ends in a record cut off" in h5["processing/misc/stage_runs/warnings"][0]


def test_locations_and_descriptions_of_single_channels_are_kept(tiny, tmp_path):
    ephys = tmp_path / "ephys"
    ephys.mkdir()
    for name in ("CSC1", "EMG"):
        write_ncs(ephys / f"{name}.ncs", draw_samples(600))
    stated = {"location": "CA1", "channels": {"EMG": {"location": "neck", "description": "EMG"}}}
    path = convert_tiny(tiny, ephys_folder=ephys, metadata=METADATA | {"Ecephys": stated})
    with NWBHDF5IO(path, "r") as io:
        electrodes = io.read().electrodes[:]
    assert electrodes["location"].tolist() == ["CA1", "neck"]
    assert electrodes["signal"].tolist() == ["", "EMG"]


def test_ephys_alone_converts_where_the_user_states_the_start(tmp_path):
    write_ncs(tmp_path / "CSC1.ncs", draw_samples(600))
    start = {"session_description": "x", "session_start_time": "2025-06-12T15:26:23-04:00"}
    path = convert(tmp_path, tmp_path / "out.nwb", metadata=METADATA | {"NWBFile": start})
    with h5py.File(path) as h5:
        assert list(h5["acquisition"]) == ["ElectricalSeries"]


def test_progress_rises_to_the_end(tiny):
    seen = []
    convert_tiny(tiny, progress=lambda done, of: seen.append((done, of)))
    assert seen == sorted(seen)
    assert seen[-1] == (tiny.frames.size, tiny.frames.size)


def test_overwriting_replaces_the_file_and_its_stale_journal(tiny):
    path = tiny.folder.parent / "out.nwb"
    path.write_bytes(b"old")
    journal = path.with_name("out.nwb.journal")
    journal.write_bytes(b"stale")
    convert_tiny(tiny, overwrite=True)
    assert not journal.exists()
    with h5py.File(path) as h5:
        assert "OnePhotonSeries" in h5["acquisition"]
    assert sorted(p.name for p in path.parent.iterdir()) == ["15_26_31", "out.nwb"]
