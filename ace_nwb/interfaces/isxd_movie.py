"""Inscopix movies (.isxd) as frames, read by Inscopix' own package `isx`; lost frames left out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ace_nwb.errors import MissingPackageError, MovieError

SUFFIX = ".isxd"
PIXEL_FORMATS = {"uint8": "gray", "uint16": "gray16le", "float32": "grayf32le"}
"""Types of pixels -> names of libav, as `video` uses them."""


def open_isxd(file_path: Path) -> Any:
    """Open a movie.

    Raises
    ------
    MissingPackageError
        If `isx` is not installed.
    MovieError
        If the file is no whole movie.
    """
    try:
        import isx
    except ImportError as error:
        raise MissingPackageError(
            f"{file_path} is read by Inscopix' package isx ({error}). It was expected to be "
            'installed; get it with: pip install "ace-nwb[inscopix]" (Python below 3.13).'
        ) from error
    try:
        return isx.Movie.read(str(file_path))
    except Exception as error:
        raise MovieError(
            f"{file_path} ({file_path.stat().st_size} bytes) cannot be read as an Inscopix movie "
            f"({str(error).splitlines()[-1][:200]}). A whole movie was expected; copy the file "
            "again, or move what is no raw movie away."
        ) from error


def valid_frames(movie: Any) -> np.ndarray:
    """Return the indices of the frames that were recorded, lost ones counted."""
    return np.asarray(movie.timing.get_valid_samples(), np.int64)


def probe_isxd(file_path: Path) -> dict[str, Any]:
    """Return the facts of a movie, as `video.MovieProbe` takes them."""
    movie = open_isxd(file_path)
    name = np.dtype(movie.data_type).name
    if name not in PIXEL_FORMATS:
        raise MovieError(
            f"{file_path} holds pixels of type {name}. One of {', '.join(PIXEL_FORMATS)} was "
            "expected; export the raw movie."
        )
    n_rows, n_columns = (int(side) for side in movie.spacing.num_pixels)
    return {
        "codec": "isxd",
        "pixel_format": PIXEL_FORMATS[name],
        "n_rows": n_rows,
        "n_columns": n_columns,
        "n_frames_header": len(valid_frames(movie)),
        "container_rate_hz": 1.0 / float(movie.timing.period.secs_float),
        "size_bytes": file_path.stat().st_size,
    }


def iterate_isxd(file_path: Path) -> Iterator[np.ndarray]:
    """Yield the recorded frames (row, column); isx itself gives zeros for lost ones."""
    movie = open_isxd(file_path)
    for index in valid_frames(movie).tolist():
        try:
            yield np.asarray(movie.get_frame_data(index))
        except Exception as error:
            raise MovieError(
                f"{file_path} cannot be read beyond frame {index} ({error}). Every frame was "
                "expected; copy the file again."
            ) from error
