"""Results of other programs come into a session with place, times, names and history."""

import h5py
import numpy as np
import pynwb
import pytest

from ace_nwb import pipeline
from ace_nwb.adopt import Placement, adopt, read_results
from ace_nwb.adopt.caiman_file import write
from ace_nwb.cli import run
from ace_nwb.errors import FormatError, InputError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.roi_series import read_roi_table
from ace_nwb.nwb.content.rois import read_segmentation
from ace_nwb.nwb.history import read_runs
from ace_nwb.nwb.session import open_session
from tests.adopt.foreign_files import draw_known, write_caiman, write_minian
from tests.fixtures.session_files import N_COLUMNS, N_FRAMES, N_ROWS

FIELD = (N_ROWS, N_COLUMNS)
CLOSE = {"rtol": 2e-6, "atol": 1e-6}


@pytest.fixture
def known():
    return draw_known(FIELD, N_FRAMES)


@pytest.fixture
def adopted(recorded, known, tmp_path):
    adopt(recorded.path, read_results(write_caiman(tmp_path / "estimates.hdf5", known)))
    return recorded


def test_footprints_and_traces_of_caiman_come_under_the_right_names(adopted, known):
    with open_session(adopted.path) as session:
        found = read_segmentation(session)
        times = session.get(layout.DENOISED_TRACES).timestamps
        np.testing.assert_array_equal(times[:], adopted.frame_times_s)
    np.testing.assert_allclose(found.image_masks(), known.footprints, **CLOSE)
    np.testing.assert_allclose(found.denoised, known.denoised, **CLOSE)
    np.testing.assert_allclose(found.deconvolved, known.deconvolved, **CLOSE)
    np.testing.assert_allclose(found.raw, known.denoised + known.residual, **CLOSE)


def test_ring_background_turns_with_the_pixels(adopted, known):
    with open_session(adopted.path) as session:
        ring = read_segmentation(session).background
    assert ring.downsampling == 2
    np.testing.assert_allclose(ring.baseline, known.level, **CLOSE)
    np.testing.assert_allclose(ring.weights.toarray(), known.weights, **CLOSE)


def test_quality_and_acceptance_are_kept(adopted, known):
    with open_session(adopted.path) as session:
        table = read_roi_table(session)
    np.testing.assert_allclose(table["snr"], known.snr)
    np.testing.assert_array_equal(table["accepted"], known.accepted)


def test_history_keeps_the_settings_but_no_paths(adopted):
    with open_session(adopted.path) as session:
        runs = {entry.stage: entry for entry in read_runs(session)}
    assert runs["adopt"].engine == "CaImAn 1.9.99"
    theirs = {p.name: (p.value, p.source) for p in runs["adopt"].parameters}
    assert theirs["init.gSig"] == ("[3, 3]", "imported")
    assert theirs["merging.merge_thr"] == ("7.0", "imported")
    assert not [name for name in theirs if "fname" in name]
    ours = {p.name: p.value for p in runs["extract"].parameters}
    assert ours == {"engine": "imported", "min_correlation": "0.85"}


def test_imported_rois_stay_current_whatever_runs_before_them(adopted):
    states = {s.stage: s.state for s in pipeline.status(adopted.path)}
    assert states["extract"] == states["evaluate"] == "done"
    outcome = pipeline.process(adopted.path, "preprocess", {"detrend": "none"})
    assert outcome.action == "ran"
    states = {s.stage: s.state for s in pipeline.status(adopted.path)}
    assert states["extract"] == states["evaluate"] == "done"
    plan = pipeline.Plan(("extract", "evaluate"))
    assert {o.action for o in pipeline.run(adopted.path, plan)} == {"already done"}


def test_later_stages_run_on_imported_rois_and_the_file_is_valid(adopted):
    plan = pipeline.read_plan(settings=["dff.window_s=1"])
    chosen = pipeline.Plan(("dff", "deconvolve", "events"), plan.choices)
    assert [o.action for o in pipeline.run(adopted.path, chosen)] == ["ran"] * 3
    assert pynwb.validate(path=str(adopted.path)) == []


