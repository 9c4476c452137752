import numpy as np
import pytest

from ace_nwb.errors import InputError, ParameterError
from ace_nwb.signals.multitaper import plan_spectrogram
from ace_nwb.signals.spectral_lines import compute_line_test


def make_plan(time_bandwidth=4.0):
    return plan_spectrogram(
        sampling_rate_hz=100.0,
        window_s=20.0,
        step_s=20.0,
        time_bandwidth=time_bandwidth,
        low_hz=0.0,
        high_hz=50.0,
    )


def test_a_planted_line_is_found_with_its_amplitude():
    times = np.arange(2000) / 100
    noise = np.random.default_rng(0).standard_normal(2000)
    lines = compute_line_test(0.5 * np.cos(2 * np.pi * 13 * times + 1) + noise, make_plan())
    best = int(np.nanargmin(lines.p_value))
    assert lines.frequencies_hz[best] == pytest.approx(13)
    assert lines.p_value[best] < 1e-4
    assert lines.amplitude[best] == pytest.approx(0.5, abs=0.1)


def test_noise_has_lines_no_more_often_than_promised():
    rng = np.random.default_rng(1)
    p_values = np.concatenate(
        [compute_line_test(rng.standard_normal(2000), make_plan()).p_value for _ in range(10)]
    )
    assert np.nanmean(p_values < 0.05) == pytest.approx(0.05, abs=0.015)


def test_more_or_less_than_one_window_is_refused():
    with pytest.raises(InputError, match="exactly one window"):
        compute_line_test(np.zeros(2001), make_plan())


def test_one_taper_is_refused():
    with pytest.raises(ParameterError, match=r"time_bandwidth of 1\.5"):
        compute_line_test(np.zeros(2000), make_plan(time_bandwidth=1.0))
