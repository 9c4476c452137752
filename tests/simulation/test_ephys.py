import numpy as np
import pytest
from scipy.signal import butter, hilbert, sosfiltfilt

from ace_nwb.simulation.ephys import (
    EphysSpec,
    draw_cell_spikes,
    draw_locked_spikes,
    draw_pink_noise,
    draw_preferred_phases,
    simulate_ephys,
)

SPEC = EphysSpec(sampling_rate_hz=500.0, rate_error_ppm=0.0)


@pytest.fixture(scope="module")
def signals():
    return simulate_ephys(SPEC, 1, duration_s=120.0)


def circular_distance(a, b):
    return np.abs(np.angle(np.exp(1j * (np.asarray(a) - np.asarray(b)))))


def test_the_lfp_oscillates_at_the_true_phase_with_its_peak_at_zero(signals):
    band = butter(2, [0.4, 2.0], btype="bandpass", fs=500.0, output="sos")
    for channel in ("CSC1", "CSC2"):
        seen = np.angle(hilbert(sosfiltfilt(band, signals.channels_uv[channel])))
        error = circular_distance(seen, signals.slow_phase_rad)[1000:-1000]
        assert np.median(error) < 0.15
        at_zero = circular_distance(signals.slow_phase_rad, 0) < 0.1
        assert signals.channels_uv[channel][at_zero].mean() > 100


def test_the_slow_oscillation_keeps_its_frequency(signals):
    turns = (signals.slow_phase_rad[-1] - signals.slow_phase_rad[0]) / (2 * np.pi)
    assert turns / 120 == pytest.approx(0.8, rel=0.05)
    assert np.diff(signals.slow_phase_rad).min() > 0


@pytest.mark.parametrize("preferred", [-3.0, 0.0, 1.7])
def test_locked_spikes_have_the_stated_mean_phase_and_concentration(signals, preferred):
    rng = np.random.default_rng(0)
    spikes = draw_locked_spikes(SPEC, signals, preferred, rng=rng)
    phase = np.interp(
        spikes * 500.0, np.arange(len(signals.slow_phase_rad)), signals.slow_phase_rad
    )
    vector = np.exp(1j * phase).mean()
    assert len(spikes) == pytest.approx(0.55 * 0.8 * 120, rel=0.3)
    assert circular_distance(np.angle(vector), preferred) < 0.15
    assert np.abs(vector) == pytest.approx(0.935, abs=0.05)  # I1(8) / I0(8)


def test_the_stated_share_of_cells_is_locked_and_the_others_are_not(signals):
    preferred = draw_preferred_phases(SPEC, 2, n_cells=20)
    locked = np.isfinite(preferred)
    assert locked.sum() == 6
    spikes = draw_cell_spikes(
        SPEC, 2, signals=signals, preferred_phase_rad=preferred, spike_rate_hz=1.0
    )
    samples = np.arange(len(signals.slow_phase_rad))
    strength = np.array(
        [
            np.abs(np.exp(1j * np.interp(s * 500.0, samples, signals.slow_phase_rad)).mean())
            for s in spikes
        ]
    )
    assert strength[locked].min() > 0.85
    assert strength[~locked].max() < 0.4


def test_pink_noise_loses_power_with_frequency():
    noise = draw_pink_noise(2**14, np.random.default_rng(0))
    power = np.abs(np.fft.rfft(noise)) ** 2
    low, high = power[20:200].mean(), power[200:2000].mean()
    assert low / high == pytest.approx(10, rel=0.3)
    assert noise.std() == pytest.approx(1)


def test_the_emg_bursts(signals):
    loudness = signals.channels_uv["EMG1"].reshape(-1, 500).std(axis=1)
    assert np.percentile(loudness, 90) > 5 * np.percentile(loudness, 10)


def test_signals_fit_the_range_of_the_recorder(signals):
    assert max(np.abs(x).max() for x in signals.channels_uv.values()) < 2000
