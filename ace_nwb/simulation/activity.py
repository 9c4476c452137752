"""Spikes and the calcium that follows them."""

import numpy as np


def draw_poisson_spikes(
    rate_hz: float, *, start_s: float, stop_s: float, refractory_s: float, rng: np.random.Generator
) -> np.ndarray:
    """Draw spike times (s) of a Poisson process with a dead time after each spike."""
    mean_interval_s = max(1.0 / rate_hz - refractory_s, 1e-3)
    n_drawn = int((stop_s - start_s) * rate_hz * 2) + 20
    intervals = refractory_s + rng.exponential(mean_interval_s, n_drawn)
    times = start_s - refractory_s + rng.uniform(0, 1) * mean_interval_s + np.cumsum(intervals)
    return times[(times >= start_s) & (times < stop_s)]


def compute_calcium(
    spike_times_s: np.ndarray,
    spike_sizes: np.ndarray,
    frame_times_s: np.ndarray,
    *,
    rise_time_s: float,
    decay_time_s: float,
) -> np.ndarray:
    """Return the calcium at the frame times, shape (frame,).

    Every spike adds its size times exp(-t / decay) - exp(-t / rise), scaled to a peak of 1, with
    t the time since the spike, evaluated exactly at the time of each frame.
    """
    calcium = np.zeros(len(frame_times_s))
    first = np.searchsorted(frame_times_s, spike_times_s)
    last = np.searchsorted(frame_times_s, spike_times_s + 10 * decay_time_s)
    if not len(first) or not (last - first).any():
        return calcium
    frames = first[:, None] + np.arange((last - first).max())[None]
    valid = frames < last[:, None]
    frames = np.where(valid, frames, 0)
    since = frame_times_s[frames] - spike_times_s[:, None]
    since = np.where(valid, since, 0.0)  # gives a kernel of 0
    kernel = np.exp(-since / decay_time_s) - np.exp(-since / rise_time_s)
    peak = _kernel_peak(rise_time_s, decay_time_s)
    np.add.at(calcium, frames, spike_sizes[:, None] * kernel / peak)
    return calcium


def _kernel_peak(rise_time_s: float, decay_time_s: float) -> float:
    """Return the largest value of the difference of the two exponentials."""
    ratio = decay_time_s / rise_time_s
    peak_s = np.log(ratio) * rise_time_s * decay_time_s / (decay_time_s - rise_time_s)
    return float(np.exp(-peak_s / decay_time_s) - np.exp(-peak_s / rise_time_s))
