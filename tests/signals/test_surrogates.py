import numpy as np
import pytest

from ace_nwb.errors import InputError
from ace_nwb.signals.surrogates import (
    compute_surrogate_p,
    control_false_discoveries,
    from_elapsed,
    move_events,
    to_elapsed,
)

INTERVALS_S = np.array([[10.0, 20.0], [50.0, 90.0]])


def moved(kind, times=(11.0, 12.0, 19.5, 60.0, 61.0), n_surrogates=200):
    rng = np.random.default_rng(0)
    return move_events(np.array(times), INTERVALS_S, kind=kind, n_surrogates=n_surrogates, rng=rng)


def test_elapsed_time_skips_gaps_and_comes_back():
    times = np.array([10.0, 15.0, 50.5, 90.0])
    elapsed = to_elapsed(times, INTERVALS_S)
    assert elapsed.tolist() == [0, 5, 10.5, 50]
    assert np.allclose(from_elapsed(elapsed, INTERVALS_S), times)
    assert np.isnan(to_elapsed(np.array([9.9, 30.0, 90.1]), INTERVALS_S)).all()


@pytest.mark.parametrize("kind", ["circular_shift", "interval_shuffle"])
def test_surrogate_events_stay_within_the_recording_and_keep_their_number(kind):
    times = moved(kind)
    assert times.shape == (200, 5)
    assert np.isfinite(to_elapsed(times, INTERVALS_S)).all()


def test_a_circular_shift_keeps_the_intervals_in_order():
    elapsed = to_elapsed(moved("circular_shift"), INTERVALS_S)
    steps = np.mod(np.diff(elapsed, axis=1), 50)
    assert np.allclose(steps, [1.0, 7.5, 10.5, 1.0])


def test_an_interval_shuffle_keeps_the_intervals_but_not_their_order():
    elapsed = np.sort(to_elapsed(moved("interval_shuffle"), INTERVALS_S), axis=1)
    circle = np.concatenate([elapsed, elapsed[:, :1] + 50], axis=1)
    steps = np.sort(np.diff(circle, axis=1), axis=1)
    assert np.allclose(steps, [1.0, 1.0, 7.5, 10.5, 30.0])
    assert len(np.unique(np.round(np.diff(elapsed, axis=1), 6), axis=0)) > 5


def test_surrogate_times_cover_the_recording_evenly():
    elapsed = to_elapsed(moved("circular_shift", times=(11.0,), n_surrogates=5000), INTERVALS_S)
    counts = np.histogram(elapsed, bins=10, range=(0, 50))[0]
    assert counts.min() > 400


def test_events_outside_the_recording_are_left_out():
    assert moved("circular_shift", times=(5.0, 11.0, 30.0)).shape == (200, 1)


def test_intervals_out_of_order_are_refused():
    with pytest.raises(InputError, match="out of order"):
        to_elapsed(np.zeros(1), INTERVALS_S[::-1])


def test_a_surrogate_p_is_never_zero():
    null = np.arange(99.0)
    assert compute_surrogate_p(np.array(1000.0), null) == pytest.approx(0.01)
    assert compute_surrogate_p(np.array(-1.0), null) == 1
    assert np.isnan(compute_surrogate_p(np.array(np.nan), null))


def test_false_discoveries_are_adjusted_over_the_tests_that_were_made():
    adjusted = control_false_discoveries(np.array([0.01, np.nan, 0.02, 0.9]))
    assert np.allclose(adjusted, [0.03, np.nan, 0.03, 0.9], equal_nan=True)
