"""Light flashes of a session: the brightness of its frames, and the TTL line that marks them."""

import numpy as np

from ace_nwb.errors import ParameterError, UnknownNameError
from ace_nwb.imaging.movie import iterate_blocks
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.events import list_ttl_lines, read_ttl_line
from ace_nwb.nwb.content.movie import NwbMovie
from ace_nwb.nwb.session import Session
from ace_nwb.stages.running.context import StageContext

_BLOCK_FRAMES = 200  # frames in memory at once


def read_brightness(session: Session, context: StageContext) -> np.ndarray:
    """Return the mean brightness of every frame: the stored one, or measured in the movie."""
    stored = session.find(layout.MEAN_FLUORESCENCE)
    if stored is not None:
        return np.asarray(stored.data[:], float).reshape(-1)
    movie = NwbMovie(session)
    means = []
    for start, block in iterate_blocks(movie, _BLOCK_FRAMES):
        means.append(block.mean(axis=(1, 2), dtype=np.float64))
        context.progress(start + len(block), movie.shape[0])
    return np.concatenate(means)


def read_markers(session: Session, name: str | None) -> tuple[str, np.ndarray]:
    """Return the marker line and the times of its rising edges, seconds.

    Raises
    ------
    ParameterError
        If no line is named.
    UnknownNameError
        If the file has no such line.
    """
    known = list_ttl_lines(session)
    if name is None:
        raise ParameterError(
            "No marker line is named. The TTL line that marks the flashes was expected as "
            f"marker_line; the file has {', '.join(known) or 'no TTL lines'}."
        )
    if name not in known:
        raise UnknownNameError.among("TTL line", name, known)
    times, levels = read_ttl_line(session, name)
    return name, times[np.asarray(levels) > 0]
