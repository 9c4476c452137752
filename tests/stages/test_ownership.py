"""What somebody else wrote is there after any stage, and what we wrote is found beside it."""

import h5py
import numpy as np
import pynwb
import pytest

import ace_nwb.stages.evaluate as evaluate
import ace_nwb.stages.extract as extract
from ace_nwb import pipeline
from ace_nwb.archive.layout import check_layout, upgrade
from ace_nwb.cli import run
from ace_nwb.errors import SessionFileError, StageError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.imaging import read_field
from ace_nwb.nwb.content.rois import read_segmentation
from ace_nwb.nwb.session import open_session
from ace_nwb.stages.running.replacement import Replacement
from tests.fixtures.foreign_results import (
    N_FOREIGN_ROIS,
    add_place_cells,
    add_rois,
    add_score,
    add_traces,
    add_with_pynwb,
    checksums,
    copy_results,
)
from tests.fixtures.session_files import make_segmentation

BESIDE = "/processing/ophys/ImageSegmentation_ace"
KEPT = "/processing/ophys/ImageSegmentation_superseded"


@pytest.fixture(autouse=True)
def planted_rois(monkeypatch):
    """Extraction finds three ROIs at once: whose they are does not depend on what they are."""

    def compute(session, params, context):
        return make_segmentation(read_field(session).shape)

    monkeypatch.setattr(extract, "compute", compute)


@pytest.fixture
def path(recorded):
    return recorded.path


def run_stages(path, *stages, **changes):
    told = []
    for stage in stages:
        pipeline.process(
            path,
            stage,
            {"window_s": 2.0} if stage == "dff" else {},
            force=True,
            replacement=Replacement(**changes),
            tell=told.append,
        )
    return told


def check_valid(path):
    assert pynwb.validate(path=str(path)) == []
    with open_session(path) as session:
        assert [f for f in check_layout(session) if f.severity == "ERROR"] == []


def test_results_of_another_program_stay_and_ours_stand_beside_them(path):
    add_with_pynwb(path, add_rois, add_place_cells)
    before = checksums(path)
    told = run_stages(path, "extract", "dff")
    run_stages(path, "extract", "dff")
    assert before.items() <= checksums(path).items()
    assert f"ours stands in {BESIDE}" in " ".join(told)
    with open_session(path) as session:
        assert read_segmentation(session).n_rois == 3
        assert session.get(layout.DFF_TRACES).data.shape[1] == 3
        assert len(session.h5[f"{layout.PLANE_SEGMENTATION}/id"]) == N_FOREIGN_ROIS
        assert session.node(layout.PLANE_SEGMENTATION).name == f"{BESIDE}/PlaneSegmentation"
    assert pipeline.status(path)[4].state == "done"
    check_valid(path)


def test_the_place_of_a_foreign_result_is_taken_when_somebody_says_so(path):
    add_with_pynwb(path, add_rois, add_place_cells)
    lab = "/processing/lab_analysis/PlaceCells"
    with h5py.File(path) as file:
        table = file[f"{lab}/roi"].attrs["table"]
        masks = file[file[table].name + "/image_mask"][:]
    told = " ".join(run_stages(path, "extract", replace_foreign=True))
    assert "/processing/ophys/Fluorescence was not written by us and is removed" in told
    assert f"kept as {KEPT}" in told
    with h5py.File(path) as file:
        assert len(file[f"{layout.RAW_TRACES}/rois"]) == 3
        table = file[file[f"{lab}/roi"].attrs["table"]]
        assert table.name == f"{KEPT}/PlaneSegmentation"
        np.testing.assert_array_equal(table["image_mask"][:], masks)
    check_valid(path)


@pytest.mark.parametrize("add", [add_place_cells, add_score, add_traces], ids=lambda a: a.__name__)
def test_what_a_lab_made_of_our_rois_outlives_them(path, add):
    run_stages(path, "extract", "dff")
    known = set(checksums(path))
    add_with_pynwb(path, add)
    theirs = {key: value for key, value in checksums(path).items() if key not in known}
    told = run_stages(path, "extract")
    assert theirs.items() <= checksums(path).items()
    assert f"is kept as {KEPT}" in told[0] or "Fluorescence_superseded" in " ".join(told)
    run_stages(path, "extract")
    with h5py.File(path) as file:
        assert not [name for name in file["processing/ophys"] if name.endswith("superseded2")]
    states = {status.stage: status.state for status in pipeline.status(path)}
    assert (states["extract"], states["dff"]) == ("done", "missing")
    check_valid(path)


