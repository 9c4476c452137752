"""ROIs and traces of NWB files that other programs wrote, of any form, with and without a movie."""

import json

import h5py
import numpy as np
import pytest
from pynwb import NWBHDF5IO
from pynwb.ophys import DfOverF

from ace_nwb import pipeline
from ace_nwb.adopt import Selection, adopt, read_results
from ace_nwb.archive.validation import is_valid, validate
from ace_nwb.cli import run
from ace_nwb.errors import FormatError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.roi_series import read_roi_series, read_roi_table
from ace_nwb.nwb.content.rois import read_footprints
from ace_nwb.nwb.session import open_session
from tests.fixtures.traces_only import (
    FIELD,
    N_FRAMES,
    N_ROIS,
    TracesFile,
    dff_file,
    fluorescence_of,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "other.nwb"


def fluorescence_file(path, *, values=None, change=lambda _file, _table: None, **how):
    file = TracesFile()
    table = file.table(**how)
    file.traces(table, fluorescence_of(file.dff) if values is None else values)
    change(file, table)
    return file.write(path), file


def check(found, file, rois=range(N_ROIS)):
    rois = list(rois)
    np.testing.assert_allclose(found.denoised, fluorescence_of(file.dff)[:, rois])
    images = found.footprints.toarray().T.reshape(-1, *found.field_shape)
    np.testing.assert_allclose(images, file.footprints[rois], atol=1e-6)


@pytest.mark.parametrize("where", ["ophys", "brain_observatory_pipeline"])
def test_masks_and_traces_of_any_module_are_read(path, where):
    file = TracesFile()
    file.traces(file.table(where=where), fluorescence_of(file.dff), where=where)
    check(read_results(file.write(path)), file)


def test_traces_stored_the_wrong_way_round_are_turned(path):
    _, file = fluorescence_file(path)
    with h5py.File(path, "a") as h5:
        series = h5["/processing/ophys/Fluorescence/RoiResponseSeries"]
        about = dict(series["data"].attrs)
        del series["data"]
        series["data"] = fluorescence_of(file.dff).T
        series["data"].attrs.update(about)
    found = read_results(path)
    check(found, file)
    assert "(roi, frame)" in found.remarks[0]


@pytest.mark.parametrize("masks", ["pixel_mask", "voxel_mask"])
def test_lists_of_pixels_are_read_and_the_field_is_that_of_the_movie(path, masks):
    _, file = fluorescence_file(path, masks=masks)
    check(read_results(path, field_shape=FIELD), file)
    alone = read_results(path)
    assert alone.field_shape[0] <= FIELD[0]
    assert "how large the field is" in " ".join(alone.remarks)


@pytest.mark.parametrize(
    ("shift", "is_turned", "remark"),
    [(1, False, "counted from 1"), (0, True, "in place of NWB's (x, y)"), (9, False, None)],
)
def test_pixels_are_placed_by_what_the_file_shows_or_refused(path, shift, is_turned, remark):
    _, file = fluorescence_file(path, masks="pixel_mask")
    last = file.footprints.any(0)
    last_row, last_column = (np.flatnonzero(last.any(axis)).max() for axis in (1, 0))
    shape = (int(last_row) + 1, int(last_column) + 1)
    with h5py.File(path, "a") as h5:
        masks = h5[f"{layout.PLANE_SEGMENTATION}/pixel_mask"]
        pixels = masks[:]
        pixels["x"], pixels["y"] = pixels["x"] + shift, pixels["y"] + shift
        if is_turned:
            pixels["x"], pixels["y"] = pixels["y"].copy(), pixels["x"].copy()
        masks[...] = pixels
    if remark is None:
        with pytest.raises(FormatError, match="masks reach to row"):
            read_results(path, field_shape=shape)
        return
    found = read_results(path, field_shape=shape)
    images = found.footprints.toarray().T.reshape(-1, *shape)
    np.testing.assert_allclose(images, file.footprints[:, : shape[0], : shape[1]], atol=1e-6)
    assert any(remark in one for one in found.remarks)


def test_planes_of_a_stack_are_laid_on_each_other(path):
    file = TracesFile()
    file._mask = lambda image, _masks: np.stack([image.T, 0.5 * image.T], -1)
    file.traces(file.table(), fluorescence_of(file.dff))
    found = read_results(file.write(path))
    check(found, file)
    assert "2 planes" in found.remarks[0]


def test_rows_without_traces_and_of_the_background_are_left_out_and_named(path):
    file = TracesFile()
    table = file.table(accepted=[1, 0, 1, 1, 0, 1])
    file.traces(table, fluorescence_of(file.dff)[:, :3], rois=[0, 1, 2])
    file.traces(table, file.dff[:, :1], rois=[5], name="Background_Fluorescence_Response")
    found = read_results(file.write(path))
    check(found, file, [0, 1, 2])
    assert found.accepted.tolist() == [True, False, True]
    assert found.unit_ids.tolist() == [0, 1, 2]
    left = " ".join(found.remarks)
    assert "1 of 6 rows are not taken: background components (rows 5)" in left
    assert "2 of 6 rows are not taken: without a trace (rows 3, 4)" in left


def test_traces_in_another_order_go_to_their_rois(path):
    file = TracesFile()
    order = np.random.default_rng(1).permutation(N_ROIS)
    file.traces(file.table(), fluorescence_of(file.dff)[:, order], rois=order)
    check(read_results(file.write(path)), file)


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("is_accepted", [1, 0, 1, 0, 1, 0], [1, 0, 1, 0, 1, 0]),
        ("keep", [True, False] * 3, [1, 0] * 3),
        ("rejected", [1, 0] * 3, [0, 1] * 3),
        ("iscell", np.column_stack([[1, 0] * 3, np.full(6, 0.7)]), [1, 0] * 3),
    ],
)
def test_verdicts_are_kept_under_every_name(path, column, values, expected):
    fluorescence_file(path, **{column: values})
    assert read_results(path).accepted.tolist() == [bool(one) for one in expected]


