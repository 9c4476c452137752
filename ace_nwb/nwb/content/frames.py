"""When frames were taken, and of what: all that stages of traces need of a recording."""

from functools import cached_property
from typing import Any

import numpy as np

from ace_nwb.nwb.content.series import find_frames, read_times
from ace_nwb.nwb.layout import PLANE_SEGMENTATION
from ace_nwb.nwb.reading import Session
from ace_nwb.signals.runs import find_breaks

_MOST_LOST_FRAMES = 2
"""Frames lost in a row that do not interrupt a recording."""


class FrameTimes:
    """Times of the frames of a session: of its movie, or of its traces where there is no movie.

    Parameters
    ----------
    session
        The open session.
    path
        Path of the series that has them; see `find_frames`.
    """

    def __init__(self, session: Session, path: str | None = None):
        self.session = session
        self.path = find_frames(session) if path is None else path
        self.series: Any = session.get(self.path)

    @property
    def indicator(self) -> str:
        """Calcium indicator that the file states; empty if it states none."""
        for owner in (self.path, PLANE_SEGMENTATION):
            stated = self.session.text(self.session.locate(f"{owner}/imaging_plane/indicator"))
            if stated is not None:
                return stated
        return ""

    @cached_property
    def timestamps(self) -> np.ndarray:
        """Time of each frame, session clock, seconds."""
        return read_times(self.series)

    @cached_property
    def frame_rate_hz(self) -> float:
        """Frames per second, from the median interval of the time stamps; NaN for one frame."""
        if len(self.timestamps) < 2:
            return float("nan")
        return float(1.0 / np.median(np.diff(self.timestamps)))

    @cached_property
    def breaks(self) -> tuple[int, ...]:
        """Frames that follow an interruption: more than two frames are missing before them."""
        return tuple(find_breaks(self.timestamps, tolerance=_MOST_LOST_FRAMES + 0.5).tolist())
