"""Whether two sessions show one field at all: their alignment against those with foreign fields.

A foreign field is the second session mirrored or turned upside down, whole or with its halves
exchanged: it has the same number of cells at the same distances and none in common with the first.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

LEVEL = 0.002
"""Two sessions share a field below this p: of ten projects of ten sessions (45 pairs) one may then
hold a wrong pair. Figures in `docs/tasks/many_sessions.md`."""
_SPREAD = 2.8
"""Standard deviation of the scores of foreign fields, nats: 36 planted pairs of even seeds."""
_PRIOR_FIELDS = 12
"""Foreign fields that `_SPREAD` counts for beside those measured."""
_REFLECTIONS = ((1, -1), (-1, 1), (-1, -1))
"""Of rows and columns: a foreign field of the same density."""
_ROLLS = (0.0, 0.5)  # of the field's side: halves exchanged, which makes a field foreign, too
_SHIFT_DIAMETERS = 2.5
"""Far enough that no cell meets its neighbour's place, near enough that most stay in the field."""


@dataclass(frozen=True)
class CommonField:
    """Whether two sessions share a field.

    Parameters
    ----------
    score
        Logarithm of how much better the alignment explains the second session than no alignment.
    foreign_scores
        The same of foreign or shifted fields, shape (field,).
    p_chance
        Probability that a foreign field scores as well.
    """

    score: float
    foreign_scores: np.ndarray
    p_chance: float

    @property
    def is_common(self) -> bool:
        """Whether chance is ruled out."""
        return self.p_chance < LEVEL


def judge_score(score: float, foreign_scores: np.ndarray) -> CommonField:
    """Compare a score with those of foreign fields.

    Parameters
    ----------
    score
        Of the two sessions.
    foreign_scores
        Of foreign fields, shape (field,), one or more.

    Notes
    -----
    The predictive distribution of one more foreign score, Student's t; its variance is that of
    the foreign scores, held by a prior of known spread because they are few.
    """
    n_fields = len(foreign_scores)
    freedom = _PRIOR_FIELDS + n_fields - 1
    squares = ((foreign_scores - foreign_scores.mean()) ** 2).sum()
    variance = (_PRIOR_FIELDS * _SPREAD**2 + squares) / freedom
    excess = (score - foreign_scores.mean()) / np.sqrt(variance * (1 + 1 / n_fields))
    return CommonField(score, foreign_scores, float(special.stdtr(freedom, -excess)))


def make_foreign(points: np.ndarray, field_shape: tuple[int, int]) -> list[np.ndarray]:
    """Return the centroids of foreign fields like that of a session.

    Parameters
    ----------
    points
        Centroids, shape (cell, 2), pixels.
    field_shape
        (n_rows, n_columns).
    """
    size = np.array(field_shape)
    turned = [np.where(np.array(signs) < 0, size - 1 - points, points) for signs in _REFLECTIONS]
    return [(each + roll * size) % size for each in turned for roll in _ROLLS]


def make_shifts(cell_diameter_px: float) -> list[np.ndarray]:
    """Return maps, shape (2, 3), that take a session beside its place in eight directions."""
    angles = np.arange(8) * np.pi / 4
    offsets = (
        _SHIFT_DIAMETERS * cell_diameter_px * np.column_stack([np.cos(angles), np.sin(angles)])
    )
    return [np.column_stack([np.eye(2), offset]) for offset in offsets]
