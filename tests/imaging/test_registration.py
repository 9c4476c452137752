"""Cells are found again after shift, rotation, warp and turnover; strangers are not matched."""

import numpy as np
import pytest
from scipy.sparse import csc_array

from ace_nwb.imaging.alignment import align_cells
from ace_nwb.imaging.cell_maps import build_cell_map, move_footprints
from ace_nwb.imaging.pair_model import fit_pair_model
from ace_nwb.imaging.registration import Link, link_sessions, register_sessions
from tests.fixtures.shared_cells import DIAMETER_PX, draw_pair, f1_score


def register(pair, **changes):
    arguments = {
        "cell_diameter_px": DIAMETER_PX,
        "max_rotation_deg": 10.0,
        "max_distance_px": 0.75 * DIAMETER_PX,
        "min_probability": 0.5,
    } | changes
    return register_sessions(pair.first, pair.second, pair.field_shape, **arguments)


@pytest.mark.parametrize("seed", range(2))
def test_cells_are_found_again_after_shift_rotation_warp_and_turnover(seed):
    pair = draw_pair(seed)
    found = register(pair)
    assert f1_score(found.matches, pair.true) >= 0.95
    # the smooth warp takes its share of the rotation
    assert abs(found.alignment.rotation_deg + 5) < 2.5
    assert found.alignment.similarity_after > found.alignment.similarity_before + 0.2


@pytest.mark.parametrize(
    "changes",
    [
        {"rotation_deg": -8.0, "warp_px": 0.0, "shift_px": (0.0, 0.0)},
        {"rotation_deg": 0.0, "warp_px": 4.0, "shift_px": (-20.0, 25.0)},
        {"turnover": 0.4},
        {"spacing": 0.6, "jitter_px": 0.8},
    ],
    ids=str,
)
def test_each_change_by_itself_and_harder_ones_are_undone(changes):
    pair = draw_pair(11, **changes)
    assert f1_score(register(pair).matches, pair.true) >= 0.95


def test_mirror_image_tells_what_chance_would_find():
    first, second = draw_pair(1), draw_pair(2)
    strangers = register(type(first)(first.first, second.second, first.field_shape, set()))
    related = register(first)
    assert len(strangers.matches) < 2 * strangers.n_by_chance
    assert len(related.matches) > 2 * related.n_by_chance


def test_stated_probabilities_are_the_share_of_true_pairs():
    stated, is_true = [], []
    for seed in range(3):
        pair = draw_pair(20 + seed, field_shape=(120, 130), spacing=0.45, jitter_px=1.5)
        found = register(pair)
        stated.append(found.probability)
        pairs = zip(found.pairs.first.tolist(), found.pairs.second.tolist(), strict=True)
        is_true.append([each in pair.true for each in pairs])
    stated, is_true = np.concatenate(stated), np.concatenate(is_true)
    assert is_true[stated > 0.9].mean() > 0.85
    assert is_true[stated < 0.1].mean() < 0.15
    assert abs(stated.mean() - is_true.mean()) < 0.08


def test_order_of_the_sessions_does_not_matter_for_the_matches():
    pair = draw_pair(5)
    there = {tuple(match) for match in register(pair).matches.tolist()}
    swapped = type(pair)(pair.second, pair.first, pair.field_shape, set())
    back = {(b, a) for a, b in register(swapped).matches.tolist()}
    assert len(there ^ back) <= 2


def test_moving_there_and_back_gives_the_same_point():
    pair = draw_pair(3)
    alignment = register(pair).alignment
    points = np.random.default_rng(0).uniform(10, 150, (50, 2))
    np.testing.assert_allclose(alignment.forward(alignment.backward(points)), points, atol=0.05)


def test_moved_footprint_keeps_its_shape_and_centroid():
    pair = draw_pair(3, turnover=0.0, jitter_px=0.0)
    maps = [build_cell_map(each, pair.field_shape) for each in (pair.first, pair.second)]
    alignment = align_cells(*maps, cell_diameter_px=DIAMETER_PX, max_rotation_deg=10.0)
    moved = move_footprints(maps[1], alignment)
    first, second = np.array(sorted(pair.true)).T
    offsets = np.linalg.norm(maps[0].centroids[first] - moved.centroids[second], axis=1)
    assert np.median(offsets) < 0.5
    overlaps = (maps[0].unit.T @ moved.unit).toarray()[first, second]
    assert np.median(overlaps) > 0.9


@pytest.mark.parametrize("counts", [(0, 0), (0, 5), (5, 0), (1, 1), (2, 3)])
def test_few_or_no_cells_are_no_error(counts):
    pair = draw_pair(0)
    few = type(pair)(
        csc_array(pair.first[:, : counts[0]]),
        csc_array(pair.second[:, : counts[1]]),
        pair.field_shape,
        set(),
    )
    found = register(few)
    assert len(found.matches) <= min(counts)
    assert np.isfinite(found.probability).all()


def test_model_tells_planted_pairs_apart():
    rng = np.random.default_rng(0)
    same = np.hypot(*rng.normal(0, 1, (2, 300)))
    other = 9 * rng.random(200) ** 0.4
    distance = np.concatenate([same, other])
    overlap = np.concatenate([rng.beta(8, 2, 300), rng.beta(1, 6, 200)])
    model = fit_pair_model(distance, overlap, max_distance_px=9.0)
    assert model.sigma_px == pytest.approx(1.0, abs=0.1)
    assert model.share_same == pytest.approx(0.6, abs=0.05)
    probability = model.probability(distance, overlap)
    assert ((probability > 0.5) == (np.arange(500) < 300)).mean() > 0.97


def test_cells_of_many_sessions_hold_one_roi_of_each_at_most():
    links = [
        Link(0, 0, 1, 0, 0.99),
        Link(1, 0, 2, 0, 0.98),
        Link(0, 0, 2, 0, 0.97),
        Link(0, 1, 1, 0, 0.90),  # a rival for a ROI that is taken
        Link(1, 1, 2, 1, 0.8),
        Link(0, 1, 2, 1, 0.2),
    ]
    cells = link_sessions([np.arange(2)] * 3, links, min_probability=0.5)
    assert cells.rois.tolist() == [[0, 0, 0], [1, -1, -1], [-1, 1, 1]]
    assert cells.probability[0] == pytest.approx(0.98)
    assert np.isnan(cells.probability[1])
    assert cells.of_session(1, 3).tolist() == [0, 2, -1]


def test_a_weak_link_alone_does_not_join_two_groups():
    links = [Link(0, 0, 1, 0, 0.99), Link(2, 0, 3, 0, 0.99), Link(1, 0, 2, 0, 0.6)]
    cells = link_sessions([np.arange(1)] * 4, links, min_probability=0.5)
    assert len(cells.rois) == 2
