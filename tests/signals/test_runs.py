import numpy as np
import pytest

from ace_nwb.errors import InputError
from ace_nwb.signals.runs import estimate_rate_hz, find_breaks, find_runs


def test_runs_end_at_invalid_samples_and_at_breaks():
    valid = np.array([0, 1, 1, 1, 1, 0, 1, 1, 0], dtype=bool)
    assert find_runs(valid).tolist() == [[1, 5], [6, 8]]
    assert find_runs(valid, np.array([3, 5, 6])).tolist() == [[1, 3], [3, 5], [6, 8]]


@pytest.mark.parametrize("rate_hz", [10.0, 15.0, 20.0, 60.0])
def test_one_lost_frame_is_a_gap_at_any_frame_rate(rate_hz):
    times = np.delete(np.arange(200) / rate_hz, 120)
    assert find_breaks(times).tolist() == [120]


def test_jitter_is_not_a_gap():
    rng = np.random.default_rng(0)
    assert find_breaks(np.arange(1000) / 20 + rng.uniform(-0.01, 0.01, 1000)).size == 0


def test_times_that_stand_still_are_refused():
    with pytest.raises(InputError, match="Time stamp 2 is not later"):
        find_breaks(np.array([0.0, 1.0, 1.0, 2.0]))


def test_the_rate_is_not_rounded_and_not_biased_by_gaps():
    times = np.arange(2000) / 29.97
    times[1500:] += 100
    assert estimate_rate_hz(times) == pytest.approx(29.97, rel=1e-9)
