"""Averages of signals around events, and correlograms of event times."""

from dataclasses import dataclass

import numpy as np

from ace_nwb.errors import InputError, ParameterError
from ace_nwb.signals.phase import locate_times
from ace_nwb.signals.runs import find_breaks
from ace_nwb.signals.surrogates import SurrogateKind, move_events


@dataclass(frozen=True)
class PerieventAverage:
    """A signal around events.

    Parameters
    ----------
    lags_s
        Seconds after the event, shape (lag,).
    mean, standard_error
        Over events, shape (lag,), in the signal's unit.
    n_events
        Events with a value at each lag, shape (lag,).
    null_lower, null_upper
        Band that the whole average leaves by chance with probability 5 %, shape (lag,).
    p_value
        Probability that an average around moved events leaves its usual range as far anywhere.
    """

    lags_s: np.ndarray
    mean: np.ndarray
    standard_error: np.ndarray
    n_events: np.ndarray
    null_lower: np.ndarray
    null_upper: np.ndarray
    p_value: float


def align_to_events(
    values: np.ndarray,
    timestamps_s: np.ndarray,
    *,
    event_times_s: np.ndarray,
    lags_s: np.ndarray,
    breaks: np.ndarray | None = None,
) -> np.ndarray:
    """Interpolate a signal at fixed lags around events.

    Parameters
    ----------
    values
        Shape (sample,); NaN marks a gap.
    timestamps_s
        Times of the samples, shape (sample,), seconds.
    event_times_s
        Shape (...), same clock.
    lags_s
        Shape (lag,), seconds after the event.
    breaks
        Indices of samples that follow a gap; found from the time stamps if not given.

    Returns
    -------
    numpy.ndarray
        Shape (..., lag); NaN outside the recording and in gaps.
    """
    times_s = np.asarray(event_times_s, dtype=float)[..., np.newaxis] + lags_s
    if breaks is None:
        breaks = find_breaks(timestamps_s)
    columns = np.asarray(values, dtype=float)[:, np.newaxis]
    return _align_channels(columns, timestamps_s, times_s=times_s, breaks=breaks)[..., 0]


def compute_perievent_average(
    values: np.ndarray,
    timestamps_s: np.ndarray,
    *,
    event_times_s: np.ndarray,
    lags_s: np.ndarray,
    n_surrogates: int,
    seed: int,
    null: SurrogateKind = "circular_shift",
) -> PerieventAverage:
    """Average one signal around events; see `compute_perievent_averages`."""
    return compute_perievent_averages(
        np.asarray(values, dtype=float)[:, np.newaxis],
        timestamps_s,
        event_times_s=event_times_s,
        lags_s=lags_s,
        n_surrogates=n_surrogates,
        seed=seed,
        null=null,
    )[0]


def compute_perievent_averages(
    values: np.ndarray,
    timestamps_s: np.ndarray,
    *,
    event_times_s: np.ndarray,
    lags_s: np.ndarray,
    n_surrogates: int,
    seed: int,
    null: SurrogateKind = "circular_shift",
) -> list[PerieventAverage]:
    """Average signals around events and compare with events moved in time.

    Parameters
    ----------
    values
        Shape (sample, channel); NaN marks a gap.
    timestamps_s
        Times of the samples, shape (sample,), seconds.
    event_times_s
        Shape (event,), same clock.
    lags_s
        Shape (lag,), seconds after the event.
    n_surrogates
        Number of moved copies of the events within the recording; at least 19.
    seed
        Of the copies, which are the same for all channels.
    null
        "circular_shift" moves all events together and keeps every rhythm; "interval_shuffle" also
        permutes the intervals between them.

    Returns
    -------
    list of PerieventAverage
        One per channel. The p-value is corrected for the number of lags (maximum statistic). With
        circular shifts it hardly gets below the range of lags over the duration, since shifts
        within that range keep a true response.
    """
    if n_surrogates < 19:
        raise ParameterError(
            f"{n_surrogates} surrogates cannot give p below {1 / (n_surrogates + 1):.3g}. "
            "Give at least 19."
        )
    event_times_s = np.asarray(event_times_s, dtype=float).reshape(-1)
    breaks = find_breaks(timestamps_s)
    aligned = _align_channels(
        values, timestamps_s, times_s=event_times_s[:, np.newaxis] + lags_s, breaks=breaks
    )
    n_events = np.isfinite(aligned).sum(axis=0)
    if n_events.min() < 2:
        raise InputError(
            f"{len(event_times_s)} events leave {n_events.min()} values at one lag; at least 2 are "
            "needed at each. Give more events or a shorter range of lags."
        )
    mean = np.nanmean(aligned, axis=0)
    error = np.nanstd(aligned, axis=0, ddof=1) / np.sqrt(n_events)
    recorded = np.array([[timestamps_s[0], timestamps_s[-1]]], dtype=float)
    moved = move_events(
        event_times_s,
        recorded,
        kind=null,
        n_surrogates=n_surrogates,
        rng=np.random.default_rng(seed),
    )
    shifted = np.array(
        [
            _mean_of_finite(
                _align_channels(
                    values, timestamps_s, times_s=row[:, np.newaxis] + lags_s, breaks=breaks
                )
            )
            for row in moved
        ]
    )
    bands = [compute_simultaneous_band(mean[:, i], shifted[..., i]) for i in range(mean.shape[1])]
    return [
        PerieventAverage(np.asarray(lags_s), mean[:, i], error[:, i], n_events[:, i], *band)
        for i, band in enumerate(bands)
    ]