def test_of_several_tables_one_is_asked_for(path):
    file = TracesFile()
    for name in ("PlaneA", "PlaneB"):
        factor = 1 if name == "PlaneA" else 2
        file.traces(file.table(name=name), factor * fluorescence_of(file.dff), name=name)
    file.write(path)
    with pytest.raises(FormatError, match=r"2 tables of ROIs: .*PlaneA \(6 ROIs\)"):
        read_results(path)
    found = read_results(path, selection=Selection(table="PlaneB"))
    np.testing.assert_allclose(found.denoised, 2 * fluorescence_of(file.dff))
    with pytest.raises(FormatError, match="no table PlaneC"):
        read_results(path, selection=Selection(table="PlaneC"))


def test_of_several_series_one_is_asked_for(path):
    file = TracesFile()
    table = file.table()
    for name, factor in (("Channel1", 1), ("Channel2", 2)):
        file.traces(table, factor * fluorescence_of(file.dff), name=name)
    file.write(path)
    with pytest.raises(FormatError, match="2 series that may be the traces"):
        read_results(path)
    found = read_results(path, selection=Selection(series="Channel2"))
    np.testing.assert_allclose(found.denoised, 2 * fluorescence_of(file.dff))


def test_a_table_without_rows_is_told(path):
    file = TracesFile()
    file.footprints = file.footprints[:0]
    file.table()
    file.write(path)
    with pytest.raises(FormatError, match="0 ROIs"):
        read_results(path)
    assert run(["run", str(path)]) == 0


def test_dff_alone_is_analysed_beside_what_the_file_holds(path, capsys):
    dff_file(path)
    with h5py.File(path) as h5:
        before = h5["/processing/ophys/DfOverF/RoiResponseSeries/data"][:]
    assert run(["run", str(path)]) == 0
    assert "there is no movie; 6 ROIs of the file" in capsys.readouterr().out
    states = {one.stage: one.state for one in pipeline.status(path)}
    for stage in ("extract", "dff", "deconvolve", "events", "filter", "phase", "spectrogram"):
        assert states[stage] == "done"
    with open_session(path) as session:
        np.testing.assert_allclose(read_roi_series(session, layout.DFF_TRACES), before, rtol=1e-6)
        images = read_footprints(session).toarray().T.reshape(-1, *FIELD)
        assert not session.has(layout.RAW_TRACES)
        rate_hz = session.get(layout.DFF_TRACES).rate
    truth = TracesFile().footprints
    np.testing.assert_allclose(
        images, truth / np.linalg.norm(truth, axis=(1, 2))[:, None, None], atol=1e-6
    )
    assert rate_hz == 20
    with h5py.File(path) as h5:
        np.testing.assert_array_equal(
            h5["/processing/ophys/DfOverF/RoiResponseSeries/data"][:], before
        )
    assert is_valid(validate(path))


