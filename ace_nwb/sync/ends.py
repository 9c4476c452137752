"""What is left over at the ends, and the record press, say about the first and the last row.

Pulses of the same gap-free run before the first row are frames that were lost, or strays that
stand on the lattice by chance. The line toggles from the press on: the first frame is captured at
any instant within a frame interval of it, and all time stamps come a constant delay after their
pulses, any up to a stated bound as likely as another. Which of two neighbouring pulses was the
first is decided only if one of them cannot be.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import ndtr

from ace_nwb.sync.evidence import Evidence
from ace_nwb.sync.frames import Timeline
from ace_nwb.sync.prices import PRICES, FaultRates
from ace_nwb.sync.train import PulseTrain

_MOST_MISSING = 3
"""Pulses that may be missing at the start: each costs the share of missing ones."""

_FLOOR_ERROR_S, _FLOOR_SHARE = 3e-4, 0.08
"""How well the beginning of the jitter is found: seconds, and share of its spread."""

_FINE_S = 2e-3
"""Unit of time stamps up to which they are rounded, seconds; of coarser clocks they are cut off."""

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
        # rounded time stamps begin up to half a tick before their clock, those cut off a whole one
        at = evidence.record_press_s + offset_s - 0.25 * tick_s
        if tick_s > _FINE_S:
            at, error = at - 0.25 * tick_s, error + 0.5 * tick_s
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


_MOST_STRAYS = 3
"""Strays in a row that may stand on the lattice: each has a chance of one in twenty at most."""

CUT_FRAMES = 2.0
"""How near to an end of the ephys recording pulses that it cuts off begin or end, frames."""

_NEAR_FRAMES = 60
"""How far around an end strays tell how often they come, frames: a few seconds."""

_LATTICE_PULSES = 20
"""Pulses over which the lattice is continued to an end: a second or two of one rate."""

_OFF_LATTICE, _LEAST_SPREAD_S = 1.45, 5e-6
"""Spread of a pulse from where two others have it, by their jitter (1 + 1 + a tenth, the root), and
at least the sampling of ephys, seconds."""


@dataclass(frozen=True)
class Strays:
    """How often a pulse that is no frame stands on the lattice.

    Parameters
    ----------
    times_s
        Pulses that belong to no run, shape (n_strays,).
    jitter_s
        Standard deviation of the frames' own pulses about the lattice.
    """

    times_s: np.ndarray
    jitter_s: float

    @classmethod
    def of(cls, train: PulseTrain) -> Self:
        """Take them from a train."""
        return cls(train.stray_times_s, train.jitter_s)

    def log_odds(self, times_s: np.ndarray, inward_s: np.ndarray, period: float) -> np.ndarray:
        """Return the log odds that pulses at the end of a run are strays rather than frames.

        Parameters
        ----------
        times_s
            Pulses, shape (n,).
        inward_s
            Where their lattice has them by the pulses further inside the run, shape (n,).
        period
            Frame interval.
        """
        reach = _NEAR_FRAMES * period
        near = np.searchsorted(self.times_s, times_s + reach)
        near -= np.searchsorted(self.times_s, times_s - reach)
        spread = _OFF_LATTICE * self.jitter_s + _LEAST_SPREAD_S
        off = (times_s - inward_s) / spread
        as_frame = np.exp(-0.5 * off**2) / (spread * np.sqrt(2 * np.pi))
        odds = (near + PRICES.unseen_strays) / (2 * reach) / np.maximum(as_frame, 1e-300)
        return np.log(np.clip(odds, 1e-6, 0.05))


def price_runs(counts: np.ndarray, rate: float) -> np.ndarray:
    """Return the log probability of runs of so many faults each: a heavy tail, 0 for none."""
    some = np.maximum(counts, 1)
    return np.where(counts > 0, np.log(rate) - np.log(some * (some + 1.0)), 0.0)


def price_silence(counts: np.ndarray, missing: float) -> np.ndarray:
    """Return the log probability of so many frames in a row without a pulse, 0 for none.

    Either each is missing by itself, or the line fell silent.
    """
    alone = np.maximum(counts, 1) * np.log(missing)
    silent = np.logaddexp(alone, price_runs(counts, PRICES.falls_silent))
    return np.asarray(np.where(counts > 0, silent, 0.0))


@dataclass(frozen=True)
class End:
    """One end of the recording: what may stand between the rows and the pulses there.

    Parameters
    ----------
    usual
        Rows beyond the outermost pulse (negative: pulses beyond the outermost row) -> probability,
        as the recorder makes them.
    stated
        Pulses beyond the outermost row, if somebody states it.
    rates
        Shares of faults.
    loss
        Share of recordings that lose captured frames there.
    is_free
        Whether the line is taken to run whether or not frames are saved.
    """

    usual: Mapping[int, float]
    stated: int | None
    rates: FaultRates
    loss: float = 0.06
    is_free: bool = False

    def score(self, beyond: np.ndarray, *, is_cut: np.ndarray) -> np.ndarray:
        """Return the log probability of so many rows beyond the outermost pulse.

        Parameters
        ----------
        beyond
            Rows beyond the pulses, negative for pulses beyond the rows, shape (n,).
        is_cut
            Whether ephys begins or ends there, so that pulses may be cut off, shape (n,).
        """
        if self.stated is not None:
            return np.where(beyond == -self.stated, 0.0, PRICES.denied)
        if self.is_free:
            return np.where(beyond <= 0, np.log(PRICES.any_number), self._faults(beyond, is_cut))
        scores = [np.log(p) + self._faults(beyond - n, is_cut) for n, p in self.usual.items()]
        return np.asarray(np.logaddexp.reduce(scores))

    def _faults(self, extra: np.ndarray, is_cut: np.ndarray) -> np.ndarray:
        """Log probability of rows (or, negative, pulses) more than the recorder makes."""
        some = np.maximum(extra, 1)
        silent = price_silence(some, self.rates.missing)
        cut = np.where(is_cut, np.log(PRICES.cut_off) - np.log(some + 1.0), -np.inf)
        lost = price_runs(-extra, self.loss + self.rates.lost)
        lost -= 2 * np.log(np.maximum(-extra / PRICES.many_lost, 1.0))
        return np.where(extra > 0, np.logaddexp(silent, cut), lost)


def score_start(
    frame: np.ndarray,
    timeline: Timeline,
    end: End,
    *,
    strays: Strays,
    recorded_s: tuple[float, float] | None,
    press: Press | None = None,
) -> np.ndarray:
    """Return the log probability of what stands before the first row.

    Parameters
    ----------
    frame
        Captured frames that the first row may be, shape (n,).
    timeline
        Possible captured frames.
    end
        What may stand there.
    strays
        How often a pulse is no frame.
    recorded_s
        First and last instant of the ephys recording.
    press
        When the record was pressed if the first row is that frame; None if that is not to be
        asked.
    """
    times, period = timeline.times_s, _period_at(timeline, frame)
    real = np.flatnonzero(timeline.is_real)
    held = timeline.is_held[frame]
    block = timeline.block[frame] + ~held  # in silence: the run that comes
    first = np.minimum(np.searchsorted(timeline.block[real], block), real.size - 1)
    outer = real[first]
    begins_s = -np.inf if recorded_s is None else recorded_s[0]
    stray, scores = np.zeros(frame.size), []
    for n_strays in range(_MOST_STRAYS + 1):
        captured = real[np.minimum(first + n_strays, real.size - 1)]  # the first captured frame
        is_cut = np.abs(times[captured] - begins_s) < CUT_FRAMES * period
        score = stray + end.score(captured - frame, is_cut=is_cut)
        holes = _count_holes(timeline, outer, np.minimum(captured, frame))
        score -= holes * np.log(end.rates.missing)
        if press is not None:
            said = press.score(times[captured], period, end.rates.missing)
            score += np.where(is_cut, 0.0, said)  # the first pulse seen is not the first made
        scores.append(score)
        inward = _inward(timeline, real, np.minimum(first + n_strays, real.size - 1), 1)
        stray = stray + strays.log_odds(times[captured], inward, period)
    return np.asarray(np.logaddexp.reduce(scores))


def score_end(
    frame: np.ndarray,
    timeline: Timeline,
    end: End,
    *,
    strays: Strays,
    recorded_s: tuple[float, float] | None,
) -> np.ndarray:
    """Return the log probability of what stands behind the last row, as `score_start`."""
    times, period = timeline.times_s, _period_at(timeline, frame)
    real = np.flatnonzero(timeline.is_real)
    behind = np.searchsorted(timeline.block[real], timeline.block[frame], side="right")
    last = np.maximum(behind - 1, 0)
    outer = real[last]
    ends_s = np.inf if recorded_s is None else recorded_s[1]
    stray, scores = np.zeros(frame.size), []
    for n_strays in range(_MOST_STRAYS + 1):
        captured = real[np.maximum(last - n_strays, 0)]
        is_cut = np.abs(times[captured] - ends_s) < CUT_FRAMES * period
        score = stray + end.score(frame - captured, is_cut=is_cut)
        holes = _count_holes(timeline, np.maximum(captured, frame) + 1, outer + 1)
        score -= holes * np.log(end.rates.missing)
        scores.append(score)
        inward = _inward(timeline, real, np.maximum(last - n_strays, 0), -1)
        stray = stray + strays.log_odds(times[captured], inward, period)
    return np.asarray(np.logaddexp.reduce(scores))


def _inward(timeline: Timeline, real: np.ndarray, at: np.ndarray, step: int) -> np.ndarray:
    """Return where pulses (places among the real ones) should stand by the pulses beside them."""
    beside = np.clip(at + step, 0, real.size - 1)
    far = np.clip(at + _LATTICE_PULSES * step, 0, real.size - 1)
    far = np.where(timeline.block[real[far]] == timeline.block[real[at]], far, beside)
    at, beside, far = real[at], real[beside], real[far]
    times, period = timeline.times_s, timeline.period_s[at]
    apart = np.where(far == beside, 1, far - beside)
    period = np.where(far == beside, period, (times[far] - times[beside]) / apart)
    return times[beside] - (beside - at) * period


def _period_at(timeline: Timeline, frame: np.ndarray) -> float:
    """Return the frame interval around the middle one of some frames."""
    return float(timeline.period_s[frame[frame.size // 2]])


def _count(timeline: Timeline, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return how many frames inside runs stand from low to before high; 0 if high is not higher."""
    held = timeline.held_before
    return np.maximum(held[high] - held[low], 0)


def _count_holes(timeline: Timeline, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return how many of those have no pulse: beyond the recording they are no faults."""
    real = timeline.real_before
    return np.maximum(_count(timeline, low, high) - np.maximum(real[high] - real[low], 0), 0)
