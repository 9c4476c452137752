"""Anti-aliased, zero-phase changes of the sampling rate, and regular grids from time stamps."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy

from ace_nwb.errors import InputError, ParameterError
from ace_nwb.signals.runs import estimate_rate_hz

# Kaiser window of 80 dB; the pass band ends at this share of the new Nyquist frequency.
STOP_BAND_DB = 80.0
PASS_SHARE = 0.8
BLOCK_SAMPLES = 1 << 20
# Zero crossings of the interpolation kernel to each side.
KERNEL_LOBES = 8


@dataclass(frozen=True)
class RegularGrid:
    """Values on evenly spaced times.

    Parameters
    ----------
    values
        Shape (sample, ...); NaN where nothing was recorded.
    start_s, rate_hz
        Time of the first sample, seconds, and the sampling rate, Hz.
    positions
        Grid index of each sample given, shape (original sample,).
    """

    values: np.ndarray
    start_s: float
    rate_hz: float
    positions: np.ndarray

    @property
    def times_s(self) -> np.ndarray:
        """Times of the grid, seconds."""
        return self.start_s + np.arange(self.values.shape[0]) / self.rate_hz


def design_antialias_taps(factor: int) -> np.ndarray:
    """Design the low-pass that precedes keeping every `factor`-th sample.

    Parameters
    ----------
    factor
        Ratio of the old to the new sampling rate.

    Returns
    -------
    numpy.ndarray
        Odd number of symmetric taps with sum 1; 80 dB from the new Nyquist frequency on.
    """
    if factor < 1:
        raise ParameterError(f"The decimation factor {factor} is not positive. Give 1 or more.")
    if factor == 1:
        return np.ones(1)
    width = (1 - PASS_SHARE) / factor
    n_taps, beta = scipy.signal.kaiserord(STOP_BAND_DB, width)
    cutoff = (1 + PASS_SHARE) / 2 / factor
    taps = scipy.signal.firwin(n_taps | 1, cutoff, window=("kaiser", beta))
    return taps / taps.sum()


def decimate(values: np.ndarray, *, factor: int, block_samples: int = BLOCK_SAMPLES) -> np.ndarray:
    """Low-pass without delay and keep every `factor`-th sample, the first included.

    The times of the result are exactly `timestamps[::factor]`.

    Parameters
    ----------
    values
        Evenly sampled finite values, shape (sample,) or (sample, channel), anything that can be
        sliced by sample. Decimate the stretches between gaps one by one.
    factor
        Ratio of the old to the new sampling rate.
    block_samples
        Samples read at a time. It does not change the numbers.

    Returns
    -------
    numpy.ndarray
        Shape (ceil(sample / factor), ...), float64.
    """
    blocks = [
        block for _, block in iterate_decimated(values, factor=factor, block_samples=block_samples)
    ]
    return np.concatenate(blocks)


def iterate_decimated(
    values: np.ndarray, *, factor: int, block_samples: int = BLOCK_SAMPLES
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (first output sample, values) of the decimated signal in bounded memory.

    Parameters
    ----------
    values, factor, block_samples
        As for `decimate`.
    """
    taps = design_antialias_taps(factor)
    half = len(taps) // 2
    n_samples = values.shape[0]
    n_outputs = -(-n_samples // factor)
    block_outputs = max(1, block_samples // factor)
    for first in range(0, n_outputs, block_outputs):
        stop = min(first + block_outputs, n_outputs)
        # Output m of upfirdn ends at input m * factor: lead in so that one ends at the first
        # sample's own halo.
        lead = -2 * half % factor
        begin = first * factor - half - lead
        padded = _read_padded(values, begin, stop=(stop - 1) * factor + half + 1)
        filtered = scipy.signal.upfirdn(taps, padded, down=factor, axis=0)
        skipped = (2 * half + lead) // factor
        yield first, filtered[skipped : skipped + stop - first]


def resample_at(
    values: np.ndarray,
    timestamps_s: np.ndarray,
    *,
    times_s: np.ndarray,
    max_frequency_hz: float,
) -> np.ndarray:
    """Sample a faster signal at given times, low-passed so that nothing aliases.

    A Hann-windowed sinc is evaluated at the exact distance of every sample to every wanted time,
    so the wanted times may be irregular (frames of a camera).

    Parameters
    ----------
    values
        Evenly sampled values, shape (sample,); NaN or a gap in time counts as absent.
    timestamps_s
        Times of the samples, shape (sample,), seconds.
    times_s
        Times wanted, shape (time,), seconds, same clock.
    max_frequency_hz
        Half-amplitude frequency of the low-pass: half the rate of the wanted times or less.

    Returns
    -------
    numpy.ndarray
        Shape (time,); NaN where less than 90 % of the kernel's energy falls on samples.
    """
    values = np.asarray(values, dtype=float)
    timestamps_s = np.asarray(timestamps_s, dtype=float)
    rate_hz = estimate_rate_hz(timestamps_s)
    if max_frequency_hz > rate_hz / 2:
        raise ParameterError(
            f"max_frequency_hz = {max_frequency_hz:g} is beyond the Nyquist frequency "
            f"{rate_hz / 2:.6g} Hz of the signal. Give at most that."
        )
    reach_s = KERNEL_LOBES / (2 * max_frequency_hz)
    n_kernel = int(np.ceil(2 * reach_s * rate_hz)) + 1
    full_energy = _kernel(
        np.arange(-reach_s, reach_s, 1 / rate_hz), max_frequency_hz, reach_s=reach_s
    )
    least = 0.9 * np.sum(full_energy**2)
    block = max(1, 4_000_000 // n_kernel)
    result = np.empty(len(times_s))
    for first in range(0, len(times_s), block):
        wanted = np.asarray(times_s[first : first + block], dtype=float)
        starts = np.searchsorted(timestamps_s, wanted - reach_s)
        index = starts[:, np.newaxis] + np.arange(n_kernel)
        inside = np.minimum(index, len(values) - 1)
        distance = timestamps_s[inside] - wanted[:, np.newaxis]
        weights = _kernel(distance, max_frequency_hz, reach_s=reach_s)
        weights[(index >= len(values)) | ~np.isfinite(values[inside])] = 0
        sums = np.einsum("tk,tk->t", weights, np.nan_to_num(values[inside]))
        is_covered = np.einsum("tk,tk->t", weights, weights) >= least
        with np.errstate(invalid="ignore", divide="ignore"):
            result[first : first + block] = np.where(is_covered, sums / weights.sum(axis=1), np.nan)
    return result


def place_on_grid(
    values: np.ndarray, timestamps_s: np.ndarray, *, max_fill_samples: int = 0
) -> RegularGrid:
    """Put samples with missing ones among them on a regular grid.

    Parameters
    ----------
    values
        Shape (sample, ...).
    timestamps_s
        Times, shape (sample,), seconds; jitter below half a step is absorbed.
    max_fill_samples
        Gaps of at most so many samples are filled by straight lines, longer ones stay NaN.

    Returns
    -------
    RegularGrid
        The grid and where each sample went.
    """
    values = np.asarray(values, dtype=float)
    times = np.asarray(timestamps_s, dtype=float)
    n_unknown = int((~np.isfinite(times)).sum())
    if n_unknown:
        raise InputError(
            f"{n_unknown} of {times.size} time stamps are not finite. Run the sync stage or repair "
            "the times."
        )
    rate_hz = estimate_rate_hz(times)
    steps = np.maximum(1, np.round(np.diff(times) * rate_hz)).astype(np.intp)
    positions = np.concatenate([[0], np.cumsum(steps)])
    # Rate and start that fit all samples best, so that rounding does not add up over hours.
    slope, start_s = np.polyfit(positions, times, 1)
    grid = np.full((positions[-1] + 1, *values.shape[1:]), np.nan)
    grid[positions] = values
    for left in np.flatnonzero((steps > 1) & (steps <= max_fill_samples + 1)):
        n_missing = steps[left] - 1
        share = np.arange(1, n_missing + 1) / steps[left]
        share = share.reshape(-1, *(1,) * (values.ndim - 1))
        inner = slice(positions[left] + 1, positions[left + 1])
        grid[inner] = values[left] * (1 - share) + values[left + 1] * share
    return RegularGrid(grid, float(start_s), float(1 / slope), positions)


def _kernel(distance_s: np.ndarray, max_frequency_hz: float, *, reach_s: float) -> np.ndarray:
    """Hann-windowed sinc of a low-pass, zero from `reach_s` on."""
    window = np.cos(np.pi * np.clip(distance_s / reach_s, -1, 1) / 2) ** 2
    return np.sinc(2 * max_frequency_hz * distance_s) * window


def _read_padded(values: np.ndarray, start: int, *, stop: int) -> np.ndarray:
    """Read samples start to stop; those outside are mirrored at the ends, sign included."""
    n_samples = values.shape[0]
    inner_start, inner_stop = max(start, 0), min(stop, n_samples)
    before, after = inner_start - start, stop - inner_stop
    if max(before, after) >= n_samples:
        raise InputError(
            f"{n_samples} samples are too few for an anti-alias filter that reaches "
            f"{max(before, after)} samples to a side. Give longer data or a smaller factor."
        )
    # The mirror needs samples that the block itself may not reach.
    low = min(inner_start, n_samples - 1 - after) if after else inner_start
    high = max(inner_stop, before + 1)
    block = np.asarray(values[low:high], dtype=float)
    head = 2 * block[0] - block[before:0:-1] if before else block[:0]
    tail = 2 * block[-1] - block[-2 : -after - 2 : -1] if after else block[:0]
    return np.concatenate([head, block[inner_start - low : inner_stop - low], tail])
