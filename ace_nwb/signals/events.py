"""Calcium events: from peaks of a trace or its differences, and from deconvolved activity.

Frame positions are fractional: what happened between frames k - 1 and k stands at k - 0.5.
Interpolate the frames' time stamps there to get seconds.
"""

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import scipy

from ace_nwb.errors import InputError
from ace_nwb.signals.runs import find_runs

Derivative = Literal["zeroth", "first", "second"]
DIFFERENCES: dict[Derivative, int] = {"zeroth": 0, "first": 1, "second": 2}
# SD of the n-th difference of white noise in SDs of the noise.
NOISE_GAIN = (1.0, np.sqrt(2.0), np.sqrt(6.0))
# Deconvolved activity below this many noise SDs does not join bins into one event.
LEAST_ACTIVITY_SD = 0.5
# The onset is where this share of an event's activity is reached: early enough that the rise of
# the indicator does not delay it, late enough that noise ahead of it does not count.
ONSET_SHARE = 0.2


@dataclass(frozen=True)
class CalciumEvents:
    """Events of all ROIs, sorted by onset.

    Parameters
    ----------
    roi
        Column of the trace, shape (event,).
    onset
        Fractional frame position at which the transient begins.
    peak
        Frame of the peak of the transient.
    amplitude
        Height of the transient, units of the trace.
    duration
        Frames from the onset until the transient has lost half its height.
    snr
        The quantity that was compared with the threshold, in noise SDs.
    """

    roi: np.ndarray
    onset: np.ndarray
    peak: np.ndarray
    amplitude: np.ndarray
    duration: np.ndarray
    snr: np.ndarray

    def __len__(self) -> int:
        return len(self.roi)


def estimate_noise(traces: np.ndarray) -> np.ndarray:
    """Estimate the SD of white noise from the second differences, where calcium hardly shows.

    Parameters
    ----------
    traces
        Shape (frame, roi); NaN are left out.

    Returns
    -------
    numpy.ndarray
        Shape (roi,): 1.4826 times the median absolute second difference over sqrt(6); NaN for a
        trace without three successive finite frames.
    """
    differences = np.diff(np.asarray(traces, dtype=float), n=2, axis=0)
    noise = np.full(differences.shape[1], np.nan)
    for roi in range(differences.shape[1]):
        values = differences[np.isfinite(differences[:, roi]), roi]
        if values.size:
            noise[roi] = 1.4826 * np.median(np.abs(values - np.median(values))) / NOISE_GAIN[2]
    return noise


def estimate_misfit(traces: np.ndarray, denoised: np.ndarray) -> np.ndarray:
    """Estimate how far traces stray from the calcium fitted to them: noise of every colour.

    Noise that lasts longer than a frame hardly shows in second differences, and passes for events.

    Parameters
    ----------
    traces, denoised
        Shape (frame, roi); NaN are left out.

    Returns
    -------
    numpy.ndarray
        Shape (roi,): 1.4826 times the median absolute deviation of the rest; NaN without values.
    """
    rest = np.asarray(traces, dtype=float) - np.asarray(denoised, dtype=float)
    misfit = np.full(rest.shape[1], np.nan)
    for roi, values in enumerate(rest.T):
        known = values[np.isfinite(values)]
        if known.size:
            misfit[roi] = 1.4826 * np.median(np.abs(known - np.median(known)))
    return misfit


def find_legacy_peaks(trace: np.ndarray, *, derivative: Derivative, height: float) -> np.ndarray:
    """Find peaks as the predecessor did: indices into the trace or its difference, not frames.

    Parameters
    ----------
    trace
        Shape (frame,).
    derivative
        Difference in which peaks are sought.
    height
        Least height in the units of the trace.

    Returns
    -------
    numpy.ndarray
        `scipy.signal.find_peaks` of the difference. Index i of the first difference lies between
        frames i and i + 1, of the second at frame i + 1.
    """
    difference = np.diff(np.asarray(trace, dtype=float), n=DIFFERENCES[derivative])
    return scipy.signal.find_peaks(difference, height=height)[0]


