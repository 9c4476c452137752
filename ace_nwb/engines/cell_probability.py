"""How probable it is that a ROI is a cell in focus, by six features of it.

A logistic regression fitted by `tests/benchmarks/cell_probability.py` to simulated movies of cells
among light from out of focus, tufts of dendrites, vessels and glow (`focus_movies`). It says what a
person sees: a cell ends sharply, is dark around, looks alike at every event, is round, and rises
faster than it decays.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CellFeatures:
    """What is measured of each ROI (see `evaluation.ComponentMetrics`), shape (roi,)."""

    surround: np.ndarray
    sharpness: np.ndarray
    r_value: np.ndarray
    compactness: np.ndarray
    asymmetry: np.ndarray
    snr: np.ndarray


_INTERCEPT = -3.104
_WEIGHTS = {
    "surround": -6.126,
    "log_sharpness": 1.892,
    "log_sharpness_squared": -2.284,
    "likeness": 1.88,
    "compactness": 4.646,
    "asymmetry": 1.05,
    "log_snr": -1.703,
}
"""Change of the log odds per unit of each term of `logistic_terms`. Sharpness counts both ways:
what is blurred is out of focus, what is rougher than optics allow is noise. A signal-to-noise ratio
lowers the odds because at a given likeness the stronger of two ROIs has less of an excuse."""


def logistic_terms(features: CellFeatures) -> dict[str, np.ndarray]:
    """Return the terms of the regression, each of shape (roi,), within the range of the fit."""
    sharpness = np.log(np.clip(features.sharpness, 0.3, 4))
    return {
        "surround": np.clip(features.surround, -0.2, 1),
        "log_sharpness": sharpness,
        "log_sharpness_squared": sharpness**2,
        # Of 0.97 and 0.99 the second misses a third as much: the miss counts, down to 0.02.
        "likeness": -np.log(1.02 - np.clip(features.r_value, 0, 1)),
        "compactness": features.compactness,
        "asymmetry": np.clip(features.asymmetry, -1, 3),
        "log_snr": np.log(np.clip(features.snr, 1, 100)),
    }


def estimate_probability(features: CellFeatures) -> np.ndarray:
    """Return the probability that each ROI is a cell in focus, shape (roi,)."""
    terms = logistic_terms(features)
    odds = _INTERCEPT + sum(weight * terms[name] for name, weight in _WEIGHTS.items())
    return np.asarray(1 / (1 + np.exp(-odds)))
