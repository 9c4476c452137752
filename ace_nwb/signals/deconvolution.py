"""Neural activity from calcium traces: OASIS with the kinetics of each ROI.

The fit to one trace is in `oasis`, rise and decay in `kinetics`. GCaMP answers more than linearly:
its traces are straightened before the fit, dF/F = c + c^2 / knee.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ace_nwb.signals.kinetics import (
    TYPICAL,
    Kinetics,
    estimate_kinetics,
    find_indicator,
    find_level,
)
from ace_nwb.signals.oasis import (
    deconvolve_trace,
    estimate_noise,
    kernel_coefficients,
    response_peak,
)


@dataclass(frozen=True)
class Deconvolution:
    """Denoised calcium and the activity behind it.

    Parameters
    ----------
    denoised
        Calcium model without its baseline, shape (frame, roi), units of the trace.
    deconvolved
        Inferred activity: the height that it raises at once, shape (frame, roi), units of the
        trace (of its linear part, for an indicator that is not linear).
    baseline
        Level of each trace without calcium, shape (roi,).
    noise
        Standard deviation of the noise, shape (roi,).
    kinetics
        Decay and rise of each ROI.
    """

    denoised: np.ndarray
    deconvolved: np.ndarray
    baseline: np.ndarray
    noise: np.ndarray
    kinetics: Kinetics

    @property
    def decay_time_s(self) -> np.ndarray:
        """Decay time constant, shape (roi,), seconds."""
        return self.kinetics.decay_time_s


def deconvolve(
    traces: np.ndarray,
    frame_rate_hz: float,
    *,
    autoregressive_order: int | None,
    decay_time_s: float | None,
    min_spike_snr: float,
    indicator: str | None = None,
    breaks: Sequence[int] = (),
) -> Deconvolution:
    """Infer activity from traces.

    Parameters
    ----------
    traces
        dF/F, shape (frame, roi); not a number counts as missing and is bridged. A trace without
        any number stays so.
    frame_rate_hz
        Frames per second.
    autoregressive_order
        1 for a sudden rise and exponential decay, 2 for a finite rise as well, None for whichever
        explains the trace better.
    decay_time_s
        Decay time constant; estimated for each ROI if None.
    min_spike_snr
        Least size of an inferred event in noise SDs.
    indicator
        Name of the calcium indicator, such as GCaMP6f; GCaMP of unknown kind if None.
    breaks
        Frames that follow an interruption: no calcium outlasts it.
    """
    values = bridge_gaps(np.asarray(traces, float))
    typical = find_indicator(indicator) or TYPICAL
    noise = estimate_noise(values, frame_rate_hz)
    level = np.array(
        [
            find_level(trace, frame_rate_hz, noise=sd, breaks=breaks)
            for trace, sd in zip(values.T, noise, strict=True)
        ]
    )
    straight = straighten(values - level, typical.knee)
    straight_noise = estimate_noise(straight, frame_rate_hz)
    kinetics = estimate_kinetics(
        straight,
        frame_rate_hz,
        autoregressive_order=autoregressive_order,
        typical=typical,
        breaks=breaks,
    )
    if decay_time_s is not None:
        decays_s = np.full(values.shape[1], float(decay_time_s))
        kinetics = replace(kinetics, decay_time_s=decays_s)
    denoised, deconvolved = np.zeros_like(values), np.zeros_like(values)
    for roi in range(values.shape[1]):
        rise_s = float(kinetics.rise_time_s[roi])
        coefficients = kernel_coefficients(
            float(kinetics.decay_time_s[roi]),
            frame_rate_hz,
            2 if rise_s > 0 else 1,
            rise_time_s=rise_s,
        )
        peak = response_peak(coefficients)
        calcium, activity, rest = deconvolve_trace(
            straight[:, roi],
            coefficients,
            noise=straight_noise[roi],
            min_spike=min_spike_snr * straight_noise[roi] / peak,
            breaks=breaks,
        )
        denoised[:, roi] = bend(calcium, typical.knee)
        deconvolved[:, roi] = activity * peak
        level[roi] += rest
    is_empty = ~np.isfinite(traces).any(axis=0)
    if len(values):
        denoised[:, is_empty] = deconvolved[:, is_empty] = np.nan
    return Deconvolution(denoised, deconvolved, level, noise, kinetics)


def straighten(traces: np.ndarray, knee: float) -> np.ndarray:
    """Return the c of dF/F = c + c^2 / knee; what is below the baseline stays as it is."""
    if np.isinf(knee):
        return traces
    root = np.sqrt(1 + 4 * np.maximum(traces, 0) / knee)
    return np.where(traces > 0, knee / 2 * (root - 1), traces)


def bend(calcium: np.ndarray, knee: float) -> np.ndarray:
    """Return the dF/F of calcium >= 0: the inverse of `straighten`."""
    return calcium if np.isinf(knee) else calcium + calcium**2 / knee


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
