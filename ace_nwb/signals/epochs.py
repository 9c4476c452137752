"""Epochs of conditions: how long a signal remembers, whether it drifts, how many are independent.

Neighbouring epochs of a slow signal are alike, whatever the conditions. A permutation of epochs is
a test only if they are long against the memory; a drift looks like a difference wherever one
condition comes after the other. What cannot be tested is said, never tested all the same.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import fft

from ace_nwb.errors import ParameterError

Pair = tuple[np.ndarray, np.ndarray]

BINS_PER_EPOCH = 10  # an epoch of white noise then remembers a twentieth of itself
MEMORIES_PER_BLOCK = 8.0
"""Length of a block in memories: means of neighbouring blocks of an AR(1) then correlate by .07."""
WINDOW_MEMORIES = 8.0
"""Autocorrelations are summed so far (Sokal 1997); 5 memories lost slow parts under noise."""
SAFETY_SD = 1.5
"""Standard errors that are added to a memory: one that is too short is an error, not a caution."""
INDEPENDENT_SUBJECTS = 4  # as which ROIs count at most: they share the state of the network
DRIFT_Z = 2.3  # of the slope within conditions: 2 % of signals without a drift are taken for one
BALANCED_R2 = 0.2
"""Share of the conditions' contrast that a line explains: below, a drift is taken out at the price
of a tenth of the standard error; two halves have .75."""
LEAST_BLOCKS = 4  # in each condition: the tails of fewer are not known
LEAST_PAIRS = 4  # neighbours; 2 ** 4 signs give no p below .125, which is then said


@dataclass(frozen=True)
class Epochs:
    """One signal in two conditions.

    Parameters
    ----------
    values
        Means of the epochs of each condition, drift taken out where it could be.
    blocks
        What a test may exchange: means of blocks long against the memory, or of neighbouring
        stretches, if `is_paired`.
    is_paired
        Whether blocks with one index are neighbours.
    memory_s
        Integrated autocorrelation time with a margin for its error, seconds.
    n_independent
        Independent values of each condition that the memory leaves, fractions.
    declined
        Why no p can be given; empty if it can.
    """

    values: Pair
    blocks: Pair
    is_paired: bool
    memory_s: float
    n_independent: tuple[float, float]
    declined: str


def cut_epochs(
    values: np.ndarray,
    timestamps_s: np.ndarray,
    *,
    windows_s: Pair,
    epoch_s: float,
) -> list[Epochs]:
    """Cut signals into the epochs of two conditions, and say which of them are independent.

    Parameters
    ----------
    values
        Shape (sample, subject); NaN are left out. Subjects of one kind lend each other their
        memory: each counts with at least the mean.
    timestamps_s
        Shape (sample,), seconds.
    windows_s
        Start and stop of the intervals of each condition, shape (interval, 2), seconds.
    epoch_s
        Least length of an epoch, seconds.

    Returns
    -------
    list of Epochs
        One per subject.
    """
    bins = _Bins.cut(values, timestamps_s, windows_s, epoch_s / BINS_PER_EPOCH)
    looks = [_look(bins, column) for column in range(values.shape[1])]
    usual_s = _usual_memory([look.memory_s for look in looks], length_s=bins.length_s)
    found = []
    for column, look in enumerate(looks):
        line = look.slope * (timestamps_s - timestamps_s.mean())
        signal = values[:, column] - (line if look.is_line_removed else 0)
        memory_s = max(look.memory_s, usual_s)
        found.append(_cut(signal, timestamps_s, windows_s, epoch_s, memory_s, look.declined))
    return found


def average_epochs(
    values: np.ndarray, timestamps_s: np.ndarray, *, intervals_s: np.ndarray, epoch_s: float
) -> np.ndarray:
    """Average a signal in epochs of equal length that fill intervals.

    Parameters
    ----------
    values
        Shape (sample, ...); NaN are left out.
    timestamps_s
        Times of the samples, shape (sample,), seconds.
    intervals_s
        Start and stop of the intervals, shape (interval, 2), seconds.
    epoch_s
        Length of an epoch; a shorter rest of an interval is dropped.

    Returns
    -------
    numpy.ndarray
        Shape (epoch, ...); epochs with less than half their samples are NaN.
    """
    if epoch_s <= 0:
        raise ParameterError(f"epoch_s = {epoch_s:g} is not positive. Give a length in seconds.")
    values = np.asarray(values, dtype=float)
    timestamps_s = np.asarray(timestamps_s, dtype=float)
    expected = epoch_s / np.median(np.diff(timestamps_s))
    means = []
    for start, stop in np.asarray(intervals_s, dtype=float).reshape(-1, 2):
        n_epochs = int((stop - start) / epoch_s + 1e-9)
        edges = np.searchsorted(timestamps_s, start + np.arange(n_epochs + 1) * epoch_s)
        for low, high in pairwise(edges):
            part = values[low:high]
            count = np.isfinite(part).sum(axis=0)
            total = np.where(np.isfinite(part), part, 0).sum(axis=0)
            means.append(np.where(count >= expected / 2, total / np.maximum(count, 1), np.nan))
    return np.array(means).reshape(-1, *values.shape[1:])


def estimate_memory(values: np.ndarray, *, step_s: float, n_means: int = 1) -> float:
    """Estimate how long a signal remembers: its integrated autocorrelation time.

    Half the step and the sum of the autocorrelations times the step, up to `WINDOW_MEMORIES` times
    the result (Sokal 1997); for an AR(1) it is the memory. The mean of n samples has a variance as
    if there were n step / (2 memory) of them.

    Parameters
    ----------
    values
        Evenly spaced, means already taken out, shape (sample,); NaN marks a gap.
    step_s
        Spacing, seconds.
    n_means
        Means and slopes that were taken out; each takes its share of slow power, which is added.

    Returns
    -------
    float
        Seconds, at least half the step.
    """
    covariance = _autocovariance(values)
    length_s = np.isfinite(values).sum() * step_s
    lags_s = np.arange(1, len(covariance)) * step_s
    memory_s = step_s / 2
    for _ in range(20):  # a fixed point, reached to a thousandth in three to six rounds
        taken = 2 * memory_s / length_s * n_means
        correlation = (covariance[1:] / covariance[0] + taken) / (1 + taken)
        sums_s = step_s * (0.5 + np.cumsum(correlation))
        is_enough = np.flatnonzero(lags_s >= WINDOW_MEMORIES * sums_s)
        before_s, memory_s = (
            memory_s,
            float(sums_s[is_enough[0]] if len(is_enough) else max(sums_s)),
        )
        memory_s = max(memory_s, step_s / 2)
        if abs(memory_s - before_s) < 1e-3 * memory_s or taken > 0.5:
            break
    return memory_s


def _autocovariance(values: np.ndarray) -> np.ndarray:
    """Return the autocovariance of finite pairs up to half the length; the first is positive."""
    is_finite = np.isfinite(values)
    n_fft = fft.next_fast_len(2 * len(values), real=True)
    sums, counts = (
        fft.irfft(np.abs(fft.rfft(part, n_fft)) ** 2, n_fft)[: max(2, len(values) // 2)]
        for part in (np.where(is_finite, values, 0.0), is_finite.astype(float))
    )
    covariance = sums / np.maximum(np.round(counts), 1)
    return covariance if covariance[0] > 0 else np.eye(1, len(covariance))[0]


@dataclass(frozen=True)
class _Bins:
    """Signals in fine bins over both conditions: means, shape (bin, subject); middle; condition."""

    means: np.ndarray
    middle_s: np.ndarray
    is_second: np.ndarray
    step_s: float

    @classmethod
    def cut(
        cls,
        values: np.ndarray,
        timestamps_s: np.ndarray,
        windows_s: Pair,
        step_s: float,
    ) -> "_Bins":
        span = np.array([[np.min(np.vstack(windows_s)), np.max(np.vstack(windows_s))]])
        means = average_epochs(values, timestamps_s, intervals_s=span, epoch_s=step_s)
        middle_s = span[0, 0] + (np.arange(len(means)) + 0.5) * step_s
        first, second = (
            ((middle_s[:, None] >= window[:, 0]) & (middle_s[:, None] < window[:, 1])).any(axis=1)
            for window in windows_s
        )
        means[~(first | second)] = np.nan
        return cls(means, middle_s, second, step_s)

    @property
    def length_s(self) -> float:
        """Length of both conditions together."""
        return float(np.isfinite(self.means).any(axis=1).sum() * self.step_s) or self.step_s


@dataclass(frozen=True)
class _Look:
    """What one signal is like: its memory, its slope per second, what is to be done about it."""

    memory_s: float
    slope: float
    is_line_removed: bool
    declined: str


def _look(bins: _Bins, column: int) -> _Look:
    """Look at a signal around the means of its conditions: whether it drifts, what it remembers."""
    values = bins.means[:, column]
    is_known = np.isfinite(values)
    time_s = bins.middle_s - bins.middle_s[is_known].mean() if is_known.any() else bins.middle_s
    design = np.column_stack([~bins.is_second, bins.is_second, time_s]).astype(float)[is_known]
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return _Look(bins.step_s / 2, 0.0, False, "a condition has no samples")
    memory_s, weights, residual = _fit(values, design, is_known, bins.step_s)
    spread = np.nanvar(residual) * 2 * memory_s / bins.step_s
    error = np.sqrt(spread * np.linalg.inv(design.T @ design)[2, 2])
    is_balanced = np.corrcoef(design[:, 1], design[:, 2])[0, 1] ** 2 < BALANCED_R2
    if is_balanced:
        return _Look(memory_s, float(weights[2]), True, "")
    if abs(weights[2]) > DRIFT_Z * error:
        declined = (
            f"it changes by {weights[2] * 60:.3g} a minute within the conditions, which lie one "
            "after the other: a difference cannot be told from that drift"
        )
        return _Look(memory_s, 0.0, False, declined)
    memory_s, _, _ = _fit(values, design[:, :2], is_known, bins.step_s)
    return _Look(memory_s, 0.0, False, "")


def _usual_memory(memories_s: list[float], *, length_s: float) -> float:
    """Return the mean memory with a margin for its error (Sokal 1997)."""
    mean_s = float(np.mean(memories_s)) if memories_s else 0.0
    error = np.sqrt(4 * WINDOW_MEMORIES * mean_s / length_s)
    n_alone = min(max(1, len(memories_s)), INDEPENDENT_SUBJECTS)
    return mean_s * (1 + SAFETY_SD * float(error) / np.sqrt(n_alone))


def _fit(
    values: np.ndarray, design: np.ndarray, is_known: np.ndarray, step_s: float
) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the memory of what a design leaves, the weights, and what it leaves."""
    weights, *_ = np.linalg.lstsq(design, values[is_known], rcond=None)
    residual = np.full(len(values), np.nan)
    residual[is_known] = values[is_known] - design @ weights
    memory_s = estimate_memory(residual, step_s=step_s, n_means=design.shape[1])
    return memory_s, weights, residual


