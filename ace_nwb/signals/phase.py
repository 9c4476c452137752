"""Instantaneous phase and amplitude of band-passed signals, and the phase at given times.

Statistics of the phases are in `circular`.
"""

import numpy as np
import scipy

from ace_nwb.errors import InputError
from ace_nwb.signals.runs import find_breaks, iterate_runs


def compute_analytic_signal(
    filtered: np.ndarray, *, breaks: np.ndarray | None = None
) -> np.ndarray:
    """Compute the analytic signal of every finite run by the Hilbert transform.

    Parameters
    ----------
    filtered
        Band-passed values, shape (sample,) or (sample, channel); NaN marks a gap.
    breaks
        Indices of samples that follow a gap in time.

    Returns
    -------
    numpy.ndarray
        Complex, same shape; NaN where the input is.
    """
    filtered = np.asarray(filtered, dtype=float)
    columns = filtered[:, np.newaxis] if filtered.ndim == 1 else filtered
    analytic = np.full(columns.shape, np.nan + 1j * np.nan)
    for members, start, stop in iterate_runs(columns, breaks):
        analytic[start:stop, members] = scipy.signal.hilbert(columns[start:stop, members], axis=0)
    return analytic.reshape(filtered.shape)


def compute_phase(
    filtered: np.ndarray, *, breaks: np.ndarray | None = None, edge_samples: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the phase and amplitude of a band-passed signal.

    Parameters
    ----------
    filtered
        Band-passed values, shape (sample,) or (sample, channel); NaN marks a gap.
    breaks
        Indices of samples that follow a gap in time.
    edge_samples
        Samples at both ends of a run that become NaN: the transform takes a run for one period of
        an endless signal, which is wrong for about a cycle at its ends.

    Returns
    -------
    phase, amplitude
        Phase in radians, -pi to pi, 0 at the peak of the oscillation, and amplitude in the
        input's unit; both NaN where the input is.
    """
    analytic = compute_analytic_signal(filtered, breaks=breaks)
    columns = analytic[:, np.newaxis] if analytic.ndim == 1 else analytic  # a view
    for members, start, stop in list(iterate_runs(columns, breaks)) if edge_samples else ():
        columns[start : start + edge_samples, members] = np.nan
        columns[max(start, stop - edge_samples) : stop, members] = np.nan
    return np.angle(analytic), np.abs(analytic)


def interpolate_phase(
    phase: np.ndarray,
    timestamps_s: np.ndarray,
    *,
    times_s: np.ndarray,
    breaks: np.ndarray | None = None,
) -> np.ndarray:
    """Interpolate a phase at given times along the shorter arc.

    Parameters
    ----------
    phase
        Radians, shape (sample,); NaN marks a gap.
    timestamps_s
        Times of the samples, shape (sample,), seconds, increasing.
    times_s
        Times wanted, any shape, same clock.
    breaks
        Indices of samples that follow a gap; found from the time stamps if not given.

    Returns
    -------
    numpy.ndarray
        Radians in [-pi, pi), shape of `times_s`; NaN outside the samples and within gaps.
    """
    times_s = np.asarray(times_s, dtype=float)
    left, share = locate_times(timestamps_s, times_s=times_s, breaks=breaks)
    is_inside = left >= 0
    before, share = phase[left[is_inside]], share[is_inside]
    turn = np.mod(phase[left[is_inside] + 1] - before + np.pi, 2 * np.pi) - np.pi
    # A time that falls on a sample needs no neighbour, which may be missing.
    turn = np.where(share == 0, 0.0, turn * share)
    result = np.full(times_s.shape, np.nan)
    result[is_inside] = np.mod(before + turn + np.pi, 2 * np.pi) - np.pi
    return result


def locate_times(
    timestamps_s: np.ndarray, *, times_s: np.ndarray, breaks: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Locate times between samples.

    Parameters
    ----------
    timestamps_s
        Times of the samples, shape (sample,), seconds, increasing.
    times_s
        Times wanted, any shape.
    breaks
        Indices of samples that follow a gap; found from the time stamps if not given.

    Returns
    -------
    left, share
        Index of the sample at or before each time, -1 if the time is outside or in a gap, and the
        way to the next sample, 0 to 1; both of the shape of `times_s`.
    """
    timestamps_s = np.asarray(timestamps_s, dtype=float)
    if timestamps_s.size < 2:
        raise InputError(
            f"{timestamps_s.size} samples cannot be interpolated. At least 2 are needed."
        )
    if breaks is None:
        breaks = find_breaks(timestamps_s)
    left = np.searchsorted(timestamps_s, times_s, side="right") - 1
    is_inside = (times_s >= timestamps_s[0]) & (times_s <= timestamps_s[-1])
    left = np.clip(left, 0, timestamps_s.size - 2)
    share = (times_s - timestamps_s[left]) / (timestamps_s[left + 1] - timestamps_s[left])
    is_inside &= ~(np.isin(left + 1, breaks) & (share > 0) & (share < 1))
    return np.where(is_inside, left, -1), share
