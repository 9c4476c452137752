"""Seeds, thresholds and places proposed from a movie with known cells."""

import itertools

import numpy as np
import pytest

from ace_nwb.engines.cnmfe.seeds import SeedThresholds
from ace_nwb.imaging.cropping import CropBox
from ace_nwb.imaging.movie import ArrayMovie
from ace_nwb.tuning.proposal import patch_limits, propose
from ace_nwb.tuning.stretch import busiest_box, load_box, middle_stretch
from ace_nwb.tuning.sweep import Trial, best_trial, trial_grid
from tests.conformance.test_engines import make_movie

CENTRES = ((20.0, 40.0), (32.0, 14.0))


@pytest.fixture(scope="module")
def proposal():
    frames, _ = make_movie(300, CENTRES)
    return propose(ArrayMovie(frames, 20.0), cell_diameter_px=8.0)


def test_the_best_seeds_are_the_planted_cells(proposal):
    best = proposal.seeds[:2]
    distances = np.hypot(*(best[:, None] - np.array(CENTRES)).transpose(2, 0, 1))
    assert distances.min(0).max() <= 3


def test_candidates_hold_the_seeds_and_weaker_places(proposal):
    places = {tuple(place) for place in proposal.candidates.tolist()}
    assert {tuple(place) for place in proposal.seeds.tolist()} <= places
    correlation, peak_to_noise = proposal.candidate_values
    assert len(correlation) == len(peak_to_noise) == len(proposal.candidates)
    assert correlation.min() > 0


def test_given_thresholds_are_taken():
    frames, _ = make_movie(100)
    found = propose(
        ArrayMovie(frames, 20.0),
        cell_diameter_px=8.0,
        min_correlation=0.99,
        min_peak_to_noise=1000.0,
    )
    assert found.thresholds == SeedThresholds(0.99, 1000.0)
    assert len(found.seeds) == 0


@pytest.mark.parametrize("size_px", [30, 81, 100, 256, 300])
def test_patches_cover_the_side_and_overlap(size_px):
    limits = patch_limits(size_px, radius_px=40, overlap_px=20)
    assert limits[0][0] == 0
    assert limits[-1][1] == size_px
    assert all(stop - start == min(81, size_px) for start, stop in limits)
    overlaps = [first[1] - second[0] for first, second in itertools.pairwise(limits)]
    assert all(overlap >= 21 for overlap in overlaps)


def test_the_middle_of_a_movie_is_taken():
    frames = np.arange(100, dtype=np.float32)[:, None, None] * np.ones((1, 3, 5), np.float32)
    part = middle_stretch(ArrayMovie(frames, 10.0), 2.0)
    assert part.shape == (20, 3, 5)
    assert part.read(0, 3)[:, 0, 0].tolist() == [40, 41, 42]
    assert part.read(18, 30)[:, 0, 0].tolist() == [58, 59]
    assert middle_stretch(ArrayMovie(frames, 10.0), 60.0).shape[0] == 100


def test_the_busiest_square_holds_the_cluster_and_lies_inside():
    places = np.array([[5, 5], [50, 70], [52, 72], [55, 75], [90, 10]])
    box = busiest_box(places, (100, 80), side_px=20)
    assert box.shape == (20, 20)
    for row, column in places[1:4]:
        assert box.row_start <= row < box.row_stop
        assert box.column_start <= column < box.column_stop
    assert box.column_stop <= 80


def test_a_field_smaller_than_the_square_is_taken_whole():
    assert busiest_box(np.zeros((0, 2)), (12, 30), side_px=20).shape == (12, 20)


def test_a_box_is_loaded_with_all_its_frames():
    frames = np.random.default_rng(0).random((300, 8, 12)).astype(np.float32)
    loaded = load_box(ArrayMovie(frames, 20.0), CropBox(2, 6, 3, 11))
    np.testing.assert_array_equal(loaded.frames, frames[:, 2:6, 3:11])


def test_trials_change_one_parameter_each():
    trials = trial_grid(12.0, SeedThresholds(0.6, 5.0))
    first = trials[0][1]
    assert trials[0][0] == ""
    assert len(trials) == 7
    for changed, values in trials[1:]:
        assert {name for name in values if values[name] != first[name]} == {changed}


def trial(score: float, changed: str = "") -> Trial:
    return Trial(changed, 12.0, None, None, 5, 5, 9.0, 0.9, 50.0, score, 1.0)


def test_another_trial_is_preferred_only_if_clearly_better():
    first, hardly, clearly = trial(10.0), trial(10.4, "min_correlation"), trial(11.0, "x")
    assert best_trial([first, hardly]) is first
    assert best_trial([first, hardly, clearly]) is clearly
