import numpy as np
import pytest

from ace_nwb.errors import SyncError
from ace_nwb.sync import analog
from ace_nwb.sync.analog import find_edges

RATE_HZ = 1000.0


def wave(crossings_s: np.ndarray, n_samples: int, *, noise: float, seed: int = 0) -> np.ndarray:
    """A toggling wave of 3 V with ramps of 4 ms around its crossings, and noise, volts."""
    times = np.arange(n_samples) / RATE_HZ
    before = np.searchsorted(crossings_s, times)
    volts = 3.0 * (before % 2)
    for k, at in enumerate(crossings_s):
        ramp = np.clip((times - at) / 4e-3 + 0.5, 0, 1)
        near = np.abs(times - at) < 2.5e-3
        volts[near] = 3.0 * (ramp[near] if k % 2 == 0 else 1 - ramp[near])
    return volts + np.random.default_rng(seed).normal(0, noise, n_samples)


@pytest.mark.parametrize("block", [257, 1 << 20])
def test_crossings_lie_between_the_samples_for_any_block(monkeypatch, block):
    monkeypatch.setattr(analog, "_BLOCK_SAMPLES", block)
    crossings = 0.1 + 0.0333337 * np.arange(150)
    volts = wave(crossings, 6000, noise=0.0)
    times, levels = find_edges(lambda a, b: volts[a:b], volts.size, start_s=7.5, rate_hz=RATE_HZ)
    np.testing.assert_allclose(times - 7.5, crossings, atol=1.1e-3 if block == 257 else 1e-6)
    np.testing.assert_array_equal(levels, (np.arange(150) + 1) % 2)


def test_noise_around_the_middle_makes_no_edges():
    crossings = 0.1 + 0.0333337 * np.arange(150)
    volts = wave(crossings, 6000, noise=0.25)
    times, _ = find_edges(lambda a, b: volts[a:b], volts.size, start_s=0.0, rate_hz=RATE_HZ)
    assert times.size == 150
    assert np.abs(times - crossings).max() < 1.5e-3


def test_a_channel_without_two_levels_is_refused():
    volts = np.random.default_rng(1).normal(0, 1e-4, 5000)
    with pytest.raises(SyncError, match="wave of two levels was expected"):
        find_edges(lambda a, b: volts[a:b], volts.size, start_s=0.0, rate_hz=RATE_HZ)
