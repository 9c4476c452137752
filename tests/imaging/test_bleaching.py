"""Bleaching is removed, everything else stays."""

import numpy as np
import pytest

from ace_nwb.imaging.bleaching import estimate_bleaching

TIMES_S = np.arange(6000) / 20
EXPONENTIAL = 0.7 + 0.3 * np.exp(-TIMES_S / 90)


def noisy(curve: np.ndarray) -> np.ndarray:
    return 80 * curve * (1 + np.random.default_rng(0).normal(0, 0.01, len(curve)))


def test_a_planted_exponential_comes_back() -> None:
    found = estimate_bleaching(noisy(EXPONENTIAL), TIMES_S, detrend="exponential")
    assert found[0] == 1
    np.testing.assert_allclose(found, EXPONENTIAL / EXPONENTIAL[0], atol=0.01)


def test_a_planted_line_comes_back() -> None:
    line = 1 - 0.2 * TIMES_S / TIMES_S[-1]
    found = estimate_bleaching(noisy(line), TIMES_S, detrend="linear")
    np.testing.assert_allclose(found, line, atol=0.01)


def test_global_fluctuation_is_not_mistaken_for_bleaching() -> None:
    wave = 1 + 0.1 * np.sin(2 * np.pi * TIMES_S / 30)
    found = estimate_bleaching(noisy(EXPONENTIAL * wave), TIMES_S, detrend="exponential")
    np.testing.assert_allclose(found, EXPONENTIAL, atol=0.03)


def test_bright_outliers_do_not_bend_the_curve() -> None:
    brightness = noisy(EXPONENTIAL)
    brightness[2000:2600] *= 2
    found = estimate_bleaching(brightness, TIMES_S, detrend="exponential")
    np.testing.assert_allclose(found, EXPONENTIAL, atol=0.03)


@pytest.mark.parametrize("detrend", ["exponential", "linear"])
def test_brightening_is_signal(detrend: str) -> None:
    rising = np.linspace(1, 1.3, len(TIMES_S))
    assert (estimate_bleaching(noisy(rising), TIMES_S, detrend=detrend) == 1).all()


@pytest.mark.parametrize("brightness", [np.zeros(50), np.full(50, 9.0), np.ones(1)])
def test_constant_and_black_movies_need_no_correction(brightness: np.ndarray) -> None:
    found = estimate_bleaching(brightness, np.arange(len(brightness)) / 20, detrend="exponential")
    np.testing.assert_allclose(found, 1, atol=1e-6)


def test_no_detrending_gives_ones() -> None:
    assert (estimate_bleaching(noisy(EXPONENTIAL), TIMES_S, detrend="none") == 1).all()
