"""Cells are found again after shift, rotation, warp and turnover; strangers are not matched."""

import numpy as np
import pytest

from ace_nwb.imaging.cell_maps import build_cell_map, move_footprints
from ace_nwb.imaging.common_field import LEVEL, judge_score
from ace_nwb.imaging.pair_model import pair_exclusively
from ace_nwb.imaging.registration import (
    Link,
    link_sessions,
    refine_pair,
    register_fields,
    register_pair,
)
from ace_nwb.imaging.spacing import measure_room, measure_spacing
from tests.fixtures.shared_cells import DIAMETER_PX, draw_pair, f1_score

SIZES = {"cell_diameter_px": DIAMETER_PX, "max_distance_px": 0.75 * DIAMETER_PX}


def centroids(footprints, field_shape):
    return build_cell_map(footprints, field_shape).centroids


def register(pair):
    cells = (centroids(each, pair.field_shape) for each in (pair.first, pair.second))
    return register_pair(*cells, pair.field_shape, max_rotation_deg=10.0, **SIZES)


def matches(found, least=0.5):
    probable = found.pairs.probability > least
    return np.column_stack([found.pairs.first, found.pairs.second])[probable]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"rotation_deg": -8.0, "warp_px": 0.0, "shift_px": (0.0, 0.0)},
        {"rotation_deg": 0.0, "warp_px": 6.0, "shift_px": (-20.0, 25.0)},
        {"turnover": 0.5, "jitter_px": 1.2},
        {"spacing": 0.6, "jitter_px": 0.8},
    ],
    ids=str,
)
def test_cells_are_found_again(changes):
    pair = draw_pair(11, **changes)
    assert f1_score(matches(register(pair)), pair.true) >= 0.97


def test_three_quarters_of_other_cells_are_no_obstacle():
    pair = draw_pair(100, turnover=0.75, jitter_px=1.2, rotation_deg=8.0, warp_px=6.0)
    found = register(pair)
    assert found.common.is_common
    assert f1_score(matches(found), pair.true) >= 0.9


@pytest.mark.parametrize("jitter_px", [0.5, 1.2, 2.0])
def test_jitter_is_estimated_from_the_pair(jitter_px):
    found = register(draw_pair(4, jitter_px=jitter_px)).alignment
    assert found.jitter_px == pytest.approx(jitter_px, rel=0.25)


def test_warp_is_estimated_from_the_pair():
    still, warped = (register(draw_pair(4, warp_px=warp)).alignment for warp in (0.0, 8.0))
    assert warped.warp_px > still.warp_px + 0.3


def test_sessions_of_two_places_share_no_field_and_no_cell():
    first, second = draw_pair(1), draw_pair(2)
    found = register(type(first)(first.first, second.second, first.field_shape, set()))
    assert not found.common.is_common
    assert len(matches(found, least=0.0)) == 0
    assert register(first).common.p_chance < LEVEL / 100


@pytest.mark.parametrize(("excess", "is_common"), [(9.5, False), (10.5, True)])
def test_a_field_is_common_from_about_ten_nats_above_foreign_ones(excess, is_common):
    foreign = 5 + 2.8 * np.array([-1.2, -0.8, -0.3, 0.3, 0.8, 1.2])
    assert judge_score(5 + excess, foreign).is_common is is_common


def test_every_two_sessions_get_a_verdict_of_their_own():
    here, there = draw_pair(5), draw_pair(6)
    cells = [
        centroids(each, here.field_shape)
        for each in (here.first, there.first, here.second, there.second)
    ]
    found = register_fields(cells, here.field_shape, reference=2, max_rotation_deg=10.0, **SIZES)
    common = {pair for pair, each in found.pairs.items() if each.common.is_common}
    assert common == {(0, 2), (1, 3)}
    assert f1_score(matches(found.pairs[0, 2]), here.true) > 0.95
    assert f1_score(matches(found.pairs[1, 3]), there.true) > 0.95
    # sessions of another place than the reference's are not moved
    assert (found.alignments[1].matrix == np.eye(2, 3)).all()