def detect_derivative_events(
    traces: np.ndarray,
    *,
    derivative: Derivative,
    threshold_sd: float,
    absolute_height: float | None = None,
    noise: np.ndarray | None = None,
) -> CalciumEvents:
    """Detect events as peaks of the trace (zeroth) or of its first or second difference.

    Parameters
    ----------
    traces
        dF/F, shape (frame, roi).
    derivative
        Difference in which peaks are sought.
    threshold_sd
        Least height of a peak in SDs of that difference's noise, of whatever colour; a peak of the
        trace must also stand out of what is around it by as much, or noise on a decay passes.
    absolute_height
        Least height in the trace's units instead; then the events are exactly the predecessor's
        peaks, at the right frames.
    noise
        SD of the noise of each trace, shape (roi,); estimated if not given.

    Returns
    -------
    CalciumEvents
        Sorted by onset. Peaks whose transients have the same onset are one event, except with
        `absolute_height`.
    """
    traces = np.asarray(traces, dtype=float)
    noise = estimate_noise(traces) if noise is None else np.asarray(noise, dtype=float)
    _validate_noise(noise, traces, threshold_needed=absolute_height is None)
    order = DIFFERENCES[derivative]
    rows: list[tuple[float, ...]] = []
    for roi, white in enumerate(noise * NOISE_GAIN[order]):
        trace = traces[:, roi]
        difference = np.diff(trace, n=order)
        difference_sd = float(np.fmax(white, _estimate_fall(difference)))
        height = threshold_sd * difference_sd if absolute_height is None else absolute_height
        if not height > 0:
            continue
        prominence = height if order == 0 and absolute_height is None else None
        found = scipy.signal.find_peaks(difference, height=height, prominence=prominence)[0]
        transients = _follow_peaks(
            trace, difference, found=found, difference_sd=difference_sd, climb=prominence or 0.0
        )
        if absolute_height is None:
            transients = _keep_highest_per_onset(transients)
        rows.extend((roi, *transient) for transient in transients)
    return _collect(rows)


def detect_deconvolved_events(
    deconvolved: np.ndarray,
    denoised: np.ndarray,
    *,
    noise: np.ndarray,
    threshold_sd: float,
) -> CalciumEvents:
    """Detect events as stretches of deconvolved activity.

    Successive bins with activity are one event; its size is the height that their sum would raise
    at once, or that the calcium really rose if that is more. Activity in bin k happened between
    frames k - 1 and k. The onset is the middle of the bin in which 20 % of the activity is reached:
    with a one-constant calcium model the indicator's rise spreads activity over later bins, so that
    the centroid would be late by the rise time.

    Parameters
    ----------
    deconvolved
        Inferred activity as the height that it raises, shape (frame, roi), units of the trace.
    denoised
        Calcium without noise, shape (frame, roi), same units.
    noise
        SD of the noise of each trace, shape (roi,), same units.
    threshold_sd
        Least size of an event in noise SDs.

    Returns
    -------
    CalciumEvents
        Sorted by onset.
    """
    deconvolved = np.nan_to_num(np.asarray(deconvolved, dtype=float))
    denoised = np.asarray(denoised, dtype=float)
    noise = np.asarray(noise, dtype=float)
    _validate_noise(noise, deconvolved, threshold_needed=True)
    rows: list[tuple[float, ...]] = []
    for roi in np.flatnonzero(noise > 0):
        activity = deconvolved[:, roi]
        starts, stops = find_runs(activity > LEAST_ACTIVITY_SD * noise[roi]).T
        cumulative = np.concatenate([[0.0], np.cumsum(activity)])
        sizes = cumulative[stops] - cumulative[starts]
        following = np.append(starts, len(activity))[1:]
        for start, stop, size, end in zip(starts, stops, sizes, following, strict=True):
            share = np.cumsum(activity[start:stop]) / size
            onset = start + int(np.argmax(share >= ONSET_SHARE)) - 0.5
            high = start + int(np.argmax(denoised[start:stop, roi]))
            peak, duration = _measure_transient(denoised[:, roi], onset, start=high, stop=end)
            # An indicator that is not linear raises more than its linear part, the activity.
            height = max(size, denoised[peak, roi] - denoised[max(start - 1, 0), roi])
            if height >= threshold_sd * noise[roi]:
                rows.append((int(roi), onset, peak, height, duration, height / noise[roi]))
    return _collect(rows)


def interpolate_frame_times(positions: np.ndarray, timestamps_s: np.ndarray) -> np.ndarray:
    """Turn fractional frame positions into times.

    Parameters
    ----------
    positions
        Fractional frame positions, any shape; up to half a frame outside is extrapolated.
    timestamps_s
        Times of the frames, shape (frame,), seconds.

    Returns
    -------
    numpy.ndarray
        Seconds on the clock of the time stamps.
    """
    positions = np.asarray(positions, dtype=float)
    timestamps_s = np.asarray(timestamps_s, dtype=float)
    if timestamps_s.size < 2:
        raise InputError(f"{timestamps_s.size} time stamps give no times between frames.")
    left = np.clip(np.floor(positions).astype(np.intp), 0, timestamps_s.size - 2)
    step = timestamps_s[left + 1] - timestamps_s[left]
    return timestamps_s[left] + (positions - left) * step


