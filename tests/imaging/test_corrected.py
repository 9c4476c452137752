"""Crop, debleaching and shifts while reading."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from ace_nwb.errors import MovieError, ParameterError
from ace_nwb.imaging.corrected import CorrectedMovie, CroppedMovie, observed_box
from ace_nwb.imaging.cropping import CropBox, crop_from_legacy, resolve_crop
from ace_nwb.imaging.movie import ArrayMovie
from ace_nwb.imaging.warping import shift_frames


@pytest.fixture
def movie() -> ArrayMovie:
    frames = np.random.default_rng(0).integers(0, 255, (12, 30, 40), dtype=np.uint8)
    return ArrayMovie(frames, 20.0)


def test_without_corrections_the_frames_are_the_raw_ones(movie: ArrayMovie) -> None:
    corrected = CorrectedMovie(movie)
    assert corrected.shape == movie.shape
    assert corrected.read(2, 5).dtype == np.float32
    np.testing.assert_array_equal(corrected.read(2, 5), movie.frames[2:5])


def test_the_crop_keeps_rows_and_columns_apart(movie: ArrayMovie) -> None:
    corrected = CorrectedMovie(movie, CropBox(3, 20, 5, 35))
    assert corrected.shape == (12, 17, 30)
    np.testing.assert_array_equal(corrected.read(0, 12), movie.frames[:, 3:20, 5:35])


def test_bleaching_is_divided_out_per_frame(movie: ArrayMovie) -> None:
    curve = np.linspace(1, 0.5, 12)
    corrected = CorrectedMovie(movie, bleaching=curve).read(4, 8)
    np.testing.assert_allclose(corrected, movie.frames[4:8] / curve[4:8, None, None], rtol=1e-6)


def test_whole_pixel_shifts_move_rows_down_and_columns_right(movie: ArrayMovie) -> None:
    shifts = np.tile([2.0, -3.0], (12, 1))
    moved = CorrectedMovie(movie, shifts=shifts).read(0, 1)[0]
    np.testing.assert_allclose(moved[2:, :-3], movie.frames[0, :-2, 3:], rtol=1e-5, atol=1e-3)


def test_half_pixel_shifts_interpolate_a_smooth_image() -> None:
    image = gaussian_filter(np.random.default_rng(1).normal(size=(90, 110)), 4).astype(np.float32)
    there = shift_frames(image[None], np.array([[0.5, 1.25]]), np.ones(1))
    back = shift_frames(there, np.array([[-0.5, -1.25]]), np.ones(1))[0]
    inner = slice(5, -5), slice(5, -5)
    assert np.abs(back - image)[inner].max() < 0.02 * image.std()


def test_wrong_numbers_of_shifts_are_refused(movie: ArrayMovie) -> None:
    with pytest.raises(MovieError, match=r"shifts has 3 rows, the movie 12 frames"):
        CorrectedMovie(movie, shifts=np.zeros((3, 2)))


def test_the_observed_box_leaves_out_what_motion_took_out_of_view(movie: ArrayMovie) -> None:
    shifts = np.zeros((12, 2))
    shifts[3] = (4, -2)
    box = observed_box(CorrectedMovie(movie, shifts=shifts))
    assert box.limits == (4, 30, 0, 38)
    assert observed_box(movie).shape == (30, 40)
    assert observed_box(CorrectedMovie(movie, shifts=shifts), multiple=3).limits == (6, 30, 0, 36)


def test_a_cropped_movie_reads_its_part(movie: ArrayMovie) -> None:
    part = CroppedMovie(movie, CropBox(1, 9, 2, 30))
    assert part.shape == (12, 8, 28)
    np.testing.assert_array_equal(part.read(1, 3), movie.frames[1:3, 1:9, 2:30])


def test_open_ends_of_a_crop_are_the_edges() -> None:
    assert resolve_crop((30, 40)).limits == (0, 30, 0, 40)
    assert resolve_crop((30, 40), crop_row_start=2, crop_column_stop=20).shape == (28, 20)


@pytest.mark.parametrize("wrong", [{"crop_row_stop": 31}, {"crop_column_start": 40}])
def test_a_crop_outside_the_field_says_what_was_expected(wrong: dict[str, int]) -> None:
    with pytest.raises(ParameterError, match="field of 30 rows and 40 columns"):
        resolve_crop((30, 40), **wrong)


def test_a_legacy_box_counts_rows_from_below() -> None:
    assert crop_from_legacy(10, 20, 95, 480, 608).limits == (128, 588, 10, 95)
    assert crop_from_legacy(95, 480, 10, 20, 608) == crop_from_legacy(10, 20, 95, 480, 608)
