"""The captured frames as the pulses tell them: one regular train, gaps filled, strays set apart.

Camera pulses are exact to a fraction of a millisecond, so the pulses alone tell where one of
them is missing (a gap of a whole number of frame intervals) or does not belong (off the
lattice). What the saved frames say is left to matching.py.
"""

from dataclasses import dataclass
from itertools import pairwise

import numba as nb
import numpy as np

from ace_nwb.errors import SyncError
from ace_nwb.sync.prices import PRICES

_MAX_FILLED = 6  # in longer holes the camera may have paused: they end a block
# compiled code sees plain numbers only
_BREAK_COST, _SKIP_COST = PRICES.train_break, PRICES.train_skip
_MISSING_COST = PRICES.train_missing
_MIN_BLOCK = 3
"""Pulses that make a run: two intervals of one length; two pulses are strays."""

_FOLLOWS = 0.2
"""How far the most common pulse interval may be from the frame interval, as a share of it."""

_LASTING = 0.7
"""Least share of intervals of a rate that are followed by another of it: nearly all are but beside
missing pulses; where the exposure varies it is the share of such intervals, about a half."""


@dataclass(frozen=True)
class PulseTrain:
    """Captured frames in time order.

    Parameters
    ----------
    times_s
        Capture time of each captured frame, ephys clock, shape (n_captured,); interpolated
        where the pulse is missing.
    pulse
        Index of its pulse, -1 where it is missing, shape (n_captured,).
    block
        Number of the gap-free block it belongs to, shape (n_captured,).
    period_s
        Frame interval around it, shape (n_captured,).
    jitter_s
        Robust standard deviation of the pulses about the lattice.
    stray, stray_times_s
        Indices and times of the pulses that belong to no block.
    """

    times_s: np.ndarray
    pulse: np.ndarray
    block: np.ndarray
    period_s: np.ndarray
    jitter_s: float
    stray: np.ndarray
    stray_times_s: np.ndarray

    @property
    def block_starts(self) -> np.ndarray:
        """Index of the first captured frame of each block, and the total at the end."""
        edges = np.flatnonzero(np.diff(self.block)) + 1
        return np.concatenate([[0], edges, [self.block.size]])


def build_train(pulse_times_s: np.ndarray, *, frame_interval_s: float) -> PulseTrain:
    """Order pulses into gap-free blocks of captured frames.

    Parameters
    ----------
    pulse_times_s
        Pulse times, ephys clock, increasing, shape (n_pulses,).
    frame_interval_s
        Frame interval expected from the camera's own time stamps.

    Raises
    ------
    SyncError
        If no run of pulses has an interval near the expected one.
    """
    times = np.asarray(pulse_times_s, dtype=float)
    rates = _find_periods(times, frame_interval_s)
    period = _assign_period(times, rates)
    intervals = np.diff(times)
    near = np.abs(intervals - period[:-1]) < 0.2 * period[:-1]
    off = np.abs(intervals[near] - period[:-1][near])
    jitter = 1.05 * float(np.median(off)) if off.size else 0.0  # MAD of a difference of two
    tolerance = lattice_tolerance(period, jitter)
    previous, score = _chain(times, period, tolerance)
    return _assemble(times, period, _walk_back(previous, score), jitter)


def _find_periods(times: np.ndarray, expected_s: float) -> np.ndarray:
    """Return the frame intervals in use, seconds, the expected one first."""
    intervals = np.diff(times)
    usable = intervals[(intervals > 0.2 * expected_s) & (intervals < 5 * expected_s)]
    periods: list[float] = []
    enough = max(5, 0.02 * usable.size)
    rest = usable
    while rest.size >= enough:
        counts, edges = np.histogram(np.log(rest / expected_s), bins=np.arange(-1.7, 1.7, 0.02))
        peak = expected_s * np.exp(edges[np.argmax(counts)] + 0.01)
        inside = np.abs(rest / peak - 1) < 0.05
        if inside.sum() < enough:
            break
        period = float(np.median(rest[inside]))
        inside = np.abs(rest / period - 1) < 0.05
        periods.append(float(np.mean(rest[np.abs(rest / period - 1) < 0.02])))
        rest = rest[~inside]
    if not any(abs(period / expected_s - 1) < _FOLLOWS for period in periods):
        raise SyncError(_say_foreign(times, expected_s))
    lasting = [_lasts(usable, period) for period in periods]
    if len(periods) > 1 and not any(lasting):  # one rate with intervals of all lengths
        around = usable[np.abs(usable / periods[0] - 1) < 1 / 3]
        return np.array([float(np.mean(around))])
    lasting[0] = True
    return _drop_multiples(np.array(periods)[lasting], usable)


