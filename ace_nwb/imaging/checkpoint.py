"""What a long computation has so far, kept so that it can go on after an interruption.

Functions take a `Checkpoint` and know nothing of files; `ace_nwb.nwb.commit.scratch` keeps them on
disk.
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np

State = Mapping[str, np.ndarray]
"""Name -> array: all that is needed to go on."""


class Checkpoint(Protocol):
    """Keeps one state of one computation; a new one takes the place of the old."""

    def load(self) -> State | None:
        """Return the state kept by an interrupted run of the same computation, or None."""
        ...

    def save(self, state: State) -> None:
        """Keep a state; may leave it out if another was kept just before."""
        ...


class NoCheckpoint:
    """Keeps nothing."""

    def load(self) -> None:
        """Return None."""

    def save(self, state: State) -> None:
        """Do nothing."""


NO_CHECKPOINT = NoCheckpoint()
