"""A planted bend of the field must come back, and none where there is none."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from ace_nwb.errors import MovieError
from ace_nwb.imaging.corrected import CorrectedMovie, observed_box
from ace_nwb.imaging.motion import Motion, estimate_motion
from ace_nwb.imaging.movie import ArrayMovie
from ace_nwb.imaging.piecewise import NodeGrid
from ace_nwb.imaging.warping import node_positions, shift_frames, warp_frames

FIELD = (96, 120)
N_FRAMES = 160
GRID = (2, 2)


def make_scene() -> np.ndarray:
    noise = np.random.default_rng(4).normal(size=(2, *FIELD))
    fine, coarse = gaussian_filter(noise[0], 2.5), gaussian_filter(noise[1], 6)
    return (100 + 18 * fine / fine.std() + 8 * coarse / coarse.std()).astype(np.float32)


def bend_frames(with_bend: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return frames, their rigid displacement, and that of the nodes relative to it."""
    rng = np.random.default_rng(3)
    rigid = np.cumsum(rng.normal(0, 0.15, (N_FRAMES, 2)), axis=0)
    time = np.arange(N_FRAMES) / 20
    bend = np.zeros((N_FRAMES, *GRID, 2))
    if with_bend:
        bend[:, 0, :, 1] = 1.5 * np.sin(2 * np.pi * time / 4)[:, None]
        bend[:, 1, :, 1] = -bend[:, 0, :, 1]
    scene = np.repeat(make_scene()[None], N_FRAMES, axis=0)
    frames = warp_frames(scene, rigid, bend, np.ones(N_FRAMES))
    return frames + rng.normal(0, 4, frames.shape).astype(np.float32), rigid, bend


def estimate(frames: np.ndarray, *, piecewise: bool = True, workers: int = 1) -> Motion:
    return estimate_motion(
        ArrayMovie(frames, 20.0),
        max_shift_px=10,
        filter_radius_px=5.0,
        piecewise=piecewise,
        patch_size_px=52,
        max_deviation_px=3.0,
        workers=workers,
    )


def sharpness(motion: Motion, frames: np.ndarray) -> float:
    movie = CorrectedMovie(ArrayMovie(frames, 20.0), None, None, motion.shifts, motion.deviations)
    return float(movie.read(0, N_FRAMES).mean(0)[14:-14, 14:-14].std())


@pytest.fixture(scope="module")
def bent() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return bend_frames(with_bend=True)


@pytest.fixture(scope="module")
def found(bent: tuple) -> Motion:
    return estimate(bent[0])


def test_the_planted_bend_comes_back(bent: tuple, found: Motion) -> None:
    _, rigid, bend = bent
    assert found.deviations.shape == (N_FRAMES, *GRID, 2)
    truth = rigid[:, None, None] + bend
    estimated = found.shifts[:, None, None] + found.deviations
    error = estimated + truth
    error -= error.mean(0)
    assert np.sqrt(np.mean(error**2)) < 0.45
    assert np.sqrt(np.mean(bend[..., 1] ** 2)) > 1


def test_bending_back_is_sharper_than_shifting(bent: tuple, found: Motion) -> None:
    rigid = estimate(bent[0], piecewise=False)
    assert rigid.deviations is None
    still = make_scene()[14:-14, 14:-14].std()
    assert sharpness(found, bent[0]) > sharpness(rigid, bent[0])
    assert sharpness(found, bent[0]) > 0.85 * still


def test_a_field_that_does_not_bend_is_left_straight() -> None:
    frames, rigid, _ = bend_frames(with_bend=False)
    motion = estimate(frames)
    error = motion.shifts + rigid
    assert np.sqrt(np.mean((error - error.mean(0)) ** 2)) < 0.15
    assert np.sqrt(np.mean(motion.deviations**2)) < 0.08


def test_deviations_are_bounded(bent: tuple) -> None:
    motion = estimate_motion(
        ArrayMovie(bent[0], 20.0),
        max_shift_px=10,
        filter_radius_px=5.0,
        piecewise=True,
        patch_size_px=52,
        max_deviation_px=0.5,
    )
    assert 0.4 < np.abs(motion.deviations).max() <= 0.5


