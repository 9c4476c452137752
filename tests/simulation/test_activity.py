import numpy as np
import pytest

from ace_nwb.simulation.activity import compute_calcium, draw_poisson_spikes

KERNEL = {"rise_time_s": 0.05, "decay_time_s": 0.4}
PEAK_S = np.log(8) * 0.05 * 0.4 / 0.35


def test_a_spike_raises_calcium_to_its_size_and_lets_it_decay():
    times = np.arange(0, 6, 0.001)
    calcium = compute_calcium(np.array([1.0]), np.array([7.0]), times, **KERNEL)
    assert not calcium[times < 1.0].any()
    assert calcium.max() == pytest.approx(7.0, rel=1e-4)
    assert times[calcium.argmax()] == pytest.approx(1.0 + PEAK_S, abs=0.002)
    later = calcium[[2000, 2400]]
    assert later[1] / later[0] == pytest.approx(np.exp(-1), rel=0.01)


def test_calcium_of_many_spikes_is_the_sum_of_each():
    times = np.sort(np.random.default_rng(0).uniform(0, 10, 150))
    spikes, sizes = np.array([-0.1, 2.2, 2.25, 9.99]), np.array([1.0, 2.0, 3.0, 4.0])
    together = compute_calcium(spikes, sizes, times, **KERNEL)
    alone = [compute_calcium(spikes[[k]], sizes[[k]], times, **KERNEL) for k in range(len(spikes))]
    np.testing.assert_allclose(together, np.sum(alone, axis=0), atol=1e-12)
    assert alone[0][0] > 0, "a spike just before the movie is still seen"


def test_no_spikes_give_no_calcium():
    assert not compute_calcium(np.empty(0), np.empty(0), np.arange(5.0), **KERNEL).any()


def test_poisson_spikes_keep_rate_and_dead_time():
    spikes = draw_poisson_spikes(
        2.0, start_s=10.0, stop_s=510.0, refractory_s=0.2, rng=np.random.default_rng(4)
    )
    assert len(spikes) == pytest.approx(1000, rel=0.1)
    assert np.diff(spikes).min() >= 0.2
    assert 10.0 <= spikes[0] < spikes[-1] < 510.0
