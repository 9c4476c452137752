"""The slow loss of brightness over a recording, fitted so that real fluctuation stays.

Dividing by the frame's own brightness would also remove every global signal; here a smooth,
falling curve is fitted robustly and only that curve is divided out.
"""

from typing import Literal

import numpy as np

Detrend = Literal["none", "exponential", "linear"]

_N_BINS = 400  # means of the brightness that are fitted
_N_TIME_CONSTANTS = 40  # tried, from a twentieth to three times the recording: 11 % apart
_HUBER_SD = 1.345  # SDs; 95 % efficient for normal noise (Huber 1981)
_PAUSE_FRAMES = 20
"""A longer step between frames is a pause."""


def estimate_bleaching(
    median_brightness: np.ndarray, times_s: np.ndarray, *, detrend: Detrend
) -> np.ndarray:
    """Estimate the relative brightness lost to bleaching.

    Parameters
    ----------
    median_brightness
        Brightness of each frame, shape (frame,), any unit.
    times_s
        Time of each frame, shape (frame,), seconds.
    detrend
        "exponential" for a falling exponential towards a plateau, "linear" for a falling line,
        "none" for no correction.

    Returns
    -------
    np.ndarray
        Curve to divide the movie by, shape (frame,), 1 at the first frame. A recording that
        does not get darker gives ones: brightening is signal, not bleaching.
    """
    flat = np.ones(len(median_brightness))
    if detrend == "none" or len(flat) < 3:
        return flat
    brightness = np.asarray(median_brightness, float)
    fits = [_fit(clock, brightness, detrend) for clock in _list_clocks(np.asarray(times_s, float))]
    _, curve = min(fits, key=lambda fit: fit[0])
    is_falling = curve[-1] < curve[0] and curve.min() > 0.05 * curve[0]
    return curve / curve[0] if is_falling else flat


def _list_clocks(times_s: np.ndarray) -> list[np.ndarray]:
    """Return the time since the start; and, if there are pauses, the time in the light as well.

    The light may be off in a pause or not; the clock that fits better tells.
    """
    steps_s = np.diff(times_s)
    longest_s = _PAUSE_FRAMES * np.nanmedian(steps_s)
    clocks = [times_s - times_s[0]]
    if np.nanmax(steps_s) > longest_s:
        lit_s = np.where(steps_s > longest_s, np.nanmedian(steps_s), steps_s)
        clocks.append(np.concatenate([[0.0], np.cumsum(lit_s)]))
    return clocks


def _fit(
    elapsed_s: np.ndarray, brightness: np.ndarray, detrend: Detrend
) -> tuple[float, np.ndarray]:
    """Return the cost of the best curve and the curve, shape (frame,)."""
    nothing = np.inf, np.ones_like(elapsed_s)
    times, values, weights = _bin_brightness(elapsed_s, brightness)
    if len(times) < 3 or elapsed_s[-1] <= 0:
        return nothing
    if detrend == "linear":
        intercept, slope, cost = _fit_robust(times, values, weights)
        return cost, intercept + slope * elapsed_s
    return _fit_exponential(times, values, weights, elapsed_s)


def _bin_brightness(
    times_s: np.ndarray, brightness: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return time, median brightness and number of frames of at most 400 stretches."""
    is_finite = np.isfinite(brightness) & np.isfinite(times_s)
    parts = np.array_split(np.flatnonzero(is_finite), _N_BINS)
    parts = [part for part in parts if len(part)]
    times = np.array([times_s[part].mean() for part in parts])
    values = np.array([np.median(brightness[part]) for part in parts])
    return times, values, np.array([float(len(part)) for part in parts])


def _fit_exponential(
    times: np.ndarray, values: np.ndarray, weights: np.ndarray, elapsed_s: np.ndarray
) -> tuple[float, np.ndarray]:
    """Return cost and plateau + drop * exp(-t / tau) of the best tau on a grid, at `elapsed_s`."""
    duration_s = elapsed_s[-1]
    best_cost = np.inf
    curve = np.ones_like(elapsed_s)
    for tau_s in duration_s * np.geomspace(0.05, 3, _N_TIME_CONSTANTS):
        plateau, drop, cost = _fit_robust(np.exp(-times / tau_s), values, weights)
        if drop > 0 and plateau > -0.5 * drop and cost < best_cost:
            best_cost = cost
            curve = plateau + drop * np.exp(-elapsed_s / tau_s)
    return best_cost, curve


def _fit_robust(
    regressor: np.ndarray, values: np.ndarray, weights: np.ndarray
) -> tuple[float, float, float]:
    """Return intercept, slope and cost of a line by Huber's reweighting."""
    design = np.column_stack([np.ones_like(regressor), regressor])
    robust = np.ones_like(values)
    for _ in range(8):
        root = np.sqrt(weights * robust)
        solution, *_ = np.linalg.lstsq(design * root[:, None], values * root, rcond=None)
        residual = np.abs(values - design @ solution)
        limit = _HUBER_SD * max(float(np.median(residual)) / 0.6745, 1e-12)
        robust = np.minimum(1, limit / np.maximum(residual, 1e-12))
    return float(solution[0]), float(solution[1]), float(weights @ residual)
