"""Artefacts in electrophysiology: where they are, and apart from that, what to do about them."""

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import scipy

from ace_nwb.errors import ParameterError

ArtefactTreatment = Literal["missing", "interpolate", "hann"]


def detect_artefacts(
    values: np.ndarray,
    *,
    threshold_uv: float,
    merge_gap_samples: int,
    pad_samples: int,
    block_samples: int = 1 << 20,
) -> list[np.ndarray]:
    """Find stretches in which a channel exceeds what the brain produces.

    Parameters
    ----------
    values
        Microvolts, shape (sample, channel), anything that can be sliced by sample.
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
    list of numpy.ndarray
        Per channel the first sample and the sample after the last, shape (artefact, 2), ascending.
    """
    if threshold_uv <= 0:
        raise ParameterError(f"threshold_uv = {threshold_uv:g} is not positive. Give microvolts.")
    n_samples, n_channels = values.shape
    merged: list[list[list[int]]] = [[] for _ in range(n_channels)]
    for channel, start, stop in _iterate_exceeding(
        values, threshold_uv, block_samples=block_samples
    ):
        known = merged[channel]
        low, high = max(start - pad_samples, 0), min(stop + pad_samples, n_samples)
        if known and low - known[-1][1] <= merge_gap_samples:
            known[-1][1] = max(high, known[-1][1])
        else:
            known.append([low, high])
    return [np.array(known, dtype=np.intp).reshape(-1, 2) for known in merged]


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
        Start and stop samples, shape (artefact, 2), apart from each other.
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
    if treatment == "missing":
        treated = np.array(values, dtype=float)
        for start, stop in artefacts:
            treated[start:stop] = np.nan
        return treated
    column = np.asarray(values, dtype=float)[:, np.newaxis]
    return TreatedSamples(column, [artefacts], treatment=treatment, taper_samples=taper_samples)[:][
        :, 0
    ]


class TreatedSamples:
    """Samples whose artefacts are bridged or faded out when a slice is read.

    A slice has the values that it has within the whole, so hours need not be in memory.

    Parameters
    ----------
    values
        Shape (sample, channel), anything that can be sliced by sample.
    artefacts
        Per channel the start and stop samples, shape (artefact, 2), ascending, apart.
    treatment
        "interpolate" or "hann", as in `treat_artefacts`.
    taper_samples
        Length of the whole Hann window; "hann" only.
    """

    def __init__(
        self,
        values: np.ndarray,
        artefacts: Sequence[np.ndarray],
        *,
        treatment: Literal["interpolate", "hann"],
        taper_samples: int,
    ):
        self.shape = values.shape
        self.ndim = 2
        self._values = values
        self._artefacts = artefacts
        self._taper_samples = taper_samples
        self._ends: list[np.ndarray] | None = None
        if treatment == "interpolate":
            self._ends = [
                _read_ends(values, intervals, channel=channel)
                for channel, intervals in enumerate(artefacts)
            ]

    def __getitem__(self, samples: slice) -> np.ndarray:
        first, stop, _ = samples.indices(self.shape[0])
        block = np.array(self._values[first:stop], dtype=float)
        for channel, artefacts in enumerate(self._artefacts):
            if self._ends is None:
                gain = compute_fading(
                    len(block), artefacts - first, taper_samples=self._taper_samples
                )
                block[:, channel] *= gain
                continue
            is_near = (artefacts[:, 0] < stop) & (artefacts[:, 1] > first)
            for interval, ends in zip(
                artefacts[is_near] - first, self._ends[channel][is_near], strict=True
            ):
                inside = np.arange(max(interval[0], 0), min(interval[1], len(block)))
                block[inside, channel] = np.interp(inside, [interval[0] - 1, interval[1]], ends)
        return block


def compute_fading(n_samples: int, artefacts: np.ndarray, *, taper_samples: int) -> np.ndarray:
    """Compute a gain that is 0 within artefacts and returns to 1 along half a Hann window.

    Parameters
    ----------
    n_samples
        Length of the signal.
    artefacts
        Start and stop samples, shape (artefact, 2); those outside the signal fade into it.
    taper_samples
        Length of the whole Hann window.

    Returns
    -------
    numpy.ndarray
        Gain, 0 to 1, shape (sample,).
    """
    half = taper_samples // 2
    rise = scipy.signal.windows.hann(2 * half + 1)[:half]
    shape = np.concatenate([rise[::-1], [0.0], rise])
    gain = np.ones(n_samples)
    is_near = (artefacts[:, 0] < n_samples + half) & (artefacts[:, 1] > -half)
    for start, stop in artefacts[is_near]:
        touched = np.arange(max(start - half, 0), min(stop + half, n_samples))
        # Distance from the artefact: negative before it, positive behind it, 0 within.
        distance = np.minimum(touched - start, 0) + np.maximum(touched - (stop - 1), 0)
        gain[touched] = np.minimum(gain[touched], shape[distance + half])
    return gain


def _iterate_exceeding(
    values: np.ndarray, threshold_uv: float, *, block_samples: int
) -> Iterator[tuple[int, int, int]]:
    """Yield (channel, start, stop) beyond the threshold; a stretch may come in parts."""
    for first in range(0, values.shape[0], block_samples):
        block = np.asarray(values[first : first + block_samples], dtype=float)
        for channel in np.flatnonzero((np.abs(block) > threshold_uv).any(axis=0)):
            is_high = np.abs(block[:, channel]) > threshold_uv
            edges = np.diff(np.concatenate([[0], is_high, [0]]).astype(np.int8))
            starts, stops = np.flatnonzero(edges > 0), np.flatnonzero(edges < 0)
            for start, stop in zip(
                (starts + first).tolist(), (stops + first).tolist(), strict=True
            ):
                yield int(channel), start, stop


def _read_ends(values: np.ndarray, artefacts: np.ndarray, *, channel: int) -> np.ndarray:
    """Values beside each artefact, shape (artefact, 2); at an end of the signal the other one's."""
    ends = np.full(artefacts.shape, np.nan)
    for row, (start, stop) in enumerate(artefacts):
        if start > 0:
            ends[row, 0] = np.asarray(values[start - 1 : start])[0, channel]
        if stop < values.shape[0]:
            ends[row, 1] = np.asarray(values[stop : stop + 1])[0, channel]
    only_one = np.where(np.isnan(ends), ends[:, ::-1], ends)
    return np.where(np.isnan(only_one), 0.0, only_one)
