import numpy as np
import pytest

from ace_nwb.errors import SyncError
from ace_nwb.sync.frames import continue_train
from ace_nwb.sync.train import build_train, divide_train

T = 1 / 30


def regular(n: int = 300, start: float = 1.0, period: float = T) -> np.ndarray:
    return start + period * np.arange(n)


def test_a_missing_pulse_is_filled_where_it_should_be() -> None:
    pulses = np.delete(regular(), [50, 120, 121])
    train = build_train(pulses, frame_interval_s=T)
    np.testing.assert_allclose(train.times_s, regular(), atol=1e-9)
    np.testing.assert_array_equal(np.flatnonzero(train.pulse < 0), [50, 120, 121])


def test_spurious_pulses_become_strays() -> None:
    pulses = np.sort(np.append(regular(), [2.0123, 5.011]))
    train = build_train(pulses, frame_interval_s=T)
    assert train.times_s.size == 300
    np.testing.assert_allclose(train.stray_times_s, [2.0123, 5.011])


def test_a_pause_ends_a_block() -> None:
    pulses = np.concatenate([regular(100), regular(100, start=9.777)])
    train = build_train(pulses, frame_interval_s=T)
    np.testing.assert_array_equal(train.block_starts, [0, 100, 200])


def test_irregular_pulses_before_and_after_belong_to_no_block() -> None:
    rng = np.random.default_rng(1)
    before = np.sort(rng.uniform(0, 0.9, 6))
    after = regular()[-1] + 0.05 + np.cumsum(rng.uniform(0.005, 0.2, 9))
    train = build_train(np.concatenate([before, regular(), after]), frame_interval_s=T)
    assert abs(train.times_s.size - 300) <= 1
    assert train.times_s[0] == pytest.approx(1.0, abs=T + 1e-3)


def test_a_change_of_rate_keeps_every_pulse() -> None:
    first = regular(200)
    pulses = np.concatenate([first, first[-1] + 0.05 * np.arange(1, 200)])
    train = build_train(pulses, frame_interval_s=T)
    assert train.times_s.size == pulses.size
    assert set(np.round(np.unique(train.period_s), 4)) == {0.0333, 0.05}


def test_pulses_at_an_unexpected_rate_are_refused_with_both_intervals() -> None:
    with pytest.raises(SyncError, match=r"median interval of 400\.00 ms.*33\.33 ms"):
        build_train(regular(period=0.4), frame_interval_s=T)


def test_an_exposure_that_varies_is_one_rate_in_one_run() -> None:
    rng = np.random.default_rng(2)
    pulses = np.cumsum(1 / 60 + np.abs(rng.normal(0, 1.6e-3, 2000)))
    train = build_train(pulses, frame_interval_s=float(np.mean(np.diff(pulses))))
    assert np.unique(train.period_s).size == 1
    assert train.block_starts.size == 2


def test_pulses_of_every_fifth_frame_are_refused_by_naming_what_to_state() -> None:
    with pytest.raises(SyncError, match="state frames_per_pulse=5"):
        build_train(regular(period=5 * T), frame_interval_s=T)


def test_a_line_of_every_nth_frame_is_divided_but_not_across_a_pause() -> None:
    pulses = np.concatenate([regular(40, period=4 * T), regular(30, start=19.0, period=4 * T)])
    times, source = divide_train(build_train(pulses, frame_interval_s=4 * T), 4)
    assert times.size == 39 * 4 + 1 + 29 * 4 + 1
    np.testing.assert_allclose(times[:157], regular(157), atol=1e-9)
    np.testing.assert_array_equal(source[source >= 0], np.arange(70))


def test_the_lattice_goes_on_in_silence() -> None:
    pulses = np.concatenate([regular(100), regular(100, start=6.01)])
    timeline = continue_train(build_train(pulses, frame_interval_s=T), n_outside=10)
    assert np.all(np.diff(timeline.times_s) > 0.4 * T)
    assert np.diff(timeline.times_s).max() < 1.7 * T
    assert timeline.is_held.sum() == 200
    np.testing.assert_allclose(timeline.times_s[:10], 1.0 - T * np.arange(10, 0, -1))
