"""The device clock against the ephys clock: line, slow curvature, jumps, residuals.

Software time stamps are late, never early, by a jitter with a sharp beginning: the clock runs
where the residuals begin, which is the lower envelope, not the mean.
"""

from dataclasses import dataclass

import numpy as np

_FLOOR_QUANTILE = 0.15


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
    knots = [
        _floor_knots(device_time_s[segment == s], lag[segment == s])
        for s in range(int(segment[-1]) + 1)
    ]
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


def _floor_knots(device: np.ndarray, lag: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the clock offset at some tens of places: the upper envelope of the lag."""
    n_knots = int(np.clip(device.size // 150, 1, 400))
    edges = np.linspace(0, device.size, n_knots + 1).astype(int)
    at = np.array([device[a:b].mean() for a, b in zip(edges[:-1], edges[1:], strict=True)])
    slope = _robust_slope(device, lag)
    level = np.array(
        [
            np.quantile(lag[a:b] - slope * (device[a:b] - t), 1 - _FLOOR_QUANTILE)
            for a, b, t in zip(edges[:-1], edges[1:], at, strict=True)
        ]
    )
    if n_knots == 1:  # two knots carry the slope
        at = np.array([device[0], max(device[-1], device[0] + 1e-3)])
        level = level[0] + slope * (at - device.mean())
    elif n_knots > 2:
        padded = np.concatenate(
            [level[:1] - slope * (at[1] - at[0]), level, level[-1:] + slope * (at[-1] - at[-2])]
        )
        flat = padded - slope * np.concatenate([[2 * at[0] - at[1]], at, [2 * at[-1] - at[-2]]])
        level = np.median([flat[:-2], flat[1:-1], flat[2:]], axis=0) + slope * at
    return at, level


def _robust_slope(device: np.ndarray, lag: np.ndarray) -> float:
    """Return the slope between the envelopes of the first and last third, by thirds."""
    third = max(device.size // 3, 1)
    span = device[-third:].mean() - device[:third].mean()
    if device.size < 30 or span < 5.0:
        return 0.0
    rise = np.quantile(lag[-third:], 0.8) - np.quantile(lag[:third], 0.8)
    slope = float(rise / span)
    for _ in range(3):
        rest = lag - slope * device
        near = rest > np.quantile(rest, 0.5)
        slope += float(np.polyfit(device[near] - device[0], rest[near], 1)[0])
    return slope


def _line(at: np.ndarray, level: np.ndarray) -> tuple[float, float]:
    """Return slope and intercept of a line through the knots."""
    if at.size < 2:
        return 0.0, float(level[0])
    slope, offset = np.polyfit(at - at[0], level, 1)
    return float(slope), float(offset - slope * at[0])
