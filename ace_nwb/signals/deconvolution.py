"""Neural activity from calcium traces: OASIS with AR(1) or AR(2) dynamics, noise and decay.

Friedrich, Zhou and Paninski 2017 (OASIS: fast online deconvolution of calcium imaging data);
Pnevmatikakis et al. 2016 (noise from the power spectrum, dynamics from the autocovariance).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
import scipy
from scipy.ndimage import maximum_filter1d, minimum_filter1d, uniform_filter1d

RISE_TIME_S = 0.07
"""Rise time constant of the AR(2) model where none is known, seconds."""

PENALTY_SD = 1.2
"""Price of activity in noise SDs: keeps noise out of the fit without losing small events."""

_DECAY_RANGE_S = (0.1, 3.0)
_N_DECAYS = 18
_DEFAULT_DECAY_S = 0.5
_DECAY_PRIOR_EVENTS = 10
_MAX_DECAY_FRAMES = 6000


@dataclass(frozen=True)
class Deconvolution:
    """Denoised calcium and the activity behind it.

    Parameters
    ----------
    denoised
        Calcium model without its baseline, shape (frame, roi), units of the trace.
    deconvolved
        Inferred activity, shape (frame, roi), units of the trace.
    baseline
        Level of each trace without calcium, shape (roi,).
    noise
        Standard deviation of the noise, shape (roi,).
    decay_time_s
        Decay time constant, shape (roi,), seconds.
    """

    denoised: np.ndarray
    deconvolved: np.ndarray
    baseline: np.ndarray
    noise: np.ndarray
    decay_time_s: np.ndarray


def deconvolve(
    traces: np.ndarray,
    frame_rate_hz: float,
    *,
    autoregressive_order: int,
    decay_time_s: float | None,
    min_spike_snr: float,
    breaks: Sequence[int] = (),
) -> Deconvolution:
    """Infer activity from traces.

    Parameters
    ----------
    traces
        Shape (frame, roi), any unit; not a number counts as missing and is bridged.
    frame_rate_hz
        Frames per second.
    autoregressive_order
        1 for a sudden rise and exponential decay, 2 for a finite rise as well.
    decay_time_s
        Decay time constant; estimated for each ROI if None.
    min_spike_snr
        Least size of an inferred event in noise SDs.
    breaks
        Frames that follow an interruption: no calcium outlasts it.
    """
    values = bridge_gaps(np.asarray(traces, float))
    noise = estimate_noise(values, frame_rate_hz)
    if decay_time_s is None:
        decay_s = estimate_decay(values, frame_rate_hz)
    else:
        decay_s = np.full(values.shape[1], float(decay_time_s))
    denoised, deconvolved = np.zeros_like(values), np.zeros_like(values)
    baseline = np.zeros(values.shape[1])
    for roi in range(values.shape[1]):
        denoised[:, roi], deconvolved[:, roi], baseline[roi] = deconvolve_trace(
            values[:, roi],
            kernel_coefficients(decay_s[roi], frame_rate_hz, autoregressive_order),
            noise=noise[roi],
            min_spike=min_spike_snr * noise[roi],
            breaks=breaks,
        )
    return Deconvolution(denoised, deconvolved, baseline, noise, decay_s)


def kernel_coefficients(
    decay_time_s: float, frame_rate_hz: float, autoregressive_order: int
) -> np.ndarray:
    """Return the coefficients of the autoregressive model, shape (order,)."""
    decay = np.exp(-1 / (decay_time_s * frame_rate_hz))
    if autoregressive_order == 1:
        return np.array([decay])
    rise = np.exp(-1 / (min(RISE_TIME_S, 0.5 * decay_time_s) * frame_rate_hz))
    return np.array([decay + rise, -decay * rise])


def deconvolve_trace(
    trace: np.ndarray,
    coefficients: np.ndarray,
    *,
    noise: float,
    min_spike: float = 0.0,
    breaks: Sequence[int] = (),
) -> tuple[np.ndarray, np.ndarray, float]:
    """Fit calcium, activity and baseline to one trace.

    Parameters
    ----------
    trace
        Shape (frame,).
    coefficients
        From `kernel_coefficients`.
    noise
        Standard deviation of the noise of `trace`; sets how sparse the activity is.
    min_spike
        Least size of an event, units of the trace.
    breaks
        Frames that follow an interruption: the fit begins anew there.

    Returns
    -------
    denoised, deconvolved, baseline
        Shapes (frame,), (frame,), and a number.
    """
    if len(trace) == 0:
        return np.zeros(0), np.zeros(0), 0.0
    baseline = float(np.quantile(trace, 0.2))
    penalty = PENALTY_SD * noise
    for _ in range(3):
        denoised, activity = _solve_runs(trace - baseline, coefficients, penalty, min_spike, breaks)
        baseline = float(np.median(trace - denoised))
    denoised, activity = _solve_runs(trace - baseline, coefficients, penalty, min_spike, breaks)
    return denoised, activity, baseline


def _solve_runs(
    trace: np.ndarray,
    coefficients: np.ndarray,
    penalty: float,
    min_spike: float,
    breaks: Sequence[int],
) -> tuple[np.ndarray, np.ndarray]:
    """Return calcium and activity, each stretch between breaks by itself."""
    parts = [
        _solve(part, coefficients, penalty, min_spike)
        for part in np.split(trace, np.asarray(breaks, np.intp))
    ]
    calcium, activity = (np.concatenate(values) for values in zip(*parts, strict=True))
    return calcium, activity


def estimate_noise(traces: np.ndarray, frame_rate_hz: float) -> np.ndarray:
    """Estimate the noise SD from the upper half of the power spectrum.

    Parameters
    ----------
    traces
        Shape (frame, roi).
    frame_rate_hz
        Frames per second.

    Returns
    -------
    np.ndarray
        Shape (roi,), units of the traces.
    """
    n_frames = len(traces)
    if n_frames < 8 or traces.shape[1] == 0:
        return np.std(traces, axis=0) if n_frames else np.zeros(traces.shape[1])
    frequencies, power = scipy.signal.welch(
        traces, frame_rate_hz, nperseg=min(256, n_frames), axis=0
    )
    upper = power[frequencies >= frame_rate_hz / 4]
    return np.sqrt(np.exp(np.mean(np.log(np.maximum(upper, 1e-30)), axis=0)) * frame_rate_hz / 2)


def estimate_decay(traces: np.ndarray, frame_rate_hz: float) -> np.ndarray:
    """Estimate the decay time of each trace, seconds.

    Of a grid of decay times the one is taken whose sparse fit costs least (residual plus
    penalised activity): unlike the autocovariance, this is not fooled by bursts and hardly by
    slow background.

    Parameters
    ----------
    traces
        Shape (frame, roi).
    frame_rate_hz
        Frames per second.

    Returns
    -------
    np.ndarray
        Shape (roi,); drawn towards the median of all where a trace has little activity.
    """
    excerpt = np.ascontiguousarray(traces[:_MAX_DECAY_FRAMES], float)
    noise = estimate_noise(excerpt, frame_rate_hz)
    excerpt = excerpt - slow_baseline(excerpt, frame_rate_hz)
    grid_s = np.geomspace(*_DECAY_RANGE_S, _N_DECAYS)
    grid_s = grid_s[grid_s * frame_rate_hz > 0.5]
    n_rois = excerpt.shape[1]
    if n_rois == 0 or len(excerpt) < 8 or len(grid_s) < 3:
        return np.full(n_rois, _DEFAULT_DECAY_S)
    estimates = np.full(n_rois, np.nan)
    weights = np.zeros(n_rois)
    for roi in np.flatnonzero(noise > 0):
        costs, weights[roi] = _decay_costs(excerpt[:, roi], noise[roi], grid_s * frame_rate_hz)
        best = int(np.argmin(costs))
        if 0 < best < len(grid_s) - 1:
            estimates[roi] = _refine_minimum(grid_s, costs, best)
    typical = float(np.nanmedian(estimates)) if np.isfinite(estimates).any() else _DEFAULT_DECAY_S
    trust = weights / (weights + _DECAY_PRIOR_EVENTS)
    logs = np.log(np.where(np.isfinite(estimates), estimates, typical))
    return np.exp(trust * logs + (1 - trust) * np.log(typical))


def slow_baseline(
    traces: np.ndarray, frame_rate_hz: float, *, window_s: float = 20.0
) -> np.ndarray:
    """Return the slow lower envelope of each trace: an opening, then a running mean.

    Parameters
    ----------
    traces
        Shape (frame, roi).
    frame_rate_hz
        Frames per second.
    window_s
        Width of the opening; slower than any transient.
    """
    width = max(3, round(window_s * frame_rate_hz)) | 1
    smooth = uniform_filter1d(traces, max(1, round(0.5 * frame_rate_hz)), axis=0)
    opened = maximum_filter1d(minimum_filter1d(smooth, width, axis=0), width, axis=0)
    return np.asarray(uniform_filter1d(opened, width, axis=0))


def bridge_gaps(traces: np.ndarray) -> np.ndarray:
    """Return traces with missing values interpolated; a trace without any value becomes zero."""
    is_missing = ~np.isfinite(traces)
    if not is_missing.any():
        return traces
    bridged = traces.copy()
    frames = np.arange(len(traces))
    for roi in np.flatnonzero(is_missing.any(0)):
        known = ~is_missing[:, roi]
        bridged[:, roi] = np.interp(frames, frames[known], traces[known, roi]) if known.any() else 0
    return bridged


def _decay_costs(
    trace: np.ndarray, noise: float, decays_frames: np.ndarray
) -> tuple[np.ndarray, float]:
    """Return the cost of each decay time, and how many clear events the best fit has."""
    baseline = float(np.quantile(trace, 0.2))
    penalty = PENALTY_SD * noise
    costs = np.empty(len(decays_frames))
    n_events = np.empty(len(decays_frames))
    for index, decay in enumerate(decays_frames):
        denoised, activity = _solve(trace - baseline, np.exp([-1 / decay]), penalty, 0.0)
        residual = trace - baseline - denoised
        costs[index] = np.sum(residual**2) / 2 + penalty * activity.sum()
        n_events[index] = np.sum(activity > 3 * noise)
    return costs, float(n_events[np.argmin(costs)])


def _refine_minimum(grid_s: np.ndarray, costs: np.ndarray, best: int) -> float:
    """Return the lowest point of a parabola through three costs over log decay time."""
    left, middle, right = costs[best - 1 : best + 2]
    curvature = left - 2 * middle + right
    offset = 0.5 * (left - right) / curvature if curvature > 0 else 0.0
    step = np.log(grid_s[1] / grid_s[0])
    return float(grid_s[best] * np.exp(np.clip(offset, -0.5, 0.5) * step))


def _solve(
    trace: np.ndarray, coefficients: np.ndarray, penalty: float, min_spike: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return calcium and activity of a trace without baseline."""
    calcium = np.empty(len(trace))
    activity = np.empty(len(trace))
    decay = float(coefficients[0])
    rise_product = float(coefficients[1]) if len(coefficients) > 1 else 0.0
    observed = np.ascontiguousarray(trace, float)
    _pool(observed, decay, rise_product, penalty, min_spike, calcium, activity)
    return calcium, activity


