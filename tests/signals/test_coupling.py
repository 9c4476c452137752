import numpy as np
import pytest

from ace_nwb.errors import InputError
from ace_nwb.signals.circular import wrap_phase
from ace_nwb.signals.coupling import (
    compute_event_phase_coupling,
    compute_phase_histogram_test,
    compute_trace_phase_coupling,
    find_phase_support,
)

RATE_HZ = 100.0


def slow_phase(duration_s=300.0, seed=0):
    """Phase of an oscillation near 1.2 Hz whose frequency wanders."""
    n_samples = int(duration_s * RATE_HZ)
    wander = np.random.default_rng(seed).standard_normal(n_samples) * 0.05
    times = np.arange(n_samples) / RATE_HZ
    return wrap_phase(2 * np.pi * 1.2 * times + np.cumsum(wander)), times


def couple(event_times, *, kind="circular_shift", n_surrogates=199, min_events=10, seed=0):
    phase, times = slow_phase()
    return compute_event_phase_coupling(
        event_times,
        phase,
        timestamps_s=times,
        min_events=min_events,
        null=(kind, n_surrogates),
        seed=seed,
    )


def locked_events(preferred, n_events=120, seed=1):
    phase, times = slow_phase()
    weight = np.exp(2 * np.cos(phase - preferred))
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(times, n_events, replace=False, p=weight / weight.sum()))


@pytest.mark.parametrize("kind", ["circular_shift", "interval_shuffle"])
def test_locked_rois_are_told_from_others(kind):
    rng = np.random.default_rng(2)
    events = [locked_events(1.5), rng.uniform(0, 299, 120), locked_events(-2.0, seed=3)]
    found = couple(events, kind=kind)
    assert np.abs(wrap_phase(found.preferred_phase[[0, 2]] - [1.5, -2.0])).max() < 0.25
    assert found.q_value[[0, 2]].max() < 0.02
    assert found.q_value[1] > 0.05
    assert np.all(found.vector_length[[0, 2]] > found.null_vector_length[[0, 2]])
    assert found.pairwise_phase_consistency[0] == pytest.approx(0.698**2, abs=0.12)


def test_rois_with_too_few_events_are_not_tested():
    found = couple([locked_events(1.5, n_events=9), locked_events(1.5)])
    assert found.n_events.tolist() == [9, 120]
    assert np.isnan(found.rayleigh_p[0])
    assert np.isnan(found.q_value[0])
    assert np.isfinite(found.q_value[1])


def test_numbers_of_a_roi_do_not_depend_on_the_others():
    events = [np.random.default_rng(seed).uniform(0, 299, 50) for seed in range(3)]
    together, alone = couple(events), couple(events[:1])
    assert together.surrogate_p[0] == alone.surrogate_p[0]
    assert couple(events).surrogate_p.tolist() == together.surrogate_p.tolist()


def test_bursts_fool_the_rayleigh_test_but_not_the_surrogates():
    phase, times = slow_phase()
    rng = np.random.default_rng(4)
    bursts = [(rng.uniform(0, 298, 15)[:, None] + np.arange(8) * 0.02).ravel() for _ in range(60)]
    found = compute_event_phase_coupling(
        bursts, phase, timestamps_s=times, min_events=10, null=("circular_shift", 199), seed=0
    )
    assert np.mean(found.rayleigh_p < 0.05) > 0.4
    assert np.mean(found.surrogate_p < 0.05) < 0.15


def test_gaps_in_the_phase_lose_their_events_only():
    phase, times = slow_phase()
    phase[5000:10_000] = np.nan
    assert np.allclose(find_phase_support(phase, times), [[0, 49.99], [100, 299.99]])
    events = locked_events(1.5)
    found = compute_event_phase_coupling(
        [events], phase, timestamps_s=times, min_events=10, null=("circular_shift", 99), seed=0
    )
    assert found.n_events[0] == np.sum((events <= 49.99) | (events >= 100))
    assert found.surrogate_p[0] == 0.01


def test_a_phase_that_is_missing_throughout_is_refused():
    with pytest.raises(InputError, match="No two successive samples"):
        find_phase_support(np.full(10, np.nan), np.arange(10.0))


def test_traces_that_follow_the_phase_are_found():
    phase, _ = slow_phase()
    rng = np.random.default_rng(5)
    traces = rng.standard_normal((len(phase), 3))
    traces[:, 1] += 0.3 * np.cos(phase - 2.0)
    traces[100:200, 2] = np.nan
    found = compute_trace_phase_coupling(traces, phase, n_bins=18, n_surrogates=199, seed=0)
    assert found.tuning.shape == (3, 18)
    assert found.depth[1] == pytest.approx(0.3, abs=0.03)
    assert wrap_phase(found.preferred_phase[1] - 2.0) == pytest.approx(0, abs=0.1)
    assert found.surrogate_p[1] == 1 / 200
    assert found.surrogate_p[[0, 2]].min() > 0.01


@pytest.mark.parametrize(("is_locked", "is_found"), [(True, True), (False, False)])
def test_a_phase_histogram_leaves_its_null_band_only_when_events_are_locked(is_locked, is_found):
    phase, times = slow_phase()
    events = (
        locked_events(1.5) if is_locked else np.sort(np.random.default_rng(2).uniform(0, 299, 150))
    )
    found = compute_phase_histogram_test(
        events, phase, timestamps_s=times, n_bins=18, null=("circular_shift", 99), seed=0
    )
    assert found.counts.sum() == len(events)
    assert (found.p_value < 0.05) == is_found
    assert bool((found.counts > found.null_upper).any()) == is_found
