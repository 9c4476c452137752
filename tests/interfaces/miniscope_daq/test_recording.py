import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from ace_nwb.errors import MetadataError, MovieError, TimestampError
from ace_nwb.interfaces.miniscope_daq.recording import read_recording as read_lenient
from ace_nwb.interfaces.policies import check_allowed
from tests.fixtures.recordings import (
    START,
    cut_file,
    draw_frames,
    write_base,
    write_device,
    write_timestamps,
)


def read_recording(folder):
    """Read, and raise what the default policies refuse."""
    recording = read_lenient(folder)
    check_allowed(recording.irregularities)
    return recording


def set_start(tiny, **fields) -> None:
    content = {"miniscopes": ["My Scope"], "recordingStartTime": START | fields}
    (tiny.folder / "metaData.json").write_text(json.dumps(content))


def test_start_time_has_the_offset_of_the_recorders_clock(tiny):
    start = read_recording(tiny.folder).start_time
    assert start.isoformat() == "2025-06-12T15:26:31.176000-04:00"
    assert start.timestamp() == 1749756391.176


@pytest.mark.parametrize("offset_h", [-9.5, 0, 5.75, 12.75])
def test_any_offset_in_quarter_hours_is_found_in_spite_of_lag(tiny, offset_h):
    local = datetime(2025, 6, 12, 15, 26, 31, 176000, UTC)
    epoch_ms = round((local.timestamp() - offset_h * 3600) * 1000)
    set_start(tiny, msecSinceEpoch=epoch_ms + 230)
    start = read_recording(tiny.folder).start_time
    assert start.utcoffset() == timedelta(hours=offset_h)
    assert start.replace(tzinfo=UTC) == local


@pytest.mark.parametrize("fields", [{"month": 13}, {"msec": "x"}, {"msecSinceEpoch": None}])
def test_an_impossible_start_time_is_refused(tiny, fields):
    set_start(tiny, **fields)
    with pytest.raises(MetadataError, match="recordingStartTime"):
        read_recording(tiny.folder)


def test_a_recording_without_start_time_says_nothing(tiny):
    (tiny.folder / "metaData.json").write_text(json.dumps({"miniscopes": ["My Scope"]}))
    assert read_recording(tiny.folder).start_time is None


@pytest.mark.parametrize(("n_rows", "words"), [(56, "56 rows, fewer"), (58, "58 rows, more")])
def test_other_counts_of_rows_than_frames_are_refused(tiny, n_rows, words):
    write_timestamps(tiny.scope, 10 + 50 * np.arange(n_rows))
    with pytest.raises(TimestampError, match=rf"{words} than the 57 frames in 0\.avi to 11\.avi"):
        read_recording(tiny.folder)


def test_a_cut_movie_is_refused_before_anything_is_decoded(tiny):
    cut_file(tiny.scope / "4.avi", 0.7)
    with pytest.raises(MovieError, match=r"4\.avi is cut off: \d of 5 frames"):
        read_recording(tiny.folder)


def test_several_scopes_and_cameras_are_read(tiny):
    write_base(tiny.folder, ["My Scope", "Second"], ["Cam"])
    stamps = 10 + 50 * np.arange(6)
    write_device(tiny.folder / "Second", draw_frames(6), stamps)
    write_device(tiny.folder / "Cam", draw_frames(6), stamps, device_type="WebCam")
    recording = read_recording(tiny.folder)
    assert [scope.folder.name for scope in recording.scopes] == ["My Scope", "Second"]
    assert [camera.n_frames for camera in recording.cameras] == [6]


def test_head_orientation_is_read_with_its_own_stamps(tiny):
    text = "Time Stamp (ms),qw,qx,qy,qz\n-99999,1,0,0,0\n90,0.6,0,0,0.8\n140,0,1,0,0\n190,0,0,1,0\n"
    (tiny.scope / "headOrientation.csv").write_text(text)
    orientation = read_recording(tiny.folder).scopes[0].orientation
    assert orientation.device_time_s == pytest.approx([0.04, 0.09, 0.14, 0.19])
    assert orientation.quaternions[1].tolist() == [0.6, 0, 0, 0.8]
    assert orientation.raw_s.tolist() == [-99.999, 0.09, 0.14, 0.19]
    assert orientation.repair.tolist() == ["junk_stamps", "", "", ""]


def test_head_orientation_that_runs_backwards_is_refused(tiny):
    text = "Time Stamp (ms),qw,qx,qy,qz\n" + "".join(f"{t},1,0,0,0\n" for t in (10, 60, 110, 20))
    (tiny.scope / "headOrientation.csv").write_text(text)
    with pytest.raises(TimestampError, match=r"headOrientation\.csv line 5: the time stamp 20 ms"):
        read_recording(tiny.folder)


def test_notes_are_split_at_the_first_comma_and_changes_are_told_from_notes(tiny):
    lines = ["1000,resting, then up", "2500,My_Scope,led0,30", "3000,My Scope,gain,High"]
    (tiny.folder / "notes.csv").write_text("\n".join(["Time Stamp (ms), Note", *lines, ""]))
    notes = read_recording(tiny.folder).notes
    assert [note.device_time_s for note in notes] == [1.0, 2.5, 3.0]
    assert notes[0].text == "resting, then up"
    assert notes[0].change is None
    assert notes[1].change == ("My_Scope", "led0", "30")
    assert notes[2].change == ("My Scope", "gain", "High")


def test_zeros_and_half_characters_of_damaged_files_are_left_out(tiny):
    (tiny.folder / "notes.csv").write_text("Time Stamp (ms), Note\n10,ea\0ts\n")
    settings = {"deviceType": "V4\0", "note": "\ud800x"}
    (tiny.scope / "metaData.json").write_text(json.dumps(settings))
    recording = read_recording(tiny.folder)
    assert recording.notes[0].text == "eats"
    assert recording.scopes[0].folder.settings == {"deviceType": "V4", "note": "?x"}


def test_a_note_without_a_time_is_refused(tiny):
    (tiny.folder / "notes.csv").write_text("Time Stamp (ms), Note\nsoon,eats\n")
    with pytest.raises(TimestampError, match=r"notes\.csv line 2 begins with 'soon'"):
        read_recording(tiny.folder)


@pytest.mark.parametrize(
    ("name", "content", "found", "expected"),
    [
        ("notes.csv", "Time Stamp (ms), Note\nsoon,eats\n", "line 2 begins", "in milliseconds"),
        ("My_Scope/0.avi", "junk", "0.avi (4 bytes) cannot be read as a movie", "A movie file was"),
    ],
)
def test_a_folder_with_a_full_stop_cuts_no_message(tiny, name, content, found, expected):
    folder = tiny.folder.rename(tiny.folder.parent / "Dr. Smith")
    name = name.replace("My_Scope", tiny.scope.name)
    (folder / name).write_text(content)
    (noted,) = [item for item in read_lenient(folder).irregularities if item.is_refused]
    assert found in noted.found
    assert str(folder) in noted.found
    assert expected in noted.expected
    assert noted.sentence.startswith(f"{noted.found}. {noted.expected}")
