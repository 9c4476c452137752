"""TIFF stacks as movies: every page of a file is a frame, read by Pillow."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ace_nwb.errors import MovieError

SUFFIXES = (".tif", ".tiff")
TYPES = {"L": "gray", "I;16": "gray16le", "I;16B": "gray16le"}
"""Pillow's pixel types -> names of libav, as `video` uses them."""


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
            "n_frames_header": image.n_frames,
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
            except (OSError, EOFError, ValueError) as error:
                raise MovieError(
                    f"{file_path} cannot be read beyond page {page} of {image.n_frames} "
                    f"({error}). Every page was expected; copy the file again."
                ) from error
            yield frame.astype(frame.dtype.newbyteorder("="))


def _open(file_path: Path) -> Any:
    """Open a stack."""
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(file_path, formats=["TIFF"])
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise MovieError(
            f"{file_path} cannot be read as a TIFF stack ({error}). A TIFF file was expected; "
            "copy it again from its source."
        ) from error
