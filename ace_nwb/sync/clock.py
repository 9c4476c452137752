"""The device clock against the ephys clock (line, slow curvature, jumps), and how late stamps are.

Software time stamps are late, never early, by a jitter with a sharp beginning: the clock runs
where the residuals begin, which is the lower envelope, not the mean.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np

from ace_nwb.sync.prices import PRICES

_WANDER_S, _WANDER = 2e-3, 2.5e-4  # a clock leaves its line by no more, at no greater rate
# a knot has few rows where time stamps are sharp, if the segment would be left with few knots
_KNOT_ROWS, _FEW_KNOTS = (25, 150), 24
_KNOT_ERROR_S = 2e-4  # as well as a knot is to be known: a hundredth of a frame
# times that the earliest rows stand before their level what the typical early one does: 3.3 for a
# normal jitter, 2 for a coarse clock
_FAR_BEFORE = 8.0
_FOREIGN_S = 0.1  # farther from the rest than any jitter: rows beyond an unseen jump


@dataclass(frozen=True)
class ClockFit:
    """Piecewise map from device time to ephys time.

    Parameters
    ----------
    slope, offset_s
        Straight line of the longest segment: ephys = slope * device + offset.
    drift_ppm
        (1 / slope - 1) in parts per million: positive if the device clock runs fast.
    curvature_ms
        Largest departure of the clock from that line within the segment.
    breaks_s
        Device times at which a new segment begins (clock jumps).
    jumps_s
        Size of each jump of the device clock, seconds.
    last_device_s
        Device time of the last frame of each segment.
    knots_device_s, knots_offset_s
        Offset (ephys minus device) along each segment, one pair of arrays per segment.
    """

    slope: float
    offset_s: float
    drift_ppm: float
    curvature_ms: float
    breaks_s: np.ndarray
    jumps_s: np.ndarray
    last_device_s: np.ndarray
    knots_device_s: tuple[np.ndarray, ...]
    knots_offset_s: tuple[np.ndarray, ...]

    def to_session_time(self, device_time_s: np.ndarray, segment: np.ndarray) -> np.ndarray:
        """Map device times, each known to lie in a segment, to the ephys clock."""
        result = np.empty(np.shape(device_time_s))
        for number, knots in enumerate(self.knots_device_s):
            here = segment == number
            times = device_time_s[here]
            offset = np.interp(times, knots, self.knots_offset_s[number])
            beyond = np.where(times < knots[0], times - knots[0], 0.0)
            beyond += np.where(times > knots[-1], times - knots[-1], 0.0)
            result[here] = times + offset + (self.slope - 1) * beyond
        return result

    def find_segments(self, device_time_s: np.ndarray) -> np.ndarray:
        """Say in which segment each time of a series in recorded order lies."""
        segment = np.zeros(device_time_s.size, dtype=int)
        back = np.flatnonzero(np.diff(device_time_s) < 0) + 1
        for number, (at, jump) in enumerate(zip(self.breaks_s, self.jumps_s, strict=True), 1):
            before = self.last_device_s[number - 1]
            if jump >= 0:
                segment[device_time_s > 0.5 * (before + at)] = number
                continue
            turn = back[np.abs(device_time_s[back] - at) < 0.5 * abs(jump) + 0.1]
            if turn.size:
                segment[turn[0] :] = number
            else:
                segment[device_time_s > before] = number
        return np.maximum.accumulate(segment)


def fit_clock(
    device_time_s: np.ndarray, session_time_s: np.ndarray, segment: np.ndarray
) -> ClockFit:
    """Fit the device clock to the capture times of matched frames.

    Parameters
    ----------
    device_time_s, session_time_s
        Time stamp and capture time of each matched frame, shape (n,).
    segment
        Jump-free segment of each frame, 0, 1, ..., shape (n,).
    """
    lag = session_time_s - device_time_s  # late stamps make it smaller
    members = [segment == s for s in range(int(segment[-1]) + 1)]
    longest_run = max(members, key=np.count_nonzero)
    shared = _first_slope(device_time_s[longest_run], lag[longest_run])
    shared = _floor_slope(device_time_s[longest_run], lag[longest_run], shared)
    knots = [_floor_knots(device_time_s[m], lag[m], shared) for m in members]
    late = np.concatenate(
        [np.interp(device_time_s[m], *k) - lag[m] for m, k in zip(members, knots, strict=True)]
    )
    knots = [(at, level - _floor(late)) for at, level in knots]
    longest = max(knots, key=lambda pair: pair[0][-1] - pair[0][0])
    slope, offset = _line(*longest)
    line = slope * longest[0] + offset
    breaks = np.array([device_time_s[segment == s][0] for s in range(1, len(knots))])
    ends = [
        float(
            np.interp(device_time_s[segment == s - 1][-1], *knots[s - 1])
            - np.interp(device_time_s[segment == s][0], *knots[s])
        )
        for s in range(1, len(knots))
    ]
    return ClockFit(
        slope=1 + slope,
        offset_s=offset,
        drift_ppm=(1 / (1 + slope) - 1) * 1e6,
        curvature_ms=float(np.abs(longest[1] - line).max()) * 1e3,
        breaks_s=breaks,
        jumps_s=np.array(ends),
        last_device_s=np.array([device_time_s[segment == s][-1] for s in range(len(knots))]),
        knots_device_s=tuple(k[0] for k in knots),
        knots_offset_s=tuple(k[1] for k in knots),
    )


def _floor(late_s: np.ndarray) -> float:
    """Return where lateness begins; what is far before is rows taken for the frame behind."""
    early = -late_s[late_s < 0]
    if early.size == 0:
        return float(late_s.min())
    reach = _FAR_BEFORE * float(np.median(early)) + _KNOT_ERROR_S
    return float(np.quantile(late_s[late_s > -reach], 0.02))


def _floor_knots(
    device: np.ndarray, lag: np.ndarray, shared_slope: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the clock offset at knots along a segment: a line unless the data demand a curve."""
    slope = _floor_slope(device, lag, shared_slope)
    at, level = _levels(device, lag, slope)
    ends = np.array([device[0], max(float(device[-1]), float(device[0]) + 1e-3)])
    flat = level - slope * at
    if at.size < 6 or not _is_curved(flat):
        return ends, np.median(flat) + slope * ends
    padded = np.pad(flat, 2, mode="edge")
    smooth = np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=1)
    return at, _stiffen(at, smooth) + slope * at


