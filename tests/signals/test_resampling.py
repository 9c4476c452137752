import numpy as np
import pytest

from ace_nwb.errors import InputError, ParameterError
from ace_nwb.signals.resampling import (
    decimate,
    iterate_decimated,
    place_on_grid,
    resample_at,
)
from tests.fixtures.long_recordings import LongRecording, measure_peak_bytes


def test_decimation_removes_what_would_alias_and_delays_nothing():
    times = np.arange(60_000) / 1000
    wanted = np.cos(2 * np.pi * 3 * times)
    decimated = decimate(wanted + np.cos(2 * np.pi * 47 * times), factor=25)
    assert decimated.shape == (2400,)
    assert np.abs(decimated - wanted[::25])[50:-50].max() < 1e-3


@pytest.mark.parametrize("factor", [1, 2, 7, 30])
@pytest.mark.parametrize("block_samples", [1, 97, 5000])
def test_numbers_do_not_depend_on_the_block_size(factor, block_samples):
    values = np.random.default_rng(0).standard_normal((4001, 2)).cumsum(axis=0)
    whole = decimate(values, factor=factor)
    in_blocks = decimate(values, factor=factor, block_samples=block_samples)
    assert np.array_equal(whole, in_blocks)


def test_memory_does_not_grow_with_the_length_of_the_recording():
    def run(n_samples):
        samples = LongRecording(n_samples, np.int16)
        for _, block in iterate_decimated(samples, factor=30, block_samples=1 << 18):
            assert np.isfinite(block).all()

    short, long = (measure_peak_bytes(lambda n=n: run(n)) for n in (600_000, 6_000_000))
    assert long < 1.05 * short < 12_000_000


def test_integers_are_decimated_as_floats():
    values = np.full(3000, 32_000, dtype=np.int16)
    assert np.allclose(decimate(values, factor=10), 32_000)


def test_data_shorter_than_the_filter_are_refused():
    with pytest.raises(InputError, match="100 samples are too few"):
        decimate(np.zeros(100), factor=30)


def test_resampling_at_irregular_times_is_exact_in_band_and_silent_beyond():
    times = np.arange(60_000) / 1000
    signal = np.sin(2 * np.pi * 1.2 * times) + np.sin(2 * np.pi * 37 * times)
    frames = 2 + np.arange(1000) / 20 + np.random.default_rng(0).uniform(-0.01, 0.01, 1000)
    resampled = resample_at(signal, times, times_s=frames, max_frequency_hz=9.0)
    assert np.abs(resampled - np.sin(2 * np.pi * 1.2 * frames)).max() < 1e-3


def test_resampling_gives_nothing_where_nothing_was_recorded():
    times = np.arange(60_000) / 1000
    times[30_000:] += 10
    signal = np.ones(60_000)
    signal[10_000:11_000] = np.nan
    frames = np.array([-1.0, 5.0, 10.5, 20.0, 35.0, 50.0, 69.0, 71.0])
    resampled = resample_at(signal, times, times_s=frames, max_frequency_hz=9.0)
    assert np.isnan(resampled).tolist() == [1, 0, 1, 0, 1, 0, 0, 1]
    assert np.allclose(resampled[np.isfinite(resampled)], 1)


def test_resampling_beyond_nyquist_is_refused_with_numbers():
    with pytest.raises(ParameterError, match="Nyquist frequency 50 Hz"):
        resample_at(
            np.zeros(1000), np.arange(1000) / 100, times_s=np.ones(1), max_frequency_hz=60.0
        )


def test_lost_frames_leave_holes_on_the_grid_and_the_rate_stays_true():
    times = 3 + np.delete(np.arange(5000), [100, 2000, 2001, 2002]) / 29.97
    values = np.sin(times)
    grid = place_on_grid(values, times, max_fill_samples=1)
    assert grid.rate_hz == pytest.approx(29.97, rel=1e-6)
    assert grid.start_s == pytest.approx(3, abs=1e-6)
    assert np.flatnonzero(np.isnan(grid.values)).tolist() == [2000, 2001, 2002]
    assert grid.values[100] == pytest.approx((values[99] + values[100]) / 2)
    assert np.array_equal(grid.values[grid.positions], values)
    assert np.allclose(grid.times_s[grid.positions], times, atol=1e-6)
