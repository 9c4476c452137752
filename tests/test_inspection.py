import json
import re
import subprocess
import sys

import numpy as np
import pytest

from ace_nwb.errors import FormatError
from ace_nwb.inspection import inspect_folder
from tests.fixtures.neuralynx_files import draw_samples, write_ncs
from tests.fixtures.recordings import (
    METADATA,
    cut_file,
    draw_frames,
    write_base,
    write_device,
    write_timestamps,
)


@pytest.fixture(scope="module")
def toy(toy_source):
    return inspect_folder(toy_source.metadata_path.parent)


def test_both_recordings_below_a_parent_are_recognised(toy, toy_source):
    found = {r.candidate.format_name: r.candidate.folder_path for r in toy.recordings}
    assert found == {
        "miniscope-daq": toy_source.miniscope_folder,
        "neuralynx": toy_source.ephys_folder,
    }


def test_folders_given_apart_are_inspected_together(toy_source):
    inspection = inspect_folder(toy_source.miniscope_folder, toy_source.ephys_folder)
    assert [r.modality for r in inspection.recordings] == ["imaging", "ephys"]


def test_devices_codecs_counts_rates_and_drops_are_measured(toy, toy_source):
    movies = {movie.device: movie for movie in toy.recordings[0].summary.movies}
    scope, camera = movies["My V4 Miniscope"], movies["BehavCam 1"]
    assert (scope.kind, scope.codec, scope.device_type) == ("scope", "ffv1", "Miniscope_V4_BNO")
    assert (scope.n_frames, scope.n_timestamps, scope.n_files) == (397, 397, 13)
    assert scope.counted_by == "packets"
    assert (scope.n_rows, scope.n_columns) == (80, 96)
    assert scope.n_dropped == len(toy_source.truth.dropped_frames)
    assert scope.frame_rate_hz == pytest.approx(20, rel=0.05)
    assert scope.has_head_orientation
    assert scope.settings["ewl"] == "-12"
    assert (camera.kind, camera.codec, camera.n_dropped) == ("camera", "mjpeg", None)


def test_channels_and_lines_are_measured(toy):
    summary = toy.recordings[1].summary
    assert [channel.name for channel in summary.channels] == ["CSC1", "CSC2", "EMG1"]
    assert summary.channels[0].gaps_s == pytest.approx([0.75], abs=1e-3)
    lines = {line.name: line for line in summary.lines}
    assert lines["TTLBoard0Port0Bit0"].edge_rate_hz == pytest.approx(20, rel=0.01)


def test_start_time_is_given_with_its_zone(toy):
    assert toy.recordings[0].summary.start_time.isoformat() == "2025-06-12T15:26:31.176000-04:00"


def test_the_repair_of_the_first_stamp_is_announced(toy):
    assert any("935703178 ms) cannot be true; convert will take" in text for text in toy.problems)


def test_what_is_missing_for_dandi_is_listed_until_it_is_given(toy, toy_source):
    assert "Subject.species" in toy.missing
    assert "Ophys.ImagingPlane.indicator" in toy.missing
    assert "Subject.subject_id" not in toy.missing  # the folder names the animal
    complete = inspect_folder(toy_source.metadata_path.parent, metadata=toy_source.metadata_path)
    assert complete.missing == ()


def test_a_start_that_no_source_says_with_its_zone_is_missing(tmp_path):
    write_ncs(tmp_path / "CSC1.ncs", draw_samples(600), TimeCreated="2025/06/12 15:26:23")
    inspection = inspect_folder(tmp_path, metadata=METADATA)
    assert inspection.missing == ("NWBFile.session_start_time",)
    assert re.search(r"REQUIRED.*\n  session_start_time:\n", inspection.to_template())


def test_frames_can_be_counted_by_decoding(tiny):
    (recording,) = inspect_folder(tiny.folder, decode=True).recordings
    assert recording.summary.movies[0].counted_by == "decoding"
    assert recording.summary.movies[0].n_frames == 57


