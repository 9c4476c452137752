"""Which captured frame is each row: exact posterior of a hidden Markov chain along the rows.

States of a row are the few captured frames its time stamp allows; frames can be skipped (lost
rows), never repeated. Forward-backward (Rabiner 1989) gives each row's probability, Viterbi the
path; both are linear in the rows.
"""

from dataclasses import dataclass

import numba as nb
import numpy as np

MAX_STATES = 12
_DAQ_MISMATCH = -14.0
_IMPOSSIBLE = -1e9


@dataclass(frozen=True)
class FaultRates:
    """Share of captured frames lost as rows, and without a pulse."""

    lost: float
    missing: float


@dataclass(frozen=True)
class Decoded:
    """Captured frame of each row, and the posterior probability that it is this one."""

    captured: np.ndarray
    probability: np.ndarray


@nb.njit("f8(f8[:], i8)", cache=True, nogil=True)
def _log_sum(values: np.ndarray, n: int) -> float:
    """Log of the sum of the exponentials of the first n values."""
    top = values[0]
    for k in range(1, n):
        top = max(top, values[k])
    total = 0.0
    for k in range(n):
        total += np.exp(values[k] - top)
    return top + np.log(total)


@nb.njit("void(i8[:], i8[:], i4[:], i4[:], f8[:], i8, f8[:, :])", cache=True, nogil=True)
def _transitions(
    first: np.ndarray,
    count: np.ndarray,
    held_before: np.ndarray,
    daq_step: np.ndarray,
    prices: np.ndarray,
    i: int,
    cost: np.ndarray,
) -> None:
    """Log probability of going from each frame of row i - 1 to each frame of row i."""
    for r in range(count[i - 1]):
        for s in range(count[i]):
            k, j = first[i - 1] + r, first[i] + s
            if j <= k:
                cost[r, s] = prices[3]
                continue
            lost = held_before[j] - held_before[k + 1]
            value = prices[0]
            if lost > 0:
                value = prices[1] - np.log(lost * (lost + 1.0))
            # a silent frame between may have been captured or not
            if daq_step[i] > 0 and (daq_step[i] > j - k or daq_step[i] <= lost):
                value += prices[2]
            cost[r, s] = value


@nb.njit(
    "void(i8[:], i8[:], i8[:], f4[:], i4[:], i4[:], f8[:], f8[:], i1[:], i8[:])",
    cache=True,
    nogil=True,
)
def _forward(
    first: np.ndarray,
    count: np.ndarray,
    at: np.ndarray,
    emission: np.ndarray,
    held_before: np.ndarray,
    daq_step: np.ndarray,
    prices: np.ndarray,
    alpha: np.ndarray,
    back: np.ndarray,
    last_state: np.ndarray,
) -> None:
    """Fill the forward probabilities and the Viterbi pointers of every row."""
    width = count.max()
    cost, column = np.empty((width, width)), np.empty(width)
    best, new_best = np.zeros(width), np.empty(width)
    for s in range(count[0]):
        alpha[s] = emission[s]
        best[s] = emission[s]
    for i in range(1, first.size):
        _transitions(first, count, held_before, daq_step, prices, i, cost)
        n_before = count[i - 1]
        for s in range(count[i]):
            arg = 0
            for r in range(n_before):
                column[r] = alpha[at[i - 1] + r] + cost[r, s]
                if best[r] + cost[r, s] > best[arg] + cost[arg, s]:
                    arg = r
            alpha[at[i] + s] = _log_sum(column, n_before) + emission[at[i] + s]
            new_best[s] = best[arg] + cost[arg, s] + emission[at[i] + s]
            back[at[i] + s] = arg
        best[:] = new_best
    last_state[0] = np.argmax(best[: count[first.size - 1]])


@nb.njit(
    "void(i8[:], i8[:], i8[:], f4[:], i4[:], i4[:], f8[:], f8[:], i1[:], i8, i8[:], f8[:])",
    cache=True,
    nogil=True,
)
def _backward(
    first: np.ndarray,
    count: np.ndarray,
    at: np.ndarray,
    emission: np.ndarray,
    held_before: np.ndarray,
    daq_step: np.ndarray,
    prices: np.ndarray,
    alpha: np.ndarray,
    back: np.ndarray,
    state: int,
    path: np.ndarray,
    probability: np.ndarray,
) -> None:
    """Walk back along the Viterbi path, with the posterior of each frame on it."""
    width = count.max()
    cost, column = np.empty((width, width)), np.empty(width)
    beta, new_beta = np.zeros(width), np.empty(width)
    for i in range(first.size - 1, -1, -1):
        for s in range(count[i]):
            column[s] = alpha[at[i] + s] + beta[s]
        path[i] = first[i] + state
        probability[i] = np.exp(column[state] - _log_sum(column, count[i]))
        if i == 0:
            break
        state = back[at[i] + state]
        _transitions(first, count, held_before, daq_step, prices, i, cost)
        for r in range(count[i - 1]):
            for s in range(count[i]):
                column[s] = cost[r, s] + emission[at[i] + s] + beta[s]
            new_beta[r] = _log_sum(column, count[i])
        beta[:] = new_beta


def decode(
    first: np.ndarray,
    emission: np.ndarray,
    count: np.ndarray,
    *,
    is_held: np.ndarray,
    daq_step: np.ndarray,
    lost_rate: float,
) -> Decoded:
    """Find the most probable captured frame of each row.

    Parameters
    ----------
    first
        First captured frame a row may be, shape (n_rows,).
    emission
        Log probability of each row given each of its frames, row after row, shape (sum of count,).
    count
        States of each row, from frame first on, shape (n_rows,).
    is_held
        Whether a captured frame lies in a block of pulses, shape (n_captured,).
    daq_step
        DAQ number minus that of the row before, 0 if unknown, shape (n_rows,).
    lost_rate
        Share of captured frames without a row.
    """
    n_rows = first.size
    first, count = first.astype(np.int64, copy=False), count.astype(np.int64, copy=False)
    emission = emission.astype(np.float32, copy=False)
    held_before = np.zeros(is_held.size + 1, dtype=np.int32)
    np.cumsum(is_held, out=held_before[1:])
    prices = np.array([np.log1p(-lost_rate), np.log(lost_rate), _DAQ_MISMATCH, _IMPOSSIBLE])
    at = np.cumsum(count) - count
    alpha, back = np.empty(emission.size), np.zeros(emission.size, dtype=np.int8)
    path, probability = np.zeros(n_rows, dtype=np.int64), np.zeros(n_rows)
    state = np.zeros(1, dtype=np.int64)
    shared = (
        *(first, count, at, emission, held_before, daq_step.astype(np.int32, copy=False)),
        *(prices, alpha, back),
    )
    _forward(*shared, state)
    _backward(*shared, int(state[0]), path, probability)
    return Decoded(path, probability)
