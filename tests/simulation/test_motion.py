import numpy as np

from ace_nwb.simulation.motion import draw_displacement, draw_slow_noise

MOTION = {"frame_rate_hz": 20.0, "drift_px": 0.8, "jumps_per_minute": 6.0}


def draw(seed: int, **changes: float) -> np.ndarray:
    settings = MOTION | {"jump_px": 3.0, "max_displacement_px": 5.0} | changes
    return draw_displacement(2000, **settings, rng=np.random.default_rng(seed))


def test_the_tissue_stays_within_bounds_and_rests_at_zero():
    moved = draw(0, drift_px=4.0)
    assert moved.shape == (2000, 2)
    assert np.abs(moved).max() == 5.0
    np.testing.assert_allclose(np.median(moved, axis=0), 0, atol=1e-9)


def test_jumps_happen_within_one_frame():
    assert np.abs(np.diff(draw(1), axis=0)).max() > 2.0
    assert np.abs(np.diff(draw(1, jumps_per_minute=0.0), axis=0)).max() < 1.0


def test_a_still_movie_does_not_move():
    assert not draw(2, drift_px=0.0, jump_px=0.0).any()


def test_slow_noise_has_unit_variance_and_forgets_at_its_time_constant():
    noise = draw_slow_noise(
        4000, 50, time_constant_s=1.0, frame_rate_hz=20.0, rng=np.random.default_rng(0)
    )
    assert abs(noise.std() - 1) < 0.05
    assert abs((noise[20:] * noise[:-20]).mean() - np.exp(-1)) < 0.05
    assert noise.dtype == np.float32
