"""A session file held open for reading by several threads, and opened anew when it has changed."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import TypeVar

import numpy as np

from ace_nwb.nwb import layout
from ace_nwb.nwb.content.frames import FrameTimes
from ace_nwb.nwb.content.imaging import read_field, read_images
from ace_nwb.nwb.content.movie import NwbMovie
from ace_nwb.nwb.field import FieldOfView
from ace_nwb.nwb.location import open_apart
from ace_nwb.nwb.session import Session

T = TypeVar("T")

_READ_TRIES = 5
"""A change takes a tenth of a second; five in a row during one short reading do not happen."""


class SessionData:
    """What the pages read of a session file; every use of HDF5 is in turn.

    Parameters
    ----------
    path
        The session file.
    """

    def __init__(self, path: Path):
        self.path = path
        self.lock = RLock()
        self._session: Session | None = None
        self._mark: tuple[int, int] = (0, 0)

    def use(self, read: Callable[[Session], T]) -> T:
        """Return what `read` makes of the open session, which no other thread uses meanwhile.

        Another program may change the file at any moment, also while it is read: what was read of
        it then, or could not be, is read again.
        """
        with self.lock:
            for _ in range(_READ_TRIES - 1):
                try:
                    return read(self.open())
                except Exception:
                    if self.is_current:
                        raise
                    self.close()
            return read(self.open())

    def open(self) -> Session:
        """Return the session, opened if it is not."""
        if self._session is None:
            self._mark = self._read_mark()  # first: a change from here on is one to look for
            self._session = open_apart(self.path)
        return self._session

    @property
    def is_current(self) -> bool:
        """Whether the file is the one that was opened, as far as its size and time tell."""
        with self.lock:
            return self._session is None or self._mark == self._read_mark()

    def keep(self) -> None:
        """Take the file as it is now for the one that is open: only rows were added."""
        with self.lock:
            self._mark = self._read_mark()

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self.lock:
            if self._session is not None:
                self._session.close()
            self._session = None
            for name in ("field", "movie", "frames"):
                self.__dict__.pop(name, None)

    @cached_property
    def field(self) -> FieldOfView:
        """The part of the recorded field that is analysed."""
        return self.use(read_field)

    @cached_property
    def movie(self) -> NwbMovie:
        """The raw movie; read it under `lock`."""
        return self.use(lambda session: NwbMovie(session, workers=2))

    @cached_property
    def frames(self) -> FrameTimes:
        """When frames were taken, with or without a movie."""
        return self.use(FrameTimes)

    def images(self) -> dict[str, np.ndarray]:
        """Return the summary images of the analysed field by name, none if there are none."""

        def read(session: Session) -> dict[str, np.ndarray]:
            if not session.has(layout.IMAGES):
                return {}
            return read_images(session, layout.IMAGES)

        return self.use(read)

    def _read_mark(self) -> tuple[int, int]:
        found = self.path.stat()
        return found.st_size, found.st_mtime_ns


def grey_levels(image: np.ndarray) -> np.ndarray:
    """Return an image as bytes, from its 0.5th to its 99.7th percentile."""
    low, high = np.nanpercentile(image, [0.5, 99.7])
    scale = 255 / (high - low) if high > low else 0.0
    return np.clip((image - low) * scale, 0, 255).astype(np.uint8)
