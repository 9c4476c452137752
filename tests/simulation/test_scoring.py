import numpy as np
import pytest
from scipy.sparse import csr_array

from ace_nwb.simulation.movie import MovieSpec, simulate_movie
from ace_nwb.simulation.scoring import (
    correlate_traces,
    find_counting_cells,
    max_sync_error_ms,
    motion_rmse_px,
    phase_errors_rad,
    rest_offset,
    score_footprints,
)
from ace_nwb.simulation.truth import MovieTruth

SHAPE = (60, 80)
CENTRES = np.array([[30.0, 20.0], [30.0, 40.0], [30.0, 60.0]])


def draw(centres, sigma_px: float = 3.0) -> np.ndarray:
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    squared = [(rows - r) ** 2 + (columns - c) ** 2 for r, c in centres]
    images = np.exp(-np.array(squared).reshape(-1, *SHAPE) / (2 * sigma_px**2))
    return np.where(images > 0.01, images, 0)


def make_truth(centres=CENTRES, transients=10.0, displacement=0.0) -> MovieTruth:
    n_cells = len(centres)
    calcium = np.zeros((50, n_cells))
    calcium[25] = transients
    moved = np.zeros((50, 2))
    moved[10, 1] = displacement
    return MovieTruth(
        footprints=csr_array(draw(centres).reshape(n_cells, -1)),
        field_shape=SHAPE,
        centres_px=np.asarray(centres),
        calcium=calcium,
        spike_times_s=(),
        displacement_px=moved,
        brightness=np.ones(50),
        frame_times_s=np.arange(50.0),
        pixel_noise=np.full(SHAPE, 2.0),
    )


def test_the_truth_scores_one_against_itself():
    score = score_footprints(draw(CENTRES), make_truth())
    assert (score.precision, score.recall, score.f1) == (1, 1, 1)
    np.testing.assert_array_equal(score.matches, [[0, 0], [1, 1], [2, 2]])
    np.testing.assert_allclose(score.cosines, 1)


def test_order_and_scale_of_the_units_do_not_matter():
    found = draw(CENTRES[[2, 0, 1]]) * np.array([3.0, 0.1, 50.0])[:, None, None]
    score = score_footprints(found, make_truth())
    np.testing.assert_array_equal(score.matches[score.matches[:, 1].argsort(), 0], [1, 2, 0])


def test_a_missed_cell_lowers_recall_and_a_false_unit_precision():
    missed = score_footprints(draw(CENTRES[:2]), make_truth())
    assert (missed.precision, missed.recall) == (1, pytest.approx(2 / 3))
    assert missed.f1 == pytest.approx(0.8)
    assert missed.missed.tolist() == [2]
    false = score_footprints(draw([*CENTRES, (12.0, 70.0)]), make_truth())
    assert (false.precision, false.recall) == (0.75, 1)
    assert false.false_units.tolist() == [3]


def test_a_duplicate_is_a_false_unit():
    score = score_footprints(draw([*CENTRES, CENTRES[1] + 1]), make_truth())
    assert score.precision == 0.75
    assert score.false_units.tolist() == [3]


@pytest.mark.parametrize(("distance_px", "f1"), [(4.9, 1.0), (5.1, 0.0)])
def test_centroids_may_lie_five_pixels_apart(distance_px, f1):
    wide = 6.0  # so that the cosine allows either
    truth = make_truth(CENTRES[1:2])
    footprints = csr_array(draw(CENTRES[1:2], wide).reshape(1, -1))
    truth = MovieTruth(**{**vars(truth), "footprints": footprints})
    score = score_footprints(draw(CENTRES[1:2] + np.array([distance_px, 0]), wide), truth)
    assert score.f1 == f1


@pytest.mark.parametrize(("share", "f1"), [(0.55, 1.0), (0.45, 0.0)])
def test_the_cosine_must_reach_one_half(share, f1):
    truth = make_truth(CENTRES[1:2])
    found = np.zeros((1, *SHAPE))
    true = truth.image_masks()[0]
    order = np.argsort(true.ravel())[::-1]
    energy = np.cumsum(true.ravel()[order] ** 2) / (true**2).sum()
    kept = order[np.sqrt(energy) <= share]
    found.reshape(1, -1)[0, kept] = true.ravel()[kept]
    assert score_footprints(found, truth).f1 == f1