def test_json_is_plain_and_complete(toy):
    content = json.loads(json.dumps(toy.to_json()))
    imaging, ephys = content["recordings"]
    assert imaging["format"] == "miniscope-daq"
    assert imaging["movies"][1]["n_frames"] == 397
    assert imaging["start_time"] == "2025-06-12T15:26:31.176000-04:00"
    assert imaging["evidence"][0]["finding"] == "metaData.json with recordingStartTime"
    assert ephys["lines"][0]["name"] == "TTLBoard0Port0Bit0"
    assert content["missing_metadata"] == list(toy.missing)


def test_text_names_everything_a_reader_looks_for(toy):
    text = toy.to_text()
    for words in (
        "UCLA Miniscope (Miniscope-DAQ-QT)",
        "metaData.json with recordingStartTime",
        "scope My V4 Miniscope (Miniscope_V4_BNO): 13 ffv1 files, 96 x 80 pixels",
        "397 frames (counted by packets), 397 time stamps, 3 lost",
        "started 2025-06-12T15:26:31.176-04:00",
        "CSC1:",
        "1 gap(s): 0.750 s",
        "TTLBoard0Port0Bit0",
        "Subject.species",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda tiny: cut_file(tiny.scope / "4.avi", 0.7), "4.avi is cut off"),
        (lambda tiny: write_timestamps(tiny.scope, np.arange(50) * 50), "50 rows, fewer"),
        (lambda tiny: (tiny.scope / "timeStamps.csv").unlink(), "does not exist"),
        (lambda tiny: (tiny.scope / "timeStamps.csv").write_text("a,b\n"), "Time Stamp (ms)"),
        (lambda tiny: [p.unlink() for p in tiny.scope.glob("*.avi")], "holds no movie"),
        (lambda tiny: (tiny.folder / "metaData.json").write_text("{"), "is not readable JSON"),
        (lambda tiny: write_base(tiny.folder, ["My Scope"], ["Cam"]), "'Cam' is listed"),
    ],
)
def test_what_is_wrong_is_said_and_not_raised(tiny, damage, words):
    damage(tiny)
    inspection = inspect_folder(tiny.folder)
    assert any(words in problem for problem in inspection.problems), inspection.problems
    assert words in inspection.to_text()


@pytest.mark.parametrize(
    ("created", "is_far"), [("2025/06/12 15:26:23", False), ("2025/06/13 09:00:00", True)]
)
def test_recordings_of_different_days_are_questioned(tiny, tmp_path, created, is_far):
    (tmp_path / "ephys").mkdir()
    write_ncs(tmp_path / "ephys" / "CSC1.ncs", draw_samples(600), TimeCreated=created)
    inspection = inspect_folder(tiny.folder, tmp_path / "ephys")
    assert any("of the same session?" in problem for problem in inspection.problems) == is_far
    assert "no time zone recorded" in inspection.to_text()


def test_two_recordings_are_shown_with_what_convert_would_say(tiny):
    write_base(tiny.folder.parent / "16_00_00", ["S"])
    write_device(tiny.folder.parent / "16_00_00" / "S", draw_frames(3), 10 + 50 * np.arange(3))
    inspection = inspect_folder(tiny.folder.parent)
    assert len(inspection.recordings) == 2
    assert any("holds 2 imaging recordings" in problem for problem in inspection.problems)


def test_a_folder_of_something_else_is_said_to_be_unknown(tmp_path):
    inspection = inspect_folder(tmp_path)
    assert inspection.recordings == ()
    assert inspection.missing == ()
    told = inspection.to_text()
    assert "it is empty" in told
    assert "\n  neuralynx: files .ncs" in told


def test_an_absent_folder_is_an_error(tmp_path):
    with pytest.raises(FormatError, match="does not exist"):
        inspect_folder(tmp_path / "absent")


def test_metadata_are_taken_from_a_dictionary_too(tiny):
    assert inspect_folder(tiny.folder, metadata=METADATA).missing == ()


def test_inspecting_loads_neither_neuroconv_nor_pynwb(tiny):
    code = (
        "import sys; from ace_nwb.inspection import inspect_folder; "
        f"inspect_folder({str(tiny.folder)!r}).to_text(); "
        "print([m for m in ('neuroconv', 'pynwb', 'hdmf', 'neo') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
