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


@nb.njit("void(i8[:], i8[:], i8[:], i8[:], f8, f8, f8, i8, f8[:, :])", cache=True, nogil=True)
def _transitions(first, count, held_before, daq_step, stay, skip, mismatch, i, cost):  # type: ignore[no-untyped-def]
    """Log probability of going from each frame of row i - 1 to each frame of row i."""
    for r in range(count[i - 1]):
        for s in range(count[i]):
            k, j = first[i - 1] + r, first[i] + s
            if j <= k:
                cost[r, s] = -1.0e9
                continue
            skipped = held_before[j] - held_before[k + 1]
            value = stay
            if skipped > 0:
                value = skip - np.log(skipped * (skipped + 1.0))
            if daq_step[i] > 0 and (daq_step[i] > j - k or daq_step[i] <= skipped):
                value += mismatch  # a silent frame between may have been captured or not
            cost[r, s] = value


@nb.njit(
    "void(i8[:], i8[:], f8[:, :], i8[:], i8[:], f8, f8, f8, f8[:, :], f8[:], i8[:, :],"
    " i8[:], f8[:])",
    cache=True,
    nogil=True,
)
def _decode(
    first,
    count,
    emission,
    held_before,
    daq_step,
    stay,
    skip,
    mismatch,
    alpha,
    beta,
    back,
    path,
    probability,
):  # type: ignore[no-untyped-def]
    """Fill path and probability; alpha and back are scratch of shape (row, state)."""
    n = first.size
    width = emission.shape[1]
    viterbi = np.empty(width)
    new_viterbi = np.empty(width)
    cost = np.empty((width, width))
    for s in range(count[0]):
        alpha[0, s] = emission[0, s]
        viterbi[s] = emission[0, s]
    for i in range(1, n):
        _transitions(first, count, held_before, daq_step, stay, skip, mismatch, i, cost)
        for s in range(count[i]):
            top = -1.0e300
            for r in range(count[i - 1]):
                value = alpha[i - 1, r] + cost[r, s]
                if value > top:
                    top = value
            total = 0.0
            best, arg = -1.0e300, 0
            for r in range(count[i - 1]):
                value = alpha[i - 1, r] + cost[r, s] - top
                if value > -40.0:
                    total += np.exp(value)
                if viterbi[r] + cost[r, s] > best:
                    best, arg = viterbi[r] + cost[r, s], r
            alpha[i, s] = top + np.log(total) + emission[i, s]
            new_viterbi[s] = best + emission[i, s]
            back[i, s] = arg
        for s in range(count[i]):
            viterbi[s] = new_viterbi[s]
    state = 0
    for s in range(count[n - 1]):
        beta[s] = 0.0
        if viterbi[s] > viterbi[state]:
            state = s
    new_beta = np.empty(width)
    for i in range(n - 1, -1, -1):
        top = -1.0e300
        for s in range(count[i]):
            top = max(top, alpha[i, s] + beta[s])
        total = 0.0
        for s in range(count[i]):
            total += np.exp(alpha[i, s] + beta[s] - top)
        path[i] = first[i] + state
        probability[i] = np.exp(alpha[i, state] + beta[state] - top) / total
        if i == 0:
            break
        state = back[i, state]
        _transitions(first, count, held_before, daq_step, stay, skip, mismatch, i, cost)
        for r in range(count[i - 1]):
            top = -1.0e300
            for s in range(count[i]):
                top = max(top, cost[r, s] + emission[i, s] + beta[s])
            total = 0.0
            for s in range(count[i]):
                value = cost[r, s] + emission[i, s] + beta[s] - top
                if value > -40.0:
                    total += np.exp(value)
            new_beta[r] = top + np.log(total)
        for r in range(count[i - 1]):
            beta[r] = new_beta[r]


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
        Log probability of the row given frame first + column, shape (n_rows, n_states).
    count
        States of each row, shape (n_rows,).
    is_held
        Whether a captured frame lies in a block of pulses, shape (n_captured,).
    daq_step
        DAQ number minus that of the row before, 0 if unknown, shape (n_rows,).
    lost_rate
        Share of captured frames without a row.
    """
    n_rows = first.size
    held_before = np.concatenate([[0], np.cumsum(is_held)]).astype(np.int64)
    alpha = np.zeros_like(emission)
    back = np.zeros(emission.shape, dtype=np.int64)
    path = np.zeros(n_rows, dtype=np.int64)
    probability = np.zeros(n_rows)
    _decode(
        first.astype(np.int64), count.astype(np.int64), emission, held_before,
        daq_step.astype(np.int64), float(np.log1p(-lost_rate)), float(np.log(lost_rate)),
        _DAQ_MISMATCH, alpha, np.zeros(emission.shape[1]), back, path, probability,
    )  # fmt: skip
    return Decoded(path, probability)