@pytest.mark.parametrize("is_unit", [True, False])
def test_round_trip_keeps_footprints_and_traces(recorded, tmp_path, is_unit):
    known = draw_known(FIELD, N_FRAMES, is_unit=is_unit)
    first = write_caiman(tmp_path / "estimates.hdf5", known)
    adopt(recorded.path, read_results(first))
    with open_session(recorded.path) as session:
        write(session, tmp_path / "again.hdf5")
    one, two = read_results(first), read_results(tmp_path / "again.hdf5")
    np.testing.assert_allclose(two.footprints.toarray(), one.footprints.toarray(), **CLOSE)
    for name in ("denoised", "deconvolved"):
        np.testing.assert_allclose(getattr(two, name), getattr(one, name), **CLOSE)
    np.testing.assert_allclose(two.residual, one.residual, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(two.ring.weights.toarray(), one.ring.weights.toarray(), **CLOSE)
    np.testing.assert_array_equal(two.accepted, one.accepted)
    np.testing.assert_allclose(two.snr, one.snr)


def test_folder_of_minian_is_read(recorded, known, tmp_path):
    adopt(recorded.path, read_results(write_minian(tmp_path / "minian", known)))
    with open_session(recorded.path) as session:
        found, table = read_segmentation(session), read_roi_table(session)
    np.testing.assert_allclose(found.image_masks(), known.footprints, **CLOSE)
    np.testing.assert_allclose(found.denoised, known.denoised, **CLOSE)
    np.testing.assert_allclose(found.raw, known.denoised, **CLOSE)
    np.testing.assert_array_equal(table["source_id"], [1, 4, 7, 10])
    assert table["accepted"].all()
    expected = known.footprints.reshape(4, -1) @ known.level.ravel()
    np.testing.assert_allclose(found.baseline[0], expected, rtol=1e-5)


def test_units_that_people_discarded_in_minian_are_not_accepted(recorded, known, tmp_path):
    folder = write_minian(tmp_path / "minian", known, labels=[0, -1, 2, 2])
    adopt(recorded.path, read_results(folder))
    with open_session(recorded.path) as session:
        assert read_roi_table(session)["accepted"].tolist() == [True, False, True, True]
    states = {s.stage: s.state for s in pipeline.status(recorded.path)}
    assert states["evaluate"] == "done"


def test_rois_of_any_nwb_file_are_read(adopted, recorded_template, known, tmp_path):
    other = tmp_path / "other.nwb"
    other.write_bytes(recorded_template.path.read_bytes())
    adopt(other, read_results(adopted.path))
    with open_session(other) as session:
        found = read_segmentation(session)
        table = read_roi_table(session)
    np.testing.assert_allclose(found.image_masks(), known.footprints, **CLOSE)
    np.testing.assert_allclose(found.denoised, known.denoised, **CLOSE)
    np.testing.assert_array_equal(table["accepted"], known.accepted)


def test_crop_of_the_predecessor_is_undone(recorded, tmp_path):
    known = draw_known((8, 10), N_FRAMES)
    path = write_caiman(tmp_path / "estimates.hdf5", known)
    # rows 4..12 from the top of 14 are y = 2..10 from the bottom
    adopt(recorded.path, read_results(path), placement=Placement(legacy_box=(5, 10, 15, 2)))
    with h5py.File(recorded.path) as h5:
        masks = h5[f"{layout.PLANE_SEGMENTATION}/image_mask"][:].swapaxes(1, 2)
    np.testing.assert_allclose(masks[:, 4:12, 5:15], known.footprints, **CLOSE)
    assert masks.sum() == pytest.approx(known.footprints.sum(), rel=1e-5)


def test_box_comes_from_the_line_of_the_spreadsheet(recorded, tmp_path, capsys):
    path = write_caiman(tmp_path / "estimates.hdf5", draw_known((8, 10), N_FRAMES))
    table = tmp_path / "analysis_parameters.csv"
    table.write_text('line number,crop\n012,"(5,10, 15,2)"\n')
    command = ["adopt", str(recorded.path), str(path)]
    assert run([*command, "--spreadsheet", str(table), "13"]) == 1
    assert "no line number 13" in capsys.readouterr().err
    assert run([*command, "--spreadsheet", str(table), "12"]) == 0
    assert "4 ROIs of CaImAn" in capsys.readouterr().out


def test_part_of_the_frames_gets_its_own_times(recorded, tmp_path):
    path = write_caiman(tmp_path / "estimates.hdf5", draw_known(FIELD, 20))
    adopt(recorded.path, read_results(path), placement=Placement(first_frame=10, frame_step=2))
    with open_session(recorded.path) as session:
        found = read_segmentation(session)
    seen = np.flatnonzero(np.isfinite(found.denoised[:, 0]))
    np.testing.assert_array_equal(seen, 10 + 2 * np.arange(20))


@pytest.mark.parametrize(
    ("field_shape", "n_frames", "message"),
    [
        (FIELD, N_FRAMES - 1, "59 frames, the recording 60"),
        (FIELD, N_FRAMES + 1, "the recording has 60"),
        ((8, 10), N_FRAMES, "state --crop"),
        ((20, 30), N_FRAMES, "the recording has 14 x 20"),
    ],
)
def test_results_of_another_recording_are_refused_and_nothing_changes(
    recorded, tmp_path, field_shape, n_frames, message
):
    path = write_caiman(tmp_path / "estimates.hdf5", draw_known(field_shape, n_frames))
    before = recorded.path.read_bytes()
    with pytest.raises(InputError, match=message):
        adopt(recorded.path, read_results(path))
    assert recorded.path.read_bytes() == before


def test_unknown_files_are_refused(tmp_path):
    with pytest.raises(FormatError, match="does not exist"):
        read_results(tmp_path / "absent.hdf5")
    (tmp_path / "text.txt").write_text("x")
    with pytest.raises(FormatError, match="no results that are known"):
        read_results(tmp_path / "text.txt")