def _cut(
    signal: np.ndarray,
    timestamps_s: np.ndarray,
    windows_s: Pair,
    epoch_s: float,
    memory_s: float,
    declined: str,
) -> Epochs:
    """Cut one signal."""
    first, second = (_divide(signal, timestamps_s, window, epoch_s) for window in windows_s)
    n_first, n_second = (
        min(len(epochs), np.diff(window).sum() / (2 * memory_s))
        for epochs, window in zip((first, second), windows_s, strict=True)
    )
    block_s = MEMORIES_PER_BLOCK * memory_s
    is_paired = block_s > min(np.diff(window).min() for window in windows_s)
    blocks = _pair_neighbours(signal, timestamps_s, windows_s)
    if not is_paired or len(blocks[0]) < LEAST_PAIRS:
        is_paired, longer_s = False, max(block_s, epoch_s)
        one, other = (_divide(signal, timestamps_s, window, longer_s) for window in windows_s)
        blocks = one, other
        if block_s > epoch_s and min(len(one), len(other)) < LEAST_BLOCKS:
            declined = declined or (
                f"it remembers {memory_s:.3g} s, which leaves {n_first:.2g} and {n_second:.2g} "
                "independent epochs"
            )
    return Epochs((first, second), blocks, is_paired, memory_s, (n_first, n_second), declined)


