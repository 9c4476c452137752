"""Giving results another name, so that a new run of their stage stands beside them."""

from collections.abc import Iterable, Mapping

import h5py

from ace_nwb.errors import SessionFileError
from ace_nwb.nwb.objects.links import is_within, iterate_soft_links


def kept_paths(paths: Iterable[str], name: str) -> dict[str, str]:
    """Return the path that each result of a stage has once it is kept as `name`.

    Parameters
    ----------
    paths
        Paths such as "/processing/ophys/Fluorescence".
    name
        Letters, digits, dots, minus and underscores.
    """
    if not name or not all(letter.isalnum() or letter in "._-" for letter in name):
        raise SessionFileError(
            f"Results cannot be kept as {name!r}; a name of letters, digits, dots, minus and "
            "underscores was expected. Choose another name."
        )
    return {path: f"{path}_{name}" for path in paths}


def check_renaming(h5: h5py.File, paths: Mapping[str, str]) -> None:
    """Raise SessionFileError if an object does not exist, or a new path is taken."""
    for old, new in paths.items():
        if old not in h5 or new in h5:
            state = "does not exist" if old not in h5 else f"cannot become {new}, which exists"
            raise SessionFileError(f"{h5.filename}: {old} {state}. Choose another name.")


def rename_objects(h5: h5py.File, paths: Mapping[str, str]) -> None:
    """Move objects to other paths; links that lead into them follow, references do anyway.

    Raises
    ------
    SessionFileError
        If an object does not exist, or a new path is taken.
    """
    check_renaming(h5, paths)
    links = list(iterate_soft_links(h5))
    for old, new in paths.items():
        h5.move(old, new)
    for link, target in links:
        moved = moved_path(target, paths)
        if moved != target:
            place = moved_path(link, paths)
            del h5[place]
            h5[place] = h5py.SoftLink(moved)


def moved_path(path: str, paths: Mapping[str, str]) -> str:
    """Return where a path leads after the move."""
    for old, new in paths.items():
        if is_within(path, {old}):
            return new + path[len(old) :]
    return path
