"""Deconvolution against planted spikes, and against the optimality conditions."""

import numpy as np
import pytest

from ace_nwb.signals.deconvolution import deconvolve
from ace_nwb.signals.kinetics import estimate_kinetics, slow_baseline
from ace_nwb.signals.oasis import (
    PENALTY_SD,
    deconvolve_trace,
    estimate_noise,
    kernel_coefficients,
    response_norm,
)

RATE_HZ = 20.0
DECAY_S = 0.6


def make_traces(
    noise: float, n_frames: int = 4000, n_rois: int = 6, order: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    spikes = rng.poisson(0.02, (n_frames, n_rois)).astype(float)
    coefficients = kernel_coefficients(DECAY_S, RATE_HZ, order)
    calcium = np.zeros_like(spikes)
    for frame in range(n_frames):
        calcium[frame] = spikes[frame]
        for lag, coefficient in enumerate(coefficients, 1):
            if frame >= lag:
                calcium[frame] += coefficient * calcium[frame - lag]
    return calcium + 5 + rng.normal(0, noise, calcium.shape), calcium, spikes


@pytest.mark.parametrize("order", [1, 2])
def test_calcium_comes_back_from_noise(order: int) -> None:
    traces, calcium, _ = make_traces(0.3, order=order)
    found = deconvolve(
        traces,
        RATE_HZ,
        autoregressive_order=order,
        decay_time_s=DECAY_S,
        min_spike_snr=0.0,
        indicator="OGB-1",
    )
    for roi in range(traces.shape[1]):
        assert np.corrcoef(found.denoised[:, roi], calcium[:, roi])[0, 1] > 0.95
    np.testing.assert_allclose(found.baseline, 5, atol=0.15)
    np.testing.assert_allclose(found.noise, 0.3, rtol=0.1)


@pytest.mark.parametrize("order", [1, 2])
def test_spikes_of_a_clean_trace_are_found_at_their_frames(order: int) -> None:
    traces, _, spikes = make_traces(0.01, n_frames=1000, n_rois=1, order=order)
    _, activity, _ = deconvolve_trace(
        traces[:, 0], kernel_coefficients(DECAY_S, RATE_HZ, order), noise=0.01
    )
    expected = np.flatnonzero(spikes[1:, 0] > 0) + 1
    found = np.flatnonzero(activity > 0.3)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(activity[found], spikes[expected, 0], atol=0.1)


def test_order_one_solves_its_convex_problem() -> None:
    """The gradient is zero where there is activity and not negative elsewhere (KKT)."""
    traces, _, _ = make_traces(0.3, n_frames=300, n_rois=1)
    (decay,) = kernel_coefficients(DECAY_S, RATE_HZ, 1)
    denoised, activity, baseline = deconvolve_trace(traces[:, 0], np.array([decay]), noise=0.3)
    residual = traces[:, 0] - baseline - denoised
    lags = np.arange(300)[:, None] - np.arange(300)
    kernel = np.where(lags >= 0, decay ** np.maximum(lags, 0), 0)
    penalty = np.full(300, PENALTY_SD * 0.3 * response_norm(np.array([decay])))
    gradient = penalty - kernel.T @ residual
    assert gradient[1:].min() > -1e-6
    assert np.abs(gradient[1:][activity[1:] > 1e-9]).max() < 1e-6


def test_the_decay_time_comes_back_for_sparse_and_busy_traces() -> None:
    traces, _, _ = make_traces(0.3)
    kinetics = estimate_kinetics(traces, RATE_HZ, has_background=True)
    np.testing.assert_allclose(kinetics.decay_time_s, DECAY_S, rtol=0.15)


def test_slow_background_does_not_lengthen_the_decay() -> None:
    traces, _, _ = make_traces(0.3)
    drift = 3 * np.sin(2 * np.pi * np.arange(len(traces)) / 3000)[:, None]
    kinetics = estimate_kinetics(traces + drift, RATE_HZ, has_background=True)
    np.testing.assert_allclose(kinetics.decay_time_s, DECAY_S, rtol=0.2)


def test_noise_is_the_sd_of_white_noise_under_calcium() -> None:
    traces, _, _ = make_traces(0.5)
    np.testing.assert_allclose(estimate_noise(traces, RATE_HZ), 0.5, rtol=0.08)


def test_the_slow_baseline_follows_drift_below_transients() -> None:
    _, calcium, _ = make_traces(0.0)
    drift = np.linspace(0, 10, len(calcium))[:, None]
    error = slow_baseline(calcium + drift, RATE_HZ) - drift
    assert np.abs(np.median(error)) < 0.6


def test_least_spikes_are_enforced_in_noise_units() -> None:
    traces, _, _ = make_traces(0.2)
    found = deconvolve(
        traces,
        RATE_HZ,
        autoregressive_order=1,
        decay_time_s=DECAY_S,
        min_spike_snr=3.0,
        indicator="OGB-1",
    )
    sizes = found.deconvolved[found.deconvolved > 1e-9]
    assert sizes.min() > 3.0 * found.noise.min() * 0.99


def test_missing_values_are_bridged() -> None:
    traces, calcium, _ = make_traces(0.2)
    traces[100:120] = np.nan
    traces[:, 5] = np.nan
    found = deconvolve(
        traces, RATE_HZ, autoregressive_order=1, decay_time_s=None, min_spike_snr=0.0
    )
    assert np.isfinite(found.denoised[:, :5]).all()
    assert np.isnan(found.denoised[:, 5]).all()  # nothing was measured
    assert np.corrcoef(found.denoised[:, 0], calcium[:, 0])[0, 1] > 0.9


@pytest.mark.parametrize("shape", [(0, 2), (1, 1), (5, 2), (100, 0)])
def test_odd_sizes_do_not_fail(shape: tuple[int, int]) -> None:
    found = deconvolve(
        np.zeros(shape), RATE_HZ, autoregressive_order=2, decay_time_s=None, min_spike_snr=0.0
    )
    assert found.denoised.shape == shape
