"""Motion is planted and must come back."""

import numpy as np
import pytest

from ace_nwb.imaging.motion import Motion, estimate_motion
from ace_nwb.imaging.motion_evidence import find_bad_frames
from ace_nwb.imaging.movie import ArrayMovie
from ace_nwb.imaging.warping import shift_frames, warp_frames

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


def test_no_shift_is_larger_than_the_limit(moved: tuple) -> None:
    frames, displacement = moved
    motion = estimate_motion(ArrayMovie(frames, 20.0), max_shift_px=2, filter_radius_px=5.0)
    assert np.abs(displacement).max() > 4
    assert np.abs(motion.shifts).max() <= 2


def test_a_limit_of_zero_switches_registration_off(moved: tuple) -> None:
    frames, _ = moved
    motion = estimate_motion(
        ArrayMovie(frames, 20.0), max_shift_px=0, filter_radius_px=5.0, piecewise=True
    )
    assert not motion.shifts.any()
    assert motion.deviations is None
    assert np.isfinite(motion.quality).all()


@pytest.mark.parametrize("mean", [0.0, 80.0])
def test_a_movie_of_noise_is_not_moved(mean: float) -> None:
    noise = np.random.default_rng(8).normal(mean, 9, (N_FRAMES, N_ROWS, N_COLUMNS))
    motion = estimate(np.clip(noise, 0, 255).astype(np.uint8))
    assert not motion.is_moved
    assert not motion.shifts.any()


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("strength", [3, 30])
def test_lines_of_the_sensor_that_vary_do_not_pull(moved: tuple, axis: int, strength: int) -> None:
    frames, displacement = moved
    shape = list(frames.shape)
    shape[3 - axis] = 1
    banding = np.random.default_rng(6).normal(0, strength, shape).astype(np.float32)
    assert rmse_px(estimate(frames + banding), displacement) < 0.3


def test_a_field_that_moves_alike_is_registered_rigidly(moved: tuple) -> None:
    frames, _ = moved
    movie = ArrayMovie(frames, 20.0)
    motion = estimate_motion(movie, max_shift_px=12, filter_radius_px=5.0, patch_size_px=32.0)
    assert motion.is_moved
    assert motion.deviations is None


def test_a_field_that_bends_is_registered_piecewise() -> None:
    rng = np.random.default_rng(11)
    scene = make_scene(rng).astype(np.float32)
    bend = np.cumsum(rng.normal(0, 0.3, N_FRAMES))
    nodes = np.zeros((N_FRAMES, 1, 3, 2))
    nodes[:, 0, 0, 0], nodes[:, 0, 2, 0] = bend, -bend
    still = np.repeat(scene[None], N_FRAMES, axis=0)
    bent = warp_frames(still, np.zeros((N_FRAMES, 2)), nodes, np.ones(N_FRAMES))
    bent += rng.normal(0, 4, bent.shape).astype(np.float32)
    movie = ArrayMovie(bent, 20.0)
    motion = estimate_motion(movie, max_shift_px=12, filter_radius_px=5.0, patch_size_px=32.0)
    assert motion.deviations is not None
    left_and_right = motion.deviations[:, :, [0, -1], 0].mean(1)
    assert np.corrcoef(left_and_right[:, 0] - left_and_right[:, 1], -2 * bend)[0, 1] > 0.9


def test_specks_on_the_lens_hold_the_tissue_less_than_a_third_of_a_pixel(moved: tuple) -> None:
    frames, displacement = moved
    rng = np.random.default_rng(4)
    lens = np.ones((N_ROWS, N_COLUMNS))
    rows, columns = np.mgrid[:N_ROWS, :N_COLUMNS]
    for _ in range(6):
        row, column, radius = rng.uniform(0, N_ROWS), rng.uniform(0, N_COLUMNS), rng.uniform(2, 4)
        lens[np.hypot(rows - row, columns - column) < radius] *= 0.75
    assert rmse_px(estimate((frames * lens).astype(np.float32)), displacement) < 0.33
