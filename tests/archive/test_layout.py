"""The published layout is what our files follow; deviations are named, older files brought up."""

import re

import h5py
import jsonschema
import numpy as np
import pytest

from ace_nwb.archive.layout import check_layout, upgrade
from ace_nwb.cli import run
from ace_nwb.errors import SessionFileError
from ace_nwb.nwb.contents import layout_schema, list_contents, read_version
from ace_nwb.nwb.layout import LAYOUT_VERSION
from ace_nwb.nwb.results import PLACES
from ace_nwb.nwb.session import edit_session, open_session
from ace_nwb.stages.table import STAGES
from tests.fixtures.changes import as_ours

ROOM = re.compile(r"/processing/\w+|.*/HeadYaw|/events/StimLine")


def found(path):
    with open_session(path) as session:
        return [(f.severity, f.location, f.message) for f in check_layout(session)]


def test_every_object_of_a_session_has_its_place_and_follows_the_schema(session):
    with open_session(session) as opened:
        contents = list_contents(opened)
    jsonschema.validate(contents, layout_schema())
    known = [re.compile(place.pattern) for place in PLACES]
    strays = [path for path in contents["objects"] if not any(p.match(path) for p in known)]
    assert [path for path in strays if not ROOM.fullmatch(path)] == []
    assert found(session) == []


def test_every_result_on_request_has_its_place_too(related):
    with open_session(related.path) as opened:
        objects = list_contents(opened)["objects"]
        assert [one for one in check_layout(opened) if one.severity == "ERROR"] == []
    known = [re.compile(place.pattern) for place in PLACES]
    strays = [path for path in objects if not any(place.match(path) for place in known)]
    assert [path for path in strays if not ROOM.fullmatch(path)] == []


def test_every_stage_writes_something():
    assert all(stage.produces for stage in STAGES.values())
    assert {place.stage for place in PLACES} <= {"", *STAGES}


def test_what_deviates_is_named_with_its_place(session_copy):
    with h5py.File(session_copy, "r+") as file:
        shifts = file["/processing/ophys/MotionShifts/data"]
        shifts.attrs["unit"] = "px"
        runs = file["/processing/misc/stage_runs"]
        columns = [name for name in runs.attrs["colnames"] if name != "fingerprint"]
        del runs.attrs["colnames"]
        runs.attrs["colnames"] = np.array(columns, dtype=h5py.string_dtype())
        del file["/processing/ophys/MotionQuality/data"]
        file["/processing/ophys/MotionQuality/data"] = np.zeros((5, 2), np.float32)
        file["/processing/ophys/MotionQuality/data"].attrs["unit"] = "n.a."
    problems = {location: message for _, location, message in found(session_copy)}
    assert "'pixels' was expected" in problems["/processing/ophys/MotionShifts"]
    assert "n_axes: 1 was expected" in problems["/processing/ophys/MotionQuality"]
    assert "columns" in problems["/processing/misc/stage_runs"]
    assert len(problems) == 3


def test_results_kept_under_a_name_follow_the_layout_too(session_copy):
    @as_ours
    def keep(writer):
        writer.keep_as(["/processing/ophys/MotionShifts"], "first")
        writer.h5["/processing/ophys/MotionShifts_first/data"].attrs["unit"] = "px"

    with edit_session(session_copy) as writer:
        keep(writer)
    ((_, location, _),) = found(session_copy)
    assert location == "/processing/ophys/MotionShifts_first"


def test_an_older_file_is_brought_up_and_a_newer_or_foreign_one_is_left_alone(session_copy, capsys):
    with h5py.File(session_copy, "r+") as file:
        rows = file["/general/was_generated_by"].asstr()[:].tolist()
        del file["/general/was_generated_by"]
        file["/general/was_generated_by"] = [row for row in rows if "layout" not in row[0]]
    ((severity, _, message),) = found(session_copy)
    assert (severity, "ace-nwb upgrade" in message) == ("BEST_PRACTICE_SUGGESTION", True)
    assert run(["upgrade", str(session_copy)]) == 0
    assert f"now layout {LAYOUT_VERSION}" in capsys.readouterr().out
    assert found(session_copy) == []
    assert upgrade(session_copy) == []
    with open_session(session_copy) as session:
        assert read_version(session) == LAYOUT_VERSION

    with edit_session(session_copy) as writer:
        writer.set_value("/general/was_generated_by", [["ace_nwb layout", "99"]])
    assert "newer" in found(session_copy)[0][2]
    with pytest.raises(SessionFileError, match="layout 99"):
        upgrade(session_copy)
    with edit_session(session_copy) as writer:
        writer.remove(["/processing/misc/stage_runs"])
        writer.set_value("/general/was_generated_by", [["other program", "1"]])
    assert found(session_copy) == []


def test_tables_of_rois_of_an_older_file_lose_what_led_back_to_the_movie(session_copy):
    table = "/processing/ophys/ImageSegmentation/PlaneSegmentation"
    with h5py.File(session_copy, "r+") as file:
        links = file[table].require_group("reference_images")
        links["OnePhotonSeries"] = h5py.SoftLink("/acquisition/OnePhotonSeries")
        before = file[f"{table}/image_mask"][:]
        rows = file["/general/was_generated_by"].asstr()[:].tolist()
        del file["/general/was_generated_by"]
        old = [[name, "2" if "layout" in name else value] for name, value in rows]
        file["/general/was_generated_by"] = old
    assert upgrade(session_copy) == [3, 4]
    with h5py.File(session_copy) as file:
        assert "OnePhotonSeries" not in file[table].get("reference_images", {})
        assert np.array_equal(file[f"{table}/image_mask"][:], before)
        names = [name for name, _ in file["/general/was_generated_by"].asstr()[:]]
    assert names.count("ace_nwb layout") == 1
    assert found(session_copy) == []
