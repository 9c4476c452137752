"""Legacy V3 folders against the truth of the simulation."""

import numpy as np
import pytest
from pynwb import NWBHDF5IO

from ace_nwb.conversion import convert
from ace_nwb.errors import InputError, MetadataError, TimestampError
from ace_nwb.inspection import inspect_folder
from ace_nwb.interfaces.imaging_recording import ReadOptions
from ace_nwb.interfaces.miniscope_v3 import read_recording, read_settings
from ace_nwb.interfaces.policies import parse_policies
from ace_nwb.interfaces.sources import SourceOptions
from tests.fixtures.recordings import METADATA, cut_file
from tests.simulators.miniscope_v3 import write_recording

ZONE = SourceOptions(timezone="America/New_York")
WITHOUT_SUBJECT = METADATA | {"Subject": {"species": "Mus musculus", "sex": "F", "age": "P90D"}}


@pytest.mark.parametrize("scope_number", [0, 1])
def test_a_recording_round_trips(tmp_path, scope_number):
    truth = write_recording(tmp_path, scope_number=scope_number)
    path = convert(tmp_path, tmp_path / "out.nwb", metadata=WITHOUT_SUBJECT, options=ZONE)
    with NWBHDF5IO(path, "r") as io:
        nwbfile = io.read()
        series = nwbfile.acquisition["OnePhotonSeries"]
        assert np.array_equal(series.data[:].transpose(0, 2, 1), truth.frames)
        assert np.array_equal(series.timestamps[:], truth.times_s)
        camera = nwbfile.acquisition["BehavCam"]
        assert camera.external_file[:].tolist()[0].endswith("H15_M6_S3/behavCam1.avi")
        assert np.array_equal(camera.timestamps[:], truth.camera_times_s)
        assert nwbfile.session_start_time.isoformat() == "2025-06-12T15:06:03-04:00"
        assert nwbfile.subject.subject_id == "m7"
        assert nwbfile.events["Notes"][:]["note"].tolist() == ["grooming", "sleeps, then wakes"]
        ledger = nwbfile.processing["sync"]["FrameLedger"][:]
        assert ledger["device_time_raw_s"][0] == 3_401_234.567
        assert ledger["repair"].tolist() == ["junk_stamps"] + [""] * 56
        settings = nwbfile.processing["misc"]["DeviceSettings"][:]
        assert dict(zip(settings["setting"], settings["value"], strict=True))["excitation"] == "12"


def test_inspect_says_which_camera_is_the_scope(tmp_path):
    write_recording(tmp_path, scope_number=1)
    text = inspect_folder(tmp_path).to_text()
    assert "3 Y800" not in text
    assert "Camera 1 of timestamp.dat is Miniscope" in text
    assert "scope Miniscope" in text
    assert "57 frames" in text


def test_a_start_without_a_zone_is_refused(tmp_path):
    write_recording(tmp_path)
    with pytest.raises(MetadataError, match="session_start_time"):
        convert(tmp_path, tmp_path / "out.nwb", metadata=METADATA)


def change_rows(folder, change):
    """Change the rows of the scope, camera 1, in timestamp.dat."""
    path = folder / "timestamp.dat"
    header, *lines = path.read_text().splitlines()
    scope = [line for line in lines if line.startswith("1\t")]
    others = [line for line in lines if not line.startswith("1\t")]
    path.write_text("\n".join([header, *others, *change(scope)]) + "\n")


@pytest.mark.parametrize(
    ("lost", "within_s"), [((20, 21, 22, 40), 0.004), ((0,), 0.004), ((0, 30), 0.004)]
)
def test_frame_numbers_say_which_rows_are_missing(tmp_path, lost, within_s):
    truth = write_recording(tmp_path)
    change_rows(truth.folder, lambda rows: [row for n, row in enumerate(rows) if n not in lost])
    options = ReadOptions(policies=parse_policies(["missing_rows=extrapolate"]))
    (device,) = [
        d for d in read_recording(truth.folder, options).devices if d.folder.kind == "scope"
    ]
    times_s = device.ledger.movie_times_s
    assert np.abs(times_s - truth.times_s).max() <= within_s
    (item,) = [one for one in device.irregularities if one.policy == "missing_rows"]
    assert "their numbers say which" in item.sentence
    assert np.flatnonzero(device.ledger.repair == "missing_rows").tolist() == list(lost)


def test_rows_are_taken_in_the_order_of_their_frame_numbers(tmp_path):
    truth = write_recording(tmp_path)
    change_rows(truth.folder, lambda rows: sorted(rows, key=lambda row: row[::-1]))
    (device,) = [d for d in read_recording(truth.folder).devices if d.folder.kind == "scope"]
    assert np.array_equal(device.ledger.movie_times_s, truth.times_s)
    (item,) = [one for one in device.irregularities if one.policy == "unsorted_rows"]
    assert "behind frame" in item.sentence


def test_cameras_of_equal_count_are_not_guessed(tmp_path):
    truth = write_recording(tmp_path, n_frames=40, n_camera_frames=40)
    with pytest.raises(TimestampError, match=r"all have 40 rows"):
        read_recording(truth.folder)


def test_a_cut_movie_is_refused_or_salvaged(tmp_path):
    truth = write_recording(tmp_path)
    cut_file(truth.folder / "msCam3.avi", 0.7)
    with pytest.raises(InputError, match=r"msCam3\.avi is cut off"):
        convert(tmp_path, tmp_path / "out.nwb", metadata=METADATA, options=ZONE)
    options = SourceOptions(timezone="-04:00", policies=parse_policies(["all=repair"]))
    path = convert(tmp_path, tmp_path / "out.nwb", metadata=METADATA, options=options)
    with NWBHDF5IO(path, "r") as io:
        nwbfile = io.read()
        data = nwbfile.acquisition["OnePhotonSeries"].data[:].transpose(0, 2, 1)
        ledger = nwbfile.processing["sync"]["FrameLedger"][:]
    assert 40 < len(data) < 57
    assert np.array_equal(data, truth.frames[: len(data)])
    assert (ledger["status"] == "unreadable").sum() == 57 - len(data)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "begins with ''"),
        ("a\tb\n1\t2\n", "begins with"),
        ("camNum\tframeNum\tsysClock\tbuffer\n", "no rows"),
        ("camNum\tframeNum\tsysClock\tbuffer\n1\tx\t3\t1\n", "line 2 holds"),
    ],
)
def test_a_damaged_table_is_refused(tmp_path, text, words):
    truth = write_recording(tmp_path)
    (truth.folder / "timestamp.dat").write_text(text)
    with pytest.raises(TimestampError, match=words):
        read_recording(truth.folder)


def test_every_line_of_the_notes_is_kept(tmp_path):
    path = tmp_path / "settings_and_notes.dat"
    notes = "elapsedTime\tNote\n1200\tgrooming\nand rearing\n\n2500\tsleeps\n"
    path.write_text(f"animal\texcitation\nm7\t12\n\n{notes}")
    texts = [note.text for note in read_settings(path)[1]]
    assert texts == ["grooming\nand rearing", "sleeps"]


def test_settings_in_a_code_page_are_asked_about(tmp_path):
    path = tmp_path / "settings_and_notes.dat"
    path.write_bytes("animal\texcitation\nMäx\t12\n".encode("cp1252"))
    with pytest.raises(MetadataError, match="text_encoding"):
        read_settings(path)
    settings, _ = read_settings(path, parse_policies(["text_encoding=cp1252"]))
    assert settings["animal"] == "Mäx"
