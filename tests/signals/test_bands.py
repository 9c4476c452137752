import numpy as np
import pytest

from ace_nwb.signals.bands import average_bands

FREQUENCIES_HZ = np.arange(10) * 0.5


def test_bands_of_less_than_two_frequencies_leave_the_spectrum_as_it_is():
    power = np.arange(20.0).reshape(2, 10)
    averaged, limits = average_bands(power, FREQUENCIES_HZ, width_hz=0.7)
    np.testing.assert_array_equal(averaged, power)
    np.testing.assert_allclose(limits[3], [1.25, 1.75])
    assert limits[0, 0] == 0


def test_bands_average_what_lies_in_them_and_touch_each_other():
    power = np.arange(10.0)
    averaged, limits = average_bands(power, FREQUENCIES_HZ, width_hz=1.5)
    np.testing.assert_allclose(averaged, [1, 4, 7, 9])
    np.testing.assert_allclose(limits[1:, 0], limits[:-1, 1])
    assert limits[-1, 1] == pytest.approx(4.75)


def test_total_power_of_full_bands_is_kept():
    power = np.random.default_rng(1).random(10)
    averaged, _ = average_bands(power, FREQUENCIES_HZ, width_hz=1.0)
    assert averaged.sum() * 2 == pytest.approx(power.sum())


def test_gap_stays_a_gap():
    power = np.full((2, 10), np.nan)
    assert np.isnan(average_bands(power, FREQUENCIES_HZ, width_hz=2.0)[0]).all()
