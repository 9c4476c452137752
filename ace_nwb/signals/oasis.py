"""Fit of calcium and activity to one trace: OASIS with AR(1) or AR(2) dynamics; its noise.

Friedrich, Zhou and Paninski 2017 (OASIS: fast online deconvolution of calcium imaging data);
Pnevmatikakis et al. 2016 (noise from the power spectrum). Rise and decay: `kinetics`.
"""

from collections.abc import Sequence

import numba
import numpy as np
import scipy

RISE_TIME_S = 0.07
"""Rise time constant of the AR(2) model where none is known, seconds."""

PENALTY_SD = 1.0
"""Price of activity, in SDs of what noise alone does to it (SD of noise x norm of the response).

One SD at any frame rate and kinetics: 0.5 loses .005 of the correlation with the true rate over
`tests/benchmarks/paired_recordings.py`; much more takes small events and biases large ones.
"""


def kernel_coefficients(
    decay_time_s: float,
    frame_rate_hz: float,
    autoregressive_order: int,
    *,
    rise_time_s: float = RISE_TIME_S,
) -> np.ndarray:
    """Return the coefficients of the autoregressive model, shape (order,)."""
    decay = np.exp(-1 / (decay_time_s * frame_rate_hz))
    if autoregressive_order == 1:
        return np.array([decay])
    rise = np.exp(-1 / (min(rise_time_s, 0.5 * decay_time_s) * frame_rate_hz))
    return np.array([decay + rise, -decay * rise])


def response_norm(coefficients: np.ndarray) -> float:
    """Return the Euclidean norm of the response to one unit of activity.

    It is the SD of the autoregressive process driven by white noise of SD 1 (Yule-Walker).
    """
    first = float(coefficients[0])
    second = float(coefficients[1]) if len(coefficients) > 1 else 0.0
    spread = (1 + second) * (1 - first - second) * (1 + first - second)
    return float(np.sqrt((1 - second) / spread))


def response_peak(coefficients: np.ndarray) -> float:
    """Return the height that one unit of activity reaches: 1 without a rise, else more."""
    if len(coefficients) == 1:
        return 1.0
    decay, rise = np.sort(np.roots([1, *-coefficients]).real)[::-1]
    if not 0 < rise < decay:
        return 1.0
    crest = np.log(np.log(rise) / np.log(decay)) / np.log(decay / rise)
    powers = np.maximum(1, np.array([np.floor(crest), np.ceil(crest)]))
    return float(((decay**powers - rise**powers) / (decay - rise)).max())


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
    penalty = PENALTY_SD * noise * response_norm(coefficients)
    for _ in range(3):
        denoised, activity = solve_runs(trace - baseline, coefficients, penalty, min_spike, breaks)
        baseline = float(np.median(trace - denoised))
    denoised, activity = solve_runs(trace - baseline, coefficients, penalty, min_spike, breaks)
    return denoised, activity, baseline


def solve_runs(
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
