"""Removal of objects from an open session file, without leaving anything that points at them.

Only what we wrote goes. Where something foreign refers to an object or stands in it, the object is
kept under another name, and with it what it refers to itself.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import h5py

from ace_nwb.nwb.layout import SUPERSEDED, split_path
from ace_nwb.nwb.objects.links import (
    PERMANENT_GROUPS,
    find_dangling_links,
    is_within,
    iterate_references,
    iterate_soft_links,
    owner_path,
)
from ace_nwb.nwb.ownership import free_name, innermost_object, list_objects

IsOwn = Callable[[str], bool]
"""Whether we wrote the object at a path."""


@dataclass(frozen=True)
class Removal:
    """What becomes of objects that are to be removed.

    Parameters
    ----------
    deleted
        Paths that go, with everything in them.
    superseded
        Path -> the name under which it is kept.
    reasons
        Path that is kept -> why.
    """

    deleted: tuple[str, ...]
    superseded: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


def plan_removal(h5: h5py.File, paths: Iterable[str], is_own: IsOwn) -> Removal:
    """Return what removing objects means: with them go the objects of ours that refer to them.

    Parameters
    ----------
    h5
        The open file.
    paths
        Paths of objects; those that do not exist are skipped.
    is_own
        Tells what we wrote.
    """
    doomed = {path for path in paths if path in h5}
    if not doomed:
        return Removal(())
    references = list(iterate_references(h5))
    doomed |= _emptied(h5, doomed, is_own)
    while more := {
        owner_path(h5, holder)
        for holder, target in references
        if is_within(target, doomed) and not is_within(holder, doomed)
        if _is_ours(h5, holder, is_own)
    }:
        doomed |= more
        doomed |= _emptied(h5, doomed, is_own)
    doomed = {path for path in doomed if not is_within(split_path(path)[0], doomed)}
    links = [(split_path(link)[0], target) for link, target in iterate_soft_links(h5)]
    going = doomed | _linked(h5, doomed, links, is_own)
    reasons = _reasons_to_keep(h5, going, [*references, *links], is_own)
    kept = {path: reason for path, reason in reasons.items() if path in doomed}
    names = {path: free_name(h5, path, SUPERSEDED) for path in sorted(kept)}
    return Removal(tuple(sorted(doomed - set(kept))), names, kept)


def _emptied(h5: h5py.File, doomed: set[str], is_own: IsOwn) -> set[str]:
    """Return the containers of ours of which everything goes: somebody may refer to them."""
    found: set[str] = set()
    for path in doomed:
        parent, _ = split_path(path)
        while _is_container(h5, parent, is_own) and all(
            is_within(f"{parent}/{name}", doomed | found) for name in h5[parent]
        ):
            found.add(parent)
            parent, _ = split_path(parent)
    return found


def _is_container(h5: h5py.File, path: str, is_own: IsOwn) -> bool:
    """Return whether a group of ours is more than a module."""
    is_above = path in PERMANENT_GROUPS or split_path(path)[0] in PERMANENT_GROUPS
    return not is_above and path in h5 and is_own(path)


def _linked(
    h5: h5py.File, doomed: set[str], links: list[tuple[str, str]], is_own: IsOwn
) -> set[str]:
    """Return the objects of ours that link to doomed ones, and go unless these are made anew."""
    found: set[str] = set()
    while more := {
        owner_path(h5, holder)
        for holder, target in links
        if is_within(target, doomed | found) and not is_within(holder, doomed | found)
        if _is_ours(h5, holder, is_own)
    }:
        found |= more
    return found


def _reasons_to_keep(
    h5: h5py.File, paths: set[str], pointers: Iterable[tuple[str, str]], is_own: IsOwn
) -> dict[str, str]:
    """Return the objects among `paths` that must be kept, and why."""
    reasons = dict(_held_from_inside(h5, paths, is_own))
    reasons |= dict(_held_from_outside(h5, paths, pointers, is_own))
    while more := dict(_needed_by_kept(paths, reasons, pointers)):
        reasons |= more
    return reasons


def delete_objects(h5: h5py.File, paths: Iterable[str]) -> list[h5py.HLObject]:
    """Delete objects; return open handles on them.

    As long as a handle is open HDF5 does not reuse the space, so that what is written next goes to
    the tail of the file.
    """
    handles = [h5[path] for path in paths]
    for path in paths:
        del h5[path]
    return handles


def remove_empty(
    h5: h5py.File, removed: Iterable[str], is_own: IsOwn, keep_for: Iterable[str] = ()
) -> list[str]:
    """Remove containers of ours that became empty when their content was removed.

    Those that objects set aside (`keep_for`) may return to stay.
    """
    emptied = []
    kept = PERMANENT_GROUPS | {split_path(path)[0] for path in keep_for}
    for path in removed:
        parent, _ = split_path(path)
        while parent not in kept and parent in h5 and not len(h5[parent]) and is_own(parent):
            del h5[parent]
            emptied.append(parent)
            parent, _ = split_path(parent)
    return emptied


def set_dangling_aside(h5: h5py.File, is_own: IsOwn) -> dict[str, h5py.Group]:
    """Take objects of ours that hold dangling links out of the file for the time being.

    What they link to may be written anew before the end; who reads the file in between would
    stumble.

    Returns
    -------
        Former path -> the object, which HDF5 keeps as long as it is open.
    """
    aside: dict[str, h5py.Group] = {}
    while owners := _dangling_owners(h5, is_own):
        for owner in owners:
            aside[owner] = h5[owner]
            del h5[owner]
    return aside


def put_back(h5: h5py.File, aside: dict[str, h5py.Group], is_own: IsOwn) -> list[str]:
    """Put back what was set aside and links to something again; return what stays removed."""
    for path, found in aside.items():
        if path not in h5:
            h5[path] = found
    removed: list[str] = []
    while owners := _dangling_owners(h5, is_own):
        plan = plan_removal(h5, owners, is_own)
        delete_objects(h5, plan.deleted)
        removed += plan.deleted
        if not plan.deleted:  # foreign objects refer to what is left, so it stays as it is
            break
    return removed


def _dangling_owners(h5: h5py.File, is_own: IsOwn) -> set[str]:
    """Return the objects of ours with links to nothing; those of others were so before."""
    owners = {owner_path(h5, link) for link in find_dangling_links(h5)}
    return {owner for owner in owners if is_own(owner)}


def _is_ours(h5: h5py.File, holder: str, is_own: IsOwn) -> bool:
    """Return whether a holder of references is ours, and the object that it is a part of too."""
    return is_own(innermost_object(h5, holder)) and is_own(owner_path(h5, holder))


def _needed_by_kept(
    paths: set[str], kept: Mapping[str, str], pointers: Iterable[tuple[str, str]]
) -> Iterable[tuple[str, str]]:
    """Yield (object, reason) of those that a kept one refers or links to."""
    going, staying = paths - set(kept), set(kept)
    for holder, target in pointers:
        if is_within(holder, staying) and is_within(target, going):
            yield _outermost(target, going), f"{_outermost(holder, staying)} is kept, refers to it"


def _held_from_outside(
    h5: h5py.File, doomed: set[str], pointers: Iterable[tuple[str, str]], is_own: IsOwn
) -> Iterable[tuple[str, str]]:
    """Yield (object, reason) of those that foreign objects refer or link to."""
    for holder, target in pointers:
        if not is_within(target, doomed) or is_within(holder, doomed):
            continue
        if not _is_ours(h5, holder, is_own):
            yield _outermost(target, doomed), f"{innermost_object(h5, holder)} refers to it"


def _held_from_inside(h5: h5py.File, doomed: set[str], is_own: IsOwn) -> Iterable[tuple[str, str]]:
    """Yield (object, reason) of those of ours that others put something in."""
    for path in filter(is_own, doomed):
        foreign = sorted(one for one in list_objects(h5, [path]) if not is_own(one))
        if foreign:
            yield path, f"{foreign[0]} stands in it"


def _outermost(path: str, doomed: set[str]) -> str:
    """Return the one of `doomed` that a path lies in."""
    return next(one for one in doomed if is_within(path, {one}))
