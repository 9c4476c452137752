"""The files of a session in Zarr (version 2): descriptions sound, nothing from outside, chunks."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ace_nwb.errors import SessionFileError
from ace_nwb.nwb.structure import ALWAYS_BYTES, DEEPEST, MOST_BYTES_PER_BYTE, MOST_LINKS

_DESCRIPTIONS = (".zarray", ".zgroup", ".zattrs", ".zmetadata")
_REFERENCE = {"source", "path"}


def check_folder(path: Path) -> None:
    """Refuse what is damaged, absurd, comes from outside, or would run code when it is read.

    Parameters
    ----------
    path
        The folder of the session.

    Raises
    ------
    SessionFileError
        The message names the object.
    """
    files = list(_list_files(path))
    n_bytes = sum(file.stat().st_size for file in files)
    for file in files:
        if file.name not in _DESCRIPTIONS:
            continue
        content = read_description(file, path)
        if file.name == ".zarray":
            _check_array(content, file.parent, path, most=MOST_BYTES_PER_BYTE * n_bytes)
        if file.name == ".zattrs":
            _check_sources(content, file.parent, path)


@dataclass(frozen=True)
class Gap:
    """Chunks of an array that are not there; reading gives its fill value in their place.

    Parameters
    ----------
    array
        Its name.
    first
        The first of the chunks.
    n_chunks
        How many they are.
    is_filled
        Whether the array has a fill value; without one, reading gives anything.
    """

    array: str
    first: str
    n_chunks: int
    is_filled: bool

    @property
    def text(self) -> str:
        """What is missing, in words."""
        more = f" and {self.n_chunks - 1} more" if self.n_chunks > 1 else ""
        return f"{self.array} lacks its chunk {self.first}{more}"


def refuse_gaps(path: Path, *, is_complete: bool) -> None:
    """Refuse a session with chunks missing.

    Writers may leave out chunks that hold nothing but the fill value, and a copy that broke off
    looks the same. So gaps are refused where the writer is known to leave out nothing, and where
    there is no fill value to stand for them.

    Parameters
    ----------
    path
        The folder of the session.
    is_complete
        Whether the writer left out nothing.
    """
    for gap in find_gaps(path):
        if is_complete or not gap.is_filled:
            raise SessionFileError(
                f"{path}: {gap.text}; all were expected. A copy that broke off loses chunks: copy "
                "the session again. If its writer left out chunks that hold one value only, or to "
                f"save the rest, `ace-nwb import {path.name} FILE --fill-missing-chunks` takes the "
                "fill value for them."
            )


def find_gaps(path: Path) -> Iterator[Gap]:
    """Yield the arrays with chunks missing."""
    for file in sorted(path.rglob(".zarray")):
        content = read_description(file, path)
        separator = content.get("dimension_separator", ".")
        sizes = zip(content["shape"], content["chunks"], strict=True)
        counts = [-(-size // chunk) for size, chunk in sizes]
        stored = {
            chunk.relative_to(file.parent).as_posix().replace("/", separator)
            for chunk in file.parent.rglob("*")
            if chunk.is_file() and not chunk.name.startswith(".")
        }
        n_missing = prod(counts) - len(stored)
        if n_missing > 0:
            keys = (separator.join(map(str, key)) or "0" for key in product(*map(range, counts)))
            first = next(key for key in keys if key not in stored)
            is_filled = content.get("fill_value") is not None
            yield Gap(_name(file.parent, path), first, n_missing, is_filled)


def read_description(file: Path, path: Path) -> dict[str, Any]:
    """Return the object in a file that describes a group or an array."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(file.parent, path, f"its {file.name} is no JSON ({error})") from error
    if not isinstance(content, dict):
        raise _damaged(file.parent, path, f"its {file.name} holds no JSON object")
    return content


def _list_files(path: Path) -> Iterator[Path]:
    """Yield the files of the folder, links refused."""
    for count, file in enumerate(path.rglob("*")):
        if file.is_symlink():
            raise SessionFileError(
                f"{path}: {file.relative_to(path)} is a symbolic link; a Zarr session holds its "
                "own data. Do not trust it."
            )
        if count > MOST_LINKS or len(file.relative_to(path).parts) > DEEPEST:
            raise SessionFileError(
                f"{path} holds more than {MOST_LINKS} files or folders, or more than {DEEPEST} "
                "within each other; a session in Zarr was expected. Do not trust it."
            )
        if file.is_file():
            yield file


def _check_array(content: dict[str, Any], array: Path, path: Path, *, most: int) -> None:
    """Check what an array says of itself."""
    shape: Any = content.get("shape")
    chunks: Any = content.get("chunks")
    if not (_are_counts(shape, least=0) and _are_counts(chunks, least=1)):
        raise _damaged(array, path, f"its shape is {shape!r:.80} in chunks of {chunks!r:.80}")
    if len(shape) != len(chunks):
        raise _damaged(array, path, f"its shape {shape} has other axes than its chunks {chunks}")
    try:
        text = content["dtype"]
        dtype = np.dtype([tuple(one) for one in text] if isinstance(text, list) else text)
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(array, path, f"its type is none ({error})") from error
    if '"pickle"' in json.dumps(content):
        raise SessionFileError(
            f"{path}: {_name(array, path)} is pickled, and reading it could run code; plain "
            "values were expected. Export the session again with ace_nwb."
        )
    declared = dtype.itemsize * max(prod(shape), prod(chunks))
    if declared > max(ALWAYS_BYTES, most):
        raise _damaged(
            array, path, f"it declares {declared / 1e9:,.0f} GB, which cannot be in the folder"
        )


def _are_counts(value: Any, *, least: int) -> bool:
    return isinstance(value, list) and all(type(one) is int and one >= least for one in value)


def _check_sources(content: dict[str, Any], holder: Path, path: Path) -> None:
    """Refuse links and references that leave the folder."""
    for source in _sources(content):
        if source not in (".", "", None):
            raise SessionFileError(
                f"{path}: {_name(holder, path)} takes its content from {source!r}; a Zarr session "
                "holds its own data. Do not trust it."
            )


def _sources(value: Any) -> Iterator[Any]:
    """Yield where the links and references within attributes lead."""
    if isinstance(value, dict):
        if set(value) >= _REFERENCE:
            yield value["source"]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _sources(item)


def _name(holder: Path, path: Path) -> str:
    return f"/{holder.relative_to(path).as_posix()}" if holder != path else "/"


def _damaged(holder: Path, path: Path, what: str) -> SessionFileError:
    return SessionFileError(
        f"{path}: {_name(holder, path)} is damaged: {what}. A whole session in Zarr was expected; "
        "copy it again, or export it again with `ace-nwb export --zarr`."
    )
