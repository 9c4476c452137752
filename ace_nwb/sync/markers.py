"""Marks that both devices recorded and that tie their clocks alone: flashes of light, barcodes.

Flashes seen in the movie against marker TTLs are an independent check of an alignment, or a fit
without frame pulses. Of a line that both recorded (barcodes, random pulses), runs of intervals that
are alike say which edges are the same; the straight line through them is the clock. Nothing has to
be known about start, stop or frames.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import median_filter
from scipy.spatial import cKDTree

from ace_nwb.errors import SyncError

_MIN_Z = 8.0
"""Least height of a flash, robust standard deviations: noise of an hour of frames reaches five."""

_MAX_PPM = 600.0
"""Most that two clocks drift apart, parts per million: twice the worst crystals seen."""


@dataclass(frozen=True)
class FlashCheck:
    """How aligned frame times agree with markers of the flashes they show.

    Parameters
    ----------
    n_flashes, n_markers, n_agreeing
        Flashes found, markers given, markers with a flash within one frame.
    due_frame
        Frame exposed at each marker by the aligned times, shape (n_markers,).
    offset_frames
        Frames from each marker to its nearest flash (first bright frame), shape (n_markers,).
    agrees
        Whether every marker inside the movie has its flash within one frame.
    summary
        One sentence for the report.
    """

    n_flashes: int
    n_markers: int
    n_agreeing: int
    due_frame: np.ndarray
    offset_frames: np.ndarray
    agrees: bool
    summary: str


@dataclass(frozen=True)
class FlashFit:
    """Device clock to ephys clock by flashes alone: ephys = slope * device + offset_s."""

    slope: float
    offset_s: float
    n_matched: int
    residual_s: float


def detect_flashes(mean_fluorescence: np.ndarray, *, min_z: float = _MIN_Z) -> np.ndarray:
    """Return the first bright frame of each flash.

    Parameters
    ----------
    mean_fluorescence
        Mean brightness of each frame, shape (n_frames,).
    min_z
        Least height above the surroundings, in robust standard deviations.
    """
    trace = np.asarray(mean_fluorescence, dtype=float)
    above = trace - median_filter(trace, size=min(31, trace.size), mode="nearest")
    noise = 1.4826 * float(np.median(np.abs(above))) + 1e-12
    bright = above > min_z * noise
    return np.flatnonzero(bright & ~np.concatenate([[False], bright[:-1]]))


def check_flashes(
    mean_fluorescence: np.ndarray,
    session_time_s: np.ndarray,
    marker_times_s: np.ndarray,
    *,
    min_z: float = _MIN_Z,
    edge_at: str = "start",
) -> FlashCheck:
    """Compare aligned frame times with the markers of flashes in the movie.

    Parameters
    ----------
    mean_fluorescence, session_time_s
        Brightness and aligned capture time of each frame, shape (n_frames,).
    marker_times_s
        Time of each flash on the ephys clock, shape (n_markers,).
    min_z
        Least height of a flash, in robust standard deviations.
    edge_at
        At which end of its exposure a frame is timed: "end", or else the start.
    """
    times = np.asarray(session_time_s, dtype=float)
    markers = np.asarray(marker_times_s, dtype=float)
    markers = markers[(markers > times[0]) & (markers < times[-1])]
    flashes = detect_flashes(mean_fluorescence, min_z=min_z)
    # the frame exposed at the marker
    if edge_at == "end":
        due = np.searchsorted(times, markers, side="left")
    else:
        due = np.searchsorted(times, markers, side="right") - 1
    if flashes.size == 0 or markers.size == 0:
        text = f"{flashes.size} flashes in the movie, {markers.size} markers inside it."
        nowhere = np.full(markers.size, np.nan)
        return FlashCheck(flashes.size, markers.size, 0, due, nowhere, False, text)
    nearest = flashes[np.argmin(np.abs(flashes[None, :] - due[:, None]), axis=1)]
    offset = nearest - due
    good = np.abs(offset) <= 1
    text = (
        f"{int(good.sum())} of {markers.size} markers have their flash within one frame "
        f"(median {np.median(offset):+.0f} frames; {flashes.size} flashes in the movie)."
    )
    return FlashCheck(
        flashes.size, markers.size, int(good.sum()), due, offset, bool(good.all()), text
    )


def fit_flashes(
    flash_times_s: np.ndarray,
    marker_times_s: np.ndarray,
    *,
    tolerance_s: float,
    near_s: tuple[float, float] | None = None,
) -> FlashFit:
    """Align a device clock by flashes alone.

    Parameters
    ----------
    flash_times_s
        Flash times on the device clock, shape (n_flashes,).
    marker_times_s
        Marker times on the ephys clock, shape (n_markers,).
    tolerance_s
        How far a flash may stand from its marker (a frame interval).
    near_s
        Bounds of the offset at the first flash where it is known roughly, or None.

    Raises
    ------
    SyncError
        If too few flashes match, or another offset matches as many.
    """
    flashes, markers = np.sort(flash_times_s), np.sort(marker_times_s)
    _check_numbers(flashes, markers)
    offsets = np.sort((markers[:, None] - flashes[None, :]).ravel())
    if near_s is not None:
        offsets = offsets[(offsets >= near_s[0]) & (offsets <= near_s[1])]
        _check_near(offsets, near_s)
    span = float(flashes[-1] - flashes[0]) if flashes.size > 1 else 0.0
    reach = tolerance_s + _MAX_PPM * 1e-6 * span
    votes = np.array([_n_matched(flashes + offset, markers, reach) for offset in offsets])
    best = int(np.argmax(votes))
    rivals = votes[np.abs(offsets - offsets[best]) > 2 * reach]
    if votes[best] < max(3, 0.6 * min(flashes.size, markers.size)):
        raise SyncError(
            f"At most {votes[best]} of {flashes.size} flashes fit {markers.size} markers. Expected "
            "most of them. Check the marker line, or the threshold of flash detection."
        )
    if rivals.size and rivals.max() >= votes[best] - max(1, 0.1 * votes[best]):
        raise SyncError(
            f"{flashes.size} flashes fit {markers.size} markers at several offsets (first "
            f"{offsets[best]:.3f} s). Flashes at regular intervals cannot tell; irregular flashes, "
            "or a rough offset (offset_s and uncertainty_s) would decide."
        )
    slope, offset = 1.0, float(offsets[best])
    for _ in range(3):
        index = np.argmin(np.abs(markers[None, :] - (slope * flashes + offset)[:, None]), axis=1)
        error = markers[index] - (slope * flashes + offset)
        near = np.abs(error) <= reach
        slope, offset = (float(v) for v in np.polyfit(flashes[near], markers[index][near], 1))
    return FlashFit(slope, offset, int(near.sum()), float(np.median(np.abs(error[near]))))


def _check_numbers(flashes: np.ndarray, markers: np.ndarray) -> None:
    """Raise if there is nothing to fit."""
    if min(flashes.size, markers.size) < 3:
        raise SyncError(
            f"{flashes.size} flashes and {markers.size} markers were found. At least three of both "
            "are needed. Check the marker line, or the least height of a flash (min_flash_z)."
        )


def _check_near(offsets: np.ndarray, near_s: tuple[float, float]) -> None:
    """Raise if no flash has a marker at the stated offset."""
    if offsets.size == 0:
        raise SyncError(
            f"No flash has a marker at an offset between {near_s[0]:.3f} and {near_s[1]:.3f} s. "
            "Check offset_s and uncertainty_s, or leave them out."
        )


def _n_matched(flashes: np.ndarray, markers: np.ndarray, reach: float) -> int:
    """Return how many flashes have a marker nearby."""
    right = np.clip(np.searchsorted(markers, flashes), 1, markers.size - 1)
    near = np.minimum(np.abs(markers[right] - flashes), np.abs(markers[right - 1] - flashes))
    return int(np.count_nonzero(near <= reach))


_RUN = 6
"""Intervals that must agree in a row: with bits of 30 ms or random pulses hardly any agree by
chance."""

_TOLERANCE_S = 4e-3
"""How far each may differ, seconds: rounding of both clocks to a millisecond, twice."""

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
    reach = _TOLERANCE_S + _MAX_PPM * 1e-6 * span
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
