import numpy as np
from scipy.spatial.distance import pdist

from ace_nwb.simulation.scene import draw_footprints, draw_shapes, place_cells
from ace_nwb.simulation.scoring import compute_centroids


def test_cells_keep_their_distance_where_there_is_room():
    centres = place_cells(30, (150, 100), min_distance_px=9.0, rng=np.random.default_rng(0))
    assert centres.shape == (30, 2)
    assert pdist(centres).min() >= 9.0
    assert (centres >= 0).all()
    assert (centres <= [149, 99]).all()


def test_a_crowded_field_still_gets_all_its_cells():
    centres = place_cells(60, (40, 50), min_distance_px=20.0, rng=np.random.default_rng(0))
    assert len(centres) == 60


def test_footprints_stand_where_they_were_placed():
    centres = np.array([[40.0, 25.5], [20.25, 60.0]])
    shapes = draw_shapes(centres, diameter_px=12.0, rng=np.random.default_rng(1))
    footprints = draw_footprints(shapes, (90, 110), origin_px=10)
    assert footprints.shape == (2, 90 * 110)
    centroids = compute_centroids(footprints, (90, 110)) - 10
    np.testing.assert_allclose(centroids, centres, atol=0.8)


def test_a_footprint_is_about_as_wide_as_asked():
    shapes = draw_shapes(np.array([[45.0, 45.0]]), diameter_px=12.0, rng=np.random.default_rng(2))
    image = draw_footprints(shapes, (90, 90), origin_px=0).toarray().reshape(90, 90)
    width_px = 2 * np.sqrt((image > 0.5).sum() / np.pi)
    assert 8 < width_px < 13
    assert 0.9 < image.max() <= 1


def test_cells_beyond_the_canvas_are_cut_off():
    shapes = draw_shapes(np.array([[1.0, 88.0]]), diameter_px=12.0, rng=np.random.default_rng(2))
    image = draw_footprints(shapes, (90, 90), origin_px=0).toarray().reshape(90, 90)
    assert image[0].any()
    assert image[:, -1].any()
    assert not image[40:].any()


def test_no_cells_give_an_empty_matrix():
    assert draw_footprints([], (20, 30), origin_px=0).shape == (0, 600)
