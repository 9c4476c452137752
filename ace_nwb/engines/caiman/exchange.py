"""What goes to CaImAn and comes back: a memory-mapped movie, and arrays in its pixel order.

CaImAn numbers pixels column by column, we row by row; this is the only place that knows both.
"""

import os
import shutil
from pathlib import Path

import numpy as np
from scipy.sparse import csc_array, csr_array

from ace_nwb.errors import OutputError
from ace_nwb.imaging.blocks import map_blocks, spread_blocks
from ace_nwb.imaging.movie import Movie, ProgressCallback
from ace_nwb.imaging.segmentation import RingBackground

_FREE_SPACE_FACTOR = 1.5  # of the movie's bytes: CaImAn writes its own copies beside it
_ZEROS = 2**20
"""Bytes written at once where room cannot be reserved: 1 MB."""


def movie_name(movie: Movie, order: str) -> str:
    """Return the file name that tells CaImAn shape and order."""
    n_frames, n_rows, n_columns = movie.shape
    return f"movie_d1_{n_rows}_d2_{n_columns}_d3_1_order_{order}_frames_{n_frames}.mmap"


def write_movie(
    movie: Movie, folder: Path, *, order: str, workers: int, progress: ProgressCallback
) -> tuple[Path, bool]:
    """Write the movie as the memory map that CaImAn reads, float32.

    Parameters
    ----------
    movie
        Any movie.
    folder
        Where to.
    order
        "C": all frames of a pixel together, for extraction; "F": all pixels of a frame together,
        for motion.
    workers
        Threads.
    progress
        Called with (frames done, number of frames).

    Returns
    -------
    tuple of (Path, bool)
        The file, and whether anything ever changes in the movie: CaImAn cannot bear it if not.

    Raises
    ------
    OutputError
        If there is not enough space.
    """
    n_frames, n_rows, n_columns = movie.shape
    path = folder / movie_name(movie, order)
    needed = int(4 * _FREE_SPACE_FACTOR * n_frames * n_rows * n_columns)
    if shutil.disk_usage(folder).free < needed:
        raise _no_space(needed, folder)
    shape = (n_rows * n_columns, n_frames)
    try:
        _reserve(path, 4 * n_frames * n_rows * n_columns)
    except OSError as error:
        raise _no_space(needed, folder) from error
    pixels = np.memmap(path, np.float32, "r+", shape=shape, order="C" if order == "C" else "F")

    first = movie.read(0, 1)

    def copy(start: int, block: np.ndarray) -> bool:
        turned = block.transpose(2, 1, 0).reshape(-1, len(block))
        pixels[:, start : start + len(block)] = turned
        return bool(np.any(block != first))

    with spread_blocks(None):  # blocks go into this process's copy
        changes = list(map_blocks(movie, copy, workers=workers, progress=progress))
    pixels.flush()
    return path, any(changes)


def _no_space(needed: int, folder: Path) -> OutputError:
    """Return the error of a disk that is too small."""
    return OutputError(
        f"CaImAn needs {needed / 1e9:.1f} GB for its copy of the movie, and {folder.parent} has "
        f"{shutil.disk_usage(folder).free / 1e9:.1f} GB left. Free some space, or set TMPDIR to a "
        "larger disk."
    )


def _reserve(path: Path, n_bytes: int) -> None:
    """Make a file of zeros that has its room on the disk.

    Without it a disk that fills up later, or a quota, ends the process by SIGBUS.
    """
    with path.open("wb") as file:
        if hasattr(os, "posix_fallocate"):  # not on macOS and Windows
            os.posix_fallocate(file.fileno(), 0, n_bytes)
            return
        for start in range(0, n_bytes, _ZEROS):
            file.write(bytes(min(_ZEROS, n_bytes - start)))


def column_major_order(shape: tuple[int, int]) -> np.ndarray:
    """Return for each of CaImAn's pixels the number of ours, shape (pixel,)."""
    return np.arange(shape[0] * shape[1]).reshape(shape).ravel(order="F")


def read_footprints(arrays: dict[str, np.ndarray], field_shape: tuple[int, int]) -> csc_array:
    """Return the footprints with our numbers of pixels, shape (pixel, roi)."""
    ours = column_major_order(field_shape)
    footprints = csc_array(
        (
            arrays["footprint_values"],
            ours[arrays["footprint_pixels"]],
            arrays["footprint_starts"],
        ),
        shape=tuple(arrays["shape"]),
    )
    footprints.sort_indices()
    return footprints


def read_background(
    arrays: dict[str, np.ndarray], field_shape: tuple[int, int], *, downsampling: int
) -> RingBackground:
    """Return the ring model with our numbers of pixels."""
    n_rows, n_columns = field_shape
    coarse = (-(-n_rows // downsampling), -(-n_columns // downsampling))
    n_coarse = coarse[0] * coarse[1]
    weights = csr_array(
        (arrays["ring_values"], arrays["ring_pixels"], arrays["ring_starts"]),
        shape=(n_coarse, n_coarse),
    )
    place = np.argsort(column_major_order(coarse))
    weights = csr_array(weights[place][:, place])
    weights.sort_indices()
    baseline = arrays["b0"].reshape(field_shape, order="F").astype(np.float32)
    return RingBackground(weights, baseline, downsampling)
