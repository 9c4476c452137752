"""Traces relative to their baseline fluorescence (dF/F) with a sliding-percentile baseline."""

from typing import Literal

import numpy as np

from ace_nwb.errors import InputError, ParameterError

DffMethod = Literal["delta_f_over_f", "delta_f_over_sqrt_f"]


def compute_dff(
    raw: np.ndarray,
    background: np.ndarray,
    *,
    frame_rate_hz: float,
    window_s: float,
    quantile: float,
    method: DffMethod,
) -> tuple[np.ndarray, np.ndarray]:
    """Express traces relative to their baseline plus the background under the footprint.

    The background was removed from `raw`, so `raw` alone has a baseline near zero and must not be
    a denominator. F0 = percentile of raw + percentile of background, each sliding; where that is
    not positive, as in movies whose background was removed before, the percentile of their sum.

    Parameters
    ----------
    raw
        Fluorescence with the background removed, shape (frame, roi), movie units.
    background
        Background fluorescence with the same weights as `raw`, shape (frame, roi).
    frame_rate_hz
        True frame rate, Hz.
    window_s
        Length of the baseline window, seconds.
    quantile
        Percentile taken as the baseline, 0 to 100.
    method
        Divide the difference by F0 or by its square root.

    Returns
    -------
    dff, baseline
        The relative traces and F0, both of shape (frame, roi); a ROI whose F0 is not positive
        throughout, because the input has lost its level, is not a number.
    """
    raw = np.asarray(raw, dtype=float)
    background = np.asarray(background, dtype=float)
    if raw.shape != background.shape:
        raise InputError(
            f"The traces have shape {raw.shape}, the background {background.shape}. "
            "Both must be (frame, roi) of one extraction. Run the extract stage again."
        )
    window_frames = count_window_frames(
        raw.shape[0], frame_rate_hz=frame_rate_hz, window_s=window_s
    )
    resting = compute_baseline(raw, window_frames=window_frames, quantile=quantile)
    level = compute_baseline(background, window_frames=window_frames, quantile=quantile)
    baseline = resting + level
    lost = np.flatnonzero(~_is_positive(baseline))
    if lost.size:
        whole = raw[:, lost] + background[:, lost]
        baseline[:, lost] = compute_baseline(whole, window_frames=window_frames, quantile=quantile)
    baseline[:, ~_is_positive(baseline)] = np.nan
    return (raw - resting) / _denominator(baseline, method), baseline


def compute_baseline(traces: np.ndarray, *, window_frames: int, quantile: float) -> np.ndarray:
    """Estimate a slowly changing baseline: window percentiles joined by straight lines.

    Parameters
    ----------
    traces
        Shape (frame, ...); frames that are not finite are left out.
    window_frames
        Length of a window, frames.
    quantile
        Percentile of each window, 0 to 100.

    Returns
    -------
    numpy.ndarray
        Same shape as `traces`; each window's percentile stands at the window's centre.
    """
    levels, pad_before = compute_window_percentiles(
        traces, window_frames=window_frames, quantile=quantile
    )
    centres = np.arange(levels.shape[0]) * window_frames + (window_frames - 1) / 2 - pad_before
    return _interpolate_rows(levels, centres, wanted=np.arange(traces.shape[0]))


def compute_legacy_dff(
    traces: np.ndarray,
    *,
    frame_rate_hz: float,
    window_s: float,
    quantile: float,
    method: DffMethod,
) -> tuple[np.ndarray, np.ndarray]:
    """Compute dF/F by the predecessor's formula for movies.

    It differs from `compute_dff` in two ways: there is no background apart, and the first and last
    window's percentiles stand at the first and last padded frame instead of the window's centre.

    Parameters
    ----------
    traces
        Fluorescence with its level, shape (frame, ...).
    frame_rate_hz, window_s, quantile, method
        As for `compute_dff`.

    Returns
    -------
    dff, baseline
        Both of the shape of `traces`.
    """
    traces = np.asarray(traces, dtype=float)
    n_frames = traces.shape[0]
    window_frames = count_window_frames(n_frames, frame_rate_hz=frame_rate_hz, window_s=window_s)
    levels, pad_before = compute_window_percentiles(
        traces, window_frames=window_frames, quantile=quantile
    )
    n_padded = levels.shape[0] * window_frames
    positions = np.linspace(0, n_padded - 1, levels.shape[0])
    baseline = _interpolate_rows(levels, positions, wanted=np.arange(n_frames) + pad_before)
    baseline[:, ~_is_positive(baseline)] = np.nan
    return (traces - baseline) / _denominator(baseline, method), baseline


