"""Null distributions by moving events in time, and what to do with many p-values.

Times are moved within the recorded intervals joined end to end, so gaps neither lose events nor
gain any.
"""

from typing import Literal

import numpy as np
import scipy

from ace_nwb.errors import InputError

SurrogateKind = Literal["circular_shift", "interval_shuffle"]


def to_elapsed(times_s: np.ndarray, intervals_s: np.ndarray) -> np.ndarray:
    """Convert times to recorded time elapsed, gaps not counted.

    Parameters
    ----------
    times_s
        Any shape, seconds.
    intervals_s
        Start and stop of the recorded intervals, ascending, shape (interval, 2), seconds.

    Returns
    -------
    numpy.ndarray
        Seconds from 0 to the total recorded time; NaN for times outside the intervals.
    """
    times_s = np.asarray(times_s, dtype=float)
    intervals_s = _validated_intervals(intervals_s)
    before = np.concatenate([[0.0], np.cumsum(np.diff(intervals_s, axis=1)[:-1, 0])])
    which = np.searchsorted(intervals_s[:, 0], times_s, side="right") - 1
    is_inside = (which >= 0) & (times_s <= intervals_s[which, 1])
    return np.where(is_inside, before[which] + times_s - intervals_s[which, 0], np.nan)


def from_elapsed(elapsed_s: np.ndarray, intervals_s: np.ndarray) -> np.ndarray:
    """Convert elapsed recorded time back to times.

    Parameters
    ----------
    elapsed_s
        Any shape, seconds between 0 and the total recorded time.
    intervals_s
        As for `to_elapsed`.
    """
    intervals_s = _validated_intervals(intervals_s)
    before = np.concatenate([[0.0], np.cumsum(np.diff(intervals_s, axis=1)[:-1, 0])])
    which = np.searchsorted(before, elapsed_s, side="right") - 1
    return intervals_s[which, 0] + np.asarray(elapsed_s) - before[which]


def move_events(
    event_times_s: np.ndarray,
    intervals_s: np.ndarray,
    *,
    kind: SurrogateKind,
    n_surrogates: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw surrogate event times that keep the events' own structure but not their relation.

    Parameters
    ----------
    event_times_s
        Shape (event,), seconds; those outside the intervals are left out.
    intervals_s
        Recorded intervals, shape (interval, 2), seconds.
    kind
        "circular_shift" moves all events by one random lag around the recording, which keeps every
        interval; "interval_shuffle" also permutes the intervals between events.
    n_surrogates
        Number of surrogates.
    rng
        Source of randomness.

    Returns
    -------
    numpy.ndarray
        Shape (surrogate, event), seconds, each row ascending in elapsed time modulo the wrap.
    """
    elapsed = np.sort(to_elapsed(event_times_s, intervals_s))
    elapsed = elapsed[np.isfinite(elapsed)]
    total = float(np.diff(intervals_s, axis=1).sum())
    moved = np.repeat(elapsed[np.newaxis], n_surrogates, axis=0)
    if kind == "interval_shuffle" and elapsed.size:
        # The interval around the end belongs to the circle, so that n events have n intervals.
        gaps = np.append(np.diff(elapsed), elapsed[0] + total - elapsed[-1])
        shuffled = rng.permuted(np.repeat(gaps[np.newaxis], n_surrogates, axis=0), axis=1)
        moved = np.cumsum(shuffled, axis=1)
    moved = np.mod(moved + rng.uniform(0, total, (n_surrogates, 1)), total)
    return from_elapsed(moved, intervals_s)


def compute_surrogate_p(observed: np.ndarray, null: np.ndarray) -> np.ndarray:
    """Compute how often surrogates reach the observed value, one-sided.

    Parameters
    ----------
    observed
        Shape (...).
    null
        Values of the surrogates, shape (surrogate, ...).

    Returns
    -------
    numpy.ndarray
        (1 + number at least as large) / (1 + number), never zero (Phipson & Smyth 2010); NaN where
        `observed` is.
    """
    observed = np.asarray(observed, dtype=float)
    reached = (1 + np.sum(null >= observed, axis=0)) / (1 + len(null))
    return np.where(np.isnan(observed), np.nan, reached)


def control_false_discoveries(p_values: np.ndarray) -> np.ndarray:
    """Adjust p-values so that rejecting those below q keeps the false discovery rate at q.

    Parameters
    ----------
    p_values
        Any shape; NaN (not tested) are left out of the count.

    Returns
    -------
    numpy.ndarray
        Benjamini-Hochberg adjusted values, same shape.
    """
    p_values = np.asarray(p_values, dtype=float)
    adjusted = np.full(p_values.shape, np.nan)
    is_tested = np.isfinite(p_values)
    if is_tested.any():
        adjusted[is_tested] = scipy.stats.false_discovery_control(p_values[is_tested])
    return adjusted


def _validated_intervals(intervals_s: np.ndarray) -> np.ndarray:
    """Intervals as an array, refused if empty or not in order."""
    intervals_s = np.asarray(intervals_s, dtype=float).reshape(-1, 2)
    if not len(intervals_s) or not np.all(np.diff(intervals_s.reshape(-1)) >= 0):
        raise InputError(
            f"{len(intervals_s)} recorded intervals that are empty or out of order: "
            f"{intervals_s[:3].tolist()}. Give start <= stop, ascending, not overlapping."
        )
    return intervals_s
