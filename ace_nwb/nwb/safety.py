"""Refusal of files that would make a reader open other files of this computer."""

import os
from collections.abc import Iterator
from pathlib import Path

import h5py

from ace_nwb.errors import SessionFileError
from ace_nwb.nwb.heaps import find_endless_texts
from ace_nwb.nwb.structure import Structure


def check_safe(h5: h5py.File, path: Path, *, allow_beside: bool = True) -> bool:
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

    Returns
    -------
        Whether the file holds all of its data itself.

    Raises
    ------
    SessionFileError
        If there is such an object; the message names it.
    """
    return _check(h5, path, allow_beside=allow_beside, checked={path.resolve()})


def file_beside(path: Path, name: str) -> Path:
    """Return a file that a session names; a crafted one may name any file of its reader.

    Parameters
    ----------
    path
        The session.
    name
        Name as it stands in the session, relative to its folder.

    Raises
    ------
    SessionFileError
        If the file does not lie in the folder of the session, or below; links are followed.
    """
    if Path(name).is_absolute() or not _is_within_folder(name, path):
        raise SessionFileError(
            f"{path} names the file {name!r}, which does not lie in its folder; a name relative to "
            "the session, such as videos/1.avi, was expected. Do not trust this file, or put the "
            "video beside it and name it so."
        )
    return (path.resolve().parent / name).resolve()


def _check(h5: h5py.File, path: Path, *, allow_beside: bool, checked: set[Path]) -> bool:
    """Check one file, and those beside it that it leads to; whether there are none."""
    is_whole = True
    for holder, target, is_link in _outside_files(h5, path):
        if _is_same_file(target):
            continue
        is_whole = False
        if not (is_link and allow_beside and _is_within_folder(target, path)):
            raise SessionFileError(
                f"{path}: {holder} takes its content from {target!r}, not from the file. "
                "A session file holds its own data. Do not trust this file."
            )
        _check_linked(path, holder, target, checked=checked)
    return is_whole


def _check_linked(path: Path, holder: str, target: str, *, checked: set[Path]) -> None:
    """Check a file beside; HDF5 would look for a missing one in the current folder."""
    linked = (path.resolve().parent / target).resolve()
    if linked in checked:
        return
    checked.add(linked)
    try:
        with h5py.File(linked, "r") as h5:
            _check(h5, linked, allow_beside=True, checked=checked)
    except OSError as error:
        raise SessionFileError(
            f"{path}: {holder} leads to {target!r}, which is no readable HDF5 file beside it. "
            "Put the file there, or get a complete copy of the session."
        ) from error


def _outside_files(h5: h5py.File, path: Path) -> Iterator[tuple[str, str, bool]]:
    """Yield (object, other file, whether by a link) for everything that points out of the file.

    Raw storage in another file, which may be any file at all, is not a link.
    """
    structure = Structure(h5, path)
    texts = []
    for name, dataset in structure.datasets():
        yield from _outside_sources(dataset, name)
        if dataset.dtype.hasobject:
            texts.append((name, dataset))
    if path.is_file():
        _check_heaps(path, h5.userblock_size, structure, texts)
    for link in structure.external:
        yield (
            f"/{link.decode('utf-8', 'backslashreplace')}",
            h5.get(link, getlink=True).filename,
            True,
        )


def _check_heaps(
    path: Path, base: int, structure: Structure, texts: list[tuple[str, h5py.h5d.DatasetID]]
) -> None:
    """Refuse a file in which HDF5 would look for a text without end."""
    holder = find_endless_texts(path, base=base, headers=structure.headers(), texts=texts)
    if holder:
        raise SessionFileError(
            f"{path}: the texts of {holder} are damaged: zeros stand where they were, and HDF5 "
            "would look for them without end. A whole NWB file was expected; get a copy from "
            "before, or convert the recording again."
        )


def _outside_sources(dataset: h5py.h5d.DatasetID, path: str) -> Iterator[tuple[str, str, bool]]:
    """Yield the same for one data set; through HDF5 itself, as every opening waits for it."""
    plist = dataset.get_create_plist()
    for index in range(plist.get_external_count()):
        yield path, os.fsdecode(plist.get_external(index)[0]), False
    if plist.get_layout() == h5py.h5d.VIRTUAL:
        for source in h5py.Dataset(dataset).virtual_sources():
            yield path, source.file_name, True


def _is_same_file(target: str) -> bool:
    """Return whether a virtual data set means its own file."""
    return target == "."


def _is_within_folder(target: str, path: Path) -> bool:
    """Return whether a file named in `path` lies in its folder."""
    folder = path.resolve().parent
    return folder in (folder / target).resolve().parents
