"""Local field potential with a slow oscillation, EMG, and spikes locked to the oscillation.

Phase convention: the oscillation is amplitude x cos(phase), so phase 0 is its peak, and phase grows
with time. All times are seconds of the ephys clock, 0 at the first sample.
"""

from dataclasses import dataclass

import numpy as np
from scipy import fft

from ace_nwb.simulation.activity import draw_poisson_spikes
from ace_nwb.simulation.motion import draw_slow_noise
from ace_nwb.simulation.randomness import random_stream

WANDER_RATE_HZ = 20.0  # the slow wanderings are drawn at this rate and interpolated


@dataclass(frozen=True)
class EphysSpec:
    """What the simulated electrophysiology looks like.

    Parameters
    ----------
    sampling_rate_hz, rate_error_ppm
        Nominal rate, and how much faster the samples truly come.
    slow_hz, slow_uv, theta_hz, theta_uv, noise_uv
        The slow oscillation (its frequency wanders by some 6 %, its amplitude by 25 %), theta, and
        the 1/f noise: amplitudes and standard deviation.
    emg_uv
        Standard deviation of the EMG during movement.
    locked_share, concentration, spike_probability
        Share of cells locked to the slow oscillation; concentration of their von Mises
        distribution of phase; chance of a spike per cycle.
    """

    sampling_rate_hz: float = 2000.0
    rate_error_ppm: float = 25.0
    slow_hz: float = 0.8
    slow_uv: float = 250.0
    theta_hz: float = 7.0
    theta_uv: float = 50.0
    noise_uv: float = 60.0
    emg_uv: float = 80.0
    locked_share: float = 0.3
    concentration: float = 8.0
    spike_probability: float = 0.55

    @property
    def true_rate_hz(self) -> float:
        """Samples per second of the ephys clock."""
        return self.sampling_rate_hz * (1 + self.rate_error_ppm * 1e-6)


@dataclass(frozen=True)
class EphysSignals:
    """Simulated signals, sampled at `true_rate_hz`.

    Parameters
    ----------
    slow_phase_rad
        Phase of the slow oscillation, unwrapped, shape (sample,).
    channels_uv
        Signal of each channel by name, shape (sample,), float32, microvolts.
    """

    true_rate_hz: float
    slow_phase_rad: np.ndarray
    channels_uv: dict[str, np.ndarray]


def simulate_ephys(spec: EphysSpec, seed: int, *, duration_s: float) -> EphysSignals:
    """Return two LFP channels that share one slow oscillation, and an EMG channel."""
    n_samples = int(np.ceil(duration_s * spec.true_rate_hz))
    phase = draw_oscillation_phase(
        n_samples, spec.true_rate_hz, spec.slow_hz, rng=random_stream(seed, "slow phase")
    )
    rng = random_stream(seed, "lfp")
    theta = draw_oscillation_phase(n_samples, spec.true_rate_hz, spec.theta_hz, rng=rng)
    amplitude = 1 + 0.25 * np.clip(_draw_wander(n_samples, spec.true_rate_hz, 6.0, rng), -2, 2)
    waves = spec.slow_uv * amplitude * np.cos(phase) + spec.theta_uv * np.cos(theta)
    channels = {
        name: (share * waves + spec.noise_uv * draw_pink_noise(n_samples, rng)).astype(np.float32)
        for name, share in (("CSC1", 1.0), ("CSC2", 0.7))
    }
    bursts = np.maximum(_draw_wander(n_samples, spec.true_rate_hz, 2.0, rng), 0.05)
    emg = spec.emg_uv * bursts * rng.standard_normal(n_samples)
    channels["EMG1"] = emg.astype(np.float32)
    return EphysSignals(spec.true_rate_hz, phase, channels)


def draw_oscillation_phase(
    n_samples: int, rate_hz: float, frequency_hz: float, *, rng: np.random.Generator
) -> np.ndarray:
    """Draw the unwrapped phase (rad) of an oscillation whose frequency wanders by 6 %."""
    wander = np.clip(_draw_wander(n_samples, rate_hz, 3.0, rng), -2.5, 2.5)
    steps = 2 * np.pi * frequency_hz * (1 + 0.06 * wander) / rate_hz
    return rng.uniform(-np.pi, np.pi) + np.cumsum(steps)


def _draw_wander(
    n_samples: int, rate_hz: float, time_constant_s: float, rng: np.random.Generator
) -> np.ndarray:
    """Draw slow noise of unit variance, drawn coarsely and interpolated, shape (sample,)."""
    n_coarse = int(np.ceil(n_samples / rate_hz * WANDER_RATE_HZ)) + 2
    coarse = draw_slow_noise(
        n_coarse, 1, time_constant_s=time_constant_s, frame_rate_hz=WANDER_RATE_HZ, rng=rng
    )
    return np.interp(
        np.arange(n_samples) / rate_hz, np.arange(n_coarse) / WANDER_RATE_HZ, coarse[:, 0]
    )


def draw_pink_noise(n_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Draw noise whose power falls with 1/frequency, unit variance, shape (sample,)."""
    n_fast = fft.next_fast_len(n_samples, real=True)
    spectrum = fft.rfft(rng.standard_normal(n_fast))
    spectrum[0] = 0
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    noise = fft.irfft(spectrum, n_fast)[:n_samples]
    return noise / noise.std()


def draw_preferred_phases(spec: EphysSpec, seed: int, *, n_cells: int) -> np.ndarray:
    """Draw the preferred phase (rad) of the locked cells, NaN for the others, shape (roi,)."""
    rng = random_stream(seed, "preferred phases")
    preferred = np.full(n_cells, np.nan)
    locked = rng.permutation(n_cells)[: round(spec.locked_share * n_cells)]
    preferred[locked] = rng.uniform(-np.pi, np.pi, len(locked))
    return preferred


def draw_cell_spikes(
    spec: EphysSpec,
    seed: int,
    *,
    signals: EphysSignals,
    preferred_phase_rad: np.ndarray,
    spike_rate_hz: float,
) -> list[np.ndarray]:
    """Draw the spike times (s) of every cell: locked to the slow oscillation, or Poisson."""
    rng = random_stream(seed, "cell spikes")
    duration_s = len(signals.slow_phase_rad) / signals.true_rate_hz
    spikes = []
    for preferred in preferred_phase_rad:
        if np.isfinite(preferred):
            spikes.append(draw_locked_spikes(spec, signals, preferred, rng=rng))
            continue
        rate_hz = spike_rate_hz * rng.uniform(0.6, 1.6)
        spikes.append(
            draw_poisson_spikes(rate_hz, start_s=0.0, stop_s=duration_s, refractory_s=0.15, rng=rng)
        )
    return spikes


def draw_locked_spikes(
    spec: EphysSpec, signals: EphysSignals, preferred_rad: float, *, rng: np.random.Generator
) -> np.ndarray:
    """Draw at most one spike per cycle, at a phase from a von Mises distribution, times in s."""
    phase = signals.slow_phase_rad
    first_cycle, last_cycle = (int(np.floor(edge / (2 * np.pi))) for edge in phase[[0, -1]])
    cycles = np.arange(first_cycle, last_cycle + 2)
    at_phase = 2 * np.pi * cycles + rng.vonmises(preferred_rad, spec.concentration, len(cycles))
    fires = rng.uniform(size=len(cycles)) < spec.spike_probability
    fires &= (at_phase > phase[0]) & (at_phase < phase[-1])
    samples = np.interp(at_phase[fires], phase, np.arange(len(phase)))
    return np.sort(samples / signals.true_rate_hz)
