"""Flashes seen in the movie against marker TTLs: an independent check, or a fit without pulses."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import median_filter

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
