"""Frames that show nothing are found, shown as their neighbours, and nothing else is."""

import numpy as np
import pytest

from ace_nwb.imaging.movie import ArrayMovie
from ace_nwb.imaging.projections import measure_brightness
from ace_nwb.imaging.unusable import UsableMovie, bridge, find_unusable


@pytest.fixture
def frames():
    return np.random.default_rng(0).integers(60, 90, (300, 20, 24)).astype(np.uint8)


def kinds_of(frames):
    return find_unusable(measure_brightness(ArrayMovie(frames, 20.0)))


def test_noise_is_usable(frames):
    assert set(kinds_of(frames)) == {""}


@pytest.mark.parametrize("first", [1, 100, 255, 256, 299])
def test_a_repeated_picture_is_frozen_also_where_blocks_meet(frames, first):
    frames[first:260] = frames[first - 1]
    frames[first] = frames[first - 1]
    frozen = np.flatnonzero(kinds_of(frames) == "frozen")
    assert frozen.tolist() == list(range(first, max(260, first + 1)))


def test_a_lamp_that_is_off_leaves_dark_frames(frames):
    frames[:40] //= 10
    assert np.flatnonzero(kinds_of(frames) == "dark").tolist() == list(range(40))


def test_half_of_the_light_is_bleaching_and_not_darkness(frames):
    gains = np.linspace(1, 0.45, 300)[:, None, None]
    assert set(kinds_of((frames * gains).astype(np.uint8))) == {""}


def test_a_median_of_a_grey_level_or_none_is_no_darkness(frames):
    few = (frames - 60) // 14  # mostly 0 and 1, as where the background was removed
    few[::3] = np.where(few[::3] == 1, 0, few[::3])
    few[:, :4] += 10  # cells
    brightness = measure_brightness(ArrayMovie(few, 20.0))
    assert brightness.median.min() < 0.3 * np.median(brightness.median)
    assert set(find_unusable(brightness)) == {""}


def test_pixels_that_are_no_number_are_missing(frames):
    movie = frames.astype(np.float32)
    movie[10, 3, 3], movie[200] = np.nan, np.inf
    assert np.flatnonzero(kinds_of(movie) == "missing pixels").tolist() == [10, 200]


@pytest.mark.parametrize("grey", [0, 255])
def test_a_movie_without_any_picture_is_what_it_is(frames, grey):
    assert set(kinds_of(np.full_like(frames, grey))) == {""}


def test_the_nearest_frame_before_stands_for_an_unusable_one_whatever_is_read(frames):
    is_unusable = np.zeros(300, bool)
    is_unusable[[0, 1, 50, 51, 52, 299]] = True
    movie = UsableMovie(ArrayMovie(frames, 20.0), is_unusable)
    whole = movie.read(0, 300)
    expected = frames.copy()
    expected[[0, 1]], expected[50:53], expected[299] = frames[2], frames[49], frames[298]
    np.testing.assert_array_equal(whole, expected)
    for start, stop in ((0, 1), (1, 2), (49, 51), (51, 52), (52, 60), (298, 300), (299, 300)):
        np.testing.assert_array_equal(movie.read(start, stop), expected[start:stop])
    np.testing.assert_array_equal(frames[50], movie.source.read(50, 51)[0])


def test_values_of_unusable_frames_are_bridged():
    is_unusable = np.array([True, False, True, True, False])
    values = bridge(np.array([np.nan, 1.0, np.nan, 9.0, 4.0]), is_unusable)
    np.testing.assert_allclose(values, [1, 1, 2, 3, 4])