def test_the_number_of_workers_changes_no_bit(bent: tuple, found: Motion) -> None:
    assert estimate(bent[0], workers=2).deviations.tobytes() == found.deviations.tobytes()


def test_bending_by_equal_nodes_is_shifting() -> None:
    frames = np.random.default_rng(0).normal(size=(3, 30, 44)).astype(np.float32)
    shifts = np.array([[0.3, -1.7], [2.0, 0.0], [-0.5, 0.25]])
    gains = np.array([1.0, 2.0, 0.5])
    nodes = np.broadcast_to(np.array([0.4, -0.2]), (3, 2, 3, 2))
    np.testing.assert_allclose(
        warp_frames(frames, shifts, nodes, gains),
        shift_frames(frames, np.add(shifts, (0.4, -0.2)), gains),
        atol=1e-5,
    )


def test_nodes_are_the_centres_of_equal_rectangles() -> None:
    np.testing.assert_allclose(node_positions(12, 3), [1.5, 5.5, 9.5])
    grid = NodeGrid.over((96, 200), 96)
    assert grid.shape == (1, 2)
    np.testing.assert_allclose(grid.hats((96, 200)).sum(0), 1, rtol=1e-6)
    assert NodeGrid.over((30, 40), 96).shape == (1, 1)


def test_the_observed_box_leaves_room_for_the_bend() -> None:
    movie = ArrayMovie(np.zeros((5, 60, 80), np.uint8), 20.0)
    deviations = np.zeros((5, 2, 2, 2))
    deviations[:, 0, 0] = (3, -2)
    box = observed_box(CorrectedMovie(movie, shifts=np.ones((5, 2)), deviations=deviations))
    assert box.limits == (4, 60, 1, 79)


def test_a_wrong_number_of_deviations_is_refused() -> None:
    movie = ArrayMovie(np.zeros((5, 20, 20), np.uint8), 20.0)
    with pytest.raises(MovieError, match="deviations has 3 rows"):
        CorrectedMovie(movie, deviations=np.zeros((3, 2, 2, 2)))


def test_a_field_that_turns_and_stretches_comes_to_rest_at_its_corners() -> None:
    time = np.arange(N_FRAMES) / 20
    at = [node_positions(side, 4) / side - 0.5 for side in FIELD]
    down, across = np.meshgrid(*at, indexing="ij")
    turn = 2.5 * np.sin(2 * np.pi * time / 4)[:, None, None]
    stretch = 2 * np.cos(2 * np.pi * time / 5)[:, None, None]
    bend = np.stack([turn * across + stretch * down, -turn * down], axis=-1)
    scene = np.repeat(make_scene()[None], N_FRAMES, axis=0)
    frames = warp_frames(scene, np.zeros((N_FRAMES, 2)), bend, np.ones(N_FRAMES))
    frames += np.random.default_rng(5).normal(0, 4, frames.shape).astype(np.float32)
    motion = estimate_motion(
        ArrayMovie(frames, 20.0), max_shift_px=10, filter_radius_px=5.0, patch_size_px=30.0
    )
    grid = motion.deviations.shape[1:3]
    rows, columns = (
        node_positions(side, nodes) / side - 0.5 for side, nodes in zip(FIELD, grid, strict=True)
    )
    down, across = np.meshgrid(rows, columns, indexing="ij")
    planted = np.stack([turn * across + stretch * down, -turn * down], axis=-1)
    error = motion.shifts[:, None, None] + motion.deviations + planted
    error -= error.mean(0)
    assert np.sqrt(np.square(error).sum(-1).mean()) < 0.25
    assert np.sqrt(np.square(planted).sum(-1).mean()) > 0.75


def test_a_large_field_has_no_more_nodes_than_it_needs() -> None:
    assert NodeGrid.over((608, 200), 48.0).shape == (6, 4)


def test_turning_and_stretching_cost_little_and_roughness_much() -> None:
    grid = NodeGrid((4, 4))
    down, across = np.meshgrid(np.arange(4.0), np.arange(4.0), indexing="ij")
    turned = np.stack([across, -down], axis=-1) - 1.5
    rough = np.random.default_rng(0).permutation(turned.reshape(-1, 2)).ravel()
    prior = grid.prior(12.0)
    assert turned.ravel() @ prior @ turned.ravel() < 0.02 * rough @ prior @ rough
