"""Edges of a sync wave on an analog channel: two thresholds, crossings between the samples."""

from collections.abc import Callable, Iterator

import numpy as np

from ace_nwb.errors import SyncError

_LOW, _HIGH = 1 / 3, 2 / 3
"""Thresholds between the two levels of the wave: noise below a third of it makes no edge."""

_LEVELS = (0.02, 0.98)
"""Quantiles at which the levels are read: pulses that are high for 2 % of the time still show, and
single spikes of noise do not."""

_BLOCK_SAMPLES = 1 << 20
"""Samples read at a time: 8 MB, half a minute at 30 kHz."""

_LEVEL_BLOCKS = 8
"""Blocks spread over the recording from which the levels are read."""

_LEAST_SWING = 8.0
"""Swing of the wave in typical steps between samples: less is noise, not a wave of two levels."""


def find_edges(
    read: Callable[[int, int], np.ndarray], n_samples: int, *, start_s: float, rate_hz: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return times and new levels (0 or 1) of the edges of an analog wave.

    An edge counts where the wave has passed one threshold and then the other; its time is where
    the straight line between the samples around crosses the middle.

    Parameters
    ----------
    read
        Returns samples from one number up to before another, shape (n,), any unit.
    n_samples
        Samples of the channel.
    start_s, rate_hz
        Time of the first sample (ephys clock) and samples per second.

    Raises
    ------
    SyncError
        If the channel has no two levels.
    """
    low, high = _find_levels(read, n_samples)
    thresholds = low + (high - low) * np.array([_LOW, 0.5, _HIGH])
    times, levels, state, before = [], [], -1, np.nan
    for first, block in _blocks(read, n_samples):
        found, states = _cross(block, before, state, thresholds)
        times.append(start_s + (first + found) / rate_hz)
        levels.append(states)
        before = float(block[-1])
        state = int(states[-1]) if states.size else state
        if state < 0:
            state = _state_at_end(block, thresholds)
    return np.concatenate(times), np.concatenate(levels)


def _blocks(
    read: Callable[[int, int], np.ndarray], n_samples: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the first sample number and the samples of each block."""
    for first in range(0, n_samples, _BLOCK_SAMPLES):
        yield first, read(first, min(first + _BLOCK_SAMPLES, n_samples))


def _find_levels(read: Callable[[int, int], np.ndarray], n_samples: int) -> tuple[float, float]:
    """Return the two levels of the wave."""
    size = min(_BLOCK_SAMPLES // _LEVEL_BLOCKS, n_samples)
    starts = np.unique(np.linspace(0, n_samples - size, _LEVEL_BLOCKS).astype(int))
    seen = [read(int(start), int(start) + size) for start in starts]
    low, high = (float(value) for value in np.quantile(np.concatenate(seen), _LEVELS))
    step = float(np.median([np.median(np.abs(np.diff(one))) for one in seen if one.size > 1]))
    if not high - low > _LEAST_SWING * step or high <= low:
        raise SyncError(
            f"The analog channel swings by {high - low:.3g} while its samples differ by "
            f"{step:.3g} from one to the next. A wave of two levels was expected. Name the "
            "channel that carries the frame line."
        )
    return low, high


def _cross(
    block: np.ndarray, before: float, state: int, thresholds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return where in a block (samples, with fractions) the level changes, and the new levels."""
    low, middle, high = thresholds
    mark = np.where(block > high, 1, np.where(block < low, 0, -1))
    passed = np.flatnonzero(mark >= 0)
    history = np.concatenate([[state], mark[passed]])
    changed = np.flatnonzero((np.diff(history) != 0) & (history[:-1] >= 0))
    samples = np.concatenate([[before], block])
    at, new = passed[changed], mark[passed[changed]]
    found = np.empty(at.size)
    for k, (index, level) in enumerate(zip(at.tolist(), new.tolist(), strict=True)):
        crossing = index
        # back to the last sample on the other side of the middle
        while crossing > 0 and (samples[crossing] - middle) * (level - 0.5) > 0:
            crossing -= 1
        below, above = samples[crossing], samples[crossing + 1]
        share = (middle - below) / (above - below) if above != below else 0.0
        found[k] = crossing - 1 + float(np.clip(share, 0.0, 1.0)) if np.isfinite(below) else index
    return found, new


def _state_at_end(block: np.ndarray, thresholds: np.ndarray) -> int:
    """Return the level that a block without edges has shown, or -1."""
    if (block > thresholds[2]).any():
        return 1
    return 0 if (block < thresholds[0]).any() else -1
