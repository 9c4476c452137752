import numpy as np
import pytest

from ace_nwb.errors import SyncError
from ace_nwb.sync.timeline import continue_train
from ace_nwb.sync.train import build_train

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


def test_the_lattice_goes_on_in_silence() -> None:
    pulses = np.concatenate([regular(100), regular(100, start=6.01)])
    timeline = continue_train(build_train(pulses, frame_interval_s=T), n_outside=10)
    assert np.all(np.diff(timeline.times_s) > 0.4 * T)
    assert np.diff(timeline.times_s).max() < 1.7 * T
    assert timeline.is_held.sum() == 200
    np.testing.assert_allclose(timeline.times_s[:10], 1.0 - T * np.arange(10, 0, -1))
