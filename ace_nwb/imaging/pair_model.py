"""How probable it is that two neighbouring ROIs of two sessions are one cell.

Three Poisson processes: cells of both sessions, of the first alone, of the second alone. Offsets of
cells of both are Gaussian, of the jitter that the alignment found; strangers keep the distance
that cells of one session keep. A ROI has one partner at most, so that neighbours compete: the
probabilities are marginals over all ways to pair them, by belief propagation (Williams & Lau 2014).
"""

from dataclasses import dataclass

import numpy as np

from ace_nwb.imaging.alignment import FieldAlignment
from ace_nwb.imaging.spacing import Field, square_distances

_N_ROUNDS = 30  # of expectation and maximisation
"""Rounds of messages; they settle in about ten, and only chains of close neighbours need more."""


@dataclass(frozen=True)
class CandidatePairs:
    """Neighbouring ROIs of two sessions.

    Parameters
    ----------
    first, second
        Numbers of the ROIs, shape (pair,).
    distance_px
        Between their centroids after alignment, shape (pair,).
    probability
        That they are one cell, shape (pair,).
    """

    first: np.ndarray
    second: np.ndarray
    distance_px: np.ndarray
    probability: np.ndarray


def judge_pairs(
    field: Field, second: np.ndarray, alignment: FieldAlignment, *, max_distance_px: float
) -> CandidatePairs:
    """Return all neighbours of two sessions with the probability that they are one cell.

    Parameters
    ----------
    field
        The first session.
    second
        Centroids of the second in its own field, shape (cell, 2), pixels.
    alignment
        From the second's field to the first's.
    max_distance_px
        Largest distance of aligned centroids.
    """
    squares = square_distances(field.cells, alignment.forward(second))
    variance = alignment.jitter_px**2 + alignment.variance(alignment.affine(second))
    offsets = np.exp(-squares / (2 * variance)) / (2 * np.pi * variance)
    n_both = alignment.share * len(second)
    n_alone = [max(n - n_both, 1.0) for n in field.cells.shape[:1] + second.shape[:1]]
    distance = np.sqrt(squares)
    area = field.shape[0] * field.shape[1]
    odds = offsets * n_both * field.room * area / (n_alone[0] * n_alone[1])
    odds = np.where(distance <= max_distance_px, odds / field.spacing.at(distance), 0)
    probability = pair_exclusively(odds)
    left, right = np.nonzero(distance <= max_distance_px)
    return CandidatePairs(left, right, distance[left, right], probability[left, right])


def pair_exclusively(odds: np.ndarray) -> np.ndarray:
    """Return the probability of each pair when rows and columns have one partner at most.

    Parameters
    ----------
    odds
        Of a pair against both of its members being alone, shape (row, column).
    """
    back = np.ones_like(odds)
    for _ in range(_N_ROUNDS):
        weighed = odds * back
        there = odds / (1 + weighed.sum(1, keepdims=True) - weighed)
        back = 1 / (1 + there.sum(0) - there)
    weighed = odds * back
    return np.asarray(weighed / (1 + weighed.sum(1, keepdims=True)))
