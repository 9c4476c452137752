"""What the record press says about the first captured frame.

The line toggles from the press on. The first frame is captured at any instant within a frame
interval of it, and all time stamps come a constant delay after their pulses, any up to a stated
bound as likely as another: by the camera's clock, the first pulse stands that much after time zero.
Which of two neighbouring pulses was the first is decided only if one of them cannot be.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import ndtr

from ace_nwb.sync.evidence import Evidence
from ace_nwb.sync.prices import PRICES

_MOST_MISSING = 3
"""Pulses that may be missing at the start: each costs the share of missing ones."""

_FLOOR_ERROR_S, _FLOOR_SHARE = 3e-4, 0.08
"""How well the beginning of the jitter is found: seconds, and share of its spread."""

_ODD_SHARE, _ODD_TIMES = 0.02, 4.0
"""Share of clocks that are found much worse, and how many times: one in fifty sessions seen."""


@dataclass(frozen=True)
class Press:
    """When the record was pressed.

    Parameters
    ----------
    at_s
        Session clock, by the rows as they stand; shape (n,) where several shifts are weighed.
    error_s
        Standard error of that.
    max_latency_s
        Longest constant delay of a time stamp behind its pulse.
    """

    at_s: np.ndarray
    error_s: float
    max_latency_s: float

    @classmethod
    def of(
        cls, evidence: Evidence, *, offset_s: float, late_s: np.ndarray, tick_s: float
    ) -> Self | None:
        """Take it from the rows before the first clock jump, or nothing if that cannot be told.

        Parameters
        ----------
        evidence
            When it was pressed by the device clock, and the longest delay of time stamps.
        offset_s
            Session clock minus device clock at the first row.
        late_s
            How late their time stamps are, shape (n_rows,).
        tick_s
            Unit in which time stamps are given.
        """
        if evidence.record_press_s is None or late_s.size == 0:
            return None
        spread = float(np.median(np.abs(late_s)))
        error = _FLOOR_ERROR_S + (_FLOOR_SHARE + late_s.size**-0.5) * spread
        # rounded time stamps begin up to half a tick before their clock
        at = evidence.record_press_s + offset_s - 0.25 * tick_s
        return cls(np.array([at]), error, evidence.max_latency_s)

    def score(self, first_s: np.ndarray, period: float, missing: float) -> np.ndarray:
        """Return the log density of a first pulse at these times, pulses missing before it or not.

        Parameters
        ----------
        first_s
            Session clock, shape (n,).
        period, missing
            Frame interval, and the share of frames without a pulse.
        """
        after = first_s - self.at_s
        density = np.zeros(after.shape)
        for n_missing in range(_MOST_MISSING + 1):
            since = after - n_missing * period
            usual = self._density(since, period, self.error_s)
            odd = self._density(since, period, _ODD_TIMES * self.error_s)
            density += missing**n_missing * ((1 - _ODD_SHARE) * usual + _ODD_SHARE * odd)
        return np.log(np.maximum(density, np.exp(PRICES.before_press)))

    def _density(self, since_s: np.ndarray, period: float, error_s: float) -> np.ndarray:
        """Density of the sum of both delays and a normal error, in units of its plateau."""
        corners = (0.0, -self.max_latency_s, -period, -period - self.max_latency_s)
        signs = (1.0, -1.0, -1.0, 1.0)
        total = np.zeros(since_s.shape)
        for corner, sign in zip(corners, signs, strict=True):
            total += sign * _ramp(since_s + corner, error_s)
        return np.maximum(total, 0.0) / min(period, self.max_latency_s)


def _ramp(value: np.ndarray, error_s: float) -> np.ndarray:
    """Return the mean of max(value, 0) under a normal error."""
    z = value / error_s
    return np.asarray(value * ndtr(z) + error_s * np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi))
