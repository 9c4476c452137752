"""How late a time stamp is behind its frame: learned from the rows themselves, heavy-tailed."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from ace_nwb.sync.prices import PRICES

BIN_S = 5e-4
"""Bin of the density, seconds: half the millisecond that time stamps are rounded to."""

EARLY_S = 8e-3
"""Time stamps are not early, but the clock's floor is known to a millisecond or two, seconds."""

_HIDDEN_FRAMES = 0.25
"""Frames in which the density beyond one interval may fall to a third without having been seen."""

_REACH_S = 4.0
"""Latest time stamp with a price of its own, seconds; later ones cost the same."""


@dataclass(frozen=True)
class JitterModel:
    """Log density, per millisecond, of time stamp minus clock, in bins from -8 ms."""

    log_density: np.ndarray

    @classmethod
    def broad(cls) -> Self:
        """Return the jitter assumed before anything is learned: most frames are hardly late."""
        late = _late()
        body = np.exp(-np.maximum(late, 0) / PRICES.broad_jitter_s + np.minimum(late, 0) / 1e-3)
        return cls(_with_tail(body / body.sum()))

    @classmethod
    def learn(cls, late_s: np.ndarray, *, period_s: float) -> Self:
        """Learn the density from the lateness of decoded rows, shape (n,).

        A row later than a frame interval is easily taken for the frame behind, and so hardly ever
        seen: beyond one interval the density is not let fall faster than from there on.
        """
        n_bins = _late().size
        bins = np.clip(((late_s + EARLY_S) / BIN_S).astype(int), 0, n_bins - 1)
        counts = np.bincount(bins, minlength=n_bins).astype(float)
        # no wider: what seems likely beside a sharp edge would be taken for certain
        smooth = np.convolve(np.pad(counts, 1, mode="edge"), [0.25, 0.5, 0.25], mode="valid")
        before, beyond = ((np.array([0.5, 0.95]) * period_s + EARLY_S) / BIN_S).astype(int)
        hidden = smooth[before : max(beyond, before + 1)].mean()
        later = np.arange(n_bins - beyond) * BIN_S / (_HIDDEN_FRAMES * period_s)
        smooth[beyond:] = np.maximum(smooth[beyond:], hidden * np.exp(-later))
        return cls(_with_tail(smooth / max(smooth.sum(), 1.0)))

    def score(self, late_s: np.ndarray) -> np.ndarray:
        """Return the log density at each lateness."""
        bins = ((late_s + EARLY_S) / BIN_S).astype(int)
        return self.log_density[np.clip(bins, 0, self.log_density.size - 1)]


def _late() -> np.ndarray:
    """Return the lateness at each bin, seconds."""
    return np.arange(int((_REACH_S + EARLY_S) / BIN_S)) * BIN_S - EARLY_S


def _with_tail(body: np.ndarray) -> np.ndarray:
    """Return the log density per millisecond of a body and the tail that stalls make."""
    late = _late()
    tail = np.where(late >= 0, BIN_S * PRICES.stall_scale_s, 0.0)
    tail /= (PRICES.stall_scale_s + np.maximum(late, 0)) ** 2
    early = 1e-7 * (late < 0)
    density = (1 - PRICES.stalls) * body + PRICES.stalls * tail + early
    return np.log(density / (BIN_S * 1e3) + 1e-12)
