"""A short clip of the corrected movie around a ROI: only the patch is read."""

from dataclasses import dataclass

import numpy as np

from ace_nwb.apps.session_data import SessionData
from ace_nwb.imaging.warping import shift_frames
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.frames import FrameTimes
from ace_nwb.nwb.content.imaging import read_motion
from ace_nwb.nwb.content.series import read_series
from ace_nwb.nwb.session import Session

BEFORE_S, AFTER_S = 0.6, 2.0
"""Seconds, chosen by eye: the rise of an event, and most of the decay of a slow indicator."""
MARGIN_PX = 14  # px around the footprint: about a cell's diameter, so that the surround shows
_MOST_FRAMES = 60  # frames sent to the browser: 20 fps for 2.6 s; faster movies are thinned
_MOST_SIDE_PX = 160  # px; larger patches show neighbours, not the ROI


@dataclass(frozen=True)
class RoiClip:
    """Frames around an event.

    Parameters
    ----------
    frames
        Corrected frames, shape (frame, row, column), float32.
    row, column
        First pixel in the analysed field.
    numbers
        Frame numbers of the movie.
    """

    frames: np.ndarray
    row: int
    column: int
    numbers: np.ndarray


class ClipReader:
    """Cuts clips out of the movie of a session."""

    def __init__(self, data: SessionData):
        self.data = data
        self.shifts, self.bleaching = data.use(_read_corrections)

    def read(self, rows: np.ndarray, columns: np.ndarray, time_s: float) -> RoiClip:
        """Return the clip around pixels of the analysed field and a time, seconds.

        Parameters
        ----------
        rows, columns
            Pixels of a ROI.
        time_s
            Session clock.
        """
        movie, field = self.data.movie, self.data.field
        times_s = movie.timestamps
        first = int(np.searchsorted(times_s, time_s - BEFORE_S))
        last = int(np.searchsorted(times_s, time_s + AFTER_S))
        first = min(first, max(0, len(times_s) - 2))
        last = max(min(last, len(times_s)), first + 2)
        step = -(-(last - first) // _MOST_FRAMES)
        top, bottom = _window(rows, field.shape[0])
        left, right = _window(columns, field.shape[1])
        shifts = self.shifts[first:last]
        reach = int(np.ceil(np.abs(shifts).max())) + 2 if len(shifts) else 2
        outer = _grow(top, bottom, reach, field.shape[0]), _grow(left, right, reach, field.shape[1])
        (row, row_end), (column, column_end) = outer
        origin_row, origin_column = field.origin
        with self.data.lock:
            raw = movie.read(
                first,
                last,
                rows=slice(origin_row + row, origin_row + row_end),
                columns=slice(origin_column + column, origin_column + column_end),
            )
        gains = (1 / self.bleaching[first:last]).astype(np.float32)
        moved = shift_frames(np.ascontiguousarray(raw), shifts, gains)
        inner = moved[::step, top - row : bottom - row, left - column : right - column]
        return RoiClip(np.ascontiguousarray(inner), top, left, np.arange(first, last, step))


def to_bytes(frames: np.ndarray) -> np.ndarray:
    """Return frames as bytes, from the 1st to the 99.8th percentile."""
    low, high = np.percentile(frames, [1, 99.8])
    scale = 255 / (high - low) if high > low else 0.0
    return np.clip((frames - low) * scale, 0, 255).astype(np.uint8)


def _window(places: np.ndarray, side: int) -> tuple[int, int]:
    """Return first and last (exclusive) row or column around a ROI, not too many."""
    middle = (int(places.min()) + int(places.max()) + 1) / 2
    half = min((int(places.max()) - int(places.min()) + 1) / 2 + MARGIN_PX, _MOST_SIDE_PX / 2)
    return max(0, int(middle - half)), min(side, int(np.ceil(middle + half)))


def _grow(first: int, last: int, reach: int, side: int) -> tuple[int, int]:
    """Return a window with a margin on both sides, within the field."""
    return max(0, first - reach), min(side, last + reach)


def _read_corrections(session: Session) -> tuple[np.ndarray, np.ndarray]:
    """Return shifts and relative brightness of every frame; none are zero and one."""
    n_frames = len(FrameTimes(session).timestamps)
    shifts, bleaching = np.zeros((n_frames, 2)), np.ones(n_frames)
    if session.has(layout.MOTION_SHIFTS):
        shifts = read_motion(session)[0]
    if session.has(layout.BLEACHING_TREND):
        bleaching = read_series(session, layout.BLEACHING_TREND)[1]
    return shifts, bleaching
