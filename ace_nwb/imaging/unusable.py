"""Frames that show nothing of the tissue: frozen, dark, or with pixels missing.

A recorder that stalls repeats the last picture, which has no noise of its own; a lamp that is off
leaves the sensor's own level; a program that registered the movie before may leave pixels that are
no number.
"""

from dataclasses import dataclass

import numpy as np

from ace_nwb.imaging.movie import Movie
from ace_nwb.imaging.projections import Brightness

DARK_SHARE = 0.3
"""Of the brightness of the recording, by the mean of a frame and by its median: bleaching seldom
takes more than half of it, and the level of a sensor without light is below a tenth. The median of
a movie whose background was removed is a grey level or two and means nothing by itself."""
KINDS = ("frozen", "dark", "missing pixels")


def find_unusable(brightness: Brightness) -> np.ndarray:
    """Return the kind of every frame that shows nothing, shape (frame,): "" for all others.

    A movie that is as dark, or as still, from end to end is what it is.
    """
    kinds = np.full(len(brightness.median), "", dtype=object)
    kinds[_is_dark(brightness.mean) & _is_dark(brightness.median)] = "dark"
    kinds[brightness.is_frozen] = "frozen"
    kinds[brightness.is_missing] = "missing pixels"
    return kinds if (kinds == "").any() else np.full(len(kinds), "", dtype=object)


def _is_dark(level: np.ndarray) -> np.ndarray:
    """Return where a level is far below its usual one, shape (frame,)."""
    known = level[np.isfinite(level)]
    usual = float(np.median(known)) if known.size else 0.0
    return level < DARK_SHARE * usual if usual > 0 else np.zeros(len(level), bool)


def bridge(values: np.ndarray, is_unusable: np.ndarray) -> np.ndarray:
    """Return one value per frame with those of unusable frames interpolated."""
    if not is_unusable.any():
        return values
    frames = np.arange(len(values))
    usable = ~is_unusable
    return np.interp(frames, frames[usable], values[usable])


@dataclass(frozen=True)
class UsableMovie:
    """A movie that shows the nearest usable frame in place of one that shows nothing.

    Parameters
    ----------
    source
        The movie as recorded.
    is_unusable
        Shape (frame,); at least one frame is usable.
    """

    source: Movie
    is_unusable: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n_frames, n_rows, n_columns)."""
        return self.source.shape

    @property
    def frame_rate_hz(self) -> float:
        """Frames per second."""
        return self.source.frame_rate_hz

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return frames start..stop, shape (frame, row, column)."""
        frames = self.source.read(start, stop)
        inside = self.is_unusable[start : start + len(frames)]
        if not inside.any():
            return frames
        frames = np.array(frames)
        usable = np.flatnonzero(~self.is_unusable)
        for index in np.flatnonzero(inside):
            later = int(np.searchsorted(usable, start + index))
            shown = int(usable[max(later - 1, 0)])
            at = shown - start
            if 0 <= at < len(frames):
                frames[index] = frames[at]
            elif at < 0 and index and inside[index - 1]:
                frames[index] = frames[index - 1]
            else:
                frames[index] = self.source.read(shown, shown + 1)[0]
        return frames
