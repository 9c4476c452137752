"""Rise and decay against planted ones."""

import numpy as np
import pytest
from scipy.signal import lfilter

from ace_nwb.signals.deconvolution import bend, deconvolve, straighten
from ace_nwb.signals.kinetics import TYPICAL, estimate_kinetics, find_indicator
from ace_nwb.signals.oasis import kernel_coefficients, response_norm, response_peak

SILENT = {"autoregressive_order": None, "decay_time_s": None, "min_spike_snr": 0.0}


def make_trace(
    decay_s: float, rise_s: float, rate_hz: float, *, silence_s: float = 0.0, noise: float = 0.1
) -> tuple[np.ndarray, np.ndarray]:
    """A trace of 100 s with an event about every three seconds, and the activity behind it."""
    rng = np.random.default_rng(3)
    n_frames = round((100 + silence_s) * rate_hz)
    activity = rng.poisson(0.3 / rate_hz, n_frames) * rng.uniform(0.5, 1.5, n_frames)
    activity[: round(silence_s * rate_hz)] = 0
    order = 2 if rise_s else 1
    coefficients = kernel_coefficients(decay_s, rate_hz, order, rise_time_s=rise_s)
    calcium = lfilter([1], [1, *-coefficients], activity) / response_peak(coefficients)
    return calcium + rng.normal(0, noise, n_frames), activity


@pytest.mark.parametrize("rate_hz", [10.0, 30.0, 100.0])
@pytest.mark.parametrize(("decay_s", "rise_s"), [(0.3, 0.0), (0.8, 0.12), (1.3, 0.12)])
def test_rise_and_decay_come_back_at_any_frame_rate(decay_s, rise_s, rate_hz):
    trace, _ = make_trace(decay_s, rise_s, rate_hz)
    found = estimate_kinetics(trace[:, None], rate_hz, autoregressive_order=None)
    assert found.decay_time_s[0] == pytest.approx(decay_s, rel=0.3)
    assert abs(found.rise_time_s[0] - rise_s) < 0.1
    assert not found.is_typical.any()


def test_a_minute_of_silence_at_the_start_does_not_hide_the_decay():
    trace, _ = make_trace(0.8, 0.12, 100.0, silence_s=100.0)
    found = estimate_kinetics(trace[:, None], 100.0, autoregressive_order=None)
    assert found.decay_time_s[0] == pytest.approx(0.8, rel=0.3)


def test_noise_alone_has_the_kinetics_of_the_indicator_and_says_so():
    noise = np.random.default_rng(0).normal(size=(3000, 2))
    typical = find_indicator("jGCaMP8m")
    found = estimate_kinetics(noise, 20.0, autoregressive_order=None, typical=typical)
    assert found.is_typical.all()
    assert found.decay_time_s.tolist() == [typical.decay_time_s] * 2


def test_a_cell_without_pause_borrows_the_decay_of_its_field():
    rng = np.random.default_rng(2)
    sparse = [make_trace(1.0, 0.0, 20.0)[0] for _ in range(3)]
    coefficients = kernel_coefficients(1.0, 20.0, 1)
    busy = lfilter([1], [1, *-coefficients], rng.poisson(0.5, 2000) * 1.0)
    busy += rng.normal(0, 0.1, 2000)
    found = estimate_kinetics(np.column_stack([*sparse, busy]), 20.0)
    assert found.n_isolated[3] < 5 <= found.n_isolated[0]
    assert found.decay_time_s[3] == pytest.approx(found.decay_time_s[0], rel=0.15)


def test_a_stated_indicator_bounds_the_decay():
    trace, _ = make_trace(2.5, 0.0, 20.0)
    bounded = estimate_kinetics(trace[:, None], 20.0, typical=find_indicator("GCaMP8f"))
    assert bounded.decay_time_s[0] < 3 * find_indicator("GCaMP8f").decay_time_s * 1.01


@pytest.mark.parametrize(
    ("name", "known"),
    [("GCaMP6f", "gcamp6f"), ("jGCaMP7s ", "gcamp7s"), ("AAV1-syn-GCaMP 6s", "gcamp6s")],
)
def test_indicators_are_found_however_they_are_written(name, known):
    assert find_indicator(name) == find_indicator(known) != TYPICAL


@pytest.mark.parametrize("name", [None, "", "not stated", "unknown dye"])
def test_what_is_no_indicator_is_not_guessed(name):
    assert find_indicator(name) is None


@pytest.mark.parametrize(("decay_s", "rise_s"), [(0.5, 0.0), (0.5, 0.1), (2.0, 0.3)])
def test_norm_and_peak_are_those_of_the_response(decay_s, rise_s):
    coefficients = kernel_coefficients(decay_s, 20.0, 2 if rise_s else 1, rise_time_s=rise_s)
    response = lfilter([1], [1, *-coefficients], np.eye(1, 2000)[0])
    assert response_norm(coefficients) == pytest.approx(np.linalg.norm(response))
    assert response_peak(coefficients) == pytest.approx(response.max())


def test_activity_stands_at_the_spikes_not_at_the_peak_of_a_slow_rise():
    trace, activity = make_trace(1.2, 0.2, 20.0, noise=0.03)
    found = deconvolve(trace[:, None], 20.0, **SILENT, indicator="Cal-520").deconvolved[:, 0]
    lags = range(-6, 7)
    overlap = [np.dot(np.roll(activity, lag), found) for lag in lags]
    assert abs(lags[int(np.argmax(overlap))]) <= 1


def test_bending_undoes_straightening():
    calcium = np.linspace(0, 8, 50)
    np.testing.assert_allclose(straighten(bend(calcium, 1.0), 1.0), calcium)
    np.testing.assert_array_equal(straighten(-calcium, 1.0), -calcium)
    assert straighten(calcium, np.inf) is calcium


def test_bursts_of_an_indicator_that_is_not_linear_keep_their_size_and_their_shape():
    trace, activity = make_trace(0.8, 0.0, 20.0, noise=0.0)
    activity = 3 * activity
    measured = bend(3 * trace, 1.0) + np.random.default_rng(1).normal(0, 0.05, len(trace))
    found = deconvolve(measured[:, None], 20.0, **SILENT, indicator="GCaMP6f")
    as_linear = deconvolve(measured[:, None], 20.0, **SILENT, indicator="Cal-520")
    r = [np.corrcoef(activity, part.deconvolved[:, 0])[0, 1] for part in (found, as_linear)]
    assert r[0] > max(0.95, r[1])
    assert np.corrcoef(bend(3 * trace, 1.0), found.denoised[:, 0])[0, 1] > 0.99
