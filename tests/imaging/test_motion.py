"""Motion is planted and must come back."""

import numpy as np
import pytest

from ace_nwb.imaging.motion import Motion, estimate_motion
from ace_nwb.imaging.motion_evidence import find_bad_frames
from ace_nwb.imaging.movie import ArrayMovie
from ace_nwb.imaging.warping import shift_frames

N_ROWS, N_COLUMNS, N_FRAMES = 72, 96, 160


def make_scene(rng: np.random.Generator) -> np.ndarray:
    rows, columns = np.mgrid[:N_ROWS, :N_COLUMNS]
    scene = np.full((N_ROWS, N_COLUMNS), 100.0)
    for _ in range(45):
        row, column = rng.uniform(0, N_ROWS), rng.uniform(0, N_COLUMNS)
        width = rng.uniform(2, 6)
        distance = (rows - row) ** 2 + (columns - column) ** 2
        scene += rng.uniform(-35, 45) * np.exp(-distance / (2 * width**2))
    return np.maximum(scene, 20)


@pytest.fixture(scope="module")
def moved() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    displacement = np.cumsum(rng.normal(0, 0.2, (N_FRAMES, 2)), axis=0)
    displacement[60:75] += (5.3, -4.6)
    scene = make_scene(rng).astype(np.float32)
    frames = shift_frames(np.repeat(scene[None], N_FRAMES, axis=0), displacement, np.ones(N_FRAMES))
    return frames + rng.normal(0, 4, frames.shape).astype(np.float32), displacement


def estimate(frames: np.ndarray, workers: int = 1) -> Motion:
    movie = ArrayMovie(frames, 20.0)
    return estimate_motion(movie, max_shift_px=12, filter_radius_px=5.0, workers=workers)


def rmse_px(motion: Motion, displacement: np.ndarray) -> float:
    error = motion.shifts + displacement
    return float(np.sqrt(np.mean((error - error.mean(0)) ** 2)))


def test_planted_shifts_come_back_below_a_fifth_of_a_pixel(moved: tuple) -> None:
    frames, displacement = moved
    motion = estimate(frames)
    assert rmse_px(motion, displacement) < 0.2
    assert motion.shifts.shape == (N_FRAMES, 2)
    assert not motion.is_bad.any()


def test_shifts_make_the_movie_stand_still(moved: tuple) -> None:
    frames, _ = moved
    still = shift_frames(frames, estimate(frames).shifts, np.ones(N_FRAMES))
    inner = slice(None), slice(14, -14), slice(14, -14)
    assert still[inner].std(0).mean() < 0.6 * frames[inner].std(0).mean()


def test_a_vignette_that_does_not_move_does_not_hold_the_tissue(moved: tuple) -> None:
    frames, displacement = moved
    rows, columns = np.mgrid[-1 : 1 : N_ROWS * 1j, -1 : 1 : N_COLUMNS * 1j]
    vignette = 1 - 0.35 * (rows**2 + columns**2)
    assert rmse_px(estimate(frames * vignette.astype(np.float32)), displacement) < 0.3


def test_flicker_of_the_whole_frame_changes_nothing(moved: tuple) -> None:
    frames, displacement = moved
    gain = 1 + 0.3 * np.sin(np.arange(N_FRAMES))[:, None, None]
    assert rmse_px(estimate((frames * gain).astype(np.float32)), displacement) < 0.25


def test_blank_frames_are_flagged_and_bridged(moved: tuple) -> None:
    frames, displacement = moved
    blank = frames.copy()
    blank[[20, 21, 130]] = np.random.default_rng(0).normal(10, 1, (3, N_ROWS, N_COLUMNS))
    motion = estimate(blank)
    assert set(np.flatnonzero(motion.is_bad)) == {20, 21, 130}
    good = ~motion.is_bad
    assert rmse_px(Motion(motion.shifts[good], motion.quality, good, blank[0]), displacement[good])
    assert np.abs(motion.shifts[20] - motion.shifts[19]).max() < 1.5


def test_the_number_of_workers_changes_no_bit(moved: tuple) -> None:
    frames, _ = moved
    one, two = estimate(frames, 1), estimate(frames, 2)
    assert one.shifts.tobytes() == two.shifts.tobytes()
    assert one.quality.tobytes() == two.quality.tobytes()


@pytest.mark.parametrize("value", [0, 7, 255])
def test_a_constant_movie_has_no_motion(value: int) -> None:
    motion = estimate(np.full((40, 48, 64), value, np.uint8))
    assert np.isfinite(motion.shifts).all()
    assert np.abs(motion.shifts).max() < 1e-3


def test_a_movie_of_one_frame_is_registered() -> None:
    scene = make_scene(np.random.default_rng(1)).astype(np.float32)
    assert estimate(scene[None]).shifts.shape == (1, 2)


def test_bad_frames_are_far_below_the_others() -> None:
    quality = np.random.default_rng(2).normal(0.8, 0.02, 200)
    quality[17] = 0.1
    assert np.flatnonzero(find_bad_frames(quality)).tolist() == [17]


def test_a_jump_beyond_the_search_is_flagged_or_bounded_not_invented(moved: tuple) -> None:
    frames, displacement = moved
    jumped = frames.copy()
    jumped[100] = np.roll(frames[100], (30, 40), axis=(0, 1))
    motion = estimate(jumped)
    assert motion.quality[100] < 0.6 * np.median(motion.quality)
    others = np.delete(np.arange(N_FRAMES), 100)
    assert (
        rmse_px(
            Motion(motion.shifts[others], motion.quality, motion.is_bad, frames[0]),
            displacement[others],
        )
        < 0.2
    )
    assert np.abs(motion.shifts[100] - motion.shifts[99]).max() < 3


def test_saturated_pixels_do_not_hold_the_tissue(moved: tuple) -> None:
    frames, displacement = moved
    saturated = np.minimum(frames, 115)
    saturated[:, 30:34, 50:54] = 255
    assert rmse_px(estimate(saturated), displacement) < 0.3