def compute_window_percentiles(
    traces: np.ndarray, *, window_frames: int, quantile: float
) -> tuple[np.ndarray, int]:
    """Compute the percentile of consecutive windows of the reflected traces.

    Parameters
    ----------
    traces
        Shape (frame, ...).
    window_frames
        Length of a window, frames; at most the number of frames.
    quantile
        Percentile, 0 to 100.

    Returns
    -------
    levels, pad_before
        Percentiles, shape (window, ...), and the number of reflected frames before the first.
    """
    traces = np.asarray(traces, dtype=float)
    missing = -traces.shape[0] % window_frames
    pad_before = missing // 2
    rest = ((0, 0),) * (traces.ndim - 1)
    padded = np.pad(traces, ((pad_before, missing - pad_before), *rest), mode="reflect")
    n_windows = len(padded) // window_frames  # NumPy cannot tell it where there is no ROI
    windows = padded.reshape(n_windows, window_frames, *traces.shape[1:])
    if np.isfinite(windows).all():
        return np.percentile(windows, quantile, axis=1), pad_before
    return _percentile_of_finite(windows, quantile), pad_before


def count_window_frames(n_frames: int, *, frame_rate_hz: float, window_s: float) -> int:
    """Count the frames of a baseline window and refuse one that the data cannot hold.

    Parameters
    ----------
    n_frames
        Length of the data, frames.
    frame_rate_hz
        True frame rate, Hz.
    window_s
        Length of the window, seconds.

    Returns
    -------
    int
        Length of the window, frames.
    """
    window_frames = max(1, round(window_s * frame_rate_hz))
    if window_frames > n_frames:
        raise ParameterError(
            f"window_s = {window_s:g} is {window_frames} frames at {frame_rate_hz:.6g} Hz, the "
            f"data have {n_frames}. The window must fit: at most {n_frames / frame_rate_hz:.3f} s."
        )
    return window_frames


def _percentile_of_finite(windows: np.ndarray, quantile: float) -> np.ndarray:
    """Percentile over axis 1 of the finite values; windows without any take their neighbours'."""
    flat = windows.reshape(*windows.shape[:2], -1)
    levels = np.full((flat.shape[0], flat.shape[2]), np.nan)
    finite = np.isfinite(flat)
    has_some = finite.any(axis=1)
    for window, column in np.argwhere(has_some):
        values = flat[window, finite[window, :, column], column]
        levels[window, column] = np.percentile(values, quantile)
    for column in range(levels.shape[1]):
        known = np.flatnonzero(has_some[:, column])
        if known.size:
            every = np.arange(levels.shape[0])
            levels[:, column] = np.interp(every, known, levels[known, column])
    return levels.reshape(windows.shape[0], *windows.shape[2:])


def _interpolate_rows(levels: np.ndarray, at: np.ndarray, *, wanted: np.ndarray) -> np.ndarray:
    """Interpolate rows linearly; the first and last row continue outwards."""
    if len(at) == 1:
        return np.repeat(levels, len(wanted), axis=0)
    left = np.clip(np.searchsorted(at, wanted, side="right") - 1, 0, len(at) - 2)
    share = np.clip((wanted - at[left]) / (at[left + 1] - at[left]), 0, 1)
    share = share.reshape(-1, *(1,) * (levels.ndim - 1))
    return levels[left] * (1 - share) + levels[left + 1] * share


def _denominator(baseline: np.ndarray, method: DffMethod) -> np.ndarray:
    """F0 or its square root."""
    return np.sqrt(baseline) if method == "delta_f_over_sqrt_f" else baseline


def _is_positive(baseline: np.ndarray) -> np.ndarray:
    """Return for each trace whether its F0 is positive wherever it is known."""
    return np.asarray(np.min(np.where(np.isnan(baseline), np.inf, baseline), axis=0) > 0)
