"""How often each test of `ace_nwb.signals` rejects when there is nothing to find.

Run `pytest -s tests/benchmarks/signals_null_rates.py`: 1,000 simulations per test, about 5 minutes.
"""

import sys

import numpy as np
import pytest
from scipy import signal as scipy_signal
from scipy import stats

from ace_nwb.signals.circular import compute_phase_locking, wrap_phase
from ace_nwb.signals.coherence import (
    compute_coherence,
    compute_shuffled_coherence,
    find_coherence_peaks,
)
from ace_nwb.signals.conditions import compare_conditions
from ace_nwb.signals.coupling import (
    compute_event_phase_coupling,
    compute_phase_histogram_test,
    compute_trace_phase_coupling,
)
from ace_nwb.signals.lags import compute_lagged_correlation
from ace_nwb.signals.multitaper import plan_spectrogram
from ace_nwb.signals.perievent import compute_correlogram_test, compute_perievent_average
from ace_nwb.signals.spectral_lines import compute_line_test

N_SIMULATIONS = 1000
LEVEL = 0.05
DURATION_S = 200.0
RATE_HZ = 20.0
TIMES_S = np.arange(int(DURATION_S * RATE_HZ)) / RATE_HZ


def slow_noise(rng, memory=0.9):
    white = rng.standard_normal(len(TIMES_S) + 200)
    return scipy_signal.lfilter([1], [1, -memory], white)[200:]


def wandering_phase(rng):
    return wrap_phase(
        2 * np.pi * 1.2 * TIMES_S + np.cumsum(0.1 * rng.standard_normal(len(TIMES_S)))
    )


def random_events(rng, n_events=40):
    return np.sort(rng.uniform(0, TIMES_S[-1], n_events))


def bursty_events(rng):
    starts = rng.uniform(0, TIMES_S[-1] - 1, 12)
    return np.sort((starts[:, np.newaxis] + np.cumsum(rng.exponential(0.08, (12, 4)), 1)).ravel())


def rayleigh(rng, seed):
    return compute_phase_locking(rng.uniform(-np.pi, np.pi, rng.integers(5, 60))).rayleigh_p


def coupling(draw_events, kind):
    def simulate(rng, seed):
        found = compute_event_phase_coupling(
            [draw_events(rng)],
            wandering_phase(rng),
            timestamps_s=TIMES_S,
            min_events=10,
            null=(kind, 199),
            seed=seed,
        )
        return found.surrogate_p[0]

    return simulate


def coupling_of_any_roi(rng, seed):
    found = compute_event_phase_coupling(
        [random_events(rng) for _ in range(10)],
        wandering_phase(rng),
        timestamps_s=TIMES_S,
        min_events=10,
        null=("circular_shift", 999),
        seed=seed,
    )
    return found.q_value.min()


def trace_coupling(rng, seed):
    found = compute_trace_phase_coupling(
        slow_noise(rng)[:, np.newaxis], wandering_phase(rng), n_bins=18, n_surrogates=199, seed=seed
    )
    return found.surrogate_p[0]


def coherence(rng, seed):
    plan = plan_spectrogram(
        sampling_rate_hz=RATE_HZ,
        window_s=20.0,
        step_s=20.0,
        time_bandwidth=2.0,
        low_hz=0.4,
        high_hz=9.0,
    )
    # Frequencies at least two bandwidths apart are independent tests.
    return compute_coherence(slow_noise(rng), slow_noise(rng), plan=plan).p_value[0, ::16]


