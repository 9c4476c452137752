"""Running stages again on one file: what is replaced, kept, pruned, protected, reproduced."""

import h5py
import jsonschema
import numpy as np
import pynwb
import pytest
import yaml

from ace_nwb import pipeline
from ace_nwb.cli import run
from ace_nwb.conversion import convert
from ace_nwb.curation import Draft, decide
from ace_nwb.errors import CurationError, ParameterError, SessionFileError, StageError
from ace_nwb.nwb.history import read_runs
from ace_nwb.nwb.session import edit_session, open_session
from ace_nwb.schema import build_schema
from ace_nwb.stages.running.replacement import Replacement, later_stages
from ace_nwb.stages.table import STAGES

ROIS = "/processing/ophys/ImageSegmentation"


@pytest.fixture
def fresh(demo, tmp_path):
    """The demo's recording, converted and not processed."""
    recording = demo[1] / "recording"
    path = tmp_path / "fresh.nwb"
    convert(
        next((recording / "raw").rglob("15_26_31")),
        path,
        ephys_folder=next((recording / "ephys").iterdir()),
        metadata=recording / "meta.yaml",
    )
    return path


def states(path):
    return {status.stage: status.state for status in pipeline.status(path)}


def test_new_extraction_stands_beside_the_kept_one(session_copy):
    with h5py.File(session_copy) as file:
        before = file[f"{ROIS}/PlaneSegmentation/image_mask"][:]
    pipeline.process(
        session_copy,
        "extract",
        {"merge_correlation": 0.9},
        replacement=Replacement(keep_as="first"),
    )
    with h5py.File(session_copy) as file:
        np.testing.assert_array_equal(file[f"{ROIS}_first/PlaneSegmentation/image_mask"][:], before)
        assert f"{ROIS}/PlaneSegmentation/image_mask" in file
        kept_traces = file["/processing/ophys/DfOverF_first/RoiResponseSeries"]
        table = file[kept_traces["rois"].attrs["table"]]
        assert table.name == f"{ROIS}_first/PlaneSegmentation"
    assert states(session_copy)["extract"] == "done"
    assert states(session_copy)["dff"] == states(session_copy)["evaluate"] == "missing"
    assert pynwb.validate(path=str(session_copy)) == []


def test_prune_removes_what_has_become_stale(session_copy):
    pipeline.process(
        session_copy, "motion", {"max_shift_px": 15}, replacement=Replacement(prune=True)
    )
    after = states(session_copy)
    later = {stage.name for stage in later_stages(STAGES["motion"])}
    assert {after[name] for name in later} == {"missing", "not applicable", "on request"}
    assert after["sync"] == after["preprocess"] == after["motion"] == "done"
    with h5py.File(session_copy) as file:
        assert ROIS not in file
        assert "/processing/spectral" not in file
    assert pynwb.validate(path=str(session_copy)) == []


def test_decisions_about_rois_are_not_lost_without_a_word(session_copy):
    decide(session_copy, [Draft("accept", (0,), "Ann")])
    before = session_copy.read_bytes()
    with pytest.raises(StageError, match=r"1 ROIs .* carry decisions"):
        pipeline.process(session_copy, "extract", {"merge_correlation": 0.9})
    assert session_copy.read_bytes() == before
    pipeline.process(
        session_copy,
        "extract",
        {"merge_correlation": 0.9},
        replacement=Replacement(discard_curation=True),
    )
    assert states(session_copy)["extract"] == "done"


def test_a_name_under_which_nothing_can_be_kept_is_refused_before_the_work(
    session_copy, monkeypatch
):
    import ace_nwb.stages.motion as stage

    monkeypatch.setattr(stage, "compute", lambda *_: pytest.fail("it was computed"))
    with edit_session(session_copy) as writer:
        writer.h5["processing/ophys/MotionShifts_taken"] = h5py.SoftLink("/processing/ophys")
    for name in ("a/b", "", "taken"):
        with pytest.raises(SessionFileError, match="Choose another name"):
            pipeline.process(
                session_copy,
                "motion",
                {"max_shift_px": 3},
                replacement=Replacement(keep_as=name),
            )


def test_history_numbers_every_row_once(session_copy):
    pipeline.process(session_copy, "extract", {"merge_correlation": 0.9})
    with open_session(session_copy) as opened:
        numbers = [entry.run_id for entry in read_runs(opened)]
    assert numbers == list(range(len(numbers)))


@pytest.fixture(scope="module")
def curated(demo, tmp_path_factory):
    """The session after reviewers' decisions, one of them undone, and a run; and its pipeline."""
    path = tmp_path_factory.mktemp("curated") / "session.nwb"
    path.write_bytes((demo[1] / "session.nwb").read_bytes())
    with h5py.File(path) as file:
        columns, rows = np.nonzero(file[f"{ROIS}/PlaneSegmentation/image_mask"][2])
    middle = float(columns.mean())
    line = (float(rows.min()), middle, float(rows.max()), middle)
    merge, *_ = decide(
        path,
        [
            Draft("merge", (0, 1), "Ann"),
            Draft("split", (2,), "Ann", "two cells", line=line),
            Draft("accept", (3,), "Bob"),
        ],
    )
    decide(path, [Draft("undo", (), "Ann", undoes=merge.number), Draft("merge", (0, 3), "Bob")])
    pipeline.run(path)
    return path


