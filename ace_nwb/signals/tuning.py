"""How the rate of events depends on a variable (place, heading), and how much it tells about it."""

from dataclasses import dataclass

import numpy as np

from ace_nwb.errors import InputError
from ace_nwb.signals.phase import locate_times
from ace_nwb.signals.surrogates import compute_surrogate_p, move_events


@dataclass(frozen=True)
class Tuning:
    """Rate of events in bins of a variable.

    Parameters
    ----------
    rate_hz
        Events per second in each bin, shape (bin, ...); NaN where too little time was spent.
    occupancy_s
        Seconds spent in each bin, same shape.
    information_bits
        Bits per event about the bin (Skaggs et al. 1993).
    surrogate_p
        Share of circularly shifted events with at least this information: the raw value is biased
        upwards with few events.
    """

    rate_hz: np.ndarray
    occupancy_s: np.ndarray
    information_bits: float
    surrogate_p: float


def compute_tuning(
    event_times_s: np.ndarray,
    positions: np.ndarray,
    *,
    timestamps_s: np.ndarray,
    edges: list[np.ndarray],
    n_surrogates: int,
    seed: int,
) -> Tuning:
    """Compute the rate of events as a function of one or more variables.

    Parameters
    ----------
    event_times_s
        Shape (event,), seconds.
    positions
        Variables over time, shape (sample,) or (sample, variable); NaN where unknown.
    timestamps_s
        Times of the samples, shape (sample,), seconds.
    edges
        Bin edges of each variable.
    n_surrogates, seed
        Number of circular shifts of the events, and their seed.

    Returns
    -------
    Tuning
        Bins visited for less than 0.1 s have no rate.
    """
    positions = np.asarray(positions, dtype=float).reshape(len(timestamps_s), -1)
    if positions.shape[1] != len(edges):
        raise InputError(
            f"{positions.shape[1]} variables and {len(edges)} sets of bin edges. "
            "Give one set for each."
        )
    timestamps_s = np.asarray(timestamps_s, dtype=float)
    step_s = float(np.median(np.diff(timestamps_s)))
    bins = _find_bins(positions, edges)
    n_bins = int(np.prod([len(axis) - 1 for axis in edges]))
    occupancy_s = np.bincount(bins[bins >= 0], minlength=n_bins) * step_s
    support = np.array([[timestamps_s[0], timestamps_s[-1]]])
    moved = move_events(
        event_times_s,
        support,
        kind="circular_shift",
        n_surrogates=n_surrogates,
        rng=np.random.default_rng(seed),
    )
    counts = [
        _count_events(
            np.asarray(times_s, dtype=float), bins, timestamps_s=timestamps_s, n_bins=n_bins
        )
        for times_s in (event_times_s, *moved)
    ]
    information = np.array([compute_information(count, occupancy_s) for count in counts])
    p_value = compute_surrogate_p(information[0], information[1:]) if n_surrogates else np.nan
    shape = tuple(len(axis) - 1 for axis in edges)
    rate_hz = np.where(
        occupancy_s >= 0.1, counts[0] / np.maximum(occupancy_s, 1e-12), np.nan
    ).reshape(shape)
    return Tuning(rate_hz, occupancy_s.reshape(shape), float(information[0]), float(p_value))


def compute_information(counts: np.ndarray, occupancy_s: np.ndarray) -> float:
    """Compute the information that an event gives about the bin (Skaggs et al. 1993).

    Parameters
    ----------
    counts
        Events in each bin.
    occupancy_s
        Seconds spent in each bin, same shape.

    Returns
    -------
    float
        Bits per event; NaN without events.
    """
    is_used = occupancy_s > 0
    counts, occupancy_s = counts[is_used], occupancy_s[is_used]
    if counts.sum() == 0:
        return float("nan")
    share = counts / counts.sum()
    relative_rate = share / (occupancy_s / occupancy_s.sum())
    with np.errstate(divide="ignore"):
        return float(np.sum(share * np.where(share > 0, np.log2(relative_rate), 0)))


def _find_bins(positions: np.ndarray, edges: list[np.ndarray]) -> np.ndarray:
    """Flat bin of every sample, -1 outside or where unknown."""
    shape = tuple(len(axis) - 1 for axis in edges)
    columns = [
        np.searchsorted(axis, positions[:, variable], side="right") - 1
        for variable, axis in enumerate(edges)
    ]
    is_inside = np.isfinite(positions).all(axis=1)
    for column, size in zip(columns, shape, strict=True):
        is_inside &= (column >= 0) & (column < size)
    clipped = [np.clip(column, 0, size - 1) for column, size in zip(columns, shape, strict=True)]
    return np.where(is_inside, np.ravel_multi_index(clipped, shape), -1)


def _count_events(
    times_s: np.ndarray, bins: np.ndarray, *, timestamps_s: np.ndarray, n_bins: int
) -> np.ndarray:
    """Events per bin, each in the bin of the nearest sample."""
    left, share = locate_times(timestamps_s, times_s=times_s)
    nearest = np.where(share > 0.5, left + 1, left)[left >= 0]
    found = bins[nearest]
    return np.bincount(found[found >= 0], minlength=n_bins)
