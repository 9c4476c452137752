import numpy as np
import pytest
import scipy.signal
from scipy import signal as scipy_signal

from ace_nwb.errors import InputError
from ace_nwb.signals.circular import compute_circular_mean, wrap_phase
from ace_nwb.signals.deconvolution import deconvolve
from ace_nwb.signals.events import (
    detect_deconvolved_events,
    detect_derivative_events,
    estimate_misfit,
    estimate_noise,
    find_legacy_peaks,
    interpolate_frame_times,
)

FRAME_RATE_HZ = 20.0
DECAY_S = 0.5


def simulate_calcium(spike_times_s, *, n_frames=4000, rise_s=0.05, noise=0.1, seed=0):
    since = np.arange(n_frames)[:, None] / FRAME_RATE_HZ - np.asarray(spike_times_s)
    since = np.maximum(since, 0)
    calcium = (np.exp(-since / DECAY_S) - np.exp(-since / rise_s)).sum(axis=1)
    peak_s = np.log(DECAY_S / rise_s) * rise_s * DECAY_S / (DECAY_S - rise_s)
    calcium /= np.exp(-peak_s / DECAY_S) - np.exp(-peak_s / rise_s)
    return calcium + noise * np.random.default_rng(seed).standard_normal(n_frames)


def spikes_apart(n_spikes=60, seed=1):
    return 2 + 3 * np.arange(n_spikes) + np.random.default_rng(seed).uniform(0, 0.5, n_spikes)


def deconvolve_exactly(trace):
    """Invert the one-constant calcium model, without noise: activity and calcium."""
    activity = trace - np.exp(-1 / FRAME_RATE_HZ / DECAY_S) * np.append(0, trace[:-1])
    return np.where(activity > 1e-9, activity, 0)


def test_noise_that_lasts_longer_than_a_frame_makes_no_events():
    spikes_s = spikes_apart()
    white = np.random.default_rng(2).standard_normal(4000)
    lasting = scipy_signal.lfilter([1], [1, -0.9], white)
    trace = (simulate_calcium(spikes_s, noise=0) + 0.25 * lasting / lasting.std())[:, None]
    found = deconvolve(
        trace, FRAME_RATE_HZ, autoregressive_order=1, decay_time_s=DECAY_S, min_spike_snr=0.0
    )
    noise = estimate_noise(trace)
    misfit = estimate_misfit(trace, found.denoised)
    assert misfit[0] > 1.1 * noise[0]

    def false_events(level):
        events = detect_deconvolved_events(
            found.deconvolved, found.denoised, noise=level, threshold_sd=4.0
        )
        onset_s = events.onset / FRAME_RATE_HZ
        return sum(np.abs(spikes_s - one).min() > 0.5 for one in onset_s), len(events)

    before, after = false_events(noise), false_events(np.fmax(noise, misfit))
    assert after[0] < 0.5 * before[0]
    assert after[1] >= 50


def test_the_misfit_of_white_noise_is_its_sd_and_missing_values_do_not_count():
    noise = np.random.default_rng(3).normal(0, 0.2, (4000, 2))
    noise[::3, 1] = np.nan
    traces = simulate_calcium(spikes_apart(), noise=0)[:, None] + noise
    clean = np.repeat(simulate_calcium(spikes_apart(), noise=0)[:, None], 2, axis=1)
    np.testing.assert_allclose(estimate_misfit(traces, clean), 0.2, rtol=0.05)
    assert np.isnan(estimate_misfit(np.full((5, 1), np.nan), np.zeros((5, 1)))).all()


def test_noise_is_estimated_beside_transients():
    traces = np.column_stack(
        [simulate_calcium(spikes_apart(), noise=noise) for noise in (0.05, 0.2)]
    )
    assert np.allclose(estimate_noise(traces), [0.05, 0.2], rtol=0.12)


