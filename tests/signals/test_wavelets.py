import numpy as np
import pytest

from ace_nwb.errors import ParameterError
from ace_nwb.signals.wavelets import compute_wavelet_power

RATE_HZ = 50.0
FREQUENCIES_HZ = np.array([1.0, 2.0, 4.0, 8.0])


def power_of(values, **changes):
    settings = {"sampling_rate_hz": RATE_HZ, "frequencies_hz": FREQUENCIES_HZ, "n_cycles": 6.0}
    return compute_wavelet_power(values, **settings | changes)


def test_a_sinusoid_has_its_squared_amplitude_at_its_frequency():
    times = np.arange(2000) / RATE_HZ
    power = power_of(3 * np.cos(2 * np.pi * 4 * times) + 100)
    middle = power[500:1500]
    assert np.allclose(middle[:, 2], 9, rtol=1e-3)
    assert middle[:, [0, 1, 3]].max() < 0.01


def test_edges_and_gaps_are_masked_as_far_as_the_wavelet_reaches():
    values = np.random.default_rng(0).standard_normal(4000)
    values[2000] = np.nan
    power = power_of(values)
    reach = np.ceil(3.5 * 6 / (2 * np.pi * FREQUENCIES_HZ) * RATE_HZ).astype(int)
    for column, samples in enumerate(reach):
        is_missing = np.isnan(power[:, column])
        assert is_missing[:samples].all()
        assert is_missing[2000 - samples : 2001 + samples].all()
        assert np.isfinite(power[samples : 2000 - samples, column]).all()


def test_thinning_keeps_every_so_many_samples():
    values = np.random.default_rng(1).standard_normal(3000)
    values[1703] = np.nan
    assert np.array_equal(power_of(values, step_samples=7), power_of(values)[::7], equal_nan=True)


def test_frequencies_beyond_nyquist_are_refused():
    with pytest.raises(ParameterError, match="Nyquist frequency 25 Hz"):
        power_of(np.zeros(1000), frequencies_hz=np.array([5.0, 30.0]))
