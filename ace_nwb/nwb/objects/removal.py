"""Removal of objects from an open session file, without leaving anything that points at them."""

from collections.abc import Iterable

import h5py

from ace_nwb.errors import SessionFileError
from ace_nwb.nwb.layout import split_path
from ace_nwb.nwb.objects.links import (
    PERMANENT_GROUPS,
    find_dangling_links,
    find_referrers,
    is_within,
    owner_path,
)

_REMOVABLE_ROOTS = ("/processing/", "/events/", "/intervals/", "/scratch/", "/analysis/")


def remove_objects(h5: h5py.File, paths: Iterable[str]) -> tuple[list[str], list[h5py.HLObject]]:
    """Remove objects and everything that holds a reference to them.

    Parameters
    ----------
    h5
        The open file.
    paths
        Paths of objects; those that do not exist are skipped.

    Returns
    -------
        The paths removed, and open handles on them. As long as a handle is open HDF5 does not
        reuse the space, so that what is written next goes to the tail of the file.
    """
    pending = {path for path in paths if path in h5}
    doomed: set[str] = set()
    while pending:
        doomed |= pending
        pending = set(find_referrers(h5, doomed)) - doomed
        for path in pending:
            _check_removable(h5, path)
    outermost = sorted(path for path in doomed if not is_within(split_path(path)[0], doomed))
    handles = [h5[path] for path in outermost]
    for path in outermost:
        del h5[path]
    return outermost, handles


def remove_empty(h5: h5py.File, removed: Iterable[str], keep_for: Iterable[str] = ()) -> list[str]:
    """Remove containers that became empty when their content was removed.

    Those that objects set aside (`keep_for`) may return to stay.
    """
    emptied = []
    kept = {split_path(path)[0] for path in keep_for}
    for path in removed:
        parent, _ = split_path(path)
        while parent not in PERMANENT_GROUPS | kept and parent in h5 and len(h5[parent]) == 0:
            del h5[parent]
            emptied.append(parent)
            parent, _ = split_path(parent)
    return emptied


def set_dangling_aside(h5: h5py.File) -> dict[str, h5py.Group]:
    """Take objects that hold dangling links out of the file for the time being.

    What they link to may be written anew before the end, but pynwb reads the file in between.

    Returns
    -------
        Former path -> the object, which HDF5 keeps as long as it is open.
    """
    aside: dict[str, h5py.Group] = {}
    while links := find_dangling_links(h5):
        for owner in {owner_path(h5, link) for link in links}:
            _check_removable(h5, owner)
            aside[owner] = h5[owner]
            del h5[owner]
    return aside


def put_back(h5: h5py.File, aside: dict[str, h5py.Group]) -> list[str]:
    """Put back what was set aside and links to something again; return what stays removed."""
    for path, found in aside.items():
        if path not in h5:
            h5[path] = found
    removed: list[str] = []
    while links := find_dangling_links(h5):
        removed += remove_objects(h5, {owner_path(h5, link) for link in links})[0]
    return removed


def _check_removable(h5: h5py.File, path: str) -> None:
    """Refuse to remove recorded data because of a link that would dangle."""
    if not path.startswith(_REMOVABLE_ROOTS):
        raise SessionFileError(
            f"{h5.filename}: {path} refers to an object that was to be removed, and it is not a "
            "processing result. Remove only results; nothing was changed."
        )