def _say_foreign(times: np.ndarray, expected_s: float) -> str:
    """Say that pulses come at another rate, and what to state if they mark every nth frame."""
    found = float(np.median(np.diff(times))) if times.size > 1 else float("nan")
    every = found / expected_s
    nth = (
        f" If the line marks every {every:.0f}. frame, state frames_per_pulse={every:.0f}."
        if every > 1.5 and abs(every - round(every)) < 0.02 * every
        else ""
    )
    return (
        f"The pulses do not follow the camera: {times.size} pulses with a median interval of "
        f"{found * 1e3:.2f} ms, where the frames' own time stamps say {expected_s * 1e3:.2f} ms. "
        "One pulse per frame was expected. Choose the frame line by name, or the pulse mode "
        f"(toggle or pulse).{nth}"
    )


def divide_train(train: PulseTrain, n_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the frames of a line that marks every nth: times, and the pulse of each or -1.

    Parameters
    ----------
    train
        Of the pulses as they are, one each n frames.
    n_frames
        Frames per pulse.
    """
    times, sources = [], []
    for start, stop in pairwise(train.block_starts.tolist()):
        at = np.arange((stop - start - 1) * n_frames + 1)
        times.append(np.interp(at, at[::n_frames], train.times_s[start:stop]))
        source = np.full(at.size, -1)
        source[::n_frames] = train.pulse[start:stop]
        sources.append(source)
    return np.concatenate(times), np.concatenate(sources)


def _lasts(intervals: np.ndarray, period: float) -> bool:
    """Say whether intervals of a length follow each other, as they do where it is a rate."""
    near = np.abs(intervals / period - 1) < 0.05
    return bool(np.mean(near[1:][near[:-1]]) > _LASTING) if near[:-1].any() else False


def _drop_multiples(periods: np.ndarray, intervals: np.ndarray) -> np.ndarray:
    """Leave out periods that are missing pulses of the main one rather than another rate."""
    main = periods[0]
    share = np.array([np.mean(np.abs(intervals / p - 1) < 0.05) for p in periods])
    ratio = periods / main
    multiple = (np.abs(ratio - np.round(ratio)) < 0.03) & (np.round(ratio) >= 2) & (share < 0.15)
    return periods[~multiple & (share > 0.02) | (np.arange(periods.size) == 0)]


def _assign_period(times: np.ndarray, periods: np.ndarray) -> np.ndarray:
    """Return the frame interval in use at each pulse, shape (n_pulses,)."""
    if periods.size == 1 or times.size < 9:
        return np.full(times.size, periods[0])
    votes = np.zeros((periods.size, times.size))
    intervals = np.diff(times)
    for row, period in enumerate(periods):
        fits = (np.abs(intervals / period - 1) < 0.05).astype(float)
        total = np.concatenate([[0.0], np.cumsum(fits)])
        index = np.arange(times.size)
        after = total[np.minimum(index + 8, fits.size)] - total[np.minimum(index, fits.size)]
        before = total[np.minimum(index, fits.size)] - total[np.maximum(index - 8, 0)]
        votes[row] = np.maximum(before, after)
    return periods[np.argmax(votes, axis=0)]


@nb.njit("Tuple((i8[:], f8[:]))(f8[:], f8[:], f8[:])", cache=True, nogil=True)
def _chain(times, period, tolerance):  # type: ignore[no-untyped-def]
    """Best-scoring chain of pulses; returns predecessors (-1 none) and scores."""
    n = times.size
    score = np.empty(n)
    previous = np.full(n, -1, dtype=np.int64)
    best_break = -1.0e18
    best_break_index = -1
    for j in range(n):
        best = 1.0 - _BREAK_COST - _SKIP_COST * j
        if best_break_index >= 0:
            value = best_break - _SKIP_COST * (j - 1) - _BREAK_COST + 1.0
            if value > best:
                best = value
                previous[j] = best_break_index
        for back in range(1, min(12, j) + 1):
            i = j - back
            gap = times[j] - times[i]
            unit = (
                period[i]
                if back == 1 and abs(gap - period[i]) < abs(gap - period[j])
                else period[j]
            )
            steps = round(gap / unit)
            if steps < 1 or steps > _MAX_FILLED:
                continue
            error = abs(gap - steps * unit) / tolerance[j]
            if error > 1.0:
                continue
            value = score[i] + 1.0 - _SKIP_COST * (back - 1) - 0.5 * error * error
            if steps > 1:
                value -= _MISSING_COST * (1.0 + np.log(steps - 1.0))
            if value > best:
                best = value
                previous[j] = i
        score[j] = best
        if best + _SKIP_COST * j > best_break:
            best_break = best + _SKIP_COST * j
            best_break_index = j
    return previous, score


@nb.njit("i8[:](i8[:], i8)", cache=True, nogil=True)
def _walk(previous: np.ndarray, index: int) -> np.ndarray:
    """Return the predecessors of a pulse, in time order, the pulse itself last."""
    chain = np.empty(previous.size, dtype=np.int64)
    n = 0
    while index >= 0:
        chain[n] = index
        n += 1
        index = previous[index]
    return chain[:n][::-1].copy()


def _walk_back(previous: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Return the pulses of the best chain, in order."""
    skipped_after = score.size - 1 - np.arange(score.size)
    return _walk(previous, int(np.argmax(score - _SKIP_COST * skipped_after)))


def _assemble(
    times: np.ndarray, period: np.ndarray, chain: np.ndarray, jitter_s: float
) -> PulseTrain:
    """Fill the holes of the chain and number its blocks; blocks of one or two pulses are strays."""
    steps, error, unit = _steps_between(times[chain], period[chain])
    linked = (
        (steps >= 1)
        & (steps <= _MAX_FILLED)
        & (error <= 1.0001 * lattice_tolerance(unit, jitter_s))
    )
    block = np.concatenate([[0], np.cumsum(~linked)])
    block = _cut_loose_ends(block, np.where(linked, steps, 1))
    keep = np.bincount(block)[block] >= _MIN_BLOCK
    chain, block = chain[keep], _renumber(block[keep])
    if chain.size == 0:
        raise SyncError(
            f"The {times.size} pulses form no regular train of at least {_MIN_BLOCK}. "
            "Choose the frame line by name, or check that the line was connected."
        )
    steps = np.where(np.diff(block) == 0, _steps_between(times[chain], period[chain])[0], 1)
    position = np.concatenate([[0], np.cumsum(steps)])
    captured = np.arange(int(position[-1]) + 1)
    pulse = np.full(captured.size, -1, dtype=np.int32)  # hours of frames: half the memory
    pulse[position] = chain
    filled_times = np.interp(captured, position, times[chain])
    owner = np.searchsorted(position, captured)  # a filled frame belongs to the pulse after it
    stray = np.flatnonzero(np.bincount(chain, minlength=times.size) == 0)
    return PulseTrain(
        filled_times,
        pulse,
        block[owner].astype(np.int32),
        period[chain][owner],
        jitter_s,
        stray,
        times[stray],
    )


def _renumber(block: np.ndarray) -> np.ndarray:
    """Return block numbers 0, 1, ... in order, whatever numbers are left out."""
    return np.cumsum(np.diff(block, prepend=block[:1]) != 0)


def _cut_loose_ends(block: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Cut off the few pulses at the ends of a block that more holes than pulses tie to it."""
    cut = np.flatnonzero(np.diff(block))
    starts, stops = np.concatenate([[0], cut + 1]), np.concatenate([cut + 1, [block.size]])
    broken = np.zeros(block.size, dtype=int)
    for start, stop in zip(starts, stops, strict=True):
        inside = steps[start : stop - 1]
        for pulses in range(1, min(5, stop - start - 1)):
            for cut, tie, within in (
                (start + pulses, pulses - 1, inside[:pulses]),
                (stop - pulses, inside.size - pulses, inside[inside.size - pulses :]),
            ):
                broken[cut] |= inside[tie] > 1 and within.sum() > 2 * pulses
    return block + np.cumsum(broken)


def lattice_tolerance(period: np.ndarray, jitter_s: float) -> np.ndarray:
    """Return how far from the lattice a pulse may stand, seconds.

    Eight standard deviations of what the pulses show, and at most a third of a frame: a camera
    whose exposure varies wanders that much, and half a frame would be the next one.
    """
    return np.clip(8 * jitter_s + 1e-4, 0.004 * period, period / 3)


def _steps_between(
    times: np.ndarray, period: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return frames from each pulse to the next, the error in seconds, and the period used."""
    gap = np.diff(times)
    before, after = np.abs(gap - period[:-1]), np.abs(gap - period[1:])
    unit = np.where(before < after, period[:-1], period[1:])
    steps = np.round(gap / unit).astype(int)
    return steps, np.abs(gap - steps * unit), unit