def test_calcium_is_related_to_field_potentials_that_another_program_derived(path):
    file = TracesFile()
    file.traces(file.table(), file.dff, kind=DfOverF)
    file.lfp()
    file.write(path)
    assert run(["run", str(path)]) == 0
    with open_session(path) as session:
        assert session.has("/processing/ecephys/EphysFilteredLFP")
        assert len(session.get(layout.EVENT_PHASE_COUPLING).id[:]) == N_ROIS


def test_fluorescence_becomes_dff_and_the_recording_ends_where_a_movie_is_needed(path):
    _, file = fluorescence_file(path)
    assert run(["process", "dff", str(path), "--window-s", "20"]) == 0
    with open_session(path) as session:
        dff = read_roi_series(session, layout.DFF_TRACES)
    for roi in range(N_ROIS):
        assert np.corrcoef(dff[:, roi], file.dff[:, roi])[0, 1] > 0.97
    states = {one.stage: one for one in pipeline.run(path)}
    assert states["motion"].action == "not applicable"
    assert states["motion"].remarks == ("The file holds no movie.",)


def test_status_says_which_stages_need_a_movie(path):
    dff_file(path)
    states = {one.stage: (one.state, one.reason) for one in pipeline.overview(path)[0]}
    for stage in ("preprocess", "motion", "summary", "extract", "evaluate"):
        assert states[stage] == ("not applicable", "The file holds no movie.")
    assert states["dff"][0] == "missing"


def test_a_stage_of_the_movie_says_that_there_is_none(path, capsys):
    dff_file(path)
    assert run(["process", "motion", str(path)]) == 1
    assert "holds no movie" in capsys.readouterr().err