@pytest.mark.parametrize(("derivative", "noise"), [("first", 0.04), ("second", 0.015)])
def test_planted_transients_are_found_once_each_and_in_time(derivative, noise):
    spikes = spikes_apart()
    trace = simulate_calcium(spikes, noise=noise)
    events = detect_derivative_events(trace[:, None], derivative=derivative, threshold_sd=5.0)
    times = events.onset / FRAME_RATE_HZ
    assert len(events) == len(spikes)
    assert np.abs(times - spikes).max() < 0.1
    assert abs(np.mean(times - spikes)) < 0.5 / FRAME_RATE_HZ


def test_peaks_of_the_trace_give_height_and_duration_of_the_transients():
    spikes = spikes_apart()
    trace = simulate_calcium(spikes, noise=0.0)
    events = detect_derivative_events(
        trace[:, None], derivative="zeroth", threshold_sd=5.0, noise=np.array([0.05])
    )
    assert len(events) == len(spikes)
    assert np.allclose(events.amplitude, 1, atol=0.1)
    half_life = 0.1 + DECAY_S * np.log(2)
    assert np.median(events.duration) / FRAME_RATE_HZ == pytest.approx(half_life, abs=0.1)


@pytest.mark.parametrize(("derivative", "order"), [("zeroth", 0), ("first", 1), ("second", 2)])
def test_the_legacy_height_reproduces_find_peaks_and_corrects_the_frame(derivative, order):
    trace = 20 * simulate_calcium(spikes_apart(), noise=0.1)
    indices = find_legacy_peaks(trace, derivative=derivative, height=5.0)
    difference = np.diff(trace, n=order)
    assert np.array_equal(indices, scipy_signal.find_peaks(difference, height=5.0)[0])
    events = detect_derivative_events(
        trace[:, None], derivative=derivative, threshold_sd=1.0, absolute_height=5.0
    )
    assert len(events) == len(indices)
    assert np.all(np.sort(events.peak) >= indices + order)


def test_the_offset_of_the_difference_is_corrected():
    trace = np.zeros((40, 1))
    trace[20:] = 1.0
    for derivative in ("first", "second"):
        events = detect_derivative_events(
            trace, derivative=derivative, threshold_sd=3.0, noise=np.array([0.1])
        )
        assert events.onset.tolist() == [19.5]
        assert events.peak.tolist() == [20]


def test_noise_alone_gives_hardly_any_events():
    noise = np.random.default_rng(0).standard_normal((20_000, 2))
    for derivative in ("zeroth", "first", "second"):
        assert len(detect_derivative_events(noise, derivative=derivative, threshold_sd=5.0)) <= 2


def test_activity_in_a_bin_happened_between_two_frames():
    activity = np.zeros((100, 2))
    activity[40, 1] = 1.0
    denoised = np.zeros((100, 2))
    denoised[40:, 1] = 0.9 ** np.arange(60)
    events = detect_deconvolved_events(activity, denoised, noise=np.full(2, 0.1), threshold_sd=4.0)
    assert events.roi.tolist() == [1]
    assert events.onset.tolist() == [39.5]
    assert events.peak.tolist() == [40]
    assert events.snr[0] == pytest.approx(10)
    assert events.duration[0] == pytest.approx(0.5 + np.log(0.5) / np.log(0.9), abs=0.1)


def test_successive_bins_are_one_event_and_small_ones_do_not_move_it():
    activity = np.zeros((100, 1))
    activity[30:34, 0] = [0.06, 0.5, 0.3, 0.1]
    events = detect_deconvolved_events(
        activity, np.cumsum(activity, axis=0), noise=np.array([0.1]), threshold_sd=4.0
    )
    assert events.onset.tolist() == [30.5]
    assert events.amplitude[0] == pytest.approx(0.96)


def test_activity_below_the_threshold_is_no_event():
    activity = np.zeros((100, 1))
    activity[30] = 0.39
    events = detect_deconvolved_events(activity, activity, noise=np.array([0.1]), threshold_sd=4.0)
    assert len(events) == 0


