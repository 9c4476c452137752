"""Removal of objects from an open session file, without leaving anything that points at them."""

from collections.abc import Iterable

import h5py

from ace_nwb.errors import SessionFileError
from ace_nwb.nwb.layout import split_path
from ace_nwb.nwb.links import (
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
    removed = list(outermost)
    for path in outermost:
        del h5[path]
        removed += _remove_empty_parents(h5, path)
    return removed, handles


def remove_dangling(h5: h5py.File) -> tuple[list[str], list[h5py.HLObject]]:
    """Remove the objects that hold soft links to something that no longer exists."""
    removed: list[str] = []
    handles: list[h5py.HLObject] = []
    while links := find_dangling_links(h5):
        owners = {owner_path(h5, link) for link in links}
        for owner in owners:
            _check_removable(h5, owner)
        more_removed, more_handles = remove_objects(h5, owners)
        removed += more_removed
        handles += more_handles
    return removed, handles


def _check_removable(h5: h5py.File, path: str) -> None:
    """Refuse to remove recorded data because of a link that would dangle."""
    if not path.startswith(_REMOVABLE_ROOTS):
        raise SessionFileError(
            f"{h5.filename}: {path} refers to an object that was to be removed, and it is not a "
            "processing result. Remove only results; nothing was changed."
        )


def _remove_empty_parents(h5: h5py.File, path: str) -> list[str]:
    """Remove the containers and the module that became empty."""
    removed = []
    parent, _ = split_path(path)
    while parent not in PERMANENT_GROUPS and len(h5[parent]) == 0:
        del h5[parent]
        removed.append(parent)
        parent, _ = split_path(parent)
    return removed
