"""Time stamps of frames: what is irregular in them, and times that increase. Arrays only.

Classified in this order: junk at the start; jumps of the clock that stay (compared by the stamps
around, so that one wild row is no jump); rows that cannot be read; rows outside the longest
increasing run, as duplicates or as rows that go back.
"""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

LEADING_ROWS = 10
"""Rows at the start whose stamps may be junk."""

WINDOW_ROWS = 5
"""Rows on either side of a step that say whether the clock jumped."""

STRETCH_ROWS = 20
"""Rows over which the interval per frame is measured where a jump is."""

JUMP_INTERVALS = 1.5
"""A step back by more than this many median intervals that stays is a jump of the clock."""

FORWARD_JUMP_S = 1.0
"""A forward step without lost frames that is longer, and stays, is a jump of the clock."""

UNCOUNTED_JUMP_S = 30.0
"""The same where lost frames are not counted: a host that stalls loses seconds of frames; half a
minute without any is a pause, or the clock was set."""

SINGLE_SHARE = 0.01  # of the rows
SINGLE_ROWS = 3  # rows, of a short recording
SINGLE_INTERVALS = 1.5
"""Stamps out of order are single ones if they are at most this share of the rows (or this many),
and each lies within this many intervals of its place: a stamp taken twice is one interval off."""

SHUFFLED_SHARE = 0.02
"""With more steps back than this share of rows (and three), the rows are out of order."""


@dataclass(frozen=True)
class Classification:
    """What is irregular in a column of time stamps; rows as indices.

    Parameters
    ----------
    n_junk
        Leading stamps that cannot be true.
    negative, unreadable, duplicate, backward
        Rows with such stamps.
    jumps, forward_jumps
        (first row after the jump, seconds the clock jumped by).
    is_shuffled
        Whether the rows are out of order throughout.
    """

    n_junk: int
    negative: np.ndarray
    unreadable: np.ndarray
    duplicate: np.ndarray
    backward: np.ndarray
    jumps: tuple[tuple[int, float], ...]
    forward_jumps: tuple[tuple[int, float], ...]
    is_shuffled: bool


def median_interval(stamps_s: np.ndarray) -> float:
    """Return the median interval between finite stamps, s; 0 where there are fewer than two."""
    finite = stamps_s[np.isfinite(stamps_s)]
    if len(finite) < 2:
        return 0.0
    intervals = np.diff(finite)
    forward = intervals[intervals > 0]
    return float(np.median(forward if len(forward) else np.abs(intervals)))


