"""The passes over the movie: projection onto footprints, and correlation with traces.

Both are matrix products of a block of frames with the few neurons that touch a strip of rows,
so that a neuron costs the strips it touches and a block is never copied or turned.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_array, csr_array

from ace_nwb.imaging.blocks import BLOCK_PIXELS, map_blocks
from ace_nwb.imaging.filtering import filter_frames
from ace_nwb.imaging.movie import Movie, ProgressCallback, no_progress

_STRIP_ROWS = 16  # rows of the field per strip: its products fit into a processor's cache
_LONG_BLOCK_PIXELS = 4 * BLOCK_PIXELS
"""Of a block whose products are summed: longer ones make fewer sums."""


@dataclass(frozen=True)
class FilteredMovie:
    """A movie whose frames are centre-surround filtered while reading."""

    source: Movie
    cell_diameter_px: float

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n_frames, n_rows, n_columns)."""
        return self.source.shape

    @property
    def frame_rate_hz(self) -> float:
        """Frames per second."""
        return self.source.frame_rate_hz

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return filtered frames start..stop, shape (frame, row, column), float32."""
        return filter_frames(self.source.read(start, stop), self.cell_diameter_px)


@dataclass(frozen=True)
class Strip:
    """Pixels first..last (exclusive) of the field, and the neurons that touch them."""

    first: int
    last: int
    rois: np.ndarray


def find_strips(footprints: csc_array, field_shape: tuple[int, int]) -> list[Strip]:
    """Return the strips of rows of the field with the neurons whose footprints touch them."""
    n_rows, n_columns = field_shape
    n_rois = footprints.shape[1]
    n_strips = -(-n_rows // _STRIP_ROWS)
    owner = np.repeat(np.arange(n_rois), np.diff(footprints.indptr))
    touched = np.zeros((n_strips, n_rois), bool)
    touched[footprints.indices // (_STRIP_ROWS * n_columns), owner] = True
    size = _STRIP_ROWS * n_columns
    return [
        Strip(index * size, min((index + 1) * size, n_rows * n_columns), np.flatnonzero(rois))
        for index, rois in enumerate(touched)
        if rois.any()
    ]


def entries_of(matrix: csr_array, strip: Strip) -> tuple[np.ndarray, np.ndarray]:
    """Return pixel (counted from the strip's first) and roi of every entry of a strip."""
    inside = slice(matrix.indptr[strip.first], matrix.indptr[strip.last])
    counts = np.diff(matrix.indptr[strip.first : strip.last + 1])
    pixels = np.repeat(np.arange(strip.last - strip.first), counts)
    return pixels, matrix.indices[inside].astype(np.int64)


def project(
    movie: Movie,
    footprints: csc_array,
    *,
    workers: int,
    progress: ProgressCallback = no_progress,
) -> np.ndarray:
    """Return the product of every frame with every footprint, shape (frame, roi), float32."""
    strips = find_strips(footprints, movie.shape[1:])
    rows = footprints.tocsr()
    dense = [rows[s.first : s.last][:, s.rois].toarray().astype(np.float32) for s in strips]

    def multiply(_start: int, block: np.ndarray) -> np.ndarray:
        pixels = block.reshape(len(block), -1)
        sums = np.zeros((len(block), footprints.shape[1]), np.float32)
        for strip, weights in zip(strips, dense, strict=True):
            sums[:, strip.rois] += pixels[:, strip.first : strip.last] @ weights
        return sums

    return np.concatenate(list(map_blocks(movie, multiply, workers=workers, progress=progress)))


def correlate(
    movie: Movie,
    traces: np.ndarray,
    support: csc_array,
    *,
    workers: int,
    progress: ProgressCallback = no_progress,
) -> list[tuple[Strip, np.ndarray]]:
    """Return the product of every trace with the pixels near its neuron.

    Parameters
    ----------
    movie
        Any movie.
    traces
        Shape (frame, roi).
    support
        Pixels at which the product is wanted, shape (pixel, roi); only the strips matter.

    Returns
    -------
    list of (Strip, np.ndarray)
        Products of shape (pixel of the strip, roi of the strip), float64.
    """
    strips = find_strips(support, movie.shape[1:])
    values = np.ascontiguousarray(traces, np.float32)

    def multiply(start: int, block: np.ndarray) -> list[np.ndarray]:
        pixels = block.reshape(len(block), -1)
        part = values[start : start + len(block)]
        return [pixels[:, s.first : s.last].T @ part[:, s.rois] for s in strips]

    totals = [np.zeros((s.last - s.first, len(s.rois))) for s in strips]
    blocks = map_blocks(
        movie, multiply, workers=workers, progress=progress, block_pixels=_LONG_BLOCK_PIXELS
    )
    for products in blocks:
        for total, product in zip(totals, products, strict=True):
            total += product
    return list(zip(strips, totals, strict=True))