def test_traces_without_a_baseline_are_told_and_can_stand_for_dff(path, capsys):
    file = TracesFile()
    file.traces(file.table(), file.dff)
    file.write(path)
    assert run(["run", str(path)]) == 0
    assert "6 of 6 traces have no positive baseline" in capsys.readouterr().out
    assert (
        run(
            [
                "adopt",
                str(path),
                str(path),
                "--table",
                "ImageSegmentation/PlaneSegmentation",
                "--relative",
            ]
        )
        == 0
    )
    assert run(["run", str(path)]) == 0
    with open_session(path) as session:
        np.testing.assert_allclose(
            read_roi_series(session, layout.DFF_TRACES), file.dff, rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize(
    ("times", "problem"),
    [
        (np.zeros((2, N_FRAMES)), r"shape \(2, 1200\) for 1200 frames"),
        (np.zeros(N_FRAMES), "do not increase"),
        (np.full(N_FRAMES, np.nan), "do not increase"),
    ],
)
def test_times_that_cannot_be_used_are_asked_for(path, capsys, times, problem):
    dff_file(path)
    with h5py.File(path, "a") as h5:
        series = h5["/processing/ophys/DfOverF/RoiResponseSeries"]
        del series["starting_time"]
        stamps = series.create_dataset("timestamps", data=times)
        stamps.attrs["interval"], stamps.attrs["unit"] = np.int32(1), "seconds"
    with pytest.raises(FormatError, match=problem):
        adopt(path, read_results(path))
    found = read_results(path, selection=Selection(frame_rate_hz=20.0))
    assert adopt(path, found) == N_ROIS


@pytest.mark.parametrize("stamp", [np.nan, 29.9, np.inf])
def test_one_time_stamp_amiss_is_put_between_its_neighbours_and_told(path, stamp):
    file = TracesFile()
    times = np.arange(N_FRAMES) / 20
    wrong = times.copy()
    wrong[600] = stamp
    file.traces(file.table(), file.dff, kind=DfOverF, times={"timestamps": wrong})
    found = read_results(file.write(path))
    assert "1 time stamps of /processing/ophys/DfOverF/RoiResponseSeries" in " ".join(found.remarks)
    np.testing.assert_allclose(found.recording.require_times()["timestamps"], times)


def test_missing_values_and_missing_traces_are_told_apart(path):
    file = TracesFile()
    values = file.dff.copy()
    values[:, 5], values[10:12, 3] = np.nan, np.nan
    file.traces(file.table(), values, kind=DfOverF)
    remarks = read_results(file.write(path)).remarks
    assert "1 of 6 traces hold no value" in remarks
    assert "2 frames have no value in 1 of 6 traces" in remarks


def test_irregular_times_are_kept_to_the_last_bit(path):
    times = np.cumsum(np.random.default_rng(2).uniform(0.04, 0.06, N_FRAMES))
    file = TracesFile()
    file.traces(file.table(), file.dff, kind=DfOverF, times={"timestamps": times})
    adopt(file.write(path), read_results(path))
    with open_session(path) as session:
        np.testing.assert_array_equal(session.get(layout.DFF_TRACES).timestamps[:], times)


def test_a_movie_of_another_name_and_type_is_the_movie(path):
    file = TracesFile()
    file.movie("TwoPhotonSeriesGreen")
    file.write(path)
    outcome = pipeline.process(path, "summary")
    assert outcome.action == "ran"
    with open_session(path) as session:
        assert session.get(layout.MOVIE).name == "TwoPhotonSeriesGreen"
        assert not session.lacks_movie
    with NWBHDF5IO(path, "r") as io:
        assert "SegmentationImages" in io.read().processing["ophys"].data_interfaces


def test_dff_beside_its_movie_is_not_taken_for_fluorescence(path):
    file = TracesFile()
    file.movie("OnePhotonSeries", n_frames=N_FRAMES)
    file.traces(file.table(), file.dff, kind=DfOverF)
    adopt(file.write(path), read_results(path))
    with open_session(path) as session:
        assert not session.has(layout.RAW_TRACES)
        np.testing.assert_allclose(
            read_roi_series(session, layout.DFF_TRACES), file.dff, rtol=1e-5, atol=1e-6
        )
    plan = pipeline.Plan(("evaluate", "dff", "deconvolve", "events"))
    actions = {one.stage: one.action for one in pipeline.run(path, plan)}
    assert actions == {
        "evaluate": "not applicable",
        "dff": "already done",
        "deconvolve": "ran",
        "events": "ran",
    }


def test_two_movies_are_not_guessed_between(path):
    file = TracesFile()
    file.movie("Green")
    file.movie("Red")
    file.write(path)
    with open_session(path) as session:
        assert not session.has(layout.MOVIE)
        assert not session.lacks_movie


def test_accepted_rois_are_the_ones_that_are_analysed(path):
    dff_file(path, iscell=np.column_stack([[1, 1, 0, 0, 1, 0], np.full(6, 0.5)]))
    pipeline.run(path)
    with open_session(path) as session:
        assert read_roi_table(session)["accepted"].tolist() == [
            True,
            True,
            False,
            False,
            True,
            False,
        ]
    states = {one.stage: one.state for one in pipeline.status(path)}
    assert states["evaluate"] == "done"


def test_nothing_is_written_if_the_traces_cannot_be_read(path):
    dff_file(path)
    with h5py.File(path, "a") as h5:
        del h5["/processing/ophys/DfOverF/RoiResponseSeries/data"]
    before = path.read_bytes()
    assert run(["run", str(path)]) == 1
    assert path.read_bytes() == before


def test_what_a_file_holds_is_told_before_anything_is_done(path, capsys):
    file = TracesFile()
    table = file.table(accepted=[1] * N_ROIS)
    file.traces(table, fluorescence_of(file.dff))
    file.traces(table, file.dff, kind=DfOverF)
    file.lfp()
    file.write(path)
    before = path.read_bytes()
    assert run(["inspect", str(path)]) == 0
    told = capsys.readouterr().out
    assert "no movie" in told
    assert "6 with image masks, verdicts in accepted" in told
    assert "fluorescence: /processing/ophys/Fluorescence/RoiResponseSeries, 1200 frames" in told
    assert "dff: /processing/ophys/DfOverF/RoiResponseSeries" in told
    assert "/processing/ecephys/LFP/ElectricalSeries, 1 channel(s), 500 Hz, 60 s" in told
    assert f"ace-nwb run {path}" in told.replace("\n", " ")
    assert path.read_bytes() == before
    assert run(["inspect", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tables"][0]["n_rois"] == N_ROIS


def test_what_has_to_be_decided_first_is_told(path, capsys):
    file = TracesFile()
    for name in ("PlaneA", "PlaneB"):
        file.traces(file.table(name=name), fluorescence_of(file.dff), name=name)
    file.movie()
    file.write(path)
    assert run(["inspect", str(path)]) == 0
    assert "/acquisition/TwoPhotonSeries, 60 frames of 20 x 28 px" in capsys.readouterr().out
    with h5py.File(path, "a") as h5:
        del h5["/acquisition/TwoPhotonSeries"]
    assert run(["inspect", str(path)]) == 0
    assert "--table" in capsys.readouterr().out
