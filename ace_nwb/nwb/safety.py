"""Refusal of files that would make a reader open other files of this computer."""

from collections.abc import Iterator
from pathlib import Path

import h5py

from ace_nwb.errors import SessionFileError


def check_safe(h5: h5py.File, path: Path, *, allow_beside: bool = True) -> None:
    """Refuse external raw storage, and links and virtual data sets that leave the folder.

    A data set of a crafted file can take its bytes from any file its reader may read.

    Parameters
    ----------
    h5
        The open file.
    path
        Where it lies.
    allow_beside
        Whether links may lead to other files of the same folder.

    Raises
    ------
    SessionFileError
        If there is such an object; the message names it.
    """
    for holder, target in _outside_files(h5):
        if not (_is_same_file(target) or (allow_beside and _is_within_folder(target, path))):
            raise SessionFileError(
                f"{path}: {holder} takes its content from {target!r}, outside the file's folder. "
                "A session file holds its own data. Do not trust this file."
            )


def _outside_files(h5: h5py.File) -> Iterator[tuple[str, str]]:
    """Yield (object, other file) for everything that points out of the file."""
    groups: list[h5py.Group] = [h5["/"]]
    datasets: list[h5py.Dataset] = []

    def sort(_name: str, found: h5py.Group | h5py.Dataset) -> None:
        (groups if isinstance(found, h5py.Group) else datasets).append(found)

    h5.visititems(sort)
    for dataset in datasets:
        for source, _, _ in dataset.external or ():
            yield dataset.name, str(source)
            yield dataset.name, _ALWAYS_OUTSIDE
        if dataset.is_virtual:
            for source in dataset.virtual_sources():
                yield dataset.name, source.file_name
    for group in groups:
        for name in group:
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                yield f"{group.name}/{name}", link.filename


_ALWAYS_OUTSIDE = "/"  # raw storage in a second file is refused even beside the session


def _is_same_file(target: str) -> bool:
    """Return whether a virtual data set means its own file."""
    return target == "."


def _is_within_folder(target: str, path: Path) -> bool:
    """Return whether a file named in `path` lies in its folder."""
    folder = path.resolve().parent
    return folder in (folder / target).resolve().parents
