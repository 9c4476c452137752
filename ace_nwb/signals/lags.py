"""Lagged correlation of two signals that are each correlated in time."""

from dataclasses import dataclass

import numpy as np
import scipy
from scipy import fft

from ace_nwb.errors import InputError, ParameterError
from ace_nwb.signals.perievent import compute_simultaneous_band

LEAST_INDEPENDENT = 20
"""Independent samples below which shifts are no null: random walks then passed in 15 % of pairs."""

ROUNDING = 1e-12
"""Of the largest value: what a line leaves of a signal that never changes is no signal."""


@dataclass(frozen=True)
class LaggedCorrelation:
    """Correlation at each lag, of signals without their linear trend.

    Parameters
    ----------
    lags_s
        Positive if the second signal follows the first, shape (lag,), seconds.
    correlation
        Pearson's r of the overlapping samples, shape (lag,).
    effective_n
        Number of independent samples that the autocorrelations leave (Bartlett 1946).
    p_zero_lag
        Two-sided p of the correlation at lag 0 with that number.
    null_lower, null_upper
        Band that the whole curve leaves by chance with probability 5 %, shape (lag,).
    p_value
        Probability of such an excursion at any lag, by circular shifts; NaN if the signals leave
        fewer than `LEAST_INDEPENDENT` independent samples.
    """

    lags_s: np.ndarray
    correlation: np.ndarray
    effective_n: float
    p_zero_lag: float
    null_lower: np.ndarray
    null_upper: np.ndarray
    p_value: float


def compute_lagged_correlation(
    first: np.ndarray,
    second: np.ndarray,
    *,
    sampling_rate_hz: float,
    max_lag_s: float,
    n_surrogates: int,
    seed: int,
) -> LaggedCorrelation:
    """Correlate two signals at lags up to a limit, and test against circular shifts.

    Straight lines are taken out of both first: two drifts that have nothing to do with each other
    always correlate.

    Parameters
    ----------
    first, second
        Evenly sampled values at the same times, shape (sample,); NaN marks a gap.
    sampling_rate_hz
        True sampling rate, Hz.
    max_lag_s
        Greatest lag, seconds; at most a quarter of the recording.
    n_surrogates
        Number of circular shifts.
    seed
        Of the shifts.

    Returns
    -------
    LaggedCorrelation
        The p-value is corrected for the number of lags (maximum statistic). It hardly gets below
        2 max_lag_s / duration, since shifts shorter than the greatest lag keep a true peak.
    """
    first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    n_lags = round(max_lag_s * sampling_rate_hz)
    if first.shape != second.shape or first.ndim != 1:
        raise InputError(
            f"The signals have shapes {first.shape} and {second.shape}. Both must be (sample,) at "
            "the same times: resample one at the times of the other."
        )
    if 4 * n_lags > len(first):
        raise ParameterError(
            f"max_lag_s = {max_lag_s:g} is {n_lags} samples of {len(first)}. "
            f"Give at most {len(first) / 4 / sampling_rate_hz:.4g} s."
        )
    first, second = remove_line(first), remove_line(second)
    correlation = correlate_at_lags(first, second, n_lags=n_lags)
    if not np.isfinite(correlation).any():  # a trace without F0, or one that never changes
        nothing = np.full(2 * n_lags + 1, np.nan)
        lags_s = np.arange(-n_lags, n_lags + 1) / sampling_rate_hz
        return LaggedCorrelation(lags_s, correlation, 0.0, np.nan, nothing, nothing, np.nan)
    effective_n = estimate_effective_n(first, second)
    # Every circular shift is a stretch of one circular correlation. Short shifts stay among them:
    # leaving them out makes the test reject too often in short recordings.
    circular = _correlate_moments(first, second, n_fft=len(first))
    lags = np.arange(-n_lags, n_lags + 1)
    shifts = np.random.default_rng(seed).integers(1, len(first), (n_surrogates, 1))
    null = circular[(lags + shifts) % len(first)]
    lower, upper, p_value = compute_simultaneous_band(circular[lags], null)
    is_tested = effective_n >= LEAST_INDEPENDENT
    return LaggedCorrelation(
        lags_s=lags / sampling_rate_hz,
        correlation=correlation,
        effective_n=effective_n,
        p_zero_lag=(
            compute_correlation_p(correlation[n_lags], effective_n) if is_tested else np.nan
        ),
        null_lower=lower,
        null_upper=upper,
        p_value=p_value if is_tested else np.nan,
    )


