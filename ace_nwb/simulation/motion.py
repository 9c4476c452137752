"""Rigid motion of the tissue under the optics: slow drift, jitter and sudden jumps."""

import numpy as np
from scipy.signal import lfilter


def draw_displacement(
    n_frames: int,
    *,
    frame_rate_hz: float,
    drift_px: float,
    jump_px: float,
    jumps_per_minute: float,
    max_displacement_px: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw where the tissue stands in every frame, shape (frame, 2), (row, column) pixels.

    A point of the tissue at rest at (row, column) appears at (row, column) + displacement. The
    median over the frames is 0.

    Parameters
    ----------
    drift_px
        Standard deviation of the slow drift (time constant 20 s); a tenth of it is fast jitter.
    jump_px, jumps_per_minute
        Size (standard deviation) and rate of jumps; the tissue creeps back within seconds.
    max_displacement_px
        Nothing moves further than this from rest.
    """
    minutes = n_frames / frame_rate_hz / 60
    n_jumps = max(int(rng.poisson(jumps_per_minute * minutes)), int(jumps_per_minute > 0))
    kicks = np.zeros((n_frames, 2))
    np.add.at(
        kicks,
        rng.integers(1, max(n_frames, 2), n_jumps) % n_frames,
        rng.normal(0, jump_px, (n_jumps, 2)),
    )
    jumps = low_pass(kicks, time_constant_s=3.0, frame_rate_hz=frame_rate_hz)
    drift = draw_slow_noise(n_frames, 2, time_constant_s=20.0, frame_rate_hz=frame_rate_hz, rng=rng)
    jitter = rng.normal(0, 0.1 * drift_px, (n_frames, 2))
    moved = drift_px * drift + jitter + jumps
    moved -= np.median(moved, axis=0)
    return np.clip(moved, -max_displacement_px, max_displacement_px)


def draw_slow_noise(
    n_frames: int,
    n_series: int,
    *,
    time_constant_s: float,
    frame_rate_hz: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw stationary noise of unit variance that forgets itself within a time constant.

    Returns shape (frame, series), float32 (an Ornstein-Uhlenbeck process sampled at the frames).
    """
    keep = np.float32(np.exp(-1.0 / (time_constant_s * frame_rate_hz)))
    kicks = rng.standard_normal((n_frames, n_series), dtype=np.float32)
    kicks[1:] *= np.sqrt(1 - keep**2)
    one = np.float32(1)
    return lfilter(np.array([one]), np.array([one, -keep]), kicks, axis=0)


def low_pass(series: np.ndarray, *, time_constant_s: float, frame_rate_hz: float) -> np.ndarray:
    """Let every value of shape (frame, series) decay with the time constant, summing them."""
    keep = np.exp(-1.0 / (time_constant_s * frame_rate_hz))
    return lfilter([1.0], [1.0, -keep], series, axis=0)
