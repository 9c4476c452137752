import json
import shutil

import numpy as np
import pytest

from ace_nwb.errors import FormatError, MetadataError, MovieError
from ace_nwb.interfaces.miniscope_daq.folder import find_recordings, list_movies, read_folder
from tests.fixtures.recordings import draw_frames, write_base, write_device, write_movie

STAMPS = 10 + 50 * np.arange(3)


def test_movies_are_ordered_by_number_not_by_name_or_age(tmp_path):
    for number in (10, 2, 0, 11, 1, 9, 3, 8, 4, 7, 5, 6):
        write_movie(tmp_path / f"{number}.avi", draw_frames(1))
    assert [path.stem for path in list_movies(tmp_path).present] == [
        str(number) for number in range(12)
    ]


def test_a_hole_in_the_numbers_is_seen(tmp_path):
    for number in (0, 1, 3):
        write_movie(tmp_path / f"{number}.avi", draw_frames(1))
    movies = list_movies(tmp_path)
    assert [path.name for path in movies.missing] == ["2.avi"]
    assert [path.name for path in movies.ordered] == ["0.avi", "1.avi", "2.avi", "3.avi"]


def test_the_same_number_twice_is_refused(tmp_path):
    for name in ("0.avi", "00.avi", "1.avi"):
        write_movie(tmp_path / name, draw_frames(1))
    with pytest.raises(MovieError, match="was expected once"):
        list_movies(tmp_path)


def test_a_device_without_movies_is_refused(tmp_path):
    with pytest.raises(MovieError, match="holds no movie"):
        list_movies(tmp_path)


def test_a_recording_is_found_at_any_depth(tiny):
    top = tiny.folder.parent.parent
    for folder in (top, tiny.folder.parent, tiny.folder):
        assert [found.folder_path for found in find_recordings(folder)] == [tiny.folder]


def test_a_device_folder_stands_for_itself_with_the_session_of_its_recording(tiny):
    assert [found.folder_path for found in find_recordings(tiny.scope)] == [tiny.scope]
    folder = read_folder(tiny.scope)
    assert folder.path == tiny.folder
    assert folder.metadata["animalName"] == "m1"
    assert [device.name for device in folder.devices] == ["My Scope"]


def test_a_lone_device_folder_is_a_recording(tiny, tmp_path):
    lone = tmp_path / "elsewhere" / "scope"
    shutil.copytree(tiny.scope, lone)
    assert [found.folder_path for found in find_recordings(lone.parent)] == [lone]
    assert read_folder(lone).metadata == {}


def test_cameras_are_told_from_scopes_by_the_lists_of_the_recording(tiny):
    write_device(tiny.folder / "Eye", draw_frames(3), STAMPS, device_type="Miniscope_V3")
    write_base(tiny.folder, ["My Scope"], ["Eye"])
    kinds = {device.path.name: device.kind for device in read_folder(tiny.folder).devices}
    assert kinds == {"My_Scope": "scope", "Eye": "camera"}


@pytest.mark.parametrize(
    ("device_type", "kind"),
    [
        ("WebCam-1080p", "camera"),
        ("MiniCAM", "camera"),
        ("Miniscope_V4_BNO", "scope"),
        ("", "scope"),
    ],
)
def test_without_lists_the_device_type_decides(tmp_path, device_type, kind):
    write_device(tmp_path / "x", draw_frames(3), STAMPS, device_type=device_type)
    assert read_folder(tmp_path / "x").devices[0].kind == kind


@pytest.mark.parametrize(
    "name", ["bad_frames", "originals", "Denoised", "saved_movies", "My_Scope_first_attempt"]
)
def test_copies_and_rejects_are_passed_over(tiny, name):
    write_device(tiny.folder / name, draw_frames(3), STAMPS)
    shutil.copytree(tiny.scope, tiny.scope / name)
    shutil.copytree(tiny.folder, tiny.folder.parent / name)
    assert [found.folder_path for found in find_recordings(tiny.folder.parent)] == [tiny.folder]
    assert [device.path for device in read_folder(tiny.folder).devices] == [tiny.scope]


def test_a_listed_scope_without_a_folder_is_refused(tiny):
    write_base(tiny.folder, ["My Scope", "Other Scope"])
    with pytest.raises(FormatError, match="lists the scope 'Other Scope', but there is no folder"):
        read_folder(tiny.folder)


def test_a_recording_without_any_device_is_refused(tmp_path):
    write_base(tmp_path / "empty", [])
    with pytest.raises(FormatError, match="there is no folder of it"):
        read_folder(tmp_path / "empty")


@pytest.mark.parametrize("text", ["{broken", "[1, 2]", "\udcff"])
def test_broken_json_is_refused_with_its_name(tiny, text):
    (tiny.folder / "metaData.json").write_text(text, encoding="utf-8", errors="surrogateescape")
    assert [found.folder_path for found in find_recordings(tiny.folder)] == [tiny.folder]
    with pytest.raises(MetadataError, match=r"metaData\.json"):
        read_folder(tiny.folder)


def test_evidence_names_what_was_seen(tiny):
    findings = [item.finding for item in find_recordings(tiny.folder)[0].evidence]
    assert "metaData.json with recordingStartTime" in findings
    assert 'My_Scope/timeStamps.csv with a column "Time Stamp (ms)"' in findings
    assert "My_Scope: 12 numbered movie files" in findings


def test_a_folder_of_plain_movies_is_no_miniscope_recording(tmp_path):
    write_movie(tmp_path / "0.avi", draw_frames(2))
    (tmp_path / "notes.json").write_text(json.dumps({}))
    assert find_recordings(tmp_path) == []
