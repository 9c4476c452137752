"""Every instant at which a frame may have been captured: the pulse train, continued where silent.

Before, after and between the blocks of the train the lattice goes on without pulses, so that rows
there can be placed (by prediction) and priced (as missing pulses) like any other.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from ace_nwb.sync.train import PulseTrain

_MAX_SILENT = 4000
"""Frames put into a silence at most: minutes, in which the rate alone tells no frame any more."""


@dataclass(frozen=True)
class Timeline:
    """Possible captured frames in time order; all arrays have shape (n_captured,).

    Parameters
    ----------
    times_s
        Capture time, ephys clock.
    pulse
        Index of the pulse, -1 where there is none.
    is_held
        Whether it lies inside a block of the train (a single missing pulse does; a silent stretch
        does not).
    period_s
        Frame interval around it.
    block
        Block of the train it belongs to or, in silence, follows; -1 before the first.
    """

    times_s: np.ndarray
    pulse: np.ndarray
    is_held: np.ndarray
    period_s: np.ndarray
    block: np.ndarray

    @cached_property
    def held_before(self) -> np.ndarray:
        """How many captured frames inside blocks come before each, shape (n_captured + 1,)."""
        return np.concatenate([[0], np.cumsum(self.is_held, dtype=np.int32)])

    @cached_property
    def captured_before(self) -> np.ndarray:
        """How many frames that were surely captured come before each, shape (n_captured + 1,).

        Those inside blocks; and before the first and after the last, where they go on unheard.
        """
        held = np.flatnonzero(self.is_held)
        sure = self.is_held.copy()
        sure[: held[0] if held.size else None] = True
        sure[held[-1] if held.size else 0 :] = True
        return np.concatenate([[0], np.cumsum(sure, dtype=np.int32)])

    @cached_property
    def real_before(self) -> np.ndarray:
        """How many captured frames with a pulse come before each, shape (n_captured + 1,)."""
        return np.concatenate([[0], np.cumsum(self.is_real, dtype=np.int32)])

    @cached_property
    def is_real(self) -> np.ndarray:
        """Whether a pulse was seen, shape (n_captured,)."""
        return self.pulse >= 0


def continue_train(train: PulseTrain, *, n_outside: int) -> Timeline:
    """Continue the lattice before, between and after the blocks of a train.

    Parameters
    ----------
    train
        Captured frames.
    n_outside
        Frames added before the first and after the last pulse.
    """
    starts = train.block_starts
    pieces = [_silent(train.times_s[0], -train.period_s[0], n_outside, block=-1)]
    for block, (start, stop) in enumerate(pairwise(starts)):
        pieces.append(
            (
                train.times_s[start:stop],
                train.pulse[start:stop],
                np.ones(stop - start, dtype=bool),
                train.period_s[start:stop],
                np.full(stop - start, block, dtype=np.int32),
            )
        )
        last, period = train.times_s[stop - 1], train.period_s[stop - 1]
        count = n_outside
        if stop < train.times_s.size:
            gap = train.times_s[stop] - last
            count = int(np.clip(np.floor(gap / period - 0.6), 0, _MAX_SILENT))
        pieces.append(_silent(last, period, count, block=block))
    columns = [np.concatenate(column) for column in zip(*pieces, strict=True)]
    return Timeline(*columns)


def _silent(
    origin_s: float, step_s: float, count: int, *, block: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the columns of a silent stretch; a negative step goes back from the origin."""
    times = np.sort(origin_s + step_s * np.arange(1, count + 1))
    return (
        times,
        np.full(count, -1, dtype=np.int32),
        np.zeros(count, dtype=bool),
        np.full(count, abs(step_s)),
        np.full(count, block, dtype=np.int32),
    )