def bursty_noise(rng):
    amplitude = np.repeat(np.exp(rng.standard_normal(40)), len(TIMES_S) // 40)
    return amplitude * rng.standard_normal(len(TIMES_S))


def shuffled_coherence(draw):
    """Peak over all frequencies against shuffled windows."""

    def simulate(rng, seed):
        plan = plan_spectrogram(
            sampling_rate_hz=RATE_HZ,
            window_s=10.0,
            step_s=10.0,
            time_bandwidth=3.0,
            low_hz=0.1,
            high_hz=5.0,
        )
        first, second = draw(rng), draw(rng)
        found = compute_coherence(first, second, plan=plan)
        null = compute_shuffled_coherence(first, second, plan=plan, n_surrogates=99, seed=seed)
        peak = found.coherence[0, find_coherence_peaks(found)[0][0]]
        return (1 + np.sum(null[:, 0] >= peak)) / 100

    return simulate


def phase_histogram(rng, seed):
    return compute_phase_histogram_test(
        random_events(rng, 200),
        wandering_phase(rng),
        timestamps_s=TIMES_S,
        n_bins=18,
        null=("circular_shift", 199),
        seed=seed,
    ).p_value


def line(rng, seed):
    plan = plan_spectrogram(
        sampling_rate_hz=RATE_HZ,
        window_s=DURATION_S,
        step_s=DURATION_S,
        time_bandwidth=4.0,
        low_hz=1.2,
        high_hz=1.2,
    )
    return compute_line_test(slow_noise(rng), plan=plan).p_value[0]


def perievent(rng, seed):
    return compute_perievent_average(
        slow_noise(rng),
        TIMES_S,
        event_times_s=random_events(rng),
        lags_s=np.arange(-10, 21) / 10,
        n_surrogates=199,
        seed=seed,
    ).p_value


def correlogram(rng, seed):
    return compute_correlogram_test(
        random_events(rng, 80),
        bursty_events(rng),
        grid=(0.1, 2.0),
        intervals_s=np.array([[0.0, TIMES_S[-1]]]),
        n_surrogates=199,
        seed=seed,
    )[3]


def lagged(rng, seed):
    return compute_lagged_correlation(
        slow_noise(rng),
        slow_noise(rng),
        sampling_rate_hz=RATE_HZ,
        max_lag_s=2.0,
        n_surrogates=99,
        seed=seed,
    ).p_value


def zero_lag(rng, seed):
    return compute_lagged_correlation(
        slow_noise(rng),
        slow_noise(rng),
        sampling_rate_hz=RATE_HZ,
        max_lag_s=2.0,
        n_surrogates=1,
        seed=seed,
    ).p_zero_lag


def conditions(is_paired):
    def simulate(rng, seed):
        return compare_conditions(
            *rng.exponential(size=(2, 10)), is_paired=is_paired, n_permutations=199, seed=seed
        ).p_value

    return simulate


TESTS = {
    "Rayleigh": rayleigh,
    "events to phase, circular shift": coupling(random_events, "circular_shift"),
    "events to phase, interval shuffle": coupling(random_events, "interval_shuffle"),
    "bursts to phase, circular shift": coupling(bursty_events, "circular_shift"),
    "any of 10 ROIs to phase, FDR": coupling_of_any_roi,
    "trace to phase": trace_coupling,
    "coherence": coherence,
    "coherence peak, shuffled windows": shuffled_coherence(slow_noise),
    "the same, both in bursts": shuffled_coherence(bursty_noise),
    "phase histogram": phase_histogram,
    "spectral line": line,
    "peri-event average": perievent,
    "correlogram": correlogram,
    "lagged correlation": lagged,
    "correlation, effective n": zero_lag,
    "conditions, unpaired": conditions(False),
    "conditions, paired": conditions(True),
}


@pytest.mark.parametrize("name", TESTS)
def test_nothing_is_found_no_more_often_than_promised(name):
    rng = np.random.default_rng(len(name))
    p_values = np.array([TESTS[name](rng, seed) for seed in range(N_SIMULATIONS)])
    n_rejected = int(np.sum(p_values <= LEVEL))
    bounds = stats.binomtest(n_rejected, p_values.size).proportion_ci(0.95)
    sys.stdout.write(
        f"\n{name:36s} {n_rejected / p_values.size:.3f} [{bounds.low:.3f}, {bounds.high:.3f}]"
    )
    assert bounds.low <= LEVEL