def test_a_container_that_a_lab_links_to_is_kept_when_all_in_it_goes(path):
    run_stages(path, "extract", "dff")
    add_with_pynwb(path, add_place_cells)
    with h5py.File(path, "r+") as file:
        file["processing/lab_analysis/OurDfOverF"] = h5py.SoftLink("/processing/ophys/DfOverF")
        former = file["processing/ophys/DfOverF"].attrs["object_id"]
    run_stages(path, "extract", "dff")
    with h5py.File(path) as file:
        linked = file["processing/lab_analysis/OurDfOverF"]
        assert linked.attrs["object_id"] == former
        assert len(linked["RoiResponseSeries/data"])
        assert file["processing/ophys/DfOverF"].attrs["object_id"] != former
    check_valid(path)


def test_a_copy_that_a_lab_made_of_our_results_is_the_labs(path):
    run_stages(path, "extract", "dff")
    with h5py.File(path, "r+") as file:
        copy_results(file, file["processing/ophys"], "Backup")
    run_stages(path, "extract")
    with h5py.File(path) as file:
        assert "processing/ophys/Backup/RoiResponseSeries" in file
        table = file[file["processing/ophys/Backup/RoiResponseSeries/rois"].attrs["table"]]
        assert table.name == f"{KEPT}/PlaneSegmentation"


def test_a_foreign_table_with_columns_of_our_names_hinders_no_plan(path):
    def add_quality(nwbfile):
        add_rois(nwbfile)
        table = nwbfile.processing["ophys"]["ImageSegmentation"]["PlaneSegmentation"]
        table.add_column("snr", "By another program.", data=[1.0] * len(table))

    add_with_pynwb(path, add_quality)  # as NeuroConv writes what CaImAn found
    before = checksums(path)
    told: list[str] = []
    pipeline.run(path, pipeline.Plan(("extract", "evaluate")), tell=told.append)
    assert before.items() <= checksums(path).items()
    assert "snr" not in " ".join(told)
    with h5py.File(path) as file:
        assert "snr" in file[f"{BESIDE}/PlaneSegmentation"]


def test_a_column_of_a_lab_under_the_name_of_ours_is_refused_before_the_work(path, monkeypatch):
    def add(nwbfile):
        table = nwbfile.processing["ophys"]["ImageSegmentation"]["PlaneSegmentation"]
        table.add_column("snr", "Of the lab.", data=[1.0] * len(table))

    run_stages(path, "extract")
    add_with_pynwb(path, add)
    before = path.read_bytes()
    monkeypatch.setattr(evaluate, "compute", lambda *_: pytest.fail("it was computed"))
    with pytest.raises(StageError, match=r"PlaneSegmentation/snr.*--replace-foreign"):
        run_stages(path, "evaluate")
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["ace", "superseded2", "extracted"])
def test_results_are_not_kept_under_names_of_our_own(path, name):
    run_stages(path, "extract")
    with pytest.raises(SessionFileError, match="Choose another name"):
        run_stages(path, "extract", keep_as=name)


def test_results_of_an_older_version_are_ours_but_for_what_a_lab_added(path):
    run_stages(path, "extract", "dff")
    with h5py.File(path, "r+") as file:
        del file[layout.STAGE_OUTPUTS]
        file["general/was_generated_by"][-1] = ("ace_nwb layout", "3")
    older = path.read_bytes()
    run_stages(path, "extract")
    with h5py.File(path) as file:
        assert "DfOverF" not in file["processing/ophys"]
        assert "ImageSegmentation_superseded" not in file["processing/ophys"]
    path.write_bytes(older)
    add_with_pynwb(path, add_score)
    assert 4 in upgrade(path)
    with open_session(path) as session:
        assert session.is_own(f"{layout.PLANE_SEGMENTATION}/image_mask")
        assert not session.is_own(f"{layout.PLANE_SEGMENTATION}/lab_score")
    run_stages(path, "extract")
    with h5py.File(path) as file:
        assert f"{KEPT}/PlaneSegmentation/lab_score" in file


def test_rois_of_another_program_are_taken_over_from_the_file_itself(path):
    add_with_pynwb(path, add_rois)
    before = checksums(path)
    assert run(["adopt", str(path), str(path)]) == 0
    assert before.items() <= checksums(path).items()
    with open_session(path) as session:
        assert read_segmentation(session).n_rois == N_FOREIGN_ROIS
        assert session.node(layout.PLANE_SEGMENTATION).name == f"{BESIDE}/PlaneSegmentation"
    assert {s.stage: s.state for s in pipeline.status(path)}["extract"] == "done"


def test_status_lists_what_stages_could_use_or_stand_beside(path, capsys):
    add_with_pynwb(path, add_rois)
    found = {one.path: one.remark for one in pipeline.overview(path)[1]}
    assert "adopt" in found[layout.PLANE_SEGMENTATION]
    assert f"ours will be {BESIDE}" in found[layout.IMAGE_SEGMENTATION]
    assert "what dff writes" in found[layout.DF_OVER_F]
    assert run(["status", str(path)]) == 0
    assert "written by others" in capsys.readouterr().out
