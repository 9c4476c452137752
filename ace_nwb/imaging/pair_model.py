"""How probable it is that two neighbouring ROIs of two sessions are one cell.

A mixture of pairs that are the same cell and pairs that are not, fitted to distances and overlaps
by expectation-maximisation (after Sheintuch et al. 2017). Same cells: offsets are Gaussian in the
plane, overlaps follow a beta distribution. Different cells: distances grow as a Weibull curve,
steeper than a uniform field because cells keep apart; overlaps follow another beta distribution.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

_N_ROUNDS = 60
_LEAST_SHAPE, _LARGEST_SHAPE = 2.0, 8.0
_CLIP = 0.02


@dataclass(frozen=True)
class PairModel:
    """The fitted mixture.

    Parameters
    ----------
    share_same
        Share of the pairs that are one cell.
    sigma_px
        Standard deviation of the offset of same cells along an axis.
    weibull
        Shape and scale of the distances of different cells.
    same_overlap, different_overlap
        Parameters a and b of the beta distributions.
    max_distance_px
        Pairs farther apart were not looked at.
    """

    share_same: float
    sigma_px: float
    weibull: tuple[float, float]
    same_overlap: tuple[float, float]
    different_overlap: tuple[float, float]
    max_distance_px: float

    def probability(self, distance_px: np.ndarray, overlap: np.ndarray) -> np.ndarray:
        """Return the probability that pairs are one cell, shape (pair,)."""
        same = self._log_same(distance_px, overlap) + np.log(self.share_same)
        different = self._log_different(distance_px, overlap) + np.log1p(-self.share_same)
        return special.expit(same - different)

    def _log_same(self, distance: np.ndarray, overlap: np.ndarray) -> np.ndarray:
        radius = np.maximum(distance, 1e-3)
        norm = -np.expm1(-0.5 * (self.max_distance_px / self.sigma_px) ** 2)
        by_distance = (
            np.log(radius / self.sigma_px**2)
            - 0.5 * (radius / self.sigma_px) ** 2
            - np.log(max(norm, 1e-12))
        )
        return by_distance + _log_beta(overlap, self.same_overlap)

    def _log_different(self, distance: np.ndarray, overlap: np.ndarray) -> np.ndarray:
        shape, scale = self.weibull
        radius = np.maximum(distance, 1e-3) / scale
        norm = -np.expm1(-((self.max_distance_px / scale) ** shape))
        by_distance = (
            np.log(shape / scale)
            + (shape - 1) * np.log(radius)
            - radius**shape
            - np.log(max(norm, 1e-12))
        )
        return by_distance + _log_beta(overlap, self.different_overlap)


def fit_pair_model(
    distance_px: np.ndarray, overlap: np.ndarray, *, max_distance_px: float
) -> PairModel:
    """Fit the mixture to all neighbouring pairs of two aligned sessions.

    Parameters
    ----------
    distance_px, overlap
        Shape (pair,).
    max_distance_px
        Pairs farther apart were not looked at.
    """
    model = PairModel(
        0.5,
        max_distance_px / 8,
        (3.0, max_distance_px),
        (4.0, 1.5),
        (1.0, 4.0),
        max_distance_px,
    )
    if len(distance_px) < 5:
        return model
    for _ in range(_N_ROUNDS):
        weight = model.probability(distance_px, overlap)
        model = _maximise(distance_px, overlap, weight, max_distance_px)
    return model


def _maximise(
    distance: np.ndarray, overlap: np.ndarray, same: np.ndarray, reach: float
) -> PairModel:
    """Return the mixture that fits pairs with given weights; a few pairs of prior keep it sane."""
    prior_variance = 2 * (reach / 8) ** 2
    variance = (same @ distance**2 + prior_variance) / (2 * (same.sum() + 1))
    return PairModel(
        float(np.clip((same.sum() + 1) / (len(distance) + 2), 1e-3, 1 - 1e-3)),
        float(np.clip(np.sqrt(variance), reach / 60, reach / 3)),
        _fit_weibull(distance, 1 - same, reach),
        _fit_beta(overlap, same, (4.0, 1.5)),
        _fit_beta(overlap, 1 - same, (1.0, 4.0)),
        reach,
    )


def _fit_weibull(distance: np.ndarray, weight: np.ndarray, reach: float) -> tuple[float, float]:
    """Return shape and scale of a power-law distance curve cut off at the reach."""
    total = weight.sum()
    if total < 3:
        return 3.0, reach * 4
    # cut off far below its scale, a Weibull curve is a power law: its shape has a closed form
    logs = weight @ np.log(np.maximum(distance, 1e-3) / reach)
    shape = -(total + 2) / (logs - 2 / 3.0)
    return float(np.clip(shape, _LEAST_SHAPE, _LARGEST_SHAPE)), reach * 4


def _fit_beta(
    overlap: np.ndarray, weight: np.ndarray, prior: tuple[float, float]
) -> tuple[float, float]:
    """Return a and b by the weighted moments, with three pairs of the prior added."""
    values = np.clip(overlap, _CLIP, 1 - _CLIP)
    n_prior = 3.0
    a, b = prior
    prior_mean = a / (a + b)
    prior_square = prior_mean**2 + a * b / ((a + b) ** 2 * (a + b + 1))
    total = weight.sum() + n_prior
    mean = (weight @ values + n_prior * prior_mean) / total
    variance = (weight @ values**2 + n_prior * prior_square) / total - mean**2
    strength = np.clip(mean * (1 - mean) / max(variance, 1e-6) - 1, 1.0, 200.0)
    return float(mean * strength), float((1 - mean) * strength)


def _log_beta(overlap: np.ndarray, parameters: tuple[float, float]) -> np.ndarray:
    """Return the logarithm of a beta density."""
    a, b = parameters
    values = np.clip(overlap, _CLIP, 1 - _CLIP)
    return (a - 1) * np.log(values) + (b - 1) * np.log1p(-values) - special.betaln(a, b)