def _stiffen(at: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """Return the course nearest to `flat` that changes no faster than a clock may.

    A step of a frame within seconds is no clock: it is rows taken for their neighbours. The two
    extreme courses that obey the limit are averaged (Lipschitz extension, McShane 1934).
    """
    reach = _WANDER_S + _WANDER * np.abs(at[:, None] - at[None, :])
    np.fill_diagonal(reach, 0.0)
    return 0.5 * ((flat[None, :] + reach).min(axis=1) + (flat[None, :] - reach).max(axis=1))


def _floor_slope(device: np.ndarray, lag: np.ndarray, shared_slope: float) -> float:
    """Return the slope of the floor; the shared one where the segment is too short to tell."""
    slope = shared_slope
    for _ in range(2):
        at, level = _levels(device, lag, slope)
        if at.size < 6:
            return shared_slope
        slope = _robust_line(at, level)
    return slope


def _levels(device: np.ndarray, lag: np.ndarray, slope: float) -> tuple[np.ndarray, np.ndarray]:
    """Return places along a segment and the level of the lag there."""
    spread = 1.05 * float(np.median(np.abs(np.diff(lag)))) if lag.size > 1 else 0.0
    n_rows = np.clip((spread / _KNOT_ERROR_S) ** 2, *_KNOT_ROWS)
    few = min(int(device.size // n_rows), _FEW_KNOTS)
    n_knots = int(np.clip(device.size // _KNOT_ROWS[1], max(few, 1), 400))
    edges = np.linspace(0, device.size, n_knots + 1).astype(int)
    spans = list(pairwise(edges))
    at = np.array([device[a:b].mean() for a, b in spans])
    level = [
        _level(lag[a:b] - slope * (device[a:b] - t)) for (a, b), t in zip(spans, at, strict=True)
    ]
    return at, np.array(level)


def _level(lag: np.ndarray) -> float:
    """Return a robust level near the early edge of one stretch of lags."""
    half = lag.size // 2
    middle = np.partition(lag, half)[half]  # one of them, so that some are near it
    near = lag[np.abs(lag - middle) < _FOREIGN_S]
    ordered = np.sort(near)[::-1]
    return float(ordered[: max(int(0.6 * near.size), 1)].mean())


def _is_curved(flat: np.ndarray) -> bool:
    """Say whether knots about a line wander more than their own noise."""
    noise = float(np.median(np.abs(flat[2:] - 2 * flat[1:-1] + flat[:-2]))) / (0.6745 * 6**0.5)
    spread = float(np.median(np.abs(flat - np.median(flat)))) / 0.6745
    return spread > 1.7 * noise + 1e-4


def _first_slope(device: np.ndarray, lag: np.ndarray) -> float:
    """Return the slope between the first and the last third, or zero if they are too close."""
    third = max(device.size // 3, 1)
    span = float(device[-third:].mean() - device[:third].mean())
    if device.size < 30 or span < 5.0:
        return 0.0
    return (_level(lag[-third:]) - _level(lag[:third])) / span


def _robust_line(at: np.ndarray, level: np.ndarray) -> float:
    """Return the slope through knots, those off the line by much left out."""
    slope = float(np.polyfit(at - at[0], level, 1)[0])
    for _ in range(2):
        rest = level - slope * at
        rest = np.abs(rest - np.median(rest))
        near = rest <= 3 * np.median(rest) + 1e-5
        slope = float(np.polyfit(at[near] - at[0], level[near], 1)[0])
    return slope


def _line(at: np.ndarray, level: np.ndarray) -> tuple[float, float]:
    """Return slope and intercept of a line through the knots."""
    if at.size < 2:
        return 0.0, float(level[0])
    slope, offset = np.polyfit(at - at[0], level, 1)
    return float(slope), float(offset - slope * at[0])


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
        counts = np.bincount(bins[late_s >= -EARLY_S], minlength=n_bins).astype(float)
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