def steady_interval(stamps_s: np.ndarray, position: np.ndarray) -> float:
    """Return the interval per frame over long stretches, which jitter hardly moves, s."""
    lag = min(STRETCH_ROWS, len(stamps_s) // 8)
    if lag < 1:
        return median_interval(stamps_s)
    intervals = (stamps_s[lag:] - stamps_s[:-lag]) / (position[lag:] - position[:-lag])
    forward = intervals[intervals > 0]
    return float(np.median(forward)) if len(forward) else median_interval(stamps_s)


def count_junk_stamps(raw_s: np.ndarray) -> int:
    """Return how many leading stamps cannot be true.

    A leading stamp is junk if it is not before the first good one, or negative and further
    before it than ten median intervals per frame.
    """
    most = min(LEADING_ROWS, len(raw_s) - 2)
    if most < 1 or not np.isfinite(raw_s).all():
        return 0
    interval_s = float(np.median(np.diff(raw_s)))
    for n_junk in range(most, 0, -1):
        before_s = raw_s[n_junk] - raw_s[:n_junk]
        longest_s = 10 * interval_s * np.arange(n_junk, 0, -1)
        is_junk = (before_s <= 0) | ((raw_s[:n_junk] < 0) & (before_s > longest_s))
        if is_junk.all() and not _is_jump(raw_s, n_junk):
            return n_junk
    return 0


def frame_positions(n_rows: int, daq_frame: np.ndarray | None) -> np.ndarray:
    """Return the index of each row among captured frames, lost ones counted where known."""
    steps = np.ones(max(n_rows - 1, 0), np.int64)
    if daq_frame is not None:
        known = (daq_frame[:-1] != -1) & (daq_frame[1:] != -1)
        counted = np.diff(daq_frame)
        plausible = known & (counted >= 1) & (counted <= 1000)
        steps[plausible] = counted[plausible]
    return np.concatenate([[0], np.cumsum(steps)])[:n_rows].astype(np.float64)


def classify_stamps(raw_s: np.ndarray, position: np.ndarray, *, is_counted: bool) -> Classification:
    """Find what is irregular in time stamps.

    Parameters
    ----------
    raw_s
        Stamps in seconds, NaN where unreadable, shape (row,).
    position
        From `frame_positions`, shape (row,).
    is_counted
        Whether positions count lost frames, so that a forward jump can be told from a loss.
    """
    is_shuffled = _is_shuffled(raw_s)
    n_junk = 0 if is_shuffled else count_junk_stamps(raw_s)
    unreadable = np.flatnonzero(~np.isfinite(raw_s))
    finite = np.flatnonzero(np.isfinite(raw_s))
    finite = finite[finite >= n_junk]
    stamps, places = raw_s[finite], position[finite]
    jumps: list[tuple[int, float]] = []
    forward: list[tuple[int, float]] = []
    if not is_shuffled and len(stamps) > 1:
        jumps = find_jumps(stamps, places, is_forward=False)
        least_s = FORWARD_JUMP_S if is_counted else UNCOUNTED_JUMP_S
        forward = find_jumps(stamps, places, is_forward=True, least_s=least_s)
    bridged = bridge_jumps(stamps, places, jumps)
    bad = _choose_odd(bridged, places, rows_out_of_order(bridged))
    is_equal = np.isin(bad, np.flatnonzero(np.diff(bridged, prepend=np.nan) == 0))
    return Classification(
        n_junk=n_junk,
        negative=n_junk + np.flatnonzero(raw_s[n_junk:] < 0),
        unreadable=unreadable,
        duplicate=finite[bad[is_equal]],
        backward=finite[bad[~is_equal]],
        jumps=tuple((int(finite[row]), jump_s) for row, jump_s in jumps),
        forward_jumps=tuple((int(finite[row]), jump_s) for row, jump_s in forward),
        is_shuffled=is_shuffled or len(bad) > len(raw_s) / 2,
    )


def repair_stamps(
    raw_s: np.ndarray, position: np.ndarray, *, found: Classification, bridge_forward: bool
) -> np.ndarray:
    """Return times that increase strictly, shape (row,), by the rules of the policies."""
    times = raw_s.copy()
    good = np.ones(len(raw_s), bool)
    good[: found.n_junk] = False
    good[np.concatenate([found.unreadable, found.duplicate, found.backward]).astype(int)] = False
    jumps = sorted([*found.jumps, *(found.forward_jumps if bridge_forward else ())])
    times = bridge_jumps(times, position, jumps)
    return interpolate_times(times, position, good)


def find_jumps(
    stamps_s: np.ndarray,
    position: np.ndarray,
    *,
    is_forward: bool,
    least_s: float = FORWARD_JUMP_S,
) -> list[tuple[int, float]]:
    """Return (row, seconds) of steps of the clock that stay, all in one direction.

    Forward ones are at least `least_s` seconds and ten intervals.
    """
    interval_s = steady_interval(stamps_s, position)
    level = stamps_s - interval_s * position
    steps = np.diff(level)
    limit_s = max(least_s, 10 * interval_s) if is_forward else JUMP_INTERVALS * interval_s
    sign = 1.0 if is_forward else -1.0
    rows = np.flatnonzero(sign * steps > limit_s) + 1
    if not is_forward:
        rows = rows[stamps_s[rows] <= stamps_s[rows - 1]]
    jumps: list[tuple[int, float]] = []
    for row in rows:
        before = np.median(level[max(0, row - WINDOW_ROWS) : row])
        after = np.median(level[row : row + WINDOW_ROWS])
        if sign * (after - before) > limit_s and min(row, len(level) - row) >= 2:
            jumps.append((int(row), float(after - before)))
    return jumps


def bridge_jumps(
    stamps_s: np.ndarray, position: np.ndarray, jumps: list[tuple[int, float]]
) -> np.ndarray:
    """Shift all stamps after each jump so that the clock goes on as before it."""
    bridged = stamps_s.copy()
    for row, jump_s in jumps:
        bridged[row:] -= jump_s
    interval_s = steady_interval(stamps_s, position) if jumps else 0.0
    for row, _jump_s in jumps:
        expected_s = bridged[row - 1] + interval_s * (position[row] - position[row - 1])
        if bridged[row] <= bridged[row - 1]:
            bridged[row:] += expected_s - bridged[row]
    return bridged


def are_single(raw_s: np.ndarray, times_s: np.ndarray, rows: np.ndarray) -> bool:
    """Return whether stamps out of order are few, and each near its place.

    Parameters
    ----------
    raw_s, times_s
        Stamps as written, and times after repair, shape (row,).
    rows
        Rows whose stamps are out of order.
    """
    is_run = bool((np.diff(np.sort(rows)) == 1).any())
    if is_run or len(rows) > max(SINGLE_ROWS, SINGLE_SHARE * len(raw_s)):
        return False
    before = np.maximum(rows - 1, 0)
    clock_s = raw_s[before] - times_s[before]  # what a bridged jump put between them
    off_s = np.abs(raw_s[rows] - times_s[rows] - clock_s)
    return bool((off_s <= SINGLE_INTERVALS * median_interval(times_s)).all())


def rows_out_of_order(stamps_s: np.ndarray) -> np.ndarray:
    """Return the rows that are not in the longest strictly increasing run of stamps."""
    if (np.diff(stamps_s) > 0).all():
        return np.empty(0, np.int64)
    tails: list[float] = []
    tail_rows: list[int] = []
    before = np.full(len(stamps_s), -1)
    for row, stamp in enumerate(stamps_s.tolist()):
        place = bisect_left(tails, stamp)
        if place == len(tails):
            tails.append(stamp)
            tail_rows.append(row)
        elif stamp < tails[place]:  # of equal stamps the first stays
            tails[place], tail_rows[place] = stamp, row
        else:
            continue
        before[row] = tail_rows[place - 1] if place else -1
    good = np.zeros(len(stamps_s), bool)
    row = tail_rows[-1]
    while row >= 0:
        good[row] = True
        row = int(before[row])
    return np.flatnonzero(~good)


def _choose_odd(stamps_s: np.ndarray, position: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """Return rows out of order, of two neighbours that disagree the one farther from its place."""
    chosen = {int(row) for row in bad}
    for row in bad.tolist():
        for other in (row - 1, row + 1):
            low, high = min(row, other) - 1, max(row, other) + 1
            if low < 0 or high >= len(stamps_s) or {low, other, high} & chosen:
                continue
            if not stamps_s[low] < stamps_s[row] < stamps_s[high]:
                continue
            pair, ends = [row, other], [low, high]
            is_agreed = (stamps_s[row] < stamps_s[other]) == (row < other)
            expected_s = np.interp(position[pair], position[ends], stamps_s[ends])
            off_s = np.abs(stamps_s[pair] - expected_s)
            if not is_agreed and off_s[1] > off_s[0]:
                chosen = chosen - {row} | {other}
                break
    return np.array(sorted(chosen), np.int64)


def interpolate_times(times_s: np.ndarray, position: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Fill rows that are not good: between good ones linearly, beyond them at the interval."""
    rows = np.flatnonzero(good)
    if len(rows) == len(times_s) or not len(rows):
        return times_s.copy()
    interval_s = median_interval(times_s[rows]) or 1.0
    filled = np.interp(position, position[rows], times_s[rows])
    first, last = rows[0], rows[-1]
    filled[:first] = times_s[first] - interval_s * (position[first] - position[:first])
    filled[last + 1 :] = times_s[last] + interval_s * (position[last + 1 :] - position[last])
    return filled


def _is_shuffled(raw_s: np.ndarray) -> bool:
    """Whether so many stamps go back that rows must be out of order throughout."""
    stamps = raw_s[np.isfinite(raw_s)]
    steps = np.diff(stamps)
    n_back, n_forward = int(np.count_nonzero(steps < 0)), int(np.count_nonzero(steps > 0))
    return n_back > max(3, SHUFFLED_SHARE * len(stamps)) or 2 * n_forward < len(steps) > 3


def _is_jump(raw_s: np.ndarray, row: int) -> bool:
    """Whether rows before one form a regular run of their own, at least half a window long."""
    if row < WINDOW_ROWS:
        return False
    intervals = np.diff(raw_s[:row])
    interval_s = median_interval(raw_s)
    return bool((np.abs(intervals - interval_s) < 0.5 * interval_s).all())
