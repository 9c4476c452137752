"""Artefacts in electrophysiology: where they are, and apart from that, what to do about them."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
from scipy.signal import windows as scipy_windows

from ace_nwb.errors import ParameterError

ArtefactTreatment = Literal["missing", "interpolate", "hann"]


def detect_artefacts(
    values: np.ndarray,
    *,
    threshold_uv: float,
    merge_gap_samples: int,
    pad_samples: int,
    block_samples: int = 1 << 20,
) -> np.ndarray:
    """Find stretches in which a channel exceeds what the brain produces.

    Parameters
    ----------
    values
        Microvolts, shape (sample,), anything that can be sliced by sample.
    threshold_uv
        Greatest believable absolute value, microvolts.
    merge_gap_samples
        Stretches with at most so many samples between them become one.
    pad_samples
        Samples added at both ends, before merging.
    block_samples
        Samples read at a time. It does not change the result.

    Returns
    -------
    numpy.ndarray
        First sample and sample after the last, shape (artefact, 2), ascending.
    """
    if threshold_uv <= 0:
        raise ParameterError(f"threshold_uv = {threshold_uv:g} is not positive. Give microvolts.")
    n_samples = values.shape[0]
    merged: list[list[int]] = []
    for start, stop in _iterate_exceeding(values, threshold_uv, block_samples=block_samples):
        low, high = max(start - pad_samples, 0), min(stop + pad_samples, n_samples)
        if merged and low - merged[-1][1] <= merge_gap_samples:
            merged[-1][1] = max(high, merged[-1][1])
        else:
            merged.append([low, high])
    return np.array(merged, dtype=np.intp).reshape(-1, 2)


def treat_artefacts(
    values: np.ndarray,
    artefacts: np.ndarray,
    *,
    treatment: ArtefactTreatment,
    taper_samples: int,
) -> np.ndarray:
    """Return a copy of a signal with artefacts treated; the raw signal stays as it is.

    Parameters
    ----------
    values
        Shape (sample,).
    artefacts
        From `detect_artefacts`.
    treatment
        "missing" puts NaN, which filters respect as gaps; "interpolate" draws a straight line;
        "hann" fades to zero and back, as the predecessor did.
    taper_samples
        Length of the whole Hann window whose halves fade out and in, samples; "hann" only.

    Returns
    -------
    numpy.ndarray
        Float64, shape (sample,).
    """
    treated = np.array(values, dtype=float)
    if treatment == "hann":
        return treated * compute_fading(len(treated), artefacts, taper_samples=taper_samples)
    for start, stop in artefacts:
        treated[start:stop] = np.nan
    if treatment == "interpolate":
        is_known = np.isfinite(treated)
        if is_known.any():
            samples = np.arange(len(treated))
            treated[~is_known] = np.interp(samples[~is_known], samples[is_known], treated[is_known])
    return treated


def compute_fading(n_samples: int, artefacts: np.ndarray, *, taper_samples: int) -> np.ndarray:
    """Compute a gain that is 0 within artefacts and returns to 1 along half a Hann window.

    Parameters
    ----------
    n_samples
        Length of the signal.
    artefacts
        Start and stop samples, shape (artefact, 2).
    taper_samples
        Length of the whole Hann window.

    Returns
    -------
    numpy.ndarray
        Gain, 0 to 1, shape (sample,).
    """
    half = taper_samples // 2
    rise = scipy_windows.hann(2 * half + 1)[:half]
    gain = np.ones(n_samples)
    for start, stop in artefacts:
        gain[start:stop] = 0
        before = gain[max(start - half, 0) : start]
        np.minimum(before, rise[::-1][half - len(before) :], out=before)
        after = gain[stop : stop + half]
        np.minimum(after, rise[: len(after)], out=after)
    return gain


def _iterate_exceeding(
    values: np.ndarray, threshold_uv: float, *, block_samples: int
) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of samples beyond the threshold; a stretch may come in parts."""
    for first in range(0, values.shape[0], block_samples):
        block = np.asarray(values[first : first + block_samples], dtype=float)
        edges = np.diff(np.concatenate([[0], np.abs(block) > threshold_uv, [0]]).astype(np.int8))
        starts, stops = np.flatnonzero(edges > 0), np.flatnonzero(edges < 0)
        yield from zip((starts + first).tolist(), (stops + first).tolist(), strict=True)
