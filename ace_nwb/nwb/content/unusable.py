"""Intervals of frames that show nothing, in a session file."""

import numpy as np

from ace_nwb.nwb import layout
from ace_nwb.nwb.content.frames import FrameTimes
from ace_nwb.nwb.editing import SessionWriter
from ace_nwb.nwb.reading import Session

_COLUMNS = {
    "start_time": "Time of the first of the frames, s.",
    "stop_time": "Time of the frame after them, s.",
    "kind": "Why they show nothing: frozen, dark, or missing pixels.",
    "first_frame": "Index of the first of them in the movie.",
    "n_frames": "Number of frames.",
}


def write_unusable(writer: SessionWriter, kinds: np.ndarray) -> None:
    """Write the frames that show nothing, if there are any.

    Parameters
    ----------
    writer
        The session.
    kinds
        Kind of each frame, shape (frame,); "" for one that is usable.
    """
    writer.remove([layout.UNUSABLE_FRAMES])
    starts = np.flatnonzero(kinds != np.append("", kinds[:-1]))
    stops = np.append(starts, len(kinds))[1:]
    runs = [(a, b) for a, b in zip(starts, stops, strict=True) if kinds[a] != ""]
    if not runs:
        return
    frames = FrameTimes(writer)
    times_s = np.append(frames.timestamps, frames.timestamps[-1] + 1 / frames.frame_rate_hz)
    values = {
        "start_time": [times_s[a] for a, _ in runs],
        "stop_time": [times_s[b] for _, b in runs],
        "kind": [str(kinds[a]) for a, _ in runs],
        "first_frame": [a for a, _ in runs],
        "n_frames": [b - a for a, b in runs],
    }
    columns = {name: (_COLUMNS[name], column) for name, column in values.items()}
    text = "Frames of the movie that show nothing of the tissue; results leave them out."
    writer.create_table(layout.UNUSABLE_FRAMES, text, columns, kind="TimeIntervals")


def read_unusable(session: Session, n_frames: int) -> np.ndarray:
    """Return which frames show nothing, shape (frame,)."""
    is_unusable = np.zeros(n_frames, bool)
    if session.has(layout.UNUSABLE_FRAMES):
        table = session.read_table(layout.UNUSABLE_FRAMES)
        for first, n in zip(table["first_frame"], table["n_frames"], strict=True):
            is_unusable[first : first + n] = True
    return is_unusable