def _estimate_fall(values: np.ndarray) -> float:
    """Return the SD of noise from how far values fall below their median, which calcium does not.

    NaN without any such value.
    """
    known = values[np.isfinite(values)]
    below = known[known <= np.median(known)] if known.size else known
    return float(1.4826 * np.median(np.median(known) - below)) if below.size else float("nan")


def _follow_peaks(
    trace: np.ndarray,
    difference: np.ndarray,
    *,
    found: np.ndarray,
    difference_sd: float,
    climb: float,
) -> list[tuple[float, ...]]:
    """Onset, peak frame, amplitude, duration and snr of the peaks found in the n-th difference.

    A peak of the trace itself rises by `climb` at least from its foot.
    """
    order = len(trace) - len(difference)
    transients: list[tuple[float, ...]] = []
    stops = np.append(found + order, len(trace))[1:]
    for index, following in zip(found, stops, strict=True):
        foot = index + 1
        if order == 0:
            foot = _walk_downhill(trace, _walk_below(trace, index, trace[index] - climb))
        elif order == 1:
            foot = _walk_to_foot(difference, index, difference_sd=difference_sd)
        peak, duration = _measure_transient(trace, foot + 0.5, start=index + order, stop=following)
        snr = difference[index] / difference_sd if difference_sd > 0 else np.nan
        transients.append((foot + 0.5, peak, trace[peak] - trace[foot], duration, snr))
    return transients


def _walk_below(trace: np.ndarray, index: int, level: float) -> int:
    """Go back to the last frame at which the trace is no higher than a level."""
    while index > 0 and trace[index] > level:
        index -= 1
    return int(index)


def _walk_downhill(trace: np.ndarray, index: int) -> int:
    """Go back from a peak to the frame from which the trace climbs to it."""
    while index > 0 and trace[index - 1] < trace[index]:
        index -= 1
    return int(index)


def _walk_to_foot(difference: np.ndarray, index: int, *, difference_sd: float) -> int:
    """Go back over the steps that rise by more than the noise; the frame before the first."""
    least = difference_sd if difference_sd > 0 else 0.0
    while index > 0 and difference[index - 1] > least:
        index -= 1
    return index


def _measure_transient(
    trace: np.ndarray, onset: float, *, start: int, stop: int
) -> tuple[int, float]:
    """Peak frame from `start` uphill, and frames from onset to half height (at most to `stop`)."""
    peak = int(start)
    while peak + 1 < len(trace) and trace[peak + 1] > trace[peak]:
        peak += 1
    foot = trace[max(int(np.floor(onset)), 0)]
    half = foot + (trace[peak] - foot) / 2
    below = np.flatnonzero(trace[peak : max(stop, peak + 1)] <= half)
    end = peak + below[0] if below.size else max(stop, peak + 1) - 1
    if below.size and below[0] > 0:
        upper, lower = trace[end - 1], trace[end]
        end = end - (half - lower) / (upper - lower)
    return peak, float(end - onset)


def _keep_highest_per_onset(described: list[tuple[float, ...]]) -> list[tuple[float, ...]]:
    """Keep the peak with the greatest snr of those that share an onset."""
    best: dict[float, tuple[float, ...]] = {}
    for row in described:
        if row[0] not in best or row[-1] > best[row[0]][-1]:
            best[row[0]] = row
    return list(best.values())


def _collect(rows: list[tuple[float, ...]]) -> CalciumEvents:
    """Events from rows of (roi, onset, peak, amplitude, duration, snr), sorted by onset."""
    table = np.array(sorted(rows, key=lambda row: (row[1], row[0])), dtype=float).reshape(-1, 6)
    columns = dict(zip((field.name for field in fields(CalciumEvents)), table.T, strict=True))
    for name in ("roi", "peak"):
        columns[name] = columns[name].astype(np.intp)
    return CalciumEvents(**columns)


def _validate_noise(noise: np.ndarray, traces: np.ndarray, *, threshold_needed: bool) -> None:
    """Refuse noise of another number of ROIs, or none at all where it is the yardstick."""
    if noise.shape != traces.shape[1:]:
        raise InputError(
            f"There are {noise.size} noise levels for {traces.shape[1]} traces. "
            "One per ROI is needed. Run the extract stage again."
        )
    if threshold_needed and noise.size and not np.any(noise > 0):
        raise InputError(
            f"The noise of all {noise.size} traces is zero or not finite, so a threshold in noise "
            "SDs means nothing. Give traces with noise, or absolute_height."
        )
