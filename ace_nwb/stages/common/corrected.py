"""The movie as the stages see it: crop, debleaching and motion correction applied while reading."""

from hashlib import blake2b

import numpy as np

from ace_nwb.errors import NothingToDoError
from ace_nwb.imaging.blocks import sample_frames
from ace_nwb.imaging.checkpoint import NO_CHECKPOINT, Checkpoint
from ace_nwb.imaging.corrected import CorrectedMovie
from ace_nwb.imaging.cropping import CropBox
from ace_nwb.imaging.movie import Movie
from ace_nwb.imaging.unusable import UsableMovie
from ace_nwb.nwb import layout
from ace_nwb.nwb.commit.scratch import Scratch
from ace_nwb.nwb.content.imaging import read_deviations, read_field, read_motion
from ace_nwb.nwb.content.movie import NwbMovie
from ace_nwb.nwb.content.series import read_series
from ace_nwb.nwb.content.unusable import read_unusable
from ace_nwb.nwb.session import Session

LEAST_FRAMES, LEAST_SIDE_PX = 2, 8
"""A movie has an interval between frames, and a field is wider than the smallest cell (4 px) and
what motion may move it by."""

N_SAMPLED_FRAMES = 8
"""Frames that stand for a movie in its digest."""


def open_corrected_movie(
    session: Session, *, workers: int, with_motion: bool = True
) -> CorrectedMovie:
    """Return the raw movie with every correction that the file holds."""
    row, column = read_field(session).origin
    n_rows, n_columns = read_field(session).shape
    return CorrectedMovie(
        _open_usable(session, workers),
        crop=CropBox(row, row + n_rows, column, column + n_columns),
        bleaching=_read_bleaching(session),
        shifts=_read_shifts(session) if with_motion else None,
        deviations=read_deviations(session) if with_motion else None,
    )


def _open_usable(session: Session, workers: int) -> Movie:
    """Return the recorded movie, the nearest other frame in place of those that show nothing."""
    movie = NwbMovie(session, workers=workers)
    is_unusable = read_unusable(session, movie.shape[0])
    return UsableMovie(movie, is_unusable) if is_unusable.any() else movie


def open_analysed_movie(
    session: Session, *, workers: int, with_motion: bool = True
) -> CorrectedMovie:
    """Return the corrected movie if it can hold cells.

    Raises
    ------
    NothingToDoError
        If it is too short or too narrow.
    """
    movie = open_corrected_movie(session, workers=workers, with_motion=with_motion)
    n_frames, n_rows, n_columns = movie.shape
    if n_frames < LEAST_FRAMES or min(n_rows, n_columns) < LEAST_SIDE_PX:
        raise NothingToDoError(
            f"The movie has {n_frames} frame(s) of {n_rows} x {n_columns} pixels. At least "
            f"{LEAST_FRAMES} of {LEAST_SIDE_PX} pixels a side were expected; give the whole movie, "
            "or a larger crop."
        )
    return movie


def open_checkpoint(scratch: Scratch | None, movie: CorrectedMovie) -> Checkpoint:
    """Return what keeps the work of a long computation on `movie`; None keeps nothing."""
    return NO_CHECKPOINT if scratch is None else scratch.open(movie_digest(movie))


def movie_digest(movie: CorrectedMovie) -> bytes:
    """Return a digest that tells one movie from another: some frames, and every correction."""
    digest = blake2b(repr((movie.shape, movie.frame_rate_hz, movie.crop)).encode())
    for values in (
        sample_frames(movie, N_SAMPLED_FRAMES),
        movie.bleaching,
        movie.shifts,
        movie.deviations,
    ):
        digest.update(b"" if values is None else np.ascontiguousarray(values).tobytes())
    return digest.digest()


def _read_bleaching(session: Session) -> np.ndarray | None:
    if not session.has(layout.BLEACHING_TREND):
        return None
    return read_series(session, layout.BLEACHING_TREND)[1]


def _read_shifts(session: Session) -> np.ndarray | None:
    return read_motion(session)[0] if session.has(layout.MOTION_SHIFTS) else None
