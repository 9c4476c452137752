"""False events on noise of every colour, and what is found of true ones: `event_rates`.

    python -m tests.benchmarks.event_rates

Events of every method at their default threshold, 20 traces of ten minutes without calcium for each
colour of noise and frame rate; then single transients of three kinetics at several ratios of peak
to noise, 12 traces of five minutes with one in ten seconds: share of events within half a second
of one, and of transients found.
"""

import numpy as np
import scipy.signal

from ace_nwb.signals.deconvolution import deconvolve
from ace_nwb.signals.events import (
    CalciumEvents,
    detect_deconvolved_events,
    detect_derivative_events,
    estimate_misfit,
    estimate_noise,
)
from ace_nwb.stages.settings.params import DeconvolveParams, EventsParams

N_TRACES, MINUTES = 20, 10
KINETICS = {"GCaMP6s": (1.2, 0.18), "GCaMP6f": (0.4, 0.05), "GCaMP8m": (0.14, 0.02)}
"""Indicator -> decay and rise time constants, seconds."""
NEAR_S = 0.5
THRESHOLD_SD = EventsParams().threshold_sd
NOISE_DFF = 0.05


def draw_noise(n_frames: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return colour -> noise of SD 1, shape (frame, trace)."""
    white = rng.standard_normal((n_frames, N_TRACES))
    found = {"white": white, "Student t, 3 degrees": rng.standard_t(3, white.shape)}
    for share in (0.3, 0.5, 0.8, 0.95):
        found[f"AR(1) {share}"] = scipy.signal.lfilter([1], [1, -share], white, axis=0)
    frequencies = np.fft.rfftfreq(n_frames)
    frequencies[0] = frequencies[1]
    for power in (1, 2):
        spectrum = np.fft.rfft(white, axis=0) / frequencies[:, None] ** (power / 2)
        found[f"1/f^{power}"] = np.fft.irfft(spectrum, n_frames, axis=0)
    return {name: values / values.std(0) for name, values in found.items()}


def draw_transients(kinetics: str, snr: float, rate_hz: float, rng: np.random.Generator):
    """Return when transients begin (frame, trace), and traces with noise of SD 1."""
    decay_s, rise_s = KINETICS[kinetics]
    n_frames = int(rate_hz * 300)
    since_s = np.arange(0, 8 * decay_s, 1 / rate_hz)
    kernel = (1 - np.exp(-since_s / rise_s)) * np.exp(-since_s / decay_s)
    begins = rng.random((n_frames, 12)) < 0.1 / rate_hz
    calcium = [np.convolve(one, snr * kernel / kernel.max())[:n_frames] for one in begins.T]
    return begins, np.stack(calcium, 1) + rng.standard_normal(begins.shape)


def find(traces: np.ndarray, rate_hz: float, indicator: str) -> dict[str, CalciumEvents]:
    """Return the events of every method."""
    settings = DeconvolveParams().model_dump() | {"indicator": indicator}
    fitted = deconvolve(traces, rate_hz, **settings)
    noise = np.fmax(estimate_noise(traces), estimate_misfit(traces, fitted.denoised))
    found = {
        "deconvolution": detect_deconvolved_events(
            fitted.deconvolved, fitted.denoised, noise=noise, threshold_sd=THRESHOLD_SD
        )
    }
    for derivative in ("zeroth", "first", "second"):
        found[derivative] = detect_derivative_events(
            traces, derivative=derivative, threshold_sd=THRESHOLD_SD
        )
    return found


def score(events: CalciumEvents, begins: np.ndarray, rate_hz: float) -> str:
    """Return precision and recall as text."""
    right = met = 0
    for roi in range(begins.shape[1]):
        true, onset = np.flatnonzero(begins[:, roi]), events.onset[events.roi == roi]
        apart = np.abs(true[:, None] - onset) <= NEAR_S * rate_hz
        right, met = right + apart.any(0).sum(), met + apart.any(1).sum()
    return f"{right / max(1, len(events)):.2f}/{met / begins.sum():.2f}"


def main() -> None:
    for rate_hz in (20.0, 30.0):
        rng = np.random.default_rng(1)
        print(f"False events a minute, {rate_hz:g} Hz")
        for name, noise in draw_noise(int(rate_hz * 60 * MINUTES), rng).items():
            found = find(NOISE_DFF * noise, rate_hz, "GCaMP6f")
            rates = [f"{k} {len(e) / MINUTES / N_TRACES:.3f}" for k, e in found.items()]
            print(f"  {name}: {', '.join(rates)}", flush=True)
        print("Precision/recall")
        for kinetics in KINETICS:
            for snr in (4, 7, 10, 20):
                begins, traces = draw_transients(kinetics, snr, rate_hz, rng)
                found = find(NOISE_DFF * traces, rate_hz, kinetics)
                scores = [f"{k} {score(e, begins, rate_hz)}" for k, e in found.items()]
                print(f"  {kinetics}, SNR {snr}: {', '.join(scores)}", flush=True)


if __name__ == "__main__":
    main()
