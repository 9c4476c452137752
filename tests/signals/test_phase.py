import numpy as np
import pytest

from ace_nwb.signals.circular import (
    compute_circular_mean,
    compute_pairwise_phase_consistency,
    compute_phase_histogram,
    compute_phase_locking,
    compute_rayleigh_p,
    wrap_phase,
)
from ace_nwb.signals.phase import compute_phase, interpolate_phase

RATE_HZ = 50.0


def test_phase_is_zero_at_the_peak_and_grows_with_time():
    times = np.arange(5000) / RATE_HZ
    phase, amplitude = compute_phase(3 * np.cos(2 * np.pi * 1.3 * times))
    error = wrap_phase(phase - 2 * np.pi * 1.3 * times)
    assert np.abs(error)[200:-200].max() < 0.02
    assert np.allclose(amplitude[200:-200], 3, rtol=0.02)


def test_one_gap_leaves_the_phase_elsewhere_as_it_was():
    times = np.arange(5000) / RATE_HZ
    values = np.column_stack([np.cos(2 * np.pi * 1.3 * times)] * 2)
    values[2000:2010, 1] = np.nan
    phase, _ = compute_phase(values)
    assert np.array_equal(np.isnan(phase), np.isnan(values))
    assert np.abs(wrap_phase(phase[2200:-200, 1] - phase[2200:-200, 0])).max() < 0.02


def test_phase_at_event_times_is_interpolated_across_the_wrap():
    times = np.arange(1000) / RATE_HZ
    phase = wrap_phase(2 * np.pi * 4.0 * times)
    wanted = np.random.default_rng(0).uniform(0, times[-1], 500)
    found = interpolate_phase(phase, times, times_s=wanted)
    assert np.abs(wrap_phase(found - 2 * np.pi * 4.0 * wanted)).max() < 1e-9


def test_events_outside_or_inside_a_gap_have_no_phase():
    times = np.arange(100) / RATE_HZ
    times[50:] += 1.0
    found = interpolate_phase(
        np.zeros(100), times, times_s=np.array([-0.1, 0.5, 1.5, times[50], times[-1], 99.0])
    )
    assert np.isnan(found).tolist() == [True, False, True, False, False, True]


def test_events_beside_a_missing_sample_have_no_phase():
    times = np.arange(10.0)
    phase = np.zeros(10)
    phase[5] = np.nan
    found = interpolate_phase(phase, times, times_s=np.array([3.5, 4.0, 4.5, 5.5, 6.0]))
    assert np.isnan(found).tolist() == [False, False, True, True, False]


def test_the_circular_mean_does_not_average_across_the_cut():
    assert abs(wrap_phase(compute_circular_mean(np.array([3.0, -3.0])) - np.pi)) < 1e-9


def test_the_rayleigh_test_matches_tabulated_critical_values():
    # Zar (2010), table B.34: z = n r^2 at p = 0.05.
    for n_events, critical_z in [(10, 2.919), (20, 2.958), (50, 2.982), (200, 2.993)]:
        length = np.sqrt(critical_z / n_events)
        assert compute_rayleigh_p(length, n_events) == pytest.approx(0.05, abs=0.0005)


def test_pairwise_phase_consistency_is_the_mean_cosine_of_all_pairs():
    phases = np.random.default_rng(1).vonmises(0.3, 1.0, 12)
    pairs = [np.cos(a - b) for i, a in enumerate(phases) for b in phases[:i]]
    length = abs(np.mean(np.exp(1j * phases)))
    assert compute_pairwise_phase_consistency(length, 12) == pytest.approx(np.mean(pairs))


def test_planted_locking_is_found_and_missing_phases_do_not_count():
    phases = np.random.default_rng(2).vonmises(-2.0, 2.0, 400)
    locking = compute_phase_locking(np.append(phases, np.nan))
    assert locking.n_events == 400
    assert locking.preferred_phase == pytest.approx(-2.0, abs=0.1)
    assert locking.vector_length == pytest.approx(0.698, abs=0.06)
    assert locking.rayleigh_p < 1e-10


def test_no_events_give_nan_not_an_error():
    locking = compute_phase_locking(np.array([]))
    assert locking.n_events == 0
    assert np.isnan([locking.preferred_phase, locking.vector_length, locking.rayleigh_p]).all()


def test_uniform_phases_are_called_locked_no_more_often_than_promised():
    rng = np.random.default_rng(3)
    for n_events in (5, 30):
        phases = rng.uniform(-np.pi, np.pi, (2000, n_events))
        is_locked = [compute_phase_locking(row).rayleigh_p < 0.05 for row in phases]
        assert np.mean(is_locked) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2000)
        assert np.mean(is_locked) > 0.02


def test_the_histogram_has_eighteen_bins_and_wraps():
    counts, edges = compute_phase_histogram(np.array([0.1, 0.1 + 2 * np.pi, -3.1, np.nan]))
    assert counts.sum() == 3
    assert counts[9] == 2
    assert len(edges) == 19