def _align_channels(
    values: np.ndarray, timestamps_s: np.ndarray, *, times_s: np.ndarray, breaks: np.ndarray
) -> np.ndarray:
    """Interpolate signals (sample, channel) at times; shape (..., channel)."""
    left, share = locate_times(timestamps_s, times_s=times_s, breaks=breaks)
    values, share = np.asarray(values, dtype=float), share[..., np.newaxis]
    aligned = values[left] * (1 - share) + values[np.minimum(left + 1, len(values) - 1)] * share
    return np.where((left >= 0)[..., np.newaxis], aligned, np.nan)


def compute_correlogram(
    first_times_s: np.ndarray, second_times_s: np.ndarray, *, bin_s: float, max_lag_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Count the lags from each first event to the second events.

    Parameters
    ----------
    first_times_s, second_times_s
        Event times, seconds, any order. Give the same array twice for an autocorrelogram: an
        event is not paired with itself.
    bin_s
        Width of a bin, seconds; one bin is centred on zero.
    max_lag_s
        Centre of the last bin is at most this.

    Returns
    -------
    lags_s, counts
        Bin centres, positive if the second event is later, and number of pairs, shape (bin,).
    """
    n_side = int(np.floor(max_lag_s / bin_s + 1e-9))
    if n_side < 1:
        raise ParameterError(
            f"max_lag_s = {max_lag_s:g} is shorter than one bin of {bin_s:g} s. Give a longer one."
        )
    edges = (np.arange(2 * n_side + 2) - n_side - 0.5) * bin_s
    first, second = np.sort(first_times_s), np.sort(second_times_s)
    below = np.searchsorted(second, first[:, np.newaxis] + edges, side="left")
    counts = np.diff(below, axis=1).sum(axis=0)
    if first.shape == second.shape and np.array_equal(first, second):
        counts[n_side] -= len(first)
    return np.arange(-n_side, n_side + 1) * bin_s, counts


def compute_correlogram_test(
    first_times_s: np.ndarray,
    second_times_s: np.ndarray,
    *,
    grid: tuple[float, float],
    intervals_s: np.ndarray,
    n_surrogates: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Compare a cross-correlogram with circularly shifted second events.

    Parameters
    ----------
    first_times_s, second_times_s
        Event times, seconds.
    grid
        Width of a bin and the greatest lag, seconds.
    intervals_s
        Recorded intervals, shape (interval, 2), seconds.
    n_surrogates, seed
        Number of shifts, and their seed.

    Returns
    -------
    lags_s, counts, band, p_value
        As `compute_correlogram`; the band (2, bin) that the whole correlogram leaves by chance
        with probability 5 %; p corrected for the number of bins.
    """
    lags_s, counts = compute_correlogram(
        first_times_s, second_times_s, bin_s=grid[0], max_lag_s=grid[1]
    )
    moved = move_events(
        second_times_s,
        intervals_s,
        kind="circular_shift",
        n_surrogates=n_surrogates,
        rng=np.random.default_rng(seed),
    )
    null = np.array(
        [
            compute_correlogram(first_times_s, row, bin_s=grid[0], max_lag_s=grid[1])[1]
            for row in moved
        ]
    )
    lower, upper, p_value = compute_simultaneous_band(counts, null)
    return lags_s, counts, np.array([lower, upper]), p_value


def compute_simultaneous_band(
    observed: np.ndarray, null: np.ndarray, *, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray, float]:
    """Find the band that a whole curve leaves by chance with a given probability.

    The maximum over lags of the deviation from the mean of the surrogates, in their SDs, is
    compared between observed and surrogate curves.

    Parameters
    ----------
    observed
        Shape (lag,).
    null
        Surrogate curves, shape (surrogate, lag).
    confidence
        Probability of staying within the band.

    Returns
    -------
    lower, upper, p_value
        The band, shape (lag,) each, and the probability of so large a maximum.
    """
    # The observed curve counts as one of the draws, or it would be standardised less tightly.
    pool = np.vstack([observed, null])
    centre, spread = np.nanmean(pool, axis=0), np.nanstd(pool, axis=0, ddof=1)
    spread = np.where(spread > 0, spread, np.inf)
    largest = np.nanmax(np.abs(pool - centre) / spread, axis=1)
    rank = int(np.ceil(confidence * len(pool))) - 1
    reach = np.sort(largest)[rank] * np.where(np.isfinite(spread), spread, 0)
    p_value = float(np.mean(largest >= largest[0]))
    return centre - reach, centre + reach, p_value


def _mean_of_finite(aligned: np.ndarray) -> np.ndarray:
    """Mean over events of finite values, NaN (without a warning) where there is none."""
    is_finite = np.isfinite(aligned)
    count = is_finite.sum(axis=0)
    total = np.where(is_finite, aligned, 0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
