import numpy as np
import pytest
from scipy import signal as scipy_signal

from ace_nwb.errors import InputError, ParameterError
from ace_nwb.signals.multitaper import (
    compute_spectrogram,
    compute_spectrum,
    iterate_spectrogram,
    plan_spectrogram,
    to_decibel,
)
from tests.fixtures.long_recordings import LongRecording, measure_peak_bytes


def make_plan(**changes):
    settings = {
        "sampling_rate_hz": 20.0,
        "window_s": 30.0,
        "step_s": 3.0,
        "time_bandwidth": 2.0,
        "low_hz": 0.0,
        "high_hz": 10.0,
    }
    return plan_spectrogram(**settings | changes)


def white_noise(n_samples=36_000, seed=0):
    return np.random.default_rng(seed).standard_normal(n_samples)


def test_the_density_of_white_noise_integrates_to_its_variance():
    plan = make_plan()
    power = compute_spectrum(3 * white_noise(), plan)[0]
    assert power.sum() * (plan.frequencies_hz[1] - plan.frequencies_hz[0]) == pytest.approx(
        9, rel=0.03
    )
    assert np.allclose(power[3:-3], 9 / 10, rtol=0.35)


def test_one_window_equals_scipys_periodograms_of_the_same_tapers():
    values = white_noise(600)
    plan = make_plan()
    ours = compute_spectrogram(values, plan).power[0, 0]
    tapers = scipy_signal.windows.dpss(600, 2, Kmax=3)
    theirs = [
        scipy_signal.periodogram(values - values.mean(), fs=20, window=taper, detrend=False)[1]
        for taper in tapers
    ]
    assert np.allclose(ours, np.mean(theirs, axis=0), rtol=1e-10)


def test_a_planted_oscillation_peaks_at_its_frequency_and_time():
    times = np.arange(6000) / 20
    values = np.where((times > 100) & (times < 200), np.cos(2 * np.pi * 1.2 * times), 0)
    found = compute_spectrogram(values + 0.1 * white_noise(6000), make_plan())
    strength = found.power[:, 0, np.argmin(np.abs(found.frequencies_hz - 1.2))]
    is_inside = (found.times_s > 116) & (found.times_s < 184)
    is_outside = (found.times_s < 84) | (found.times_s > 216)
    assert strength[is_inside].min() > 100 * strength[is_outside].max()
    peak = found.power[is_inside, 0].mean(axis=0).argmax()
    assert found.frequencies_hz[peak] == pytest.approx(1.2, abs=0.07)


def test_times_are_window_centres_at_the_true_rate():
    rate_hz = 29.97
    plan = make_plan(sampling_rate_hz=rate_hz)
    found = compute_spectrogram(white_noise(5000), plan)
    assert found.times_s[0] == pytest.approx(898 / 2 / rate_hz)
    assert np.allclose(np.diff(found.times_s), 90 / rate_hz)
    assert found.frequencies_hz[1] == pytest.approx(rate_hz / 899)


def test_numbers_do_not_depend_on_the_block_size():
    values = np.column_stack([white_noise(4000, seed) for seed in range(3)])
    for is_adaptive in (False, True):
        whole = compute_spectrogram(values, make_plan(), is_adaptive=is_adaptive)
        stretches = iterate_spectrogram(
            values, make_plan(), is_adaptive=is_adaptive, block_bytes=400_000
        )
        assert np.array_equal(whole.power, np.concatenate([part.power for part in stretches]))


@pytest.mark.parametrize("is_adaptive", [False, True])
def test_numbers_do_not_depend_on_the_number_of_threads(is_adaptive):
    values = np.column_stack([white_noise(3000, seed) for seed in range(2)])
    plan = make_plan(step_s=0.5)
    alone = compute_spectrogram(values, plan, is_adaptive=is_adaptive).power
    for workers in (2, 5):
        shared = compute_spectrogram(values, plan, is_adaptive=is_adaptive, workers=workers)
        assert np.array_equal(alone, shared.power)


def test_memory_does_not_grow_with_the_length_of_the_recording():
    plan = make_plan(sampling_rate_hz=1000.0, window_s=4.0, step_s=4.0)

    def run(n_samples):
        for block in iterate_spectrogram(LongRecording(n_samples), plan, block_bytes=2_000_000):
            assert np.isfinite(block.power).all()

    short, long = (measure_peak_bytes(lambda n=n: run(n)) for n in (400_000, 4_000_000))
    assert long < 1.05 * short < 10_000_000


def test_channels_are_kept_apart():
    values = np.column_stack([white_noise(4000, seed) for seed in range(3)])
    together = compute_spectrogram(values, make_plan()).power
    for channel in range(3):
        alone = compute_spectrogram(values[:, channel], make_plan()).power
        assert np.allclose(together[:, channel], alone[:, 0], rtol=1e-12)


def test_a_gap_removes_only_the_windows_that_touch_it():
    values = white_noise(6000)
    values[3000] = np.nan
    found = compute_spectrogram(values, make_plan())
    touches = np.abs(found.times_s - 3000 / 20) < 15
    assert np.array_equal(np.isnan(found.power[:, 0]).all(axis=1), touches)
    assert np.isfinite(compute_spectrum(values, make_plan())).all()


def test_a_band_beyond_nyquist_is_lowered_with_a_message():
    plan = make_plan(high_hz=15.0)
    assert plan.frequencies_hz[-1] == pytest.approx(10)
    assert "10 Hz" in plan.message
    assert "15 Hz" in plan.message
    assert make_plan().message == ""


@pytest.mark.parametrize(("low_hz", "high_hz"), [(11.0, 15.0), (2.0, 1.0), (1.001, 1.01)])
def test_a_band_without_frequencies_is_refused(low_hz, high_hz):
    with pytest.raises(ParameterError, match="holds none of the frequencies"):
        make_plan(low_hz=low_hz, high_hz=high_hz)


def test_a_window_longer_than_the_data_is_refused_with_numbers():
    with pytest.raises(InputError, match=r"30 s is longer than the data, 29\.95 s"):
        compute_spectrogram(white_noise(599), make_plan())


def test_data_of_exactly_one_window_give_one_window():
    assert compute_spectrogram(white_noise(600), make_plan()).power.shape == (1, 1, 301)


def test_adaptive_weights_reduce_leakage_of_a_strong_slow_line():
    times = np.arange(600) / 20
    values = 1e4 * np.cos(2 * np.pi * 0.5123 * times) + 1e-3 * white_noise(600)
    plan = make_plan(time_bandwidth=4.0)
    equal = compute_spectrogram(values, plan).power[0, 0, 200:].mean()
    adaptive = compute_spectrogram(values, plan, is_adaptive=True).power[0, 0, 200:].mean()
    assert adaptive < equal / 3


def test_adaptive_weights_leave_white_noise_as_it_is():
    values = white_noise(6000)
    equal = compute_spectrum(values, make_plan(), is_adaptive=False)
    adaptive = compute_spectrum(values, make_plan(), is_adaptive=True)
    assert np.allclose(adaptive, equal, rtol=0.1)


def test_silence_has_no_power_and_no_warning():
    found = compute_spectrogram(np.zeros(600), make_plan(), is_adaptive=True)
    assert np.all(found.power == 0)
    assert np.isneginf(to_decibel(found.power)).all()