def remove_line(values: np.ndarray) -> np.ndarray:
    """Take the straight line of least squares out of a signal.

    Parameters
    ----------
    values
        Evenly spaced, shape (sample,); NaN marks a gap and stays.
    """
    places = np.flatnonzero(np.isfinite(values))
    if len(places) < 3:
        return values
    line = np.polynomial.Polynomial.fit(places, values[places], 1)
    rest = values - line(np.arange(len(values)))
    rounding = ROUNDING * np.abs(values[places]).max()
    return np.where(np.abs(rest) > rounding, rest, 0.0 * rest)  # NaN stay


def correlate_at_lags(first: np.ndarray, second: np.ndarray, *, n_lags: int) -> np.ndarray:
    """Compute Pearson's correlation of the samples that overlap at each lag.

    Parameters
    ----------
    first, second
        Shape (sample,); NaN are left out.
    n_lags
        Lags to each side, samples.

    Returns
    -------
    numpy.ndarray
        Shape (2 n_lags + 1,), from `second` early to `second` late; NaN below 3 common samples.
    """
    n_fft = fft.next_fast_len(len(first) + n_lags + 1, real=True)
    every = _correlate_moments(first, second, n_fft=n_fft)
    return every[np.arange(-n_lags, n_lags + 1)]


def estimate_effective_n(first: np.ndarray, second: np.ndarray) -> float:
    """Estimate the number of independent samples for their correlation.

    n / (1 + 2 sum of products of the autocorrelations), (Bartlett 1946); the sum stops at a fifth
    of the data, beyond which autocorrelations are noise, and is weighed by the overlap.

    Parameters
    ----------
    first, second
        Shape (sample,); NaN are left out.

    Returns
    -------
    float
        Between 2 and the number of common samples.
    """
    n_common = int(np.sum(np.isfinite(first) & np.isfinite(second)))
    n_lags = max(1, len(first) // 5)
    products = np.array(
        [
            correlate_at_lags(signal, signal, n_lags=n_lags)[n_lags + 1 :]
            for signal in (first, second)
        ]
    ).prod(axis=0)
    overlap = 1 - np.arange(1, n_lags + 1) / len(first)
    inflation = 1 + 2 * np.nansum(products * overlap)
    return float(np.clip(n_common / max(inflation, 1e-9), 2, n_common))


def compute_correlation_p(correlation: float, effective_n: float) -> float:
    """Compute the two-sided p-value of a correlation of so many independent samples.

    Parameters
    ----------
    correlation
        Pearson's r.
    effective_n
        Number of independent samples.

    Returns
    -------
    float
        By Student's t; 1 if there are not more than two samples.
    """
    if effective_n <= 2:
        return 1.0
    t = correlation * np.sqrt((effective_n - 2) / max(1 - correlation**2, 1e-300))
    return float(2 * scipy.stats.t.sf(abs(t), effective_n - 2))


def _correlate_moments(first: np.ndarray, second: np.ndarray, *, n_fft: int) -> np.ndarray:
    """Correlation of finite pairs at all lags modulo `n_fft`, shape (n_fft,), second later."""
    one, other = (_transform_moments(signal, n_fft) for signal in (first, second))
    sums = {
        (i, j): fft.irfft(one[i].conj() * other[j], n_fft)
        for i, j in ((0, 0), (1, 0), (0, 1), (1, 1), (2, 0), (0, 2))
    }
    count = np.round(sums[0, 0])
    with np.errstate(invalid="ignore", divide="ignore"):
        covariance = sums[1, 1] - sums[1, 0] * sums[0, 1] / count
        power = (sums[2, 0] - sums[1, 0] ** 2 / count) * (sums[0, 2] - sums[0, 1] ** 2 / count)
        return np.where(count >= 3, covariance / np.sqrt(power), np.nan)


def _transform_moments(signal: np.ndarray, n_fft: int) -> list[np.ndarray]:
    """Transform presence, values and squares; values are centred to keep digits."""
    is_finite = np.isfinite(signal)
    known = signal[is_finite] if is_finite.any() else np.zeros(1)  # a trace without F0 has none
    centred = np.where(is_finite, (signal - known.mean()) / (known.std() or 1.0), 0.0)
    return [fft.rfft(part, n_fft) for part in (is_finite.astype(float), centred, centred**2)]
