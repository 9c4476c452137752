import itertools

import numpy as np

from ace_nwb.sync.decoding import decode


def brute_force(emission: np.ndarray, first: np.ndarray, lost: float) -> np.ndarray:
    """Posterior of each state of each row by enumeration."""
    n_rows, n_states = emission.shape
    total = np.zeros_like(emission)
    for states in itertools.product(range(n_states), repeat=n_rows):
        frames = first + np.array(states)
        steps = np.diff(frames)
        if (steps < 1).any():
            continue
        skipped = steps - 1
        prior = np.where(skipped == 0, 1 - lost, lost / (np.maximum(skipped, 1) * (skipped + 1)))
        weight = np.exp(emission[np.arange(n_rows), states].sum()) * prior.prod()
        total[np.arange(n_rows), states] += weight
    return total / total.sum(axis=1, keepdims=True)


def test_posterior_agrees_with_enumeration() -> None:
    rng = np.random.default_rng(0)
    emission = rng.normal(0, 2, (6, 3))
    first = np.array([0, 1, 2, 4, 5, 6])
    decoded = decode(
        first,
        emission.ravel(),
        np.full(6, 3),
        is_held=np.ones(12, dtype=bool),
        daq_step=np.zeros(6, dtype=int),
        lost_rate=0.1,
    )
    expected = brute_force(emission, first, 0.1)
    chosen = expected[np.arange(6), decoded.captured - first]
    np.testing.assert_allclose(decoded.probability, chosen, rtol=1e-5)


def test_a_daq_number_overrides_a_misleading_time_stamp() -> None:
    first = np.arange(20)
    emission = np.tile([0.0, -3.0], (20, 1))
    emission[10:] = [-3.0, 0.0]  # time stamps say that one frame was lost at row 10
    numbers = np.ones(20, dtype=int)
    numbers[12] = 2  # the counter says row 12
    decoded = decode(
        first,
        emission.ravel(),
        np.full(20, 2),
        is_held=np.ones(22, dtype=bool),
        daq_step=numbers,
        lost_rate=0.01,
    )
    np.testing.assert_array_equal(decoded.captured - first, np.arange(20) >= 12)


def test_frames_are_never_given_twice() -> None:
    rng = np.random.default_rng(3)
    decoded = decode(
        np.arange(200),
        rng.normal(0, 4, 800),
        np.full(200, 4),
        is_held=np.ones(210, dtype=bool),
        daq_step=np.zeros(200, dtype=int),
        lost_rate=0.05,
    )
    assert np.all(np.diff(decoded.captured) >= 1)
