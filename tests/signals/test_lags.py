import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import signal as scipy_signal
from scipy import stats

from ace_nwb.errors import InputError, ParameterError
from ace_nwb.signals.lags import (
    LEAST_INDEPENDENT,
    compute_correlation_p,
    compute_lagged_correlation,
    correlate_at_lags,
    estimate_effective_n,
    remove_line,
)


def slow_noise(rng, n_samples=4000, memory=0.95):
    return scipy_signal.lfilter([1], [1, -memory], rng.standard_normal(n_samples))


def correlate(first, second, seed=0):
    return compute_lagged_correlation(
        first, second, sampling_rate_hz=20.0, max_lag_s=5.0, n_surrogates=199, seed=seed
    )


def test_every_lag_equals_numpys_correlation_of_the_overlap():
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((2, 200)) + 50
    first[20:30] = np.nan
    found = correlate_at_lags(first, second, n_lags=15)
    for lag in range(-15, 16):
        one = first[max(0, -lag) : 200 - max(0, lag)]
        other = second[max(0, lag) : 200 - max(0, -lag)]
        both = np.isfinite(one) & np.isfinite(other)
        expected = np.corrcoef(one[both], other[both])[0, 1]
        assert found[lag + 15] == pytest.approx(expected, abs=1e-10)


def test_a_planted_lag_is_found_and_positive_if_the_second_follows():
    rng = np.random.default_rng(1)
    first = slow_noise(rng, 20_000)
    second = np.roll(first, 30) + slow_noise(rng, 20_000)
    found = correlate(first, second)
    assert found.lags_s[np.argmax(found.correlation)] == pytest.approx(1.5)
    assert found.p_value <= 0.03
    assert np.nanmax(found.correlation - found.null_upper) > 0


def test_memory_reduces_the_effective_number_of_samples():
    rng = np.random.default_rng(2)
    white = rng.standard_normal((2, 4000))
    assert estimate_effective_n(*white) == pytest.approx(4000, rel=0.15)
    slow = slow_noise(rng), slow_noise(rng)
    expected = 4000 * (1 - 0.95**2) / (1 + 0.95**2)
    assert estimate_effective_n(*slow) == pytest.approx(expected, rel=0.4)


def test_independent_slow_signals_correlate_no_more_often_than_promised():
    rng = np.random.default_rng(3)
    found = [correlate(slow_noise(rng, 2000), slow_noise(rng, 2000), seed) for seed in range(100)]
    assert np.mean([one.p_value <= 0.05 for one in found]) < 0.13
    assert np.mean([one.p_zero_lag <= 0.05 for one in found]) < 0.13


def test_the_p_of_independent_samples_is_pearsons():
    first, second = np.random.default_rng(4).standard_normal((2, 50))
    expected = stats.pearsonr(first, second)
    assert compute_correlation_p(expected.statistic, 50.0) == pytest.approx(expected.pvalue)


def test_lags_beyond_a_quarter_of_the_data_are_refused():
    with pytest.raises(ParameterError, match=r"Give at most 1\.25 s"):
        correlate(np.zeros(100), np.zeros(100))


def test_signals_of_different_length_are_refused():
    with pytest.raises(InputError, match="resample one"):
        correlate(np.zeros(100), np.zeros(99))


def test_two_drifts_do_not_correlate():
    rng = np.random.default_rng(5)
    drifts = rng.standard_normal((2, 4000)) + 3 * np.linspace(-1, 1, 4000)
    found = compute_lagged_correlation(
        *drifts, sampling_rate_hz=10.0, max_lag_s=2.0, n_surrogates=199, seed=1
    )
    assert abs(found.correlation[len(found.lags_s) // 2]) < 0.1
    assert found.p_value > 0.05


def test_signals_too_slow_for_a_null_get_no_p():
    walks = np.cumsum(np.random.default_rng(6).standard_normal((2, 4000)), axis=1)
    found = compute_lagged_correlation(
        *walks, sampling_rate_hz=10.0, max_lag_s=2.0, n_surrogates=199, seed=1
    )
    assert found.effective_n < LEAST_INDEPENDENT
    assert np.isnan([found.p_value, found.p_zero_lag]).all()
    assert np.isfinite(found.correlation).all()


def test_a_gap_stays_where_the_line_is_taken_out():
    values = np.where(np.arange(50) % 7 == 3, np.nan, 2.0 * np.arange(50) + 1)
    assert_allclose(remove_line(values), np.where(np.isnan(values), np.nan, 0), atol=1e-12)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.nan, 0.0, 5.3])
def test_a_signal_that_says_nothing_has_no_correlation_and_no_p(value):
    noise = np.random.default_rng(7).standard_normal(2000)
    found = compute_lagged_correlation(
        np.full(2000, value), noise, sampling_rate_hz=10.0, max_lag_s=1.0, n_surrogates=99, seed=1
    )
    assert np.isnan(found.correlation).all()
    assert np.isnan([found.p_value, found.p_zero_lag]).all()
    assert found.effective_n == 0