def test_sessions_in_place_are_compared_where_they_lie():
    pair = draw_pair(8, rotation_deg=0.0, shift_px=(0.0, 0.0), warp_px=2.0, turnover=0.5)
    first, second = (centroids(each, pair.field_shape) for each in (pair.first, pair.second))
    found = refine_pair(first, second, pair.field_shape, **SIZES)
    assert f1_score(matches(found), pair.true) > 0.95
    mirrored = np.array([0, pair.field_shape[1] - 1]) + second * np.array([1, -1])
    assert not refine_pair(first, mirrored, pair.field_shape, **SIZES).common.is_common


def test_stated_probabilities_are_the_share_of_true_pairs():
    stated, is_true = [], []
    for seed in range(3):
        pair = draw_pair(20 + seed, field_shape=(120, 130), spacing=0.45, jitter_px=1.5)
        found = register(pair)
        links = zip(found.pairs.first.tolist(), found.pairs.second.tolist(), strict=True)
        stated.append(found.pairs.probability)
        is_true.append([link in pair.true for link in links])
    stated, is_true = np.concatenate(stated), np.concatenate(is_true)
    assert is_true[stated > 0.9].mean() > 0.9
    assert is_true[stated < 0.1].mean() < 0.1
    assert abs(stated.mean() - is_true.mean()) < 0.04


def test_order_of_the_sessions_does_not_matter_for_the_matches():
    pair = draw_pair(5)
    there = {tuple(match) for match in matches(register(pair)).tolist()}
    swapped = type(pair)(pair.second, pair.first, pair.field_shape, set())
    back = {(b, a) for a, b in matches(register(swapped)).tolist()}
    assert len(there ^ back) <= 2


def test_moving_there_and_back_gives_the_same_point():
    alignment = register(draw_pair(3)).alignment
    points = np.random.default_rng(0).uniform(10, 150, (50, 2))
    np.testing.assert_allclose(alignment.forward(alignment.backward(points)), points, atol=0.05)


def test_moved_footprint_keeps_its_shape_and_centroid():
    pair = draw_pair(3, turnover=0.0, jitter_px=0.0)
    maps = [build_cell_map(each, pair.field_shape) for each in (pair.first, pair.second)]
    moved = move_footprints(maps[1], register(pair).alignment)
    first, second = np.array(sorted(pair.true)).T
    offsets = np.linalg.norm(maps[0].centroids[first] - moved.centroids[second], axis=1)
    assert np.median(offsets) < 0.5
    overlaps = (maps[0].unit.T @ moved.unit).toarray()[first, second]
    assert np.median(overlaps) > 0.9


@pytest.mark.parametrize("counts", [(0, 0), (0, 5), (5, 0), (1, 1), (2, 3), (4, 4)])
def test_few_or_no_cells_are_no_error_and_no_match(counts):
    pair = draw_pair(0)
    few = (pair.first[:, : counts[0]], pair.second[:, : counts[1]])
    found = register(type(pair)(*few, pair.field_shape, set()))
    assert len(matches(found)) == 0
    assert np.isfinite(found.pairs.probability).all()


def test_spacing_is_that_of_cells_that_keep_apart():
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 400, (600, 2))
    kept = [k for k in range(600) if (np.hypot(*(points[:k] - points[k]).T) > 10).all()]
    free, apart = (measure_spacing((each,), (400, 400), 12.0) for each in (points, points[kept]))
    assert free.at(np.array([6.0]))[0] > 0.8
    assert apart.at(np.array([6.0]))[0] < 0.2
    assert apart.at(np.array([15.0]))[0] > 0.8
    taken = len(kept) * np.pi * 10**2 / 400**2 * 0.9  # a tenth of strangers keep no distance
    assert measure_room(apart, points[kept], (400, 400)) == pytest.approx(1 - taken, abs=0.15)


def test_probabilities_are_those_of_all_exclusive_pairings():
    odds = np.array([[5.0, 2.0], [0.5, 1.0]])
    both, crossed = odds[0, 0] * odds[1, 1], odds[0, 1] * odds[1, 0]
    total = 1 + odds.sum() + both + crossed
    exact = (odds + np.array([[both, crossed], [crossed, both]])) / total
    # messages are exact without circles, and close to it in the smallest circle
    np.testing.assert_allclose(pair_exclusively(odds), exact, atol=0.03)
    odds[1, 0] = 0
    total = 1 + odds.sum() + both
    exact = (odds + np.array([[both, 0], [0, both]])) / total
    np.testing.assert_allclose(pair_exclusively(odds), exact, atol=1e-6)


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
