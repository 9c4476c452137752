"""Motion is what both halves of the field see; nothing else is invented."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from ace_nwb.imaging.motion import estimate_motion
from ace_nwb.imaging.motion_evidence import bridge_frames, keep_shared_motion, split_field
from ace_nwb.imaging.movie import ArrayMovie
from ace_nwb.imaging.warping import shift_frames

FIELD = (80, 104)


def halves_of(motion: np.ndarray, noise_px: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return the shifts of the field and of its halves, each half with noise of its own."""
    noise = np.random.default_rng(seed).normal(0, noise_px, (len(motion), 2, 2))
    halves = motion[:, None] + noise
    return halves.mean(1), halves


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def test_halves_that_do_not_agree_give_no_motion() -> None:
    whole, halves = halves_of(np.zeros((400, 2)), 0.4)
    assert rms(whole) > 0.2
    kept = keep_shared_motion(whole, halves)
    assert rms(kept - np.median(kept, axis=0)) < 0.02


def test_halves_that_agree_keep_their_motion_and_lose_their_noise() -> None:
    walk = np.cumsum(np.random.default_rng(1).normal(0, 0.2, (800, 2)), axis=0)
    whole, halves = halves_of(walk, 0.4)
    error = keep_shared_motion(whole, halves) - walk
    assert rms(error - error.mean(0)) < 0.75 * rms(whole - walk)


def test_exact_halves_change_nothing() -> None:
    walk = np.cumsum(np.random.default_rng(1).normal(0, 0.2, (300, 2)), axis=0)
    whole, halves = halves_of(walk, 0.0)
    np.testing.assert_allclose(keep_shared_motion(whole, halves), walk, atol=0.1)


def test_a_single_jump_survives_in_an_otherwise_still_movie() -> None:
    motion = np.zeros((600, 2))
    motion[300:303] = (6, -5)
    whole, halves = halves_of(motion, 0.2)
    kept = keep_shared_motion(whole, halves)
    assert np.abs(kept[300:303] - motion[300:303]).max() < 0.6
    assert rms(np.delete(kept, [300, 301, 302], axis=0)) < 0.15


@pytest.mark.parametrize("n_frames", [0, 1, 5])
def test_short_movies_are_left_alone(n_frames: int) -> None:
    whole, halves = halves_of(np.ones((n_frames, 2)), 0.3)
    np.testing.assert_array_equal(keep_shared_motion(whole, halves), whole)


def test_the_chessboard_has_two_equal_halves() -> None:
    white = split_field((40, 60), 10)
    assert white.mean() == 0.5
    assert white[[0, 0, 10, 10], [0, 10, 0, 10]].tolist() == [True, False, False, True]


def test_bad_frames_are_bridged_in_every_value() -> None:
    values = np.arange(10.0)[:, None, None] * np.ones((10, 2, 3))
    is_bad = np.zeros(10, bool)
    is_bad[[4, 5]] = True
    spoiled = values.copy()
    spoiled[is_bad] = 99
    np.testing.assert_allclose(bridge_frames(spoiled, is_bad), values)
    assert (bridge_frames(spoiled, np.ones(10, bool)) == 0).all()


def blinking(n_frames: int) -> np.ndarray:
    """Return a still movie in which cells light up and sensor noise is strong."""
    rng = np.random.default_rng(2)
    rows, columns = np.mgrid[: FIELD[0], : FIELD[1]]
    frames = np.full((n_frames, *FIELD), 60.0)
    for _ in range(18):
        row, column = rng.uniform(0, FIELD[0]), rng.uniform(0, FIELD[1])
        cell = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * 3**2))
        spikes = (rng.random(n_frames) < 0.03).astype(float)
        trace = np.convolve(spikes, np.exp(-np.arange(60) / 8))[:n_frames]
        frames += (2 + 15 * trace)[:, None, None] * cell
    return (frames + rng.normal(0, 4, frames.shape)).astype(np.float32)


def test_a_still_movie_of_blinking_cells_is_given_no_motion() -> None:
    motion = estimate_motion(ArrayMovie(blinking(300), 20.0), max_shift_px=10, filter_radius_px=6.0)
    assert rms(motion.shifts - np.median(motion.shifts, axis=0)) < 0.05


def test_the_same_movie_with_planted_motion_is_given_it() -> None:
    rng = np.random.default_rng(5)
    walk = np.cumsum(rng.normal(0, 0.3, (300, 2)), axis=0)
    walk -= np.median(walk, axis=0)
    still = blinking(300)
    tissue = gaussian_filter(rng.normal(size=FIELD), 2.5)
    still += (12 * tissue / tissue.std()).astype(np.float32)
    moved = shift_frames(still, walk, np.ones(300))
    motion = estimate_motion(ArrayMovie(moved, 20.0), max_shift_px=12, filter_radius_px=6.0)
    error = motion.shifts + walk
    assert rms(error - error.mean(0)) < 0.25
