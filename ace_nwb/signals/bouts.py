"""Bouts of an oscillation: stretches in which its envelope stands out."""

from dataclasses import dataclass

import numpy as np

from ace_nwb.errors import ParameterError
from ace_nwb.signals.runs import find_breaks, find_runs


@dataclass(frozen=True)
class Bouts:
    """Bouts of an oscillation, ascending, arrays of shape (bout,).

    Parameters
    ----------
    start_s, stop_s
        Times of the first and last sample, seconds.
    peak_s
        Time of the greatest envelope, seconds.
    peak_amplitude
        Greatest envelope, in the signal's unit.
    """

    start_s: np.ndarray
    stop_s: np.ndarray
    peak_s: np.ndarray
    peak_amplitude: np.ndarray

    def __len__(self) -> int:
        return len(self.start_s)


def detect_bouts(
    amplitude: np.ndarray,
    timestamps_s: np.ndarray,
    *,
    edge_sd: float,
    peak_sd: float,
    merge_gap_s: float,
    min_duration_s: float,
) -> Bouts:
    """Detect bouts in the envelope of a band-passed signal.

    Parameters
    ----------
    amplitude
        Envelope (`phase.compute_phase`), shape (sample,); NaN marks a gap.
    timestamps_s
        Times of the samples, shape (sample,), seconds.
    edge_sd
        A bout lasts while the envelope is above median + edge_sd robust SDs.
    peak_sd
        It must once reach median + peak_sd robust SDs.
    merge_gap_s
        Bouts closer than this become one, unless a gap in the recording lies between.
    min_duration_s
        Shorter bouts are dropped, after merging.

    Returns
    -------
    Bouts
        Ascending.
    """
    if not 0 <= edge_sd <= peak_sd:
        raise ParameterError(
            f"edge_sd = {edge_sd:g} and peak_sd = {peak_sd:g}: the peak must be at least as high "
            "as the edges. Give 0 <= edge_sd <= peak_sd."
        )
    amplitude = np.asarray(amplitude, dtype=float)
    timestamps_s = np.asarray(timestamps_s, dtype=float)
    centre, spread = estimate_robust_level(amplitude)
    breaks = find_breaks(timestamps_s)
    is_high = amplitude > centre + edge_sd * spread
    runs = find_runs(is_high, breaks)
    run_of = np.cumsum(np.isin(np.arange(len(amplitude)), breaks) | np.isnan(amplitude))
    merged: list[list[int]] = []
    for start, stop in runs.tolist():
        is_near = merged and timestamps_s[start] - timestamps_s[merged[-1][1] - 1] < merge_gap_s
        if is_near and run_of[merged[-1][1] - 1] == run_of[start]:
            merged[-1][1] = stop
        else:
            merged.append([start, stop])
    kept = [
        (timestamps_s[start], timestamps_s[stop - 1], timestamps_s[peak], amplitude[peak])
        for start, stop in merged
        if amplitude[peak := start + int(np.argmax(amplitude[start:stop]))]
        >= centre + peak_sd * spread
        and timestamps_s[stop - 1] - timestamps_s[start] >= min_duration_s
    ]
    return Bouts(*np.array(kept, dtype=float).reshape(-1, 4).T)


def estimate_robust_level(values: np.ndarray) -> tuple[float, float]:
    """Estimate the centre and spread by the median and the scaled median absolute deviation.

    Parameters
    ----------
    values
        Shape (sample,); NaN are left out.

    Returns
    -------
    centre, spread
        In the unit of the values; NaN without finite values.
    """
    finite = values[np.isfinite(values)]
    if not finite.size:
        return float("nan"), float("nan")
    centre = float(np.median(finite))
    return centre, float(1.4826 * np.median(np.abs(finite - centre)))
