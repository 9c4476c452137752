"""Rise and decay of the calcium transient: from each trace, from its field, and from the indicator.

Of a grid of kinetics the pair is taken that explains the trace best with fewest events. Unlike the
autocovariance this is not fooled by bursts, and unlike the cost of the sparse fit itself it does
not shorten the decay, since a transient cut into several events pays for each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.ndimage import maximum_filter1d, minimum_filter1d, uniform_filter1d

from ace_nwb.signals.oasis import (
    deconvolve_trace,
    estimate_noise,
    kernel_coefficients,
    response_peak,
    solve_runs,
)
from ace_nwb.signals.runs import find_runs


@dataclass(frozen=True)
class Indicator:
    """What is known of a calcium indicator before a trace is seen.

    Parameters
    ----------
    decay_time_s, rise_time_s
        Typical time constants in vivo, seconds; the decay stays within a factor of three.
    knee
        dF/F at which the transient is twice what a linear indicator would show: dF/F = c + c^2 /
        knee. Infinite for a linear indicator.
    """

    decay_time_s: float
    rise_time_s: float
    knee: float


TYPICAL = Indicator(0.9, 0.07, 1.0)
"""Kinetics where no indicator is stated: between GCaMP6f and GCaMP6s, which most miniscopes see."""

_INDICATORS = {
    # Order of Chen et al. 2013 (6f faster than 6m faster than 6s, single spikes), Dana et al. 2019
    # (7f, 7s) and Zhang et al. 2023 (8f, 8m, 8s); longer than theirs, since bursts decay more
    # slowly in vivo than single spikes: a judgement, not their figures. The knee of 1: best of
    # .3, 1 and none on the GCaMP sets of tests/benchmarks/paired_recordings.py; dyes and red
    # indicators: none.
    "gcamp6s": Indicator(1.2, 0.15, 1.0),
    "gcamp6m": Indicator(1.0, 0.1, 1.0),
    "gcamp6f": Indicator(0.8, 0.07, 1.0),
    "gcamp7s": Indicator(1.3, 0.12, 1.0),
    "gcamp7f": Indicator(0.8, 0.07, 1.0),
    "gcamp8f": Indicator(0.25, 0.02, 1.0),
    "gcamp8m": Indicator(0.3, 0.02, 1.0),
    "gcamp8s": Indicator(0.6, 0.02, 1.0),
    "gcamp": TYPICAL,
    "ogb": Indicator(1.0, 0.03, np.inf),
    "cal520": Indicator(1.0, 0.05, np.inf),
    "rcamp": Indicator(0.9, 0.05, np.inf),
    "rgeco": Indicator(0.9, 0.04, np.inf),
}

_DECAYS_S = np.array([0.08, 0.12, 0.18, 0.27, 0.4, 0.6, 0.9, 1.35, 2.0, 3.0])
"""Decay times tried, seconds: steps of 1.5, from jGCaMP8f to the slowest dyes."""

_RISES_S = np.array([0.0, 0.02, 0.03, 0.04, 0.055, 0.07, 0.085, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3])
"""Rise times tried, seconds; 0 is a sudden rise, AR(1)."""

_INDICATOR_FACTOR = 3.0
"""How far the decay may be from that of the indicator, where one is stated."""

_LOG_SPREAD = 0.7
"""SD of the logarithm of time constants about the indicator's: a factor of two."""

_PRIOR_WEIGHT = 100.0
"""How much that counts, in units of twice the log-likelihood.

Neighbouring frames of a residual are not independent, so that the likelihood overstates.
"""

_EVENT_PRICE = 2.0
"""Price of an event in logarithms of the number of frames: Schwarz' for two numbers, time and size.

1.5 instead of 2: .790 instead of .793 of correlation with the true rate, over the data sets of even
number in tests/benchmarks/paired_recordings.py.
"""

_LEAST_EVENT_SD = 2.7
"""Least size of an event of the fit, noise SDs.

The fit is kept sparse by this alone: a price on the size of activity would shrink it, and a shorter
decay make up for that. 2 and 2.5 give the same correlation (.792 and .793), but decays up to a
fifth too long at an SNR of 3.
"""

