"""Stretches of samples without a gap: where filters, phases and spectra may be computed.

A run is a half-open range of samples that are finite and evenly spaced in time.
"""

from collections.abc import Iterator

import numpy as np

from ace_nwb.errors import InputError


def find_breaks(timestamps_s: np.ndarray, *, tolerance: float = 0.5) -> np.ndarray:
    """Find the samples that follow a gap in time.

    Parameters
    ----------
    timestamps_s
        Strictly increasing times, shape (sample,), seconds.
    tolerance
        A step longer than (1 + tolerance) median steps is a gap.

    Returns
    -------
    numpy.ndarray
        Index of the first sample after each gap, shape (gap,).
    """
    steps = np.diff(np.asarray(timestamps_s, dtype=float))
    if steps.size == 0:
        return np.zeros(0, dtype=np.intp)
    if not np.all(steps > 0):
        found = int(np.argmax(~(steps > 0))) + 1
        raise InputError(
            f"Time stamp {found} is not later than the one before it. "
            "Strictly increasing, finite times are needed. Run the sync stage or repair the times."
        )
    return np.flatnonzero(steps > (1 + tolerance) * np.median(steps)) + 1


def estimate_rate_hz(timestamps_s: np.ndarray) -> float:
    """Estimate the sampling rate from the median step of the time stamps.

    Parameters
    ----------
    timestamps_s
        Strictly increasing times, shape (sample,), seconds.

    Returns
    -------
    float
        Samples per second; gaps do not bias it, and within a run jitter hardly does.
    """
    times = np.asarray(timestamps_s, dtype=float)
    if times.size < 2:
        raise InputError(f"{times.size} time stamps give no sampling rate. At least 2 are needed.")
    edges = np.concatenate([[0], find_breaks(times), [times.size]])
    longest = int(np.argmax(np.diff(edges)))
    start, stop = edges[longest], edges[longest + 1]
    if stop - start < 2:
        return float(1 / np.median(np.diff(times)))
    return float((stop - start - 1) / (times[stop - 1] - times[start]))


def find_runs(is_valid: np.ndarray, breaks: np.ndarray | None = None) -> np.ndarray:
    """Find the longest stretches of valid samples that contain no break.

    Parameters
    ----------
    is_valid
        Whether each sample can be used, shape (sample,).
    breaks
        Indices of samples at which a new stretch begins whatever the values are.

    Returns
    -------
    numpy.ndarray
        Start and stop (exclusive) of every run, shape (run, 2).
    """
    valid = np.concatenate([[False], np.asarray(is_valid, dtype=bool), [False]])
    starts = np.flatnonzero(valid[1:] & ~valid[:-1])
    stops = np.flatnonzero(~valid[1:] & valid[:-1])
    if breaks is not None and len(breaks):
        inner = np.asarray(breaks, dtype=np.intp)
        inner = inner[(inner > 0) & (inner < len(is_valid))]
        inner = inner[valid[inner] & valid[inner + 1]]
        starts = np.union1d(starts, inner)
        stops = np.union1d(stops, inner)
    return np.column_stack([starts, stops])


def iterate_runs(
    columns: np.ndarray, breaks: np.ndarray | None = None
) -> Iterator[tuple[np.ndarray, int, int]]:
    """Yield (columns, start, stop) of the finite runs, columns with equal gaps together.

    Parameters
    ----------
    columns
        Values, shape (sample, channel).
    breaks
        Indices of samples at which a new stretch begins.
    """
    finite = np.isfinite(columns)
    patterns, which = np.unique(finite, axis=1, return_inverse=True)
    for pattern in range(patterns.shape[1]):
        members = np.flatnonzero(which.reshape(-1) == pattern)
        for start, stop in find_runs(patterns[:, pattern], breaks):
            yield members, int(start), int(stop)
