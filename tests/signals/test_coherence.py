import numpy as np
import pytest
from scipy import signal as scipy_signal

from ace_nwb.errors import InputError
from ace_nwb.signals.circular import wrap_phase
from ace_nwb.signals.coherence import (
    compute_coherence,
    compute_coherogram,
    compute_null_level,
    compute_shuffled_coherence,
    find_coherence_peaks,
)
from ace_nwb.signals.multitaper import plan_spectrogram


def make_plan(**changes):
    settings = {
        "sampling_rate_hz": 20.0,
        "window_s": 20.0,
        "step_s": 20.0,
        "time_bandwidth": 2.0,
        "low_hz": 0.0,
        "high_hz": 10.0,
    }
    return plan_spectrogram(**settings | changes)


def coupled_noise(squared_coherence, n_samples=24_000, seed=0):
    """Two white signals with the same true coherence at all frequencies."""
    rng = np.random.default_rng(seed)
    shared, own, other = rng.standard_normal((3, n_samples))
    share = np.sqrt(squared_coherence)
    return (
        np.sqrt(share) * shared + np.sqrt(1 - share) * own,
        np.sqrt(share) * shared + np.sqrt(1 - share) * other,
    )


@pytest.mark.parametrize("truth", [0.2, 0.5, 0.8])
def test_planted_coherence_is_recovered(truth):
    found = compute_coherence(*coupled_noise(truth), plan=make_plan())
    assert found.coherence.mean() == pytest.approx(truth, abs=0.03)
    assert found.n_estimates.tolist() == [180]


def test_jackknife_limits_enclose_the_truth_as_often_as_promised():
    found = compute_coherence(*coupled_noise(0.5), plan=make_plan())
    encloses = (found.lower < 0.5) & (found.upper > 0.5)
    assert 0.88 <= encloses[0, 1:-1].mean() <= 0.99


def test_independent_signals_are_coherent_no_more_often_than_promised():
    found = compute_coherence(*coupled_noise(0.0, n_samples=80_000), plan=make_plan())
    assert np.mean(found.p_value[0, 2:-2] < 0.05) == pytest.approx(0.05, abs=0.04)
    level = compute_null_level(int(found.n_estimates[0]), p_value=0.05)
    is_inner = slice(2, -2)
    assert np.array_equal(found.p_value[0, is_inner] < 0.05, found.coherence[0, is_inner] > level)


def test_frequencies_too_near_to_zero_are_not_tested():
    found = compute_coherence(*coupled_noise(0.0), plan=make_plan())
    is_tested = np.isfinite(found.p_value[0])
    assert found.frequencies_hz[is_tested].tolist() == pytest.approx(np.arange(2, 199) * 0.05)


def test_the_phase_is_positive_if_the_first_signal_leads():
    rng = np.random.default_rng(1)
    first = rng.standard_normal(24_000)
    second = np.roll(first, 2) + 0.1 * rng.standard_normal(24_000)
    found = compute_coherence(first, second, plan=make_plan())
    expected = 2 * np.pi * found.frequencies_hz * 2 / 20
    slow = (found.frequencies_hz > 0.2) & (found.frequencies_hz < 4)
    assert np.abs(wrap_phase(found.phase[0] - expected))[slow].max() < 0.1


def test_one_taper_equals_scipys_coherence():
    first, second = coupled_noise(0.5, n_samples=8000)
    plan = make_plan(time_bandwidth=1.0)
    found = compute_coherence(first, second, plan=plan)
    _, expected = scipy_signal.coherence(
        first, second, fs=20, window=plan.tapers[0], nperseg=400, noverlap=0, detrend="constant"
    )
    assert np.allclose(found.coherence[0, 1:], expected[1:], rtol=1e-8)


def test_every_channel_is_compared_with_the_first_signal():
    first, second = coupled_noise(0.5, n_samples=8000)
    noise = np.random.default_rng(9).standard_normal((8000, 17))
    together = compute_coherence(first, np.column_stack([noise, second]), plan=make_plan())
    alone = compute_coherence(first, second, plan=make_plan())
    assert together.coherence.shape == (18, 201)
    assert np.allclose(together.coherence[17], alone.coherence[0])


def test_a_gap_removes_its_window_only():
    first, second = coupled_noise(0.5)
    first[1000] = np.nan
    found = compute_coherence(first, second, plan=make_plan())
    assert found.n_estimates.tolist() == [177]
    assert np.isfinite(found.coherence).all()


def test_signals_of_different_length_are_refused():
    with pytest.raises(InputError, match="resample one"):
        compute_coherence(np.zeros(1000), np.zeros(999), plan=make_plan())


def test_the_coherogram_shows_when_signals_were_coupled():
    first, second = coupled_noise(0.9, n_samples=12_000)
    second[6000:] = np.random.default_rng(3).standard_normal(6000)
    times, coherence, _ = compute_coherogram(
        first, second, plan=make_plan(time_bandwidth=5.0, step_s=5.0)
    )
    assert coherence[times < 285].mean() > 0.8
    assert coherence[times > 315].mean() < 0.2


def test_a_coherent_pair_stands_out_from_shuffled_windows():
    first, second = coupled_noise(0.5)
    plan = make_plan()
    found = compute_coherence(first, second, plan=plan)
    null = compute_shuffled_coherence(first, second, plan=plan, n_surrogates=50, seed=0)
    peaks, p_value = find_coherence_peaks(found)
    assert null.shape == (50, 1)
    assert found.coherence[0, peaks[0]] > null.max()
    assert p_value[0] < 1e-6


def test_bursts_deceive_the_formula_but_not_the_shuffled_windows():
    rng = np.random.default_rng(0)
    plan = make_plan()
    rejected = np.zeros(2)
    for seed in range(60):
        amplitude = np.exp(1.2 * rng.standard_normal((2, 24)))
        first, second = np.repeat(amplitude, 250, axis=1) * rng.standard_normal((2, 6000))
        found = compute_coherence(first, second, plan=plan)
        peaks, p_value = find_coherence_peaks(found)
        null = compute_shuffled_coherence(first, second, plan=plan, n_surrogates=39, seed=seed)
        surrogate_p = (1 + np.sum(null >= found.coherence[0, peaks[0]])) / 40
        rejected += [p_value[0] < 0.05, surrogate_p <= 0.05]
    assert rejected[1] <= 8  # 60 at 5 %: more has probability 0.6 %
    assert rejected[0] > rejected[1]


def test_shuffles_of_two_windows_mean_nothing():
    first, second = coupled_noise(0.5)
    first[500:] = np.nan
    null = compute_shuffled_coherence(first, second, plan=make_plan(), n_surrogates=5, seed=0)
    assert np.isnan(null).all()
