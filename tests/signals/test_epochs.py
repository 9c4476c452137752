"""Epochs of conditions: memory, drift, and when no test is possible."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.signal import lfilter

from ace_nwb.errors import InputError
from ace_nwb.signals.conditions import bound_effect, compare_conditions
from ace_nwb.signals.epochs import cut_epochs, estimate_memory

RATE_HZ = 5.0
TIMES_S = np.arange(6000) / RATE_HZ
HALVES = (np.array([[0.0, 600.0]]), np.array([[600.0, 1200.0]]))
EDGES_S = np.arange(0.0, 1201.0, 60.0)
MINUTES = tuple(np.column_stack([EDGES_S[n:-1:2], EDGES_S[n + 1 :: 2]]) for n in (0, 1))


def slow_noise(rng, memory_s, n_subjects=1):
    """Return AR(1) of unit variance, shape (sample, subject)."""
    decay = np.exp(-1 / (memory_s * RATE_HZ))
    white = rng.standard_normal((len(TIMES_S) + round(10 * memory_s * RATE_HZ), n_subjects))
    return lfilter([np.sqrt(1 - decay**2)], [1, -decay], white, axis=0)[-len(TIMES_S) :]


def cut(values, windows_s=HALVES):
    return cut_epochs(values, TIMES_S, windows_s=windows_s, epoch_s=10.0)


def p_value(epochs):
    if epochs.declined:
        return np.nan
    try:
        return compare_conditions(
            *epochs.blocks, is_paired=epochs.is_paired, n_permutations=199, seed=0
        ).p_value
    except InputError:
        return np.nan


@pytest.mark.parametrize("memory_s", [0.5, 2.0, 5.0])
def test_the_memory_of_an_autoregressive_signal_is_found(memory_s):
    signals = slow_noise(np.random.default_rng(1), memory_s, 20)
    found = [estimate_memory(one - one.mean(), step_s=1 / RATE_HZ) for one in signals.T]
    assert_allclose(np.mean(found), memory_s, rtol=0.15)


def test_white_noise_remembers_half_a_step_and_a_flat_line_no_more():
    noise = np.random.default_rng(2).standard_normal(6000)
    assert_allclose(estimate_memory(noise, step_s=1.0), 0.5, rtol=0.1)
    assert estimate_memory(np.zeros(100), step_s=1.0) < 0.6


def test_gaps_are_no_part_of_the_memory():
    signal = slow_noise(np.random.default_rng(3), 2.0, 10)
    signal[1000:3000] = np.nan
    found = [estimate_memory(one - np.nanmean(one), step_s=1 / RATE_HZ) for one in signal.T]
    assert_allclose(np.mean(found), 2.0, rtol=0.2)


def test_epochs_of_a_quick_signal_are_the_blocks():
    (epochs,) = cut(np.random.default_rng(4).standard_normal((6000, 1)))
    assert [len(one) for one in epochs.values] == [60, 60]
    assert_allclose(epochs.blocks[0], epochs.values[0])
    assert epochs.n_independent == (60, 60)


def test_blocks_are_long_against_the_memory():
    (epochs, *_) = cut(slow_noise(np.random.default_rng(5), 4.0, 8))
    n_blocks = len(epochs.blocks[0])
    assert 600 / n_blocks >= 8 * epochs.memory_s > 8 * 3.0
    assert n_blocks < len(epochs.values[0])


@pytest.mark.parametrize("memory_s", [60.0, 200.0])
def test_a_signal_slower_than_the_conditions_is_declined_with_its_number(memory_s):
    found = cut(slow_noise(np.random.default_rng(6), memory_s, 10))
    assert all(epochs.declined for epochs in found)
    assert sum("independent epochs" in epochs.declined for epochs in found) >= 7
    assert all(max(epochs.n_independent) < 15 for epochs in found)


def test_a_drift_is_no_difference_between_two_halves():
    drifting = np.random.default_rng(7).standard_normal((6000, 1)) + TIMES_S[:, None] / 600
    (epochs,) = cut(drifting)
    assert "it changes by 0.10" in epochs.declined


def test_a_drift_is_taken_out_where_conditions_alternate():
    drifting = np.random.default_rng(8).standard_normal((6000, 1)) + TIMES_S[:, None] / 60
    (epochs,) = cut(drifting, MINUTES)
    assert not epochs.declined
    assert p_value(epochs) > 0.05
    drifting[(TIMES_S // 60) % 2 == 1] += 0.3
    (epochs,) = cut(drifting, MINUTES)
    assert p_value(epochs) < 0.05


def test_neighbours_are_compared_where_the_memory_is_longer_than_the_stretches():
    slow = slow_noise(np.random.default_rng(9), 40.0)
    (epochs,) = cut(slow, MINUTES)
    assert epochs.is_paired
    assert len(epochs.blocks[0]) == len(epochs.blocks[1]) == 10


@pytest.mark.parametrize("memory_s", [0.1, 1.0, 10.0, 60.0])
def test_what_is_not_there_is_not_found(memory_s):
    rng = np.random.default_rng(10)
    p = [p_value(epochs) for _ in range(4) for epochs in cut(slow_noise(rng, memory_s, 25))]
    assert np.sum(np.array(p) <= 0.05) <= 11  # of 100; .05 gives more in one of 200 runs


def test_a_difference_of_half_a_deviation_is_found_though_the_signal_is_slow():
    slow = slow_noise(np.random.default_rng(11), 1.0, 20)
    slow[TIMES_S >= 600] += 0.5
    assert np.mean([p_value(epochs) < 0.01 for epochs in cut(slow)]) > 0.9


def test_a_condition_without_samples_is_declined():
    values = np.random.default_rng(12).standard_normal((6000, 1))
    values[TIMES_S >= 600] = np.nan
    (epochs,) = cut(values)
    assert epochs.declined == "a condition has no samples"


def test_the_interval_widens_with_the_memory_and_is_not_stated_without_spare_values():
    narrow = bound_effect(0.5, 60.0, 60.0, is_paired=False)
    wide = bound_effect(0.5, 4.5, 4.5, is_paired=False)
    assert wide[0] < narrow[0] < 0.5 < narrow[1] < wide[1]
    assert np.isnan(bound_effect(0.5, 0.9, 1.1, is_paired=False)).all()
