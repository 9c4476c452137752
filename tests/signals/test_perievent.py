import numpy as np
import pytest

from ace_nwb.errors import InputError, ParameterError
from ace_nwb.signals.perievent import (
    align_to_events,
    compute_correlogram,
    compute_correlogram_test,
    compute_perievent_average,
)

LAGS_S = np.arange(-20, 41) / 20


def average(values, event_times, seed=0):
    times = np.arange(len(values)) / 20
    return compute_perievent_average(
        values, times, event_times_s=event_times, lags_s=LAGS_S, n_surrogates=199, seed=seed
    )


def test_a_planted_response_is_recovered_where_it_is():
    rng = np.random.default_rng(0)
    values = rng.standard_normal(12_000)
    events = np.sort(rng.choice(np.arange(100, 11_900, 60), 80, replace=False)) / 20
    for event in events:
        values[round(event * 20) + np.arange(5, 15)] += 1.5
    found = average(values, events)
    is_response = (LAGS_S > 0.24) & (LAGS_S < 0.71)
    assert found.mean[is_response].mean() == pytest.approx(1.5, abs=0.15)
    assert np.all((found.mean > found.null_upper) == is_response)
    assert found.p_value <= 0.02


def test_the_average_equals_cutting_by_hand_when_events_fall_on_samples():
    values = np.random.default_rng(1).standard_normal(2000)
    events = np.array([10.0, 33.3, 71.15])
    found = average(values, events)
    cut = np.array([values[round(event * 20) - 20 : round(event * 20) + 41] for event in events])
    assert np.allclose(found.mean, cut.mean(axis=0))
    assert np.allclose(found.standard_error, cut.std(axis=0, ddof=1) / np.sqrt(3))


def test_events_near_a_gap_or_the_end_lose_only_what_is_missing():
    times = np.arange(2000) / 20
    values = np.ones(2000)
    values[1000:1010] = np.nan
    aligned = align_to_events(
        values, times, event_times_s=np.array([0.5, 49.9]), lags_s=np.array([-1.0, 0.0, 0.2, 1.0])
    )
    assert np.isnan(aligned).tolist() == [[True, False, False, False], [False, False, True, False]]


def test_responses_to_nothing_are_as_rare_as_promised():
    rng = np.random.default_rng(2)
    p_values = []
    for seed in range(60):
        values = np.convolve(rng.standard_normal(3000), np.ones(10), mode="same")
        p_values.append(average(values, rng.uniform(2, 146, 30), seed).p_value)
    assert np.mean(np.array(p_values) <= 0.05) < 0.15


def test_too_few_events_are_refused():
    with pytest.raises(InputError, match="1 events leave 1 values"):
        average(np.zeros(2000), np.array([50.0]))


def test_too_few_surrogates_are_refused():
    with pytest.raises(ParameterError, match="at least 19"):
        compute_perievent_average(
            np.zeros(100),
            np.arange(100.0),
            event_times_s=np.arange(5),
            lags_s=LAGS_S,
            n_surrogates=10,
            seed=0,
        )


def test_a_correlogram_counts_every_pair_once():
    rng = np.random.default_rng(3)
    first, second = rng.uniform(0, 100, 200), rng.uniform(0, 100, 300)
    lags, counts = compute_correlogram(first, second, bin_s=0.1, max_lag_s=1.0)
    differences = (second[None, :] - first[:, None]).ravel()
    edges = (np.arange(22) - 10.5) * 0.1
    assert np.array_equal(counts, np.histogram(differences, edges)[0])
    assert np.allclose(lags, np.arange(-10, 11) * 0.1)


def test_an_autocorrelogram_leaves_out_the_event_itself():
    times = np.array([1.0, 1.5, 3.0])
    _, counts = compute_correlogram(times, times, bin_s=0.5, max_lag_s=1.0)
    assert counts.tolist() == [0, 1, 0, 1, 0]


def test_a_planted_lag_stands_out_of_the_correlogram():
    rng = np.random.default_rng(4)
    first = np.sort(rng.uniform(0, 298, 150))
    second = np.sort(np.concatenate([first[:60] + 0.5, rng.uniform(0, 300, 100)]))
    lags, counts, band, p_value = compute_correlogram_test(
        first,
        second,
        grid=(0.1, 2.0),
        intervals_s=np.array([[0.0, 300.0]]),
        n_surrogates=199,
        seed=0,
    )
    assert p_value <= 0.02
    assert lags[counts > band[1]] == pytest.approx([0.5])


def test_lags_below_one_bin_are_refused():
    with pytest.raises(ParameterError, match="one bin"):
        compute_correlogram(np.zeros(2), np.zeros(2), bin_s=0.5, max_lag_s=0.1)
