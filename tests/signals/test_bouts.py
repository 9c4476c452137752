import numpy as np
import pytest

from ace_nwb.errors import ParameterError
from ace_nwb.signals.bouts import detect_bouts
from ace_nwb.signals.filters import apply_filter, design_filter
from ace_nwb.signals.phase import compute_phase

RATE_HZ = 100.0
SETTINGS = {"edge_sd": 3.0, "peak_sd": 6.0, "merge_gap_s": 0.5, "min_duration_s": 0.5}


def envelope_of_planted_bouts(bouts, duration_s=200.0):
    times = np.arange(int(duration_s * RATE_HZ)) / RATE_HZ
    values = 0.3 * np.random.default_rng(0).standard_normal(len(times))
    for start, stop in bouts:
        is_inside = (times >= start) & (times < stop)
        values[is_inside] += 2 * np.cos(2 * np.pi * 12 * times[is_inside])
    design = design_filter(
        sampling_rate_hz=RATE_HZ, low_hz=9.0, high_hz=15.0, order=2, kind="butterworth"
    )
    return compute_phase(apply_filter(values, design)[0])[1], times


def test_planted_bouts_are_found_with_their_limits():
    planted = [(20.0, 22.0), (80.0, 81.0), (140.0, 144.0)]
    amplitude, times = envelope_of_planted_bouts(planted)
    bouts = detect_bouts(amplitude, times, **SETTINGS)
    assert len(bouts) == 3
    assert np.abs(np.column_stack([bouts.start_s, bouts.stop_s]) - planted).max() < 0.25
    assert np.allclose(bouts.peak_amplitude, 2, atol=0.6)
    assert np.all((bouts.peak_s >= bouts.start_s) & (bouts.peak_s <= bouts.stop_s))


def stepped_envelope(*stretches):
    amplitude = np.random.default_rng(1).uniform(0.9, 1.1, 2000)
    for start, stop in stretches:
        amplitude[start:stop] = 10
    return amplitude, np.arange(2000) / RATE_HZ


def test_close_bouts_are_merged_and_distant_ones_are_not():
    amplitude, times = stepped_envelope((500, 600), (630, 700), (1000, 1100))
    bouts = detect_bouts(amplitude, times, **SETTINGS)
    assert np.allclose(bouts.start_s, [5.0, 10.0])
    assert np.allclose(bouts.stop_s, [6.99, 10.99])


def test_short_bouts_are_dropped():
    amplitude, times = stepped_envelope((500, 530), (1000, 1100))
    assert len(detect_bouts(amplitude, times, **SETTINGS)) == 1


def test_a_gap_ends_a_bout():
    amplitude, times = stepped_envelope((500, 600), (605, 700))
    amplitude[600:605] = np.nan
    assert len(detect_bouts(amplitude, times, **SETTINGS)) == 2
    jumping = times + np.where(np.arange(2000) >= 600, 100.0, 0.0)
    amplitude[600:605] = 10
    assert len(detect_bouts(amplitude, jumping, **SETTINGS)) == 2


def test_an_edge_above_the_peak_is_refused():
    with pytest.raises(ParameterError, match="edge_sd = 7"):
        detect_bouts(np.ones(10), np.arange(10.0), **SETTINGS | {"edge_sd": 7.0})


def test_no_bouts_are_an_empty_result():
    assert len(detect_bouts(np.ones(1000), np.arange(1000.0), **SETTINGS)) == 0
