import numpy as np
import pytest

from ace_nwb.errors import InputError
from ace_nwb.signals.tuning import compute_information, compute_tuning

TIMES_S = np.arange(12_000) / 20
EDGES = [np.linspace(0, 100, 11)]


def track(seed=0):
    """Position of an animal that walks to and fro between 0 and 100."""
    steps = np.cumsum(np.random.default_rng(seed).normal(1.0, 0.5, len(TIMES_S)))
    return np.abs(np.mod(steps, 200) - 100)


def tune(events, positions, edges=EDGES):
    return compute_tuning(
        events, positions, timestamps_s=TIMES_S, edges=edges, n_surrogates=199, seed=0
    )


def test_a_planted_field_is_found_and_tells_more_than_chance():
    positions = track()
    rng = np.random.default_rng(1)
    probability = np.where((positions > 30) & (positions < 50), 0.1, 0.002)
    events = TIMES_S[rng.random(len(TIMES_S)) < probability]
    found = tune(events, positions)
    assert np.argsort(found.rate_hz)[-2:].tolist() in ([3, 4], [4, 3])
    assert found.rate_hz[3:5].mean() == pytest.approx(2.0, rel=0.2)
    assert found.surrogate_p <= 0.02
    assert found.occupancy_s.sum() == pytest.approx(600, rel=0.01)


def test_events_anywhere_tell_nothing():
    events = np.random.default_rng(2).uniform(0, 599, 150)
    assert tune(events, track()).surrogate_p > 0.05


def test_one_bin_of_ten_equally_visited_is_worth_log2_of_ten():
    counts = np.eye(10)[3] * 20
    assert compute_information(counts, np.ones(10)) == pytest.approx(np.log2(10))
    assert compute_information(np.ones(10), np.ones(10)) == pytest.approx(0)
    assert np.isnan(compute_information(np.zeros(10), np.ones(10)))


def test_two_variables_give_a_map_and_unknown_positions_do_not_count():
    positions = np.column_stack([track(), track(seed=5)])
    positions[:2000] = np.nan
    found = tune(np.arange(1.0, 599.0), positions, [EDGES[0], np.linspace(0, 100, 6)])
    assert found.rate_hz.shape == (10, 5)
    assert found.occupancy_s.sum() == pytest.approx(500, rel=0.01)


def test_a_variable_without_edges_is_refused():
    with pytest.raises(InputError, match="2 variables and 1 sets"):
        tune(np.arange(3.0), np.zeros((len(TIMES_S), 2)))
