"""One irregular line recorded by both devices: barcodes or random pulses tie the clocks alone.

Runs of intervals that both recorded alike say which edges are the same; the straight line through
them is the clock. Nothing has to be known about start, stop or frames.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from ace_nwb.errors import SyncError

_RUN = 6
"""Intervals that must agree in a row: with bits of 30 ms or random pulses hardly any agree by
chance."""

_TOLERANCE_S = 4e-3
"""How far each may differ, seconds: rounding of both clocks to a millisecond, twice."""

_MAX_PPM = 600e-6
"""Largest difference of rate between the clocks."""

_LEAST_EDGES = 10
"""Edges that must belong together."""

_MOST_PAIRS = 2_000_000
"""Pairs of runs beyond which a line is steady, and tells no offset: 32 MB."""

_CLEAR = 2.0
"""Times more edges that the true offset must tie than any other does."""


@dataclass(frozen=True)
class BarcodeFit:
    """Device clock to ephys clock: ephys = slope * device + offset_s."""

    slope: float
    offset_s: float
    n_matched: int
    residual_s: float


def fit_barcodes(device_edges_s: np.ndarray, ephys_edges_s: np.ndarray) -> BarcodeFit:
    """Fit the device clock through the edges that both sides recorded.

    Parameters
    ----------
    device_edges_s, ephys_edges_s
        Edges of the same line by each clock, increasing, shape (n_device,), (n_ephys,).

    Raises
    ------
    SyncError
        If the lines have too little in common, or agree at several offsets.
    """
    device, ephys = np.asarray(device_edges_s, float), np.asarray(ephys_edges_s, float)
    at_device, at_ephys = _find_alike(device, ephys)
    offset = ephys[at_ephys] - device[at_device]
    span = float(np.ptp(device)) if device.size else 0.0
    reach = _TOLERANCE_S + _MAX_PPM * span
    order = np.argsort(offset, kind="stable")
    inside = np.searchsorted(offset[order], offset[order] + 2 * reach) - np.arange(order.size)
    best = int(np.argmax(inside)) if inside.size else 0
    n_best = int(inside[best]) if inside.size else 0
    apart = np.abs(offset[order] - offset[order][best]) > 4 * reach if inside.size else np.zeros(0)
    rival = int(inside[apart.astype(bool)].max(initial=0))
    if n_best < _LEAST_EDGES or n_best < _CLEAR * rival:
        raise SyncError(
            f"{device.size} edges on the device's side and {ephys.size} on the ephys side have at "
            f"most {n_best} runs of {_RUN} intervals in common, {rival} at another offset. The "
            "same irregular line (barcodes, random pulses) was expected on both. Name the two "
            "lines (marker_line of the device, line of ephys), or align by frame pulses."
        )
    chosen = order[best : best + n_best]
    return _fit_line(device, ephys, at_device[chosen], at_ephys[chosen])


def _find_alike(device: np.ndarray, ephys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the edges from which on runs of intervals are alike."""
    runs = [
        np.lib.stride_tricks.sliding_window_view(np.diff(times), _RUN)
        if times.size > _RUN
        else np.zeros((0, _RUN))
        for times in (device, ephys)
    ]
    if not runs[0].size or not runs[1].size:
        return np.zeros(0, int), np.zeros(0, int)
    tree = cKDTree(runs[1])
    n_pairs = tree.query_ball_point(runs[0], _TOLERANCE_S, p=np.inf, return_length=True).sum()
    if n_pairs > _MOST_PAIRS:  # a steady line: every run is like every other
        return np.zeros(0, int), np.zeros(0, int)
    near = tree.query_ball_point(runs[0], _TOLERANCE_S, p=np.inf)
    at_device = np.repeat(np.arange(len(near)), [len(one) for one in near])
    return at_device, np.concatenate([np.array(one, dtype=int) for one in near])


def _fit_line(
    device: np.ndarray, ephys: np.ndarray, at_device: np.ndarray, at_ephys: np.ndarray
) -> BarcodeFit:
    """Return the line through edges that belong together, those far off left out."""
    x, y = device[at_device], ephys[at_ephys]
    middle = float(x.mean())
    slope, level = np.polyfit(x - middle, y, 1)
    for _ in range(3):
        error = np.abs(y - level - slope * (x - middle))
        near = error <= max(5 * float(np.median(error)), 1e-4)
        slope, level = np.polyfit(x[near] - middle, y[near], 1)
    error = np.abs(y - level - slope * (x - middle))[near]
    offset = float(level - slope * middle)
    return BarcodeFit(float(slope), offset, int(near.sum()), float(np.median(error)))
