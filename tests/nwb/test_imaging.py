"""Images, fields and shifts come back as they were written, and lie where other readers look."""

import h5py
import numpy as np
import pytest

from ace_nwb.errors import SessionFileError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.imaging import (
    read_field,
    read_motion,
    read_pixel_size,
    read_projections,
    write_field,
    write_motion,
    write_projections,
)
from ace_nwb.nwb.field import FieldOfView
from ace_nwb.nwb.session import edit_session, open_session

FIELD = FieldOfView((14, 20), (1, 2), (10, 15))


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    names = ("mean", "correlation", "own")
    return {name: rng.random((10, 15)).astype(np.float32) for name in names}


def test_the_field_comes_back_and_is_the_whole_one_unless_said(recorded):
    with edit_session(recorded.path) as writer:
        assert read_field(writer) == FieldOfView.whole((14, 20))
        write_field(writer, FIELD)
        assert read_field(writer) == FIELD
    with open_session(recorded.path) as session:
        assert read_field(session) == FIELD


@pytest.mark.parametrize("column", ["row_start", "row_stop", "column_start", "column_stop"])
@pytest.mark.parametrize("values", [[0, -1], [0, 120]])
def test_a_field_that_is_no_part_of_the_recorded_one_is_refused_by_name(recorded, column, values):
    with edit_session(recorded.path) as writer:
        write_field(writer, FIELD)
    with h5py.File(recorded.path, "r+") as h5:
        h5[f"{layout.FIELD_OF_VIEW}/{column}"][:] = values
    with (
        open_session(recorded.path) as session,
        pytest.raises(SessionFileError, match=r"FieldOfView says .* of a field of"),
    ):
        read_field(session)


@pytest.mark.parametrize(
    ("spacing", "unit", "expected_um"),
    [
        ([2e-6, 2e-6], None, 2.0),  # metres, as NWB says
        ([2.5, 2.5, 1.0], "micrometers", 2.5),
        ([2e-6, 3e-6], "meters", None),
        ([2.0, 2.0], "furlongs", None),
    ],
)
def test_the_side_of_a_pixel_is_told_in_micrometres(recorded, spacing, unit, expected_um):
    with open_session(recorded.path) as session:
        assert read_pixel_size(session) is None
    with h5py.File(recorded.path, "r+") as h5:
        plane = h5["/acquisition/OnePhotonSeries/imaging_plane"]
        found = plane.create_dataset("grid_spacing", data=spacing)
        found.attrs.update({} if unit is None else {"unit": unit})
    with open_session(recorded.path) as session:
        assert read_pixel_size(session) == pytest.approx(expected_um)


def test_images_come_back_and_lie_in_the_recorded_field(recorded, images):
    with edit_session(recorded.path) as writer:
        write_field(writer, FIELD)
        write_projections(writer, images)
    with open_session(recorded.path) as session:
        found = read_projections(session)
        assert set(found) == set(images)
        assert all(np.array_equal(found[name], images[name]) for name in images)
        stored = session.get(layout.IMAGES).images["mean"].data[:]
    assert stored.shape == (20, 14), "NWB: (x, y) of the recorded field"
    assert np.array_equal(stored.T[1:11, 2:17], images["mean"])
    assert stored.sum() == pytest.approx(images["mean"].sum())


def test_images_written_again_replace_the_old_ones(recorded, images):
    for factor in (1, 2):
        with edit_session(recorded.path) as writer:
            write_field(writer, FIELD)
            write_projections(writer, {"mean": images["mean"] * factor})
    with open_session(recorded.path) as session:
        found = read_projections(session)
        assert list(found) == ["mean"]
        assert np.array_equal(found["mean"], images["mean"] * 2)


def test_an_image_of_another_field_is_refused(recorded, images):
    with edit_session(recorded.path) as writer, pytest.raises(ValueError, match="mean has shape"):
        write_projections(writer, images)


def test_shifts_come_back_as_row_and_column_and_are_stored_as_x_and_y(recorded):
    shifts = np.stack([np.arange(60.0), -np.arange(60.0) / 2], axis=1)
    quality = np.linspace(0, 1, 60)
    with edit_session(recorded.path) as writer:
        write_motion(writer, shifts, quality)
    with open_session(recorded.path) as session:
        found_shifts, found_quality = read_motion(session)
        stored = session.get(layout.MOTION_SHIFTS)
        assert np.array_equal(stored.data[:, 0], shifts[:, 1].astype(np.float32))
        assert np.array_equal(stored.timestamps[:], recorded.frame_times_s)
    assert np.array_equal(found_shifts, shifts)
    assert np.allclose(found_quality, quality)
