"""Zero-phase filters that respect gaps: Butterworth sections and linear-phase FIR.

Every finite run is filtered on its own, so a gap spoils nothing but itself.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy

from ace_nwb.errors import InputError, ParameterError
from ace_nwb.signals.runs import iterate_runs

FilterKind = Literal["butterworth", "fir", "fir_filtfilt"]
BandType = Literal["bandpass", "lowpass", "highpass", "bandstop"]
# Width of the transition of a Hamming-windowed FIR filter, in units of rate / taps.
HAMMING_TRANSITION = 3.3


@dataclass(frozen=True)
class BandFilter:
    """A designed filter.

    Parameters
    ----------
    kind
        Family of the filter.
    coefficients
        Second-order sections, shape (section, 6), or FIR taps, shape (tap,).
    edge_samples
        Samples at each end of a run in which the padding beyond it still counts.
    low_hz, high_hz, sampling_rate_hz
        Band and rate it was designed for.
    """

    kind: FilterKind
    coefficients: np.ndarray
    edge_samples: int
    low_hz: float
    high_hz: float
    sampling_rate_hz: float


@dataclass(frozen=True)
class SkippedRun:
    """A run that could not be filtered: channels, start and stop (exclusive), and why."""

    channels: tuple[int, ...]
    start: int
    stop: int
    reason: str


def validate_band(
    low_hz: float, high_hz: float, *, sampling_rate_hz: float, band_type: BandType = "bandpass"
) -> None:
    """Refuse a band that is empty or reaches beyond the Nyquist frequency.

    Parameters
    ----------
    low_hz, high_hz
        Edges of the band, Hz.
    sampling_rate_hz
        True sampling rate, Hz.
    band_type
        A low-pass has no lower edge and a high-pass no upper one; the other is not looked at.
    """
    nyquist_hz = sampling_rate_hz / 2
    if band_type in ("lowpass", "highpass"):
        edge_hz = high_hz if band_type == "lowpass" else low_hz
        if not 0 < edge_hz < nyquist_hz:
            raise ParameterError(
                f"The edge of the {band_type} at {edge_hz:g} Hz does not lie between 0 and the "
                f"Nyquist frequency, {nyquist_hz:.6g} Hz at {sampling_rate_hz:.6g} Hz sampling. "
                f"Give an edge below {nyquist_hz:.6g} Hz."
            )
        return
    if not 0 < low_hz < high_hz:
        raise ParameterError(
            f"The band {low_hz:g} to {high_hz:g} Hz is empty or not above zero. "
            "Give 0 < low < high."
        )
    if high_hz >= nyquist_hz:
        raise ParameterError(
            f"The band {low_hz:g} to {high_hz:g} Hz reaches the Nyquist frequency, "
            f"{nyquist_hz:.6g} Hz at {sampling_rate_hz:.6g} Hz sampling. "
            f"Give an upper edge below {nyquist_hz:.6g} Hz."
        )


def design_filter(
    *,
    sampling_rate_hz: float,
    low_hz: float,
    high_hz: float,
    order: int,
    kind: FilterKind,
    band_type: BandType = "bandpass",
) -> BandFilter:
    """Design a filter.

    Parameters
    ----------
    sampling_rate_hz
        True sampling rate, Hz.
    low_hz, high_hz
        Edges of the band, Hz: -3 dB of one pass (Butterworth), -6 dB (FIR).
    order
        Order of the Butterworth prototype. For "fir" the transition is 2 * low_hz / order wide
        (high_hz for a low-pass); "fir_filtfilt" has order + 1 taps.
    kind
        Filter family: "fir" passes once and is symmetric, "fir_filtfilt" passes forwards and
        backwards as `scipy.signal.filtfilt` does (legacy).
    band_type
        "lowpass" keeps what is below high_hz, "highpass" what is above low_hz.

    Returns
    -------
    BandFilter
        The design, for `apply_filter`.
    """
    validate_band(low_hz, high_hz, sampling_rate_hz=sampling_rate_hz, band_type=band_type)
    edges_hz = {"lowpass": high_hz, "highpass": low_hz}.get(band_type, (low_hz, high_hz))
    slowest_hz = high_hz if band_type == "lowpass" else low_hz
    if kind == "butterworth":
        coefficients = scipy.signal.butter(
            order, edges_hz, btype=band_type, output="sos", fs=sampling_rate_hz
        )
        edge_samples = _count_settling_samples(
            coefficients, slowest_hz, sampling_rate_hz=sampling_rate_hz
        )
    else:
        half = int(np.ceil(HAMMING_TRANSITION * sampling_rate_hz * order / (2 * slowest_hz) / 2))
        n_taps = 2 * half + 1 if kind == "fir" else order + 1
        if n_taps % 2 == 0 and band_type in ("highpass", "bandstop"):
            raise ParameterError(
                f"{n_taps} taps (order {order}) can make no {band_type}: an even number of taps "
                "keeps nothing at the Nyquist frequency. Give an even order."
            )
        coefficients = scipy.signal.firwin(
            n_taps, edges_hz, pass_zero=band_type, fs=sampling_rate_hz
        )
        edge_samples = half if kind == "fir" else order
    return BandFilter(kind, coefficients, edge_samples, slowest_hz, high_hz, sampling_rate_hz)


def apply_filter(
    values: np.ndarray,
    band_filter: BandFilter,
    *,
    breaks: np.ndarray | None = None,
    mask_edges: bool = False,
    padding: Literal["settled", "scipy"] = "settled",
) -> tuple[np.ndarray, list[SkippedRun]]:
    """Filter every finite run forwards and backwards; what cannot be filtered becomes NaN.

    Parameters
    ----------
    values
        Evenly sampled values, shape (sample,) or (sample, channel); NaN marks a gap.
    band_filter
        Design from `design_filter`.
    breaks
        Indices of samples that follow a gap in time (`find_breaks`).
    mask_edges
        Replace the `edge_samples` at both ends of a run by NaN.
    padding
        "settled" pads until the filter has settled; "scipy" pads as `scipy.signal.filtfilt` does,
        for numbers equal to the predecessor's.

    Returns
    -------
    filtered, skipped
        Filtered values of the same shape, and the runs that were too short.
    """
    values = np.asarray(values, dtype=float)
    columns = values[:, np.newaxis] if values.ndim == 1 else values
    filtered = np.full(columns.shape, np.nan)
    skipped: list[SkippedRun] = []
    least = count_shortest_run(band_filter, mask_edges=mask_edges)
    for members, start, stop in iterate_runs(columns, breaks):
        if stop - start < least:
            reason = f"{stop - start} samples, at least {least} are needed"
            skipped.append(SkippedRun(tuple(members.tolist()), start, stop, reason))
            continue
        result = _filter_run(columns[start:stop, members], band_filter, padding=padding)
        edge = band_filter.edge_samples if mask_edges else 0
        filtered[start + edge : stop - edge, members] = result[edge : stop - start - edge]
    if skipped and not np.isfinite(filtered).any():
        raise InputError(
            f"No run of samples is long enough for the band {band_filter.low_hz:g} to "
            f"{band_filter.high_hz:g} Hz: the first has {skipped[0].reason}. "
            "Give a longer recording or a higher lower edge."
        )
    return filtered.reshape(values.shape), skipped


def count_shortest_run(band_filter: BandFilter, *, mask_edges: bool = False) -> int:
    """Count the samples of the shortest run that is filtered: one period of the lower edge.

    Parameters
    ----------
    band_filter
        Design from `design_filter`.
    mask_edges
        Whether the edges are removed afterwards: then something must be left.

    Returns
    -------
    int
        Least number of samples.
    """
    period = int(np.ceil(band_filter.sampling_rate_hz / band_filter.low_hz))
    least = max(period, 3 * (2 * len(band_filter.coefficients) + 1) + 1, 2)
    if band_filter.kind == "fir":
        least = band_filter.edge_samples + 1
    elif band_filter.kind == "fir_filtfilt":
        least = max(period, 3 * len(band_filter.coefficients) + 1)
    return max(least, 2 * band_filter.edge_samples + 1) if mask_edges else least


def _filter_run(run: np.ndarray, band_filter: BandFilter, *, padding: str) -> np.ndarray:
    """Filter one gap-free run of shape (sample, channel)."""
    n_samples = run.shape[0]
    coefficients = band_filter.coefficients
    if band_filter.kind == "butterworth":
        n_pad = None
        if padding == "settled":
            n_pad = min(
                max(3 * (2 * len(coefficients) + 1), band_filter.edge_samples), n_samples - 1
            )
        return scipy.signal.sosfiltfilt(coefficients, run, axis=0, padlen=n_pad)
    if band_filter.kind == "fir_filtfilt":
        return scipy.signal.filtfilt(coefficients, 1.0, run, axis=0)
    half = band_filter.edge_samples
    padded = np.pad(run, ((half, half), (0, 0)), mode="reflect", reflect_type="odd")
    return scipy.signal.oaconvolve(padded, coefficients[:, np.newaxis], mode="valid", axes=0)


def _count_settling_samples(sections: np.ndarray, low_hz: float, *, sampling_rate_hz: float) -> int:
    """Count the samples until 99.9 % of the energy of the impulse response has passed."""
    n_samples = int(np.ceil(10 * sampling_rate_hz / low_hz))
    impulse = np.zeros(n_samples)
    impulse[0] = 1
    energy = np.cumsum(scipy.signal.sosfilt(sections, impulse) ** 2)
    return int(np.searchsorted(energy, 0.999 * energy[-1])) + 1
