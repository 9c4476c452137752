import numpy as np
import pytest

from ace_nwb.sync.clock import fit_clock


def device_clock(n: int, ppm: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    session = 5.0 + np.arange(n) / 20
    return (session - 5.0) * (1 + ppm * 1e-6), session


@pytest.mark.parametrize("shape", ["uniform", "exponential", "rare"])
def test_the_clock_runs_along_the_floor_of_late_time_stamps(shape: str) -> None:
    rng = np.random.default_rng(0)
    device, session = device_clock(6000, 80.0, rng)
    late = {
        "uniform": rng.uniform(0, 0.02, 6000),
        "exponential": np.minimum(rng.exponential(0.003, 6000), 0.03),
        "rare": np.where(rng.random(6000) < 0.05, 0.03, 0.0),
    }[shape]
    clock = fit_clock(device + late, session, np.zeros(6000, dtype=int))
    assert clock.drift_ppm == pytest.approx(80.0, abs=4.0)
    mapped = clock.to_session_time(device, np.zeros(6000, dtype=int))
    np.testing.assert_allclose(mapped, session, atol=1.5e-3)


def test_two_clocks_in_one_segment_still_give_a_finite_fit() -> None:
    device = np.arange(400) / 20
    lag = np.where(np.arange(400) % 2, 0.0, 5.0)
    clock = fit_clock(device, device + lag, np.zeros(400, dtype=int))
    assert np.isfinite(clock.to_session_time(device, np.zeros(400, dtype=int))).all()


def test_slow_curvature_is_followed_only_if_it_is_there() -> None:
    rng = np.random.default_rng(1)
    device, session = device_clock(12000, -40.0, rng)
    segment = np.zeros(12000, dtype=int)
    straight = fit_clock(device + rng.exponential(0.002, 12000), session, segment)
    assert straight.curvature_ms < 0.01
    bend = 0.015 * np.sin(2 * np.pi * session / 600)
    curved = fit_clock(device + bend + rng.exponential(0.002, 12000), session, segment)
    assert curved.curvature_ms > 5
    np.testing.assert_allclose(curved.to_session_time(device + bend, segment), session, atol=2.5e-3)


def test_sharp_time_stamps_show_a_curve_within_half_a_minute() -> None:
    rng = np.random.default_rng(3)
    device, session = device_clock(600, 90.0, rng)
    bend = 0.002 * np.sin(2 * np.pi * np.arange(600) / 600 + 1.0)
    segment = np.zeros(600, dtype=int)
    clock = fit_clock(np.round(device + bend, 3), session, segment)
    late = clock.to_session_time(device + bend, segment) - session
    assert np.abs(late - 4e-4).max() < 5e-4  # of time stamps in whole milliseconds


def test_a_jump_is_a_break_with_its_size() -> None:
    rng = np.random.default_rng(2)
    device, session = device_clock(4000, 20.0, rng)
    device = device + rng.exponential(0.001, 4000) + np.where(np.arange(4000) >= 1500, -3.2, 0.0)
    segment = (np.arange(4000) >= 1500).astype(int)
    clock = fit_clock(device, session, segment)
    np.testing.assert_allclose(clock.jumps_s, [-3.2], atol=1e-3)
    np.testing.assert_array_equal(clock.find_segments(device), segment)


@pytest.mark.parametrize("share", [0.05, 0.2])
def test_rows_taken_for_the_frame_behind_do_not_pull_the_clock(share: float) -> None:
    rng = np.random.default_rng(0)
    captured = 5.0 + np.arange(9000) / 30.0
    stamps = captured - 5.0 + rng.gamma(2.0, 6e-4, captured.size)
    aside = slice(3000, 3000 + int(share * captured.size))
    taken = captured.copy()
    taken[aside] += 1 / 30.0
    clock = fit_clock(stamps, taken, np.zeros(captured.size, dtype=int))
    late = clock.to_session_time(stamps, np.zeros(captured.size, dtype=int)) - captured
    assert abs(np.quantile(np.delete(late, np.r_[aside]), 0.02)) < 1e-3