@numba.njit("void(i8[::1], i8[::1], f8[::1], f8, f8, f8[::1], f8[::1])", nogil=True, cache=True)
def _write_pools(
    start: np.ndarray,
    length: np.ndarray,
    value: np.ndarray,
    first: float,
    second: float,
    calcium: np.ndarray,
    activity: np.ndarray,
) -> None:
    """Write the calcium of all pools, and the events between them."""
    for p in range(start.size):
        for t in range(start[p], start[p] + length[p]):
            before = calcium[t - 1] if t > 0 else 0.0
            earlier = calcium[t - 2] if t > 1 else 0.0
            expected = max(0.0, first * before + second * earlier)
            if t == start[p]:
                calcium[t] = max(value[p], 0.0)
                activity[t] = max(0.0, calcium[t] - expected) if t > 0 else 0.0
            else:
                calcium[t] = expected
                activity[t] = 0.0


@numba.njit("void(f8[::1], f8, f8, f8, f8, f8[::1], f8[::1])", nogil=True, cache=True)
def _pool(
    observed: np.ndarray,
    first: float,
    second: float,
    penalty: float,
    min_spike: float,
    calcium: np.ndarray,
    activity: np.ndarray,
) -> None:
    """Merge frames into pools that each start with one event (Friedrich et al. 2017, alg. 1, 3).

    With c the calcium: c[t] = first * c[t-1] + second * c[t-2] + s[t]. A pool of length l that
    starts at t with value v and follows the values u and u' holds c[t+k] = h[k] v + second *
    h[k-1] u, h being the response to an event; v is its least-squares value.
    """
    n = observed.size
    response = np.empty(n + 1)
    response[0] = 1.0
    response[1] = first
    for k in range(2, n + 1):
        response[k] = first * response[k - 1] + second * response[k - 2]
        if response[k] < 1e-12:
            response[k:] = 0.0
            break
    cost = penalty * (1 - first - second)
    numerator = np.empty(n)
    energy = np.empty(n)
    cross = np.empty(n)
    start = np.empty(n, np.int64)
    length = np.empty(n, np.int64)
    value = np.empty(n)
    last = np.empty(n)
    before_last = np.empty(n)
    p = -1
    for t in range(n):
        p += 1
        start[p] = t
        length[p] = 1
        while True:
            u = last[p - 1] if p > 0 else 0.0
            if length[p] == 1:
                weight = penalty if t == n - 1 else cost
                numerator[p] = observed[start[p]] - weight
                energy[p] = 1.0
                cross[p] = 0.0
            value[p] = (numerator[p] - second * u * cross[p]) / energy[p]
            expected = 0.0
            if p > 0:
                expected = first * last[p - 1] + second * before_last[p - 1]
            else:
                value[p] = max(value[p], 0.0)
            if p == 0 or value[p] >= max(expected, 0.0) + min_spike:
                break
            offset = length[p - 1]
            for k in range(length[p]):
                weight = penalty if start[p] + k == n - 1 else cost
                sample = observed[start[p] + k] - weight
                a = response[offset + k]
                numerator[p - 1] += a * sample
                energy[p - 1] += a * a
                cross[p - 1] += a * response[offset + k - 1]
            length[p - 1] += length[p]
            p -= 1
        u = last[p - 1] if p > 0 else 0.0
        m = length[p]
        last[p] = response[m - 1] * value[p] + (second * response[m - 2] * u if m > 1 else 0.0)
        if m > 2:
            before_last[p] = response[m - 2] * value[p] + second * response[m - 3] * u
        else:
            before_last[p] = value[p] if m == 2 else u
    _write_pools(start[: p + 1], length[: p + 1], value[: p + 1], first, second, calcium, activity)
