"""What Miniscope-DAQ-QT v0.1 to v1.10 wrote otherwise (by the tags of its public source)."""

import json

import numpy as np
import pytest

from ace_nwb.errors import MetadataError
from ace_nwb.interfaces.miniscope_daq.recording import read_notes, read_recording
from ace_nwb.interfaces.policies import check_allowed, parse_policies
from tests.fixtures.recordings import START, draw_frames, write_base, write_device

STAMPS = 10 + 50 * np.arange(6)


def read(folder):
    recording = read_recording(folder)
    check_allowed(recording.irregularities)
    return recording


def test_a_start_time_at_the_top_of_the_metadata_is_read(tiny):
    (tiny.folder / "metaData.json").write_text(json.dumps({"miniscopes": ["My Scope"]} | START))
    assert read(tiny.folder).start_time.isoformat() == "2025-06-12T15:26:31.176000-04:00"


def test_stamps_and_orientation_without_a_header_and_with_tabs_are_read(tiny):
    rows = [f"{i}\t{stamp}\t0" for i, stamp in enumerate(tiny.stamps_ms)]
    (tiny.scope / "timeStamps.csv").write_text("\n".join([*rows, ""]))
    (tiny.scope / "headOrientation.csv").write_text("10\t1\t0\t0\t0\n60\t.6\t0\t0\t.8\n")
    scope = read(tiny.folder).scopes[0]
    assert np.array_equal(scope.times.raw_s, tiny.stamps_ms / 1000)
    assert scope.orientation.quaternions.tolist() == [[1, 0, 0, 0], [0.6, 0, 0, 0.8]]


def test_orientation_whose_header_lacks_the_time_is_read(tiny):
    text = "qw,qx,qy,qz\n10,1,0,0,0\n60,0.6,0,0,0.8\n"  # v0.11 to v0.14
    (tiny.scope / "headOrientation.csv").write_text(text)
    orientation = read(tiny.folder).scopes[0].orientation
    assert orientation.raw_s.tolist() == [0.01, 0.06]
    assert orientation.quaternions[1].tolist() == [0.6, 0, 0, 0.8]


def test_a_camera_with_the_settings_of_a_scope_keeps_its_own_name(tiny):
    write_base(tiny.folder, ["My Scope"], ["Cam"])
    write_device(tiny.folder / "Cam", draw_frames(6), STAMPS, device_type="WebCam")
    (tiny.folder / "Cam" / "metaData.json").write_text(
        json.dumps({"deviceName": "My Scope", "deviceType": "Miniscope_V4_BNO"})
    )
    (camera,) = read(tiny.folder).cameras
    assert (camera.folder.name, camera.folder.settings) == ("Cam", {})


@pytest.mark.parametrize("separator", [",", "\t"])
def test_the_first_note_of_a_file_without_a_header_is_kept(tiny, separator):
    (tiny.folder / "notes.csv").write_text(f"1000{separator}first\n2000{separator}b, then c\n")
    assert [note.text for note in read(tiny.folder).notes] == ["first", "b, then c"]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [("cp1252", "Müller: 5 µl"), ("cp932", "注射 5"), ("gb18030", "给药"), ("cp1251", "мышь")],
)
def test_notes_in_a_code_page_are_asked_about_and_then_exact(tiny, encoding, text):
    path = tiny.folder / "notes.csv"
    path.write_bytes(f"1000,ok\n2000,{text}\n".encode(encoding))
    with pytest.raises(MetadataError, match=rf"line 2 is not UTF-8.*{encoding}: '2000,{text}'"):
        read(tiny.folder)
    stated = parse_policies([f"text_encoding={encoding}"])
    notes = read_notes(path, device_names=set(), policies=stated)
    assert notes[1].text == text


def test_a_stated_code_page_never_replaces_utf8(tiny):
    path = tiny.folder / "notes.csv"
    path.write_bytes("1000,5 µl\n".encode())
    stated = parse_policies(["text_encoding=cp1252"])
    assert read_notes(path, device_names=set(), policies=stated)[0].text == "5 µl"


def test_a_stated_code_page_that_cannot_be_right_is_refused(tiny):
    path = tiny.folder / "notes.csv"
    path.write_bytes(b"1000,\x81\n")
    stated = parse_policies(["text_encoding=cp1252"])
    with pytest.raises(MetadataError, match="neither UTF-8 nor cp1252"):
        read_notes(path, device_names=set(), policies=stated)
