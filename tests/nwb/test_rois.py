"""ROIs come back to the bit, in our axes, and lie in the recorded field for other readers."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from ace_nwb.errors import SessionFileError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.imaging import write_field
from ace_nwb.nwb.content.roi_series import read_roi_series, read_roi_table, write_roi_series
from ace_nwb.nwb.content.rois import read_footprints, read_segmentation, write_segmentation
from ace_nwb.nwb.field import FieldOfView
from ace_nwb.nwb.session import edit_session, open_session
from tests.fixtures.session_files import make_segmentation

FIELD = FieldOfView((14, 20), (1, 2), (10, 15))


@pytest.fixture
def segmentation():
    return make_segmentation(FIELD.shape)


@pytest.fixture
def segmented(recorded, segmentation):
    with edit_session(recorded.path) as writer:
        write_field(writer, FIELD)
        write_segmentation(writer, segmentation)
    return recorded.path


def test_a_segmentation_comes_back_to_the_bit(segmented, segmentation):
    with open_session(segmented) as session:
        found = read_segmentation(session)
    assert found.field_shape == segmentation.field_shape
    assert (found.footprints != segmentation.footprints).nnz == 0
    for name in ("raw", "denoised", "deconvolved", "baseline", "noise", "decay_time_s", "seeds"):
        assert np.array_equal(getattr(found, name), getattr(segmentation, name)), name
    assert list(found.metrics) == list(segmentation.metrics)
    assert np.array_equal(found.metrics["compactness"], segmentation.metrics["compactness"])


def test_the_background_can_be_rebuilt(segmented, segmentation):
    with open_session(segmented) as session:
        found = read_segmentation(session).background
    expected = segmentation.background
    assert found.downsampling == expected.downsampling
    assert found.weights.shape == expected.weights.shape
    assert (found.weights != expected.weights).nnz == 0
    assert np.array_equal(found.baseline, expected.baseline)


def test_masks_lie_in_the_recorded_field_in_nwb_axes(segmented, segmentation):
    with open_session(segmented) as session:
        masks = session.get(layout.PLANE_SEGMENTATION)["image_mask"].data
        assert masks.shape == (3, 20, 14)
        assert masks.chunks == (1, 20, 14)
        assert masks.dtype == np.float32
        found = masks[1]
    assert np.array_equal(found.T[1:11, 2:17], segmentation.image_masks()[1])
    assert found.sum() == pytest.approx(segmentation.image_masks()[1].sum())


def test_traces_share_the_times_of_the_movie(segmented, recorded):
    with open_session(segmented) as session:
        series = session.get(layout.RAW_TRACES)
        assert np.array_equal(series.timestamps[:], recorded.frame_times_s)
        fluorescence = session.nwbfile.processing["ophys"]["Fluorescence"]
        table = session.nwbfile.processing["ophys"]["ImageSegmentation"]["PlaneSegmentation"]
        assert fluorescence["RoiResponseSeries"].rois.table is table
        assert session.h5.get(f"{layout.RAW_TRACES}/timestamps", getlink=True).path == (
            f"{layout.MOVIE}/timestamps"
        )


def test_a_segmentation_without_rois_background_or_seeds_comes_back(recorded, segmentation):
    empty = make_segmentation(FIELD.shape, n_rois=0)
    empty = replace(empty, background=None, seeds=np.zeros((0, 2), int))
    with edit_session(recorded.path) as writer:
        write_field(writer, FIELD)
        write_segmentation(writer, empty)
    with open_session(recorded.path) as session:
        found = read_segmentation(session)
    assert found.n_rois == 0
    assert found.background is None
    assert found.raw.shape == (60, 0)


def test_a_segmentation_of_another_field_is_refused(recorded, segmentation):
    with edit_session(recorded.path) as writer, pytest.raises(ValueError, match="are analysed"):
        write_segmentation(writer, segmentation)


def test_the_table_has_a_row_per_roi_without_the_masks(segmented, segmentation):
    with edit_session(segmented) as writer:
        accepted = np.array([True, False, True])
        writer.set_columns(layout.PLANE_SEGMENTATION, {"accepted": ("Accepted.", accepted)})
    with open_session(segmented) as session:
        table = read_roi_table(session)
        assert "accepted" not in read_segmentation(session).metrics
    assert np.array_equal(table["accepted"], accepted)
    assert np.array_equal(table["size_px"], [6, 7, 8])
    assert "image_mask" not in table


@pytest.mark.parametrize("n_rows", [0, 2, 1000])
def test_a_column_of_another_length_than_its_table_is_refused_by_name(segmented, n_rows):
    with h5py.File(segmented, "r+") as h5:
        table = h5[layout.PLANE_SEGMENTATION]
        attributes = dict(table["size_px"].attrs)
        del table["size_px"]
        table.create_dataset("size_px", data=np.zeros(n_rows)).attrs.update(attributes)
    with (
        open_session(segmented) as session,
        pytest.raises(SessionFileError, match=f"size_px.* has {n_rows} rows and 3 were expected"),
    ):
        read_roi_table(session)


def test_series_go_into_containers_made_on_demand(segmented):
    values = np.random.default_rng(0).random((60, 3)).astype(np.float32)
    paths = (
        layout.DFF_TRACES,
        f"{layout.DECONVOLUTION}/Denoised",
        "/processing/phase/CalciumPhase",
    )
    with edit_session(segmented) as writer:
        for path in paths:
            write_roi_series(writer, path, values, unit="n.a.", description="Values.")
    with open_session(segmented) as session:
        assert session.get(layout.DF_OVER_F).neurodata_type == "DfOverF"
        assert session.get(layout.DECONVOLUTION).neurodata_type == "Fluorescence"
        for path in paths:
            assert np.array_equal(read_roi_series(session, path), values)


def test_a_series_with_another_number_of_rois_is_refused(segmented):
    with edit_session(segmented) as writer, pytest.raises(ValueError, match="there are 3 ROIs"):
        write_roi_series(writer, layout.DFF_TRACES, np.zeros((60, 4)), unit="", description="")


def test_footprints_can_be_read_alone(segmented, segmentation):
    with open_session(segmented) as session:
        assert (read_footprints(session) != segmentation.footprints).nnz == 0
