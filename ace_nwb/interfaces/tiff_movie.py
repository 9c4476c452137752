"""TIFF stacks as movies: every page of a file is a frame, read by Pillow."""

import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ace_nwb.errors import MovieError

SUFFIXES = (".tif", ".tiff")
TYPES = {"L": "gray", "I;16": "gray16le", "I;16B": "gray16le"}
"""Pillow's pixel types -> names of libav, as `video` uses them."""

DAMAGE = (OSError, EOFError, ValueError, TypeError, KeyError, SyntaxError, struct.error)
"""What Pillow raises where a file is damaged."""


def probe_tiff(file_path: Path) -> dict[str, Any]:
    """Return the facts of a stack, as `video.MovieProbe` takes them.

    Raises
    ------
    MovieError
        If it is no TIFF file of grey pictures.
    """
    with _open(file_path) as image:
        if image.mode not in TYPES:
            raise MovieError(
                f"{file_path} holds pictures of type {image.mode}. Grey pictures of 8 or 16 bits "
                "were expected; export the stack anew."
            )
        n_columns, n_rows = image.size
        return {
            "codec": "tiff",
            "pixel_format": TYPES[image.mode],
            "n_rows": n_rows,
            "n_columns": n_columns,
            "n_frames_header": _count_pages(image, file_path),
            "container_rate_hz": 0.0,
            "size_bytes": file_path.stat().st_size,
        }


def iterate_tiff(file_path: Path) -> Iterator[np.ndarray]:
    """Yield the pages of a stack as frames (row, column)."""
    with _open(file_path) as image:
        for page in range(image.n_frames):
            try:
                image.seek(page)
                frame = np.asarray(image)
            except DAMAGE as error:
                raise MovieError(
                    f"{file_path} cannot be read beyond page {page} of {image.n_frames} "
                    f"({error}). Every page was expected; copy the file again."
                ) from error
            yield frame.astype(frame.dtype.newbyteorder("="))


def _count_pages(image: Any, file_path: Path) -> int:
    """Return the number of pages, which are listed one after the other throughout the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what the error below says
            return int(image.n_frames)
    except DAMAGE as error:
        raise MovieError(
            f"{file_path} is cut off or damaged: its pages cannot be counted ({error}). A whole "
            "TIFF stack was expected; copy it again from its source."
        ) from error


def _open(file_path: Path) -> Any:
    """Open a stack."""
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(file_path, formats=["TIFF"])
    except (UnidentifiedImageError, *DAMAGE) as error:
        raise MovieError(
            f"{file_path} cannot be read as a TIFF stack ({error}). A TIFF file was expected; "
            "copy it again from its source."
        ) from error