_FINEST_RATE_HZ = 30.0
"""Faster traces are averaged down: no rise time tried needs more."""

_SEGMENT_FRAMES = 600  # frames: 20 s at 30 fps, several events of a busy cell
_N_SEGMENTS = 10
"""Of a long trace the ten liveliest segments of 600 frames (30 s at 20 Hz) are enough."""

LEAST_ISOLATED = 5
"""Isolated events with which a ROI's own estimate counts as much as that of the field."""

_CLEAR_SD = 4.0
"""Size of an event that tells kinetics, noise SDs; noise alone reaches it once in 30,000 frames."""


@dataclass(frozen=True)
class Kinetics:
    """Time constants of every ROI.

    Parameters
    ----------
    decay_time_s, rise_time_s
        Shape (roi,), seconds; a rise time of 0 is a sudden rise.
    n_isolated
        Clear events with silence around them, which the estimate stands on, shape (roi,).
    is_typical
        Whether no ROI of the field had a clear event, so that these are the indicator's time
        constants, shape (roi,).
    """

    decay_time_s: np.ndarray
    rise_time_s: np.ndarray
    n_isolated: np.ndarray
    is_typical: np.ndarray


def find_indicator(name: str | None) -> Indicator | None:
    """Return what is known of an indicator called `name`; None if it is not known."""
    plain = "".join(letter for letter in (name or "").lower() if letter.isalnum())
    known = [key for key in _INDICATORS if key in plain]
    return _INDICATORS[max(known, key=len)] if known else None


def estimate_kinetics(
    traces: np.ndarray,
    frame_rate_hz: float,
    *,
    autoregressive_order: int | None = 1,
    typical: Indicator = TYPICAL,
    has_background: bool = False,
    breaks: Sequence[int] = (),
) -> Kinetics:
    """Estimate decay and rise of each trace; ROIs with little to go by are drawn to the field's.

    Parameters
    ----------
    traces
        Shape (frame, roi).
    frame_rate_hz
        Frames per second.
    autoregressive_order
        1 for a sudden rise, 2 for a finite one, None for whichever explains a trace better.
    typical
        What the indicator is known for.
    has_background
        Whether the traces still have their slow background, to be removed first.
    breaks
        Frames that follow an interruption.

    Returns
    -------
    Kinetics
        Without a single clear event in the field: the typical time constants.
    """
    n_rois = traces.shape[1]
    decays = np.full(n_rois, typical.decay_time_s)
    first_rise = 0.0 if autoregressive_order == 1 else typical.rise_time_s
    rises, n_isolated = np.full(n_rois, first_rise), np.zeros(n_rois)
    has_events = np.zeros(n_rois, bool)
    for roi in range(n_rois):
        trace = traces[:, roi].astype(float)
        if has_background:
            trace -= slow_baseline(trace, frame_rate_hz)
        excerpt = _Excerpt.of(trace, frame_rate_hz, breaks)
        if excerpt.noise > 0 and len(excerpt.trace) >= 8:
            found = _search(excerpt, _rises_tried(autoregressive_order), typical)
            decays[roi], rises[roi] = found
            has_events[roi], n_isolated[roi] = excerpt.count_events(*found)
    decays[~has_events], rises[~has_events] = typical.decay_time_s, first_rise
    if has_events.any():
        trust = n_isolated / (n_isolated + LEAST_ISOLATED)
        weights = np.where(has_events, n_isolated + 0.1, 0.0)
        decays = _draw_to_field(decays, weights, trust)
        least = 0.5 * _RISES_S[1]  # a sudden rise has no logarithm
        rises = _draw_to_field(np.maximum(rises, least), weights, trust)
        rises[rises <= 1.01 * least] = 0.0
    is_typical = np.full(n_rois, not has_events.any())
    return Kinetics(decays, rises, n_isolated.astype(int), is_typical)


def find_level(
    trace: np.ndarray, frame_rate_hz: float, *, noise: float, breaks: Sequence[int]
) -> float:
    """Return the level of a trace without calcium, by a fit with typical kinetics."""
    coefficients = kernel_coefficients(
        TYPICAL.decay_time_s, frame_rate_hz, 2, rise_time_s=TYPICAL.rise_time_s
    )
    return deconvolve_trace(trace, coefficients, noise=noise, breaks=breaks)[2]