def _divide(
    signal: np.ndarray, timestamps_s: np.ndarray, window_s: np.ndarray, least_s: float
) -> np.ndarray:
    """Return means over equal parts of every interval that are not shorter than wanted."""
    parts = [np.zeros(0)]
    for interval in window_s:
        inside = slice(*np.searchsorted(timestamps_s, interval))
        if len(signal[inside]) < 2:
            continue
        length_s = float(np.ptp(interval))
        part_s = length_s / max(1, int(length_s / least_s + 1e-9))
        spans = {"intervals_s": interval[None], "epoch_s": part_s}
        parts.append(average_epochs(signal[inside], timestamps_s[inside], **spans))
    means = np.concatenate(parts)
    return np.asarray(means[np.isfinite(means)])


def _pair_neighbours(signal: np.ndarray, timestamps_s: np.ndarray, windows_s: Pair) -> Pair:
    """Return means of neighbouring intervals, one of each condition, each used once."""
    intervals = [(*interval, number) for number in (0, 1) for interval in windows_s[number]]
    pairs: tuple[list[float], list[float]] = ([], [])
    waiting: tuple[int, float] | None = None
    for start, stop, number in sorted(intervals):
        inside = signal[np.searchsorted(timestamps_s, start) : np.searchsorted(timestamps_s, stop)]
        mean = float(np.nanmean(inside)) if np.isfinite(inside).any() else np.nan
        if waiting is not None and waiting[0] != number:
            pairs[waiting[0]].append(waiting[1])
            pairs[number].append(mean)
            waiting = None
        else:
            waiting = (number, mean)
    return np.array(pairs[0]), np.array(pairs[1])
