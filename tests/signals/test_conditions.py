import numpy as np
import pytest
from scipy import stats

from ace_nwb.errors import InputError, ParameterError
from ace_nwb.signals.conditions import compare_conditions
from ace_nwb.signals.epochs import average_epochs


def compare(first, second, *, is_paired=False, n_permutations=2000):
    return compare_conditions(
        np.array(first, dtype=float),
        np.array(second, dtype=float),
        is_paired=is_paired,
        n_permutations=n_permutations,
        seed=0,
    )


@pytest.mark.parametrize("is_paired", [False, True])
def test_small_samples_are_tested_exactly_as_scipy_does(is_paired):
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal(7), rng.standard_normal(7) + 1
    expected = stats.permutation_test(
        (first, second),
        lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis),
        permutation_type="samples" if is_paired else "independent",
        vectorized=True,
        n_resamples=np.inf,
    )
    assert compare(first, second, is_paired=is_paired).p_value == pytest.approx(expected.pvalue)


def test_large_samples_are_tested_at_random_near_the_t_test():
    rng = np.random.default_rng(1)
    first, second = rng.standard_normal(40), rng.standard_normal(50) + 0.4
    found = compare(first, second, n_permutations=5000)
    assert found.p_value == pytest.approx(stats.ttest_ind(first, second).pvalue, abs=0.02)


def test_the_effect_size_is_hedges_g_with_an_interval_around_it():
    rng = np.random.default_rng(2)
    first, second = rng.standard_normal(200), rng.standard_normal(200) + 0.8
    found = compare(first, second)
    assert found.effect_size == pytest.approx(0.8, abs=0.2)
    assert found.effect_lower < found.effect_size < found.effect_upper
    assert found.difference == pytest.approx(second.mean() - first.mean())


@pytest.mark.parametrize("is_paired", [False, True])
@pytest.mark.parametrize("n_values", [6, 20])
def test_the_interval_encloses_the_true_effect_as_often_as_it_says(n_values, is_paired):
    rng = np.random.default_rng(7)
    n_inside = 0
    for _ in range(400):
        first, second = rng.standard_normal((2, n_values))
        true = 1.0 / (np.sqrt(2) if is_paired else 1)
        found = compare(first, second + 1.0, is_paired=is_paired, n_permutations=20)
        n_inside += found.effect_lower <= true <= found.effect_upper
    assert 0.92 <= n_inside / 400 <= 0.98


def test_the_interval_is_that_of_the_noncentral_t_distribution():
    rng = np.random.default_rng(3)
    first, second = rng.standard_normal(9), rng.standard_normal(12) + 1
    found = compare(first, second)
    t = -stats.ttest_ind(first, second).statistic
    shrink = 1 - 3 / (4 * 19 - 1)
    for limit, share in ((found.effect_lower, 0.975), (found.effect_upper, 0.025)):
        shift = limit / shrink / np.sqrt(1 / 9 + 1 / 12)
        assert stats.nct.cdf(t, 19, shift) == pytest.approx(share, abs=1e-6)


@pytest.mark.parametrize(("n_values", "is_paired"), [(3, True), (5, True), (3, False)])
def test_samples_too_small_to_reject_are_refused(n_values, is_paired):
    values = np.arange(n_values, dtype=float)
    with pytest.raises(InputError, match="can give no p below"):
        compare(values, values + 10, is_paired=is_paired)


def test_the_smallest_p_is_reached_by_the_clearest_difference():
    found = compare(np.arange(5), np.arange(5) + 10)
    assert found.p_value == pytest.approx(found.smallest_p) == pytest.approx(2 / 252)


def test_equal_conditions_differ_no_more_often_than_promised():
    rng = np.random.default_rng(3)
    p_values = [
        compare(*rng.exponential(size=(2, 12)), is_paired=True, n_permutations=99).p_value
        for _ in range(200)
    ]
    assert np.mean(np.array(p_values) <= 0.05) < 0.1


def test_pairs_with_a_missing_value_are_left_out():
    first = np.append(np.arange(8.0), np.nan)
    found = compare(first, np.append(np.arange(8.0) ** 1.1, 5.0), is_paired=True)
    assert found.n_first == found.n_second == 8


def test_epochs_are_averages_within_the_intervals():
    times = np.arange(1000) / 10
    values = times.copy()
    values[610:619] = np.nan
    means = average_epochs(
        values, times, intervals_s=np.array([[10.0, 25.0], [60.0, 65.0]]), epoch_s=5.0
    )
    assert np.allclose(means, [12.45, 17.45, 22.45, 62.7], atol=0.3)


def test_an_epoch_that_was_hardly_recorded_has_no_mean():
    times = np.concatenate([np.arange(100), np.arange(180, 300)]) / 10
    means = average_epochs(np.ones(220), times, intervals_s=np.array([[0.0, 30.0]]), epoch_s=10.0)
    assert np.array_equal(means, [1.0, np.nan, 1.0], equal_nan=True)


def test_an_epoch_without_length_is_refused():
    with pytest.raises(ParameterError, match="epoch_s = 0"):
        average_epochs(np.ones(9), np.arange(9.0), intervals_s=np.zeros((1, 2)), epoch_s=0.0)


def test_no_values_at_all_give_no_p_of_any_size():
    with pytest.raises(InputError, match="0 and 0 values can give no p, so"):
        compare(np.array([]), np.array([]))
