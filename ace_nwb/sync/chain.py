"""Which captured frame is each row: exact posterior of a hidden Markov chain along the rows.

States of a row are the captured frames that its time stamp allows. Frames can be skipped (lost
rows), never repeated. A host that stalls lets frames queue, first in, first out: they are stamped
late, in order and soon after each other, which says nothing about loss. Forward-backward (Rabiner
1989) over the states that are not hopeless gives each row's probability, Viterbi the path; both are
linear in the rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numba as nb
import numpy as np

from ace_nwb.sync.clock import EARLY_S, JitterModel
from ace_nwb.sync.frames import SURE, Aside, Rows, Timeline
from ace_nwb.sync.prices import PRICES, FaultRates

_MAX_STATES = 192
"""Frames weighed for one row: a stall or a loss of 3 s at 60 frames a second."""

_FIRST_STATES = 30
"""Frames weighed for the first row, which nothing precedes."""

_IMPOSSIBLE = PRICES.twice  # compiled code sees plain numbers only

_LEAST = 1e-300  # below the best path: its logarithm is finite

_BEAM = 30.0
"""Nats below the best state at which a state is hopeless: chances of one in 10^13 are left out. The
best is sought among those that time stamps to come allow: frames skipped are never taken back."""

_MOST_BEHIND = 600.0
"""Nats by which that one may lie behind another: what the longest bursts of busy hosts cost, and
what numbers can hold."""


_SOME = 1e-6
"""Least probability of a frame of the first or the last row that is told: a thousandth of what
makes a placement doubtful."""


@dataclass(frozen=True)
class Decoded:
    """Captured frame of each row, and the posterior probability that it is this one.

    Of the first and of the last row all frames that it may be are told.
    """

    captured: np.ndarray
    probability: np.ndarray
    first: Aside
    last: Aside

    def attached(self, captured: np.ndarray) -> Self:
        """Return it with other frames, surely, for rows that time stamps do not place."""
        first, last = (
            aside if captured[end] == self.captured[end] else SURE
            for aside, end in ((self.first, 0), (self.last, -1))
        )
        return replace(self, captured=captured, first=first, last=last)


def decode_rows(
    rows: Rows,
    aligned_s: np.ndarray,
    timeline: Timeline,
    rates: FaultRates,
    jitter: JitterModel,
    *,
    pinned: Mapping[int, int] | None = None,
) -> Decoded:
    """Decode rows whose time stamps are already on the ephys clock.

    Parameters
    ----------
    rows
        Saved frames.
    aligned_s
        Their time stamps on the ephys clock, shape (n_rows,).
    timeline
        Possible captured frames.
    rates, jitter
        What faults and what lateness to expect.
    pinned
        Row -> captured frame that it is known to be.
    """
    last = np.searchsorted(timeline.times_s, aligned_s + EARLY_S, side="right") - 1
    # a row without a usable time stamp may be any frame between its neighbours
    last[rows.is_junk] += 2
    pins = np.full(aligned_s.size, -1)
    for row, frame in (pinned or {}).items():
        pins[row] = frame
    prices = np.array(
        [
            1 - rates.lost,
            rates.lost,
            np.exp(PRICES.daq_mismatch),
            np.log(rates.missing),
            np.log(PRICES.queued / (PRICES.service_s * 1e3)),
            PRICES.service_s,
            PRICES.through_pause,
            PRICES.long_queue_s,
            PRICES.early,
        ]
    )
    most = _most_allowed(np.where(rows.is_junk, timeline.times_s.size, last))
    seen = (
        np.clip(last, 0, timeline.times_s.size - 1).astype(np.int64),
        most,
        np.asarray(aligned_s, dtype=float),
        rows.is_junk,
        rows.daq_step.astype(np.int32),
        timeline.times_s,
        timeline.is_real,
        timeline.captured_before,
        jitter.log_density,
    )
    captured, probability, first, last = _decode(seen, pins.astype(np.int64), prices)
    return Decoded(captured, probability, _aside(*first), _aside(*last))


def _aside(lowest: int, chances: np.ndarray) -> Aside:
    """Return what may be from the lowest frame, relative to the one taken, and the chances."""
    some = np.flatnonzero(chances > _SOME)
    return dict(zip((some + lowest).tolist(), chances[some].tolist(), strict=True))


def _most_allowed(last: np.ndarray) -> np.ndarray:
    """Return the highest frame of each row from which on no time stamp to come is early."""
    order = np.arange(last.size)
    least = np.minimum.accumulate((last - order)[::-1])[::-1]
    return np.asarray(least + order, dtype=np.int64)


@nb.njit(cache=True, nogil=True)
def _log_add(a: float, b: float) -> float:
    """Log of the sum of two exponentials."""
    if a < b:
        a, b = b, a
    return a + np.log1p(np.exp(b - a)) if b > a - 40.0 else a


@nb.njit(cache=True, nogil=True)
def _chance(lost, step, number, prices):  # type: ignore[no-untyped-def]
    """Probability of a step of so many frames, by the pulses lost between and by its number."""
    value = prices[0] if lost == 0 else prices[1] / (lost * (lost + 1.0))
    # a silent frame between may have been captured or not
    return value * prices[2] if number > 0 and (number > step or number <= lost) else value


@nb.njit(cache=True, nogil=True)
def _stamp(late_s, since_s, crosses, log_density, prices):  # type: ignore[no-untyped-def]
    """Log density of a time stamp so late, so long after the one before: in time, or queued."""
    at = int(np.floor((late_s + 8e-3) * 2000.0))
    if at < 0:
        return prices[8]
    value = log_density[min(at, log_density.size - 1)]
    # the frame was there before the frame before it was stamped: it waited in the queue
    if since_s >= 0.0 and late_s > since_s:
        value = _log_add(value, prices[4] - since_s / prices[5])
    # a queue seldom lasts through a pause of the camera
    return value + prices[6] if crosses and late_s > prices[7] else value


@nb.njit(cache=True, nogil=True)
def _emit(i, j, since, seen, prices):  # type: ignore[no-untyped-def]
    """Log density of what is seen of row i if it is captured frame j: its pulse, its time stamp."""
    last, _, aligned, is_junk, _, times, is_real, sure_before, log_density = seen
    value = 0.0 if is_real[j] else prices[3]
    if not is_junk[i]:
        crosses = is_real[j] and sure_before[last[i]] - sure_before[j] < last[i] - j
        value += _stamp(aligned[i] - times[j], since, crosses, log_density, prices)
    return value


@nb.njit(cache=True, nogil=True)
def _scale(logs, n, weights):  # type: ignore[no-untyped-def]
    """Fill weights relative to the largest of some logarithms; returns that one."""
    top = logs[:n].max()
    for r in range(n):
        weights[r] = np.exp(logs[r] - top)
    return top


@nb.njit(cache=True, nogil=True)
def _since(i, aligned, is_junk):  # type: ignore[no-untyped-def]
    """Seconds since the row before was stamped; -1 if that is not known."""
    return -1.0 if is_junk[i - 1] else aligned[i] - aligned[i - 1]


@nb.njit(cache=True, nogil=True)
def _window(i, last, first, best, pins, n_captured):  # type: ignore[no-untyped-def]
    """First and last captured frame that row i may be, by the best one of the row before."""
    if pins[i] >= 0:
        return pins[i], pins[i]
    if i == 0:
        return max(last[0] - _FIRST_STATES, 0), last[0]
    # a time stamp may be wrong: the frame that follows is always one of them
    high = min(max(last[i], best + 1), n_captured - 1)
    low = max(high - (_MAX_STATES - 1), first[i - 1] + 1)
    return min(low, high), high


@nb.njit(cache=True, nogil=True)
def _begin(low, high, seen, prices, alpha, best):  # type: ignore[no-untyped-def]
    """Fill the states of the first row."""
    _, _, aligned, is_junk, _, times, is_real, _, log_density = seen
    for j in range(low, high + 1):
        value = 0.0 if is_real[j] else prices[3]
        if not is_junk[0]:
            value += _stamp(aligned[0] - times[j], -1.0, False, log_density, prices)
        alpha[j - low] = value
        best[j - low] = value


@nb.njit(cache=True, nogil=True)
def _trim(low, high, most_allowed, start, alpha, back, new_best, best):  # type: ignore[no-untyped-def]
    """Leave out hopeless states at either side; returns the first kept, how many, the best."""
    n = high - low + 1
    top, floor = 0, -np.inf
    for s in range(n):
        if alpha[start + s] > alpha[start + top]:
            top = s
        if low + s <= most_allowed:
            floor = max(floor, alpha[start + s])
    floor = max(floor, alpha[start + top] - _MOST_BEHIND) - _BEAM
    a, b = 0, n - 1
    while alpha[start + a] < floor:
        a += 1
    while alpha[start + b] < floor:
        b -= 1
    kept = b - a + 1
    for s in range(kept):
        alpha[start + s] = alpha[start + s + a]
        back[start + s] = back[start + s + a]
        best[s] = new_best[s + a]
    return low + a, kept, low + top


@nb.njit(cache=True, nogil=True)
def _enter(j, before, n, number, sure_before, prices, weights):  # type: ignore[no-untyped-def]
    """Return how probable frame j is after the n frames before, by all paths and by the best one.

    `weights` has two rows: of all paths to each of them, and of the best path.
    """
    total, most, arg = 0.0, 0.0, 0
    for r in range(min(n, j - before)):
        lost = sure_before[j] - sure_before[before + r + 1]
        chance = _chance(lost, j - before - r, number, prices)
        total += weights[0, r] * chance
        if weights[1, r] * chance > most:
            most, arg = weights[1, r] * chance, r
    return total, most, arg


@nb.njit(cache=True, nogil=True)
def _forward(seen, pins, prices, at, first, count, alpha, back):  # type: ignore[no-untyped-def]
    """Fill forward probabilities and Viterbi pointers; returns the last state, -1 if too many."""
    last, most_allowed, aligned, is_junk, daq_step, times, _, sure_before, _ = seen
    best, new_best = np.empty(_MAX_STATES), np.empty(_MAX_STATES)
    weights = np.empty((2, _MAX_STATES))
    filled, top_state = 0, 0
    for i in range(last.size):
        low, high = _window(i, last, first, top_state, pins, times.size)
        if filled + high - low + 1 > alpha.size:
            return -1
        if i == 0:
            _begin(low, high, seen, prices, alpha, new_best)
        else:
            since, n = _since(i, aligned, is_junk), count[i - 1]
            top = _scale(alpha[at[i - 1] :], n, weights[0])
            best_top = _scale(best, n, weights[1])
            for j in range(low, high + 1):
                total, most, arg = _enter(
                    j, first[i - 1], n, daq_step[i], sure_before, prices, weights
                )
                seen_as = _emit(i, j, since, seen, prices)
                if total == 0.0:  # no earlier frame is left
                    total, most, arg = weights[0, :n].sum(), 1.0, np.argmax(weights[1, :n])
                    seen_as = _IMPOSSIBLE
                alpha[filled + j - low] = np.log(total) + top + seen_as
                new_best[j - low] = np.log(max(most, _LEAST)) + best_top + seen_as
                back[filled + j - low] = arg
        at[i] = filled
        first[i], count[i], top_state = _trim(
            low, high, most_allowed[i], filled, alpha, back, new_best, best
        )
        filled += count[i]
    state = 0
    for s in range(count[last.size - 1]):
        if best[s] > best[state]:
            state = s
    return state


@nb.njit(cache=True, nogil=True)
def _leave(k, first, n, number, sure_before, prices, weights):  # type: ignore[no-untyped-def]
    """Return how probable what follows frame k is, by the n frames of the next row."""
    total = 0.0
    for s in range(max(k + 1 - first, 0), n):
        lost = sure_before[first + s] - sure_before[k + 1]
        total += weights[s] * _chance(lost, first + s - k, number, prices)
    return total


@nb.njit(cache=True, nogil=True)
def _backward(state, seen, prices, at, first, count, alpha, back):  # type: ignore[no-untyped-def]
    """Return the Viterbi path, its posterior, and the chances of the first and the last row.

    The latter each as the lowest frame, relative to the path, and the chances from there on.
    """
    _, _, aligned, is_junk, daq_step, _, _, sure_before, _ = seen
    n = at.size
    path, probability = np.empty(n, dtype=np.int64), np.empty(n)
    beta, both, weights = np.zeros(_MAX_STATES), np.empty(_MAX_STATES), np.empty(_MAX_STATES)
    for i in range(n - 1, -1, -1):
        for s in range(count[i]):
            both[s] = alpha[at[i] + s] + beta[s]
        _scale(both, count[i], weights)
        path[i] = first[i] + state
        total = weights[: count[i]].sum()
        probability[i] = weights[state] / total
        if i == n - 1:
            end = (-state, weights[: count[i]] / total)
        if i == 0:
            break
        state = back[at[i] + state]
        since = _since(i, aligned, is_junk)
        for s in range(count[i]):
            both[s] = beta[s] + _emit(i, first[i] + s, since, seen, prices)
        top = _scale(both, count[i], weights)
        for r in range(count[i - 1]):
            k = first[i - 1] + r
            chance = _leave(k, first[i], count[i], daq_step[i], sure_before, prices, weights)
            beta[r] = top + (np.log(chance) if chance > 0.0 else _IMPOSSIBLE)
    return path, probability, (-state, weights[: count[0]] / total), end


@nb.njit(cache=True, nogil=True)
def _decode(seen, pins, prices):  # type: ignore[no-untyped-def]
    """Return what `_backward` does."""
    n = pins.size
    at, first = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    count = np.empty(n, dtype=np.int64)
    size = 8 * n + 4 * _MAX_STATES
    alpha, back = np.empty(size), np.empty(size, dtype=np.int16)
    state = _forward(seen, pins, prices, at, first, count, alpha, back)
    while state < 0:
        size *= 4
        alpha, back = np.empty(size), np.empty(size, dtype=np.int16)
        state = _forward(seen, pins, prices, at, first, count, alpha, back)
    return _backward(state, seen, prices, at, first, count, alpha, back)