def slow_baseline(
    traces: np.ndarray, frame_rate_hz: float, *, window_s: float = 20.0
) -> np.ndarray:
    """Return the slow lower envelope of each trace: an opening, then a running mean.

    Parameters
    ----------
    traces
        Shape (frame, roi).
    frame_rate_hz
        Frames per second.
    window_s
        Width of the opening; slower than any transient.
    """
    width = max(3, round(window_s * frame_rate_hz)) | 1
    smooth = uniform_filter1d(traces, max(1, round(0.5 * frame_rate_hz)), axis=0)
    opened = maximum_filter1d(minimum_filter1d(smooth, width, axis=0), width, axis=0)
    return np.asarray(uniform_filter1d(opened, width, axis=0))


@dataclass(frozen=True)
class _Excerpt:
    """The liveliest part of a trace, at a rate that kinetics need."""

    trace: np.ndarray
    rate_hz: float
    noise: float
    breaks: tuple[int, ...]

    @classmethod
    def of(cls, trace: np.ndarray, frame_rate_hz: float, breaks: Sequence[int]) -> "_Excerpt":
        step = max(1, int(frame_rate_hz // _FINEST_RATE_HZ))
        parts = [_average(part, step) for part in np.split(trace, np.asarray(breaks, np.intp))]
        if sum(map(len, parts)) > _N_SEGMENTS * _SEGMENT_FRAMES:
            parts = _liveliest([segment for part in parts for segment in _cut(part)])
        whole = np.concatenate(parts) if parts else np.zeros(0)
        starts = np.cumsum([len(part) for part in parts])[:-1]
        rate_hz = frame_rate_hz / step
        noise = float(estimate_noise(whole[:, None], rate_hz)[0])
        # A low level: by the level of a fit the decay comes out a tenth shorter in busy traces.
        level = np.quantile(whole, 0.2) if len(whole) else 0.0
        return cls(whole - level, rate_hz, noise, tuple(starts.tolist()))

    def fit(
        self, decay_s: float, rise_s: float, *, least_sd: float = _LEAST_EVENT_SD
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return residual, and activity as the height that it raises, events of a least size."""
        coefficients = self._coefficients(decay_s, rise_s)
        peak = response_peak(coefficients)
        least = least_sd * self.noise / peak
        calcium, activity = solve_runs(self.trace, coefficients, 0.0, least, self.breaks)
        residual = self.trace - calcium
        return residual - np.median(residual), activity * peak

    def _coefficients(self, decay_s: float, rise_s: float) -> np.ndarray:
        order = 2 if rise_s > 0 else 1
        return kernel_coefficients(decay_s, self.rate_hz, order, rise_time_s=rise_s)

    def cost(self, decay_s: float, rise_s: float) -> float:
        """Return twice the negative log-likelihood with unknown noise, and the price of events."""
        residual, activity = self.fit(decay_s, rise_s)
        n_frames, n_events = len(residual), np.sum(activity > self.noise)
        likelihood = n_frames * np.log(np.sum(residual**2) + 1e-300)
        return float(likelihood + _EVENT_PRICE * np.log(n_frames) * n_events)

    def count_events(self, decay_s: float, rise_s: float) -> tuple[bool, int]:
        """Return whether there are clear events, and how many have one decay of silence around."""
        _, activity = self.fit(decay_s, rise_s, least_sd=1.0)  # what noise may be is no silence
        runs = find_runs(activity > self.noise)
        sizes = np.array([activity[start:stop].sum() for start, stop in runs])
        silence = decay_s * self.rate_hz
        gaps = np.concatenate([[np.inf], runs[1:, 0] - runs[:-1, 1], [np.inf]])
        is_clear = sizes > _CLEAR_SD * self.noise
        is_isolated = is_clear & (gaps[:-1] > silence) & (gaps[1:] > silence)
        return bool(is_clear.any()), int(is_isolated.sum())


def _search(excerpt: _Excerpt, rises_s: np.ndarray, typical: Indicator) -> tuple[float, float]:
    """Return decay and rise of least cost: best decay, then downhill among pairs beside it."""
    is_near = np.abs(np.log(_DECAYS_S / typical.decay_time_s)) <= np.log(_INDICATOR_FACTOR)
    is_near |= typical is TYPICAL  # nothing is known that could bound it
    decays_s = _DECAYS_S[is_near & (excerpt.rate_hz * _DECAYS_S > 0.5)]
    rise = int(np.argmin(np.abs(rises_s - typical.rise_time_s)))
    if not len(decays_s):
        return typical.decay_time_s, float(rises_s[rise])

    @cache
    def cost(pair: tuple[int, int]) -> float:
        times_s = float(decays_s[pair[0]]), float(rises_s[pair[1]])
        return excerpt.cost(*times_s) + _PRIOR_WEIGHT * _surprise(*times_s, typical)

    best = min(((decay, rise) for decay in range(len(decays_s))), key=cost)
    while (found := min(_beside(best, len(decays_s), len(rises_s)), key=cost)) != best:
        best = found
    decay, rise = best
    if not 0 < decay < len(decays_s) - 1:
        return float(decays_s[decay]), float(rises_s[rise])
    costs = [cost((index, rise)) for index in (decay - 1, decay, decay + 1)]
    return _refine(decays_s[decay - 1 : decay + 2], costs), float(rises_s[rise])


def _beside(pair: tuple[int, int], n_decays: int, n_rises: int) -> list[tuple[int, int]]:
    """Return the pair and those one step away, diagonals too, itself first."""
    near = [(pair[0] + down, pair[1] + right) for down in (0, -1, 1) for right in (0, -1, 1)]
    return [(row, column) for row, column in near if 0 <= row < n_decays and 0 <= column < n_rises]


def _surprise(decay_s: float, rise_s: float, typical: Indicator) -> float:
    """Return the squared distance from the typical time constants, in SDs of their logarithm."""
    decay = np.log(decay_s / typical.decay_time_s)
    rise = np.log(max(rise_s, _RISES_S[1]) / max(typical.rise_time_s, _RISES_S[1]))
    return float((decay**2 + rise**2) / _LOG_SPREAD**2)


def _refine(times_s: np.ndarray, costs: Sequence[float]) -> float:
    """Return the lowest point of a parabola through three costs over log time, at most a step."""
    left, middle, right = costs
    curvature = left - 2 * middle + right
    if curvature <= 0:
        return float(times_s[np.argmin(costs)])
    offset = np.clip(0.5 * (left - right) / curvature, -1, 1)
    return float(times_s[1] * np.exp(offset * np.log(times_s[2] / times_s[1])))


def _rises_tried(autoregressive_order: int | None) -> np.ndarray:
    if autoregressive_order == 1:
        return _RISES_S[:1]
    return _RISES_S if autoregressive_order is None else _RISES_S[1:]


def _draw_to_field(times_s: np.ndarray, weights: np.ndarray, trust: np.ndarray) -> np.ndarray:
    """Return times between each ROI's own and the field's weighted median, by trust."""
    order = np.argsort(times_s, kind="stable")
    cumulative = np.cumsum(weights[order])
    field = times_s[order[np.searchsorted(cumulative, 0.5 * cumulative[-1])]]
    return np.asarray(np.exp(trust * np.log(times_s) + (1 - trust) * np.log(field)))


def _average(part: np.ndarray, step: int) -> np.ndarray:
    """Return the means of `step` frames each; a rest is left out."""
    return part[: len(part) // step * step].reshape(-1, step).mean(axis=1)


def _cut(part: np.ndarray) -> list[np.ndarray]:
    return [part[first : first + _SEGMENT_FRAMES] for first in range(0, len(part), _SEGMENT_FRAMES)]


def _liveliest(segments: list[np.ndarray]) -> list[np.ndarray]:
    """Return the segments whose 99th percentile is highest above their median, in order."""
    life = [
        np.quantile(part, 0.99) - np.median(part) if len(part) >= _SEGMENT_FRAMES // 2 else -np.inf
        for part in segments
    ]
    chosen = np.sort(np.argsort(life, kind="stable")[-_N_SEGMENTS:])
    return [segments[index] for index in chosen]