@pytest.mark.parametrize("rise_s", [0.01, 0.05, 0.08])
def test_preferred_phase_of_a_locked_cell_is_hardly_biased_by_the_rise(rise_s):
    rng = np.random.default_rng(5)
    cycles = np.sort(rng.choice(200, 90, replace=False)) + 1
    spikes = (cycles * 2 * np.pi + 1.0 + rng.vonmises(0, 4, 90)) / (2 * np.pi * 1.2)
    trace = simulate_calcium(spikes, rise_s=rise_s, noise=0.0)
    events = detect_deconvolved_events(
        deconvolve_exactly(trace)[:, None],
        trace[:, None],
        noise=np.array([0.05]),
        threshold_sd=4.0,
    )
    found = compute_circular_mean(events.onset / FRAME_RATE_HZ * 2 * np.pi * 1.2)
    truth = compute_circular_mean(spikes * 2 * np.pi * 1.2)
    assert abs(wrap_phase(found - truth)) < 0.2


def test_traces_without_noise_need_an_absolute_height():
    with pytest.raises(InputError, match="absolute_height"):
        detect_derivative_events(np.zeros((50, 2)), derivative="first", threshold_sd=4.0)


def test_noise_levels_of_other_rois_are_refused():
    with pytest.raises(InputError, match="3 noise levels for 2 traces"):
        detect_deconvolved_events(
            np.zeros((9, 2)), np.zeros((9, 2)), noise=np.ones(3), threshold_sd=4.0
        )


def test_positions_between_frames_become_times():
    times = np.array([0.0, 0.1, 0.3, 0.4])
    found = interpolate_frame_times(np.array([0.5, 1.5, 3.0, -0.5]), times)
    assert np.allclose(found, [0.05, 0.2, 0.4, -0.05])


@pytest.mark.parametrize("autoregressive_order", [1, 2])
def test_deconvolved_events_of_noisy_traces_are_in_time(autoregressive_order):
    spikes = spikes_apart()
    traces = simulate_calcium(spikes, noise=0.12)[:, None]
    found = deconvolve(
        traces,
        FRAME_RATE_HZ,
        autoregressive_order=autoregressive_order,
        decay_time_s=None,
        min_spike_snr=0.0,
    )
    events = detect_deconvolved_events(
        found.deconvolved, found.denoised, noise=estimate_noise(traces), threshold_sd=4.0
    )
    times = events.onset / FRAME_RATE_HZ
    nearest = spikes[np.abs(times[:, None] - spikes).argmin(axis=1)]
    assert len(events) == pytest.approx(len(spikes), abs=4)
    # 0.3 rad of an oscillation of 1.2 Hz are 40 ms.
    assert abs(np.median(times - nearest)) < 0.03


@pytest.mark.parametrize("share", [0.0, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("derivative", ["zeroth", "first", "second"])
def test_noise_of_any_colour_has_no_events(derivative, share):
    white = np.random.default_rng(7).standard_normal((12000, 10))  # 10 minutes at 20 Hz
    noise = scipy.signal.lfilter([1], [1, -share], white, axis=0)
    found = detect_derivative_events(noise, derivative=derivative, threshold_sd=4.0)
    assert len(found) <= 10  # 0.1 a minute and trace


@pytest.mark.parametrize(("decay_s", "rise_s"), [(1.2, 0.18), (0.4, 0.05), (0.14, 0.02)])
def test_a_transient_is_one_event_near_its_begin_however_slow(decay_s, rise_s):
    rng = np.random.default_rng(3)
    since_s = np.arange(0, 8 * decay_s, 0.05)
    kernel = (1 - np.exp(-since_s / rise_s)) * np.exp(-since_s / decay_s)
    begins = np.arange(100, 5900, 200)
    trace = np.zeros(6000)
    trace[begins] = 7 / kernel.max()
    trace = np.convolve(trace, kernel)[:6000] + rng.standard_normal(6000)
    found = detect_derivative_events(trace[:, None], derivative="zeroth", threshold_sd=4.0)
    apart = np.abs(found.onset[:, None] - begins).min(1)
    assert np.mean(apart <= 10) >= 0.9
    assert len(begins) * 0.9 <= len(found) <= len(begins) * 1.1
