"""The small pictures of the verdict cards."""

import re

import numpy as np
import pytest

from ace_nwb.report.theme import SPARK_HEIGHT, SPARK_POINTS, SPARK_WIDTH, sparkline


def corners(svg):
    points = re.search(r'points="([^"]*)"', svg).group(1)
    return np.array([[float(v) for v in point.split(",")] for point in points.split()])


def test_a_long_series_keeps_its_peak_in_few_points():
    values = np.zeros(100_000)
    values[70_000] = 1.0
    found = corners(sparkline(values))
    assert len(found) == 2 * SPARK_POINTS
    highest = found[found[:, 1].argmin()]
    assert highest[0] == pytest.approx(0.7 * SPARK_WIDTH, abs=3)


def test_everything_stays_inside_the_picture():
    found = corners(sparkline(np.random.default_rng(0).normal(size=500)))
    assert (found >= 0).all()
    assert (found <= [SPARK_WIDTH, SPARK_HEIGHT]).all()


@pytest.mark.parametrize("values", [np.empty(0), np.ones(1), np.full(9, np.nan)])
def test_nothing_is_drawn_of_nothing(values):
    assert sparkline(values) == ""


def test_a_constant_series_is_a_line():
    assert np.ptp(corners(sparkline(np.ones(10)))[:, 1]) == 0
