"""The two sequences that are to be matched: saved frames (rows) and captured frames (the timeline).

Rows are cleaned of junk time stamps, their DAQ numbers turned into steps. The timeline is the pulse
train, continued before, after and between its blocks where the line is silent, so that rows there
can be placed (by prediction) and priced (as missing pulses) like any other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Self

import numpy as np

from ace_nwb.errors import SyncError
from ace_nwb.sync.train import PulseTrain

Aside = Mapping[int, float]
"""Frames by which a row may stand aside from the one that it is taken for -> probability."""

SURE: Aside = {0: 1.0}

_LAG = 10
"""Steps over which a coarse clock shows its frame interval to a few per cent: few enough that most
stretches of so many hold no lost frame."""

_COARSE_MS, _ROUNDED_MS, _ON_TICKS = 15.625, 1.01, 0.95
"""Tick of Windows' coarse clock, how far from whole ticks steps of stamps in milliseconds are, both
milliseconds, and the least share of steps that are: of finer stamps one in eight is by chance."""

_COUNTED, _RATE_ERROR = 100, 0.02
"""Saved frames over which their numbers must go on as time does, and within what share: late time
stamps make no more of a hundred frames, a clock that is set leaves most of them alone."""


@dataclass(frozen=True)
class Rows:
    """Saved frames as the camera's software recorded them; arrays have shape (n_rows,).

    Parameters
    ----------
    device_time_s
        Time stamps, device clock; junk ones replaced by a guess between their neighbours.
    is_junk
        Whether the time stamp was not usable.
    daq_step
        Captured frames since the row before, by DAQ number; 0 where unknown.
    interval_s
        Frame interval by the time stamps.
    """

    device_time_s: np.ndarray
    is_junk: np.ndarray
    daq_step: np.ndarray
    interval_s: float

    @property
    def tick_s(self) -> float:
        """Return the unit of the time stamps: a coarse clock's tick, a millisecond, or 0."""
        in_ms = self.device_time_s[~self.is_junk] * 1e3
        if not np.all(np.abs(in_ms - np.round(in_ms)) < 1e-3):
            return 0.0
        steps = np.diff(in_ms)
        off_ms = steps - np.round(steps / _COARSE_MS) * _COARSE_MS
        return 1e-3 * (_COARSE_MS if np.mean(np.abs(off_ms) < _ROUNDED_MS) > _ON_TICKS else 1.0)

    def part(self, start: int, stop: int) -> Self:
        """Return some of the rows."""
        columns = (self.device_time_s, self.is_junk, self.daq_step)
        times, junk, steps = (column[start:stop] for column in columns)
        return replace(self, device_time_s=times, is_junk=junk, daq_step=steps)

    def check_numbers(self, periods_s: np.ndarray) -> Self:
        """Return the rows without DAQ numbers if those do not go on as time does.

        Parameters
        ----------
        periods_s
            Frame intervals in use, by the pulses.
        """
        known = np.flatnonzero(self.daq_step > 0)
        if known.size <= _COUNTED:
            return self
        total = np.cumsum(self.daq_step[known])
        passed_s = np.cumsum(self.device_time_s[known] - self.device_time_s[known - 1])
        each_s = (passed_s[_COUNTED:] - passed_s[:-_COUNTED]) / (
            total[_COUNTED:] - total[:-_COUNTED]
        )
        off = np.abs(np.median(each_s) / periods_s - 1).min()
        return self if off < _RATE_ERROR else replace(self, daq_step=np.zeros_like(self.daq_step))

    def attach_junk_ends(self, captured: np.ndarray) -> np.ndarray:
        """Return the frames with rows of unusable time stamps at the ends next to the others."""
        good = np.flatnonzero(~self.is_junk)[[0, -1]]
        step = np.cumsum(np.maximum(self.daq_step, 1))
        attached = captured.copy()
        attached[: good[0]] = captured[good[0]] + step[: good[0]] - step[good[0]]
        attached[good[1] + 1 :] = captured[good[1]] + step[good[1] + 1 :] - step[good[1]]
        return np.maximum(attached, 0)