def test_pairs_maximise_the_cosine_over_all():
    centres = np.array([[30.0, 30.0], [30.0, 33.0]])
    score = score_footprints(draw([(30.0, 32.0), (30.0, 34.5)]), make_truth(centres))
    np.testing.assert_array_equal(score.matches, [[0, 0], [1, 1]])


def test_cells_near_the_edge_do_not_count_and_their_units_are_neither_right_nor_wrong():
    centres = [*CENTRES, (30.0, 5.0)]
    truth = make_truth(centres)
    assert find_counting_cells(truth).tolist() == [True, True, True, False]
    for found in (draw(centres), draw(CENTRES)):
        score = score_footprints(found, truth)
        assert (score.precision, score.recall, score.n_counting) == (1, 1, 3)
        assert len(score.matches) == 3


def test_the_edge_grows_with_the_largest_displacement():
    centres = [(30.0, 10.0), (30.0, 40.0)]
    assert find_counting_cells(make_truth(centres, displacement=3.9)).all()
    assert find_counting_cells(make_truth(centres, displacement=-4.1)).tolist() == [False, True]


def test_dim_cells_do_not_count():
    truth = make_truth(transients=np.array([3.9, 4.1, 10.0]))
    assert find_counting_cells(truth).tolist() == [False, True, True]


def test_a_registration_that_rests_elsewhere_is_allowed_for():
    moved = draw(CENTRES + np.array([6.0, -3.0]))
    assert score_footprints(moved, make_truth()).f1 == 0
    score = score_footprints(moved, make_truth(), origin_px=(6.2, -3.4))
    assert score.f1 == 1
    np.testing.assert_allclose(score.cosines, 1)


def test_sparse_footprints_score_like_dense_ones():
    sparse = csr_array(draw(CENTRES).reshape(3, -1))
    assert score_footprints(sparse, make_truth()).f1 == 1


def test_no_units_score_zero_recall_and_no_precision():
    score = score_footprints(np.zeros((0, *SHAPE)), make_truth())
    assert score.recall == 0
    assert np.isnan(score.precision)
    assert score.f1 == 0


def test_an_empty_unit_is_false():
    found = np.concatenate([draw(CENTRES), np.zeros((1, *SHAPE))])
    assert score_footprints(found, make_truth()).precision == 0.75


def test_units_of_a_movie_without_cells_are_all_false():
    spec = MovieSpec(n_frames=5, n_rows=60, n_columns=80, n_cells=0)
    score = score_footprints(draw(CENTRES), simulate_movie(spec, 0)[1])
    assert score.precision == 0
    assert np.isnan(score.recall)


def test_simulated_cells_mostly_count():
    _, truth = simulate_movie(MovieSpec(n_frames=400, n_rows=100, n_columns=120, n_cells=20), 1)
    assert 8 <= find_counting_cells(truth).sum() < 20


def test_traces_are_correlated_pair_by_pair():
    rng = np.random.default_rng(0)
    true = rng.normal(size=(200, 3))
    found = np.column_stack([5 - 2 * true[:, 2], 3 * true[:, 0] + 1])
    r = correlate_traces(found, true, np.array([[0, 2], [1, 0]]))
    np.testing.assert_allclose(r, [-1, 1])
    flat = correlate_traces(np.zeros((200, 1)), true, np.array([[0, 0]]))
    assert flat.tolist() == [0]


def test_motion_error_ignores_a_constant():
    rng = np.random.default_rng(0)
    displacement = rng.normal(0, 3, (100, 2))
    assert motion_rmse_px(-displacement + [4, -2], displacement) == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(rest_offset(-displacement + [4, -2], displacement), [4, -2])
    wrong_sign = motion_rmse_px(displacement, displacement)
    assert wrong_sign == pytest.approx(2 * motion_rmse_px(np.zeros((100, 2)), displacement))


def test_sync_error_is_the_worst_frame_in_milliseconds():
    true = np.arange(10.0)
    estimated = true.copy()
    estimated[4] -= 0.0015
    assert max_sync_error_ms(estimated, true) == pytest.approx(1.5)
    with pytest.raises(ValueError, match="9 estimated and 10 true"):
        max_sync_error_ms(estimated[:-1], true)


def test_phase_errors_go_round_the_circle_and_leave_out_unlocked_cells():
    estimated = np.array([3.1, 0.5, -1.0])
    preferred = np.array([np.nan, -3.1, -1.2])
    errors = phase_errors_rad(estimated, preferred, np.array([[0, 1], [1, 0], [2, 2]]))
    np.testing.assert_allclose(errors, [2 * np.pi - 6.2, 0.2], atol=1e-12)