def test_history_as_pipeline_gives_the_same_fingerprints_on_the_raw_recording(
    curated, fresh, tmp_path, capsys
):
    assert run(["history", str(curated), "--as-pipeline"]) == 0
    path = tmp_path / "pipeline.yaml"
    path.write_text(capsys.readouterr().out)
    content = yaml.safe_load(path.read_text())
    jsonschema.validate(content, build_schema("pipeline"))
    assert set(content["stages"]) == {s.name for s in STAGES.values() if not s.on_request}
    pipeline.run(fresh, pipeline.read_plan(path))
    assert run(["diff", str(curated), str(fresh)]) == 0
    assert "Same stages" in capsys.readouterr().out
    before = fresh.read_bytes()
    pipeline.run(fresh, pipeline.read_plan(path))
    assert fresh.read_bytes() == before, "decisions are taken over once"


def test_decisions_of_a_pipeline_are_refused_where_they_are_not_about_the_rois(
    curated, session_copy, tmp_path
):
    path = tmp_path / "pipeline.yaml"
    path.write_text(pipeline.history_as_pipeline(curated))
    decide(session_copy, [Draft("accept", (0,), "Cleo")])
    before = session_copy.read_bytes()
    with pytest.raises(CurationError, match="decisions of its own"):
        pipeline.run(session_copy, pipeline.read_plan(path))
    content = yaml.safe_load(path.read_text())
    content["decisions"]["rois_of"] = "others"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(CurationError, match="extraction others"):
        pipeline.run(session_copy, pipeline.read_plan(path))
    assert session_copy.read_bytes() == before


@pytest.mark.parametrize(
    "decisions",
    [
        [],
        {"rows": []},
        {"rois_of": "f", "rows": [{"action": "praise", "reviewer": "A", "decided_at": ""}]},
        {"rois_of": "f", "rows": [{"action": "accept"}]},
        {"rois_of": "f", "rows": [{"action": "accept", "reviewer": "A", "decided_at": "", "x": 1}]},
    ],
)
def test_decisions_that_cannot_be_read_are_refused(decisions, tmp_path):
    path = tmp_path / "pipeline.yaml"
    path.write_text(yaml.safe_dump({"stages": {}, "decisions": decisions}))
    with pytest.raises(ParameterError, match=r"decisions in .* cannot be read"):
        pipeline.read_plan(path)


def test_diff_names_the_parameter_and_what_follows_from_it(session, session_copy):
    pipeline.process(session_copy, "motion", {"max_shift_px": 15})
    found = {(d.stage, d.what): (d.first, d.second) for d in pipeline.diff(session, session_copy)}
    assert found["motion", "max_shift_px"] == ("20", "15")
    assert ("motion", "fingerprint") in found
    assert ("preprocess", "fingerprint") not in found


def test_failing_stage_leaves_the_file_as_it_was(session_copy, monkeypatch):
    import ace_nwb.stages.dff as stage

    def fail(_writer, _result):
        raise RuntimeError("disk on fire")

    monkeypatch.setattr(stage, "write", fail)
    before = session_copy.read_bytes()
    with pytest.raises(RuntimeError, match="disk on fire"):
        pipeline.process(session_copy, "dff", {"quantile": 20.0})
    assert session_copy.read_bytes() == before


def test_interrupted_run_goes_on_with_the_unfinished_stage(fresh, monkeypatch):
    import ace_nwb.stages.summary as stage

    def interrupt(*_arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(stage, "compute", interrupt)
        with pytest.raises(KeyboardInterrupt):
            pipeline.run(fresh)
    plan = pipeline.Plan(stages=("sync", "preprocess", "motion", "summary"))
    actions = {outcome.stage: outcome.action for outcome in pipeline.run(fresh, plan)}
    assert actions.pop("summary") == "ran"
    assert set(actions.values()) == {"already done"}


def test_stage_on_request_runs_when_named_and_is_kept_up_to_date_from_then_on(session_copy):
    assert states(session_copy)["bouts"] == "on request"
    assert "bouts" not in {outcome.stage for outcome in pipeline.run(session_copy)}
    plan = pipeline.read_plan(settings=["bouts.min_duration_s=0.5"])
    assert {o.stage: o.action for o in pipeline.run(session_copy, plan)}["bouts"] == "ran"
    assert {o.stage: o.action for o in pipeline.run(session_copy)}["bouts"] == "already done"


def test_processed_session_goes_to_zarr_and_back_without_a_difference(session, tmp_path, capsys):
    stored, back = tmp_path / "session.nwb.zarr", tmp_path / "back.nwb"
    assert run(["export", str(session), "--zarr", str(stored)]) == 0
    assert run(["import", str(stored), str(back)]) == 0
    assert run(["diff", str(session), str(back)]) == 0
    path = "/processing/ophys/DfOverF/RoiResponseSeries/data"
    with h5py.File(session) as first, h5py.File(back) as second:
        np.testing.assert_array_equal(first[path][:], second[path][:])