def clean_rows(
    device_time_s: np.ndarray, daq_frame: np.ndarray | None, *, max_jitter_s: float
) -> Rows:
    """Mark junk time stamps and turn DAQ numbers into steps.

    Raises
    ------
    SyncError
        If fewer than ten time stamps are usable.
    """
    times = np.array(device_time_s, dtype=float)
    junk = ~np.isfinite(times)
    if (~junk).sum() < 10:
        raise SyncError(
            f"Only {(~junk).sum()} of {times.size} frames carry a time stamp; at least 10 are "
            "needed to align. Check the time-stamp file of the recording."
        )
    interval = frame_interval(times[~junk])
    junk[~junk] = _find_junk(times[~junk], interval, max_jitter_s)
    good = np.flatnonzero(~junk)
    guess = np.interp(np.arange(times.size), good, times[good])
    guess[: good[0]] = times[good[0]] + (np.arange(good[0]) - good[0]) * interval
    guess[good[-1] :] = times[good[-1]] + np.arange(times.size - good[-1]) * interval
    times[junk] = guess[junk]
    steps = np.zeros(times.size, dtype=np.int32)
    if daq_frame is not None:
        steps = _daq_steps(np.asarray(daq_frame), times, interval, max_jitter_s)
    return Rows(times, junk, steps, interval)


def frame_interval(times_s: np.ndarray) -> float:
    """Return the most common frame interval, seconds, robust to lost frames and jumps."""
    steps = np.diff(times_s)
    steps = steps[steps > 0]
    middle = float(np.median(steps))
    usual = steps[(steps > 0.5 * middle) & (steps < 1.5 * middle)]
    short = float(np.mean(usual))
    # a clock that ticks every 15.6 ms (Windows) makes single steps of one tick, whatever the rate
    over = (times_s[_LAG:] - times_s[:-_LAG]) / _LAG
    if over.size < _LAG:
        return short
    typical = float(np.median(over))
    near = over[np.abs(over - typical) < 1.2 * middle / _LAG]
    long = float(np.mean(near))
    return long if 1.02 * short < long < 1.5 * short else short


def _find_junk(times: np.ndarray, interval: float, max_jitter_s: float) -> np.ndarray:
    """Mark single time stamps off the course of their neighbours, and odd ones at the ends."""
    low, high = -max_jitter_s - 2e-3, 3 * interval + max_jitter_s
    junk = np.zeros(times.size, dtype=bool)
    step = np.diff(times)
    odd = (step < low) | (step > high)
    over = times[2:] - times[:-2]
    single = odd[:-1] & odd[1:] | _goes_back(step - interval, -low)
    junk[1:-1] = single & (over > low) & (over < high + interval)
    junk[0] = odd[0] or step[0] > 2.5 * interval + max_jitter_s
    junk[-1] = step[-1] < low or step[-1] > 3600.0
    return junk


def _goes_back(excess_s: np.ndarray, most_s: float) -> np.ndarray:
    """Say after which steps the next takes back what they had too much: of a clock set, half does.

    Not of frames that wait in a queue: they take back no more than a frame interval each.
    """
    more, less = excess_s[:-1], -excess_s[1:]
    return (less > most_s) & (more > 0.5 * less)


def _daq_steps(
    numbers: np.ndarray, times: np.ndarray, interval: float, max_jitter_s: float
) -> np.ndarray:
    """Return the frames from the row before; 0 if unknown or if the counter was re-seeded."""
    numbers = numbers.astype(np.int64)
    inner = np.flatnonzero(numbers[1:-1] < 0) + 1
    between = (numbers[inner - 1] >= 0) & (numbers[inner + 1] - numbers[inner - 1] == 2)
    numbers[inner[between]] = numbers[inner[between] - 1] + 1
    steps = np.concatenate([[0], np.diff(numbers)])
    known = np.concatenate([[False], (numbers[1:] >= 0) & (numbers[:-1] >= 0)])
    elapsed = np.concatenate([[0.0], np.diff(times)])
    slower = np.abs(steps * interval - elapsed) > max(1.0, 5 * interval) + max_jitter_s
    reseeded = (steps < 1) | ((steps > 40) & slower)
    return np.where(known & ~reseeded, steps, 0).astype(np.int32)


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
