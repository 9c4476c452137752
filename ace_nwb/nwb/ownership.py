"""Whose an object of a session file is: what we wrote is known by path and object id.

Everything else is foreign: another program's or a lab's, and no stage may remove or change it.
Where a foreign object has the place of ours, ours stands beside it under a name of its own
(`Fluorescence_ace`), and readers that ask for the place are led to it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatch
from itertools import chain, count
from typing import Any

import h5py
import numpy as np

from ace_nwb.nwb import layout
from ace_nwb.nwb.objects.columns import decode_texts
from ace_nwb.nwb.objects.links import visit_links

_ROOMS = ("/processing", "/intervals")
"""Where stages write."""

_BESIDE = re.compile(rf"(.+)_{layout.BESIDE}\d*")
_EXTRACTED_COLUMNS = ("image_mask", "id", "size_px", "noise", "decay_time_s")
"""Columns of the ROI table that every extraction has written."""

Owned = dict[str, str]
"""Path -> object id of every object of ours."""


def object_id(found: Any) -> str | None:
    """Return the id of an object, or None if it has none."""
    value = None if found is None else found.attrs.get("object_id")
    return value.decode() if isinstance(value, bytes) else value


def list_objects(h5: h5py.File, within: Iterable[str] = _ROOMS) -> Owned:
    """Return path -> object id of every object where stages write; links are not followed."""
    found: Owned = {}
    for place in within:
        room = h5.get(place)
        for name in () if room is None else (b".", *_hard_links(room)):
            identity = _stored_id(room.id, name)
            if identity is not None:
                found[place if name == b"." else f"{place}/{name.decode()}"] = identity
    return found


def _hard_links(found: h5py.Group | h5py.Dataset) -> list[bytes]:
    """Return the paths, relative to an object, of all that hard links lead to."""
    names: list[bytes] = []

    def take(name: bytes, info: h5py.h5l.LinkInfo) -> None:
        if info.type == h5py.h5l.TYPE_HARD:
            names.append(name)

    if isinstance(found, h5py.Group):
        visit_links(found.id, take)
    return names


def _stored_id(start: h5py.h5g.GroupID, name: bytes) -> str | None:
    """Return the id of an object; through HDF5 itself, since every change asks for all of them."""
    found = h5py.h5o.open(start, name)
    if not h5py.h5a.exists(found, b"object_id"):
        return None
    attribute = h5py.h5a.open(found, b"object_id")
    value = np.empty((), attribute.dtype)
    attribute.read(value)
    return str(decode_texts(value[np.newaxis])[0])


def matching_paths(h5: Any, patterns: Iterable[str]) -> list[str]:
    """Return the paths in a file that match patterns such as "/processing/events/Calcium*"."""
    found = []
    for pattern in patterns:
        parent, _, name = pattern.rpartition("/")
        if parent in h5:
            found += [f"{parent}/{child}" for child in h5[parent] if fnmatch(child, name)]
    return sorted(found)


def fits(path: str, patterns: Iterable[str]) -> bool:
    """Return whether a path matches one of some patterns."""
    return any(fnmatch(path, pattern) for pattern in patterns)


def objects_of_older_runs(h5: h5py.File, outputs: Iterable[str]) -> Owned:
    """Return what runs wrote that recorded patterns of paths only; a lab's columns are not in it.

    Parameters
    ----------
    h5
        The open file.
    outputs
        Patterns that the runs recorded.
    """
    named = set(matching_paths(h5, outputs))
    found = list_objects(h5, named)
    return {
        path: identity
        for path, identity in found.items()
        if path in named or not _is_column_of_a_lab(h5, path)
    }


def _is_column_of_a_lab(h5: h5py.File, path: str) -> bool:
    table, name = layout.split_path(path)
    if not table.endswith("/PlaneSegmentation") or name in _EXTRACTED_COLUMNS:
        return False
    text = h5[path].attrs.get("description", "")
    return not str(text).endswith("of the ROI, from the engine.")


def is_own(h5: Any, path: str, owned: Mapping[str, str]) -> bool:
    """Return whether we wrote what stands at `path`; a module is ours by its description."""
    found = h5.get(path)
    if found is None:
        return False
    identity = object_id(found)
    if identity is not None and owned.get(path) == identity:
        return True
    parent, name = layout.split_path(path)
    text = found.attrs.get("description")
    return parent == "/processing" and name in layout.MODULES and text == layout.MODULES[name]


def innermost_object(h5: h5py.File, path: str) -> str:
    """Return the object with an id that `path` is part of, or is: a column, else its table."""
    while path and object_id(h5.get(path)) is None:
        path = path.rpartition("/")[0]
    return path or "/"


def names_beside(h5: Any) -> dict[str, str]:
    """Return place -> path of what has a name as our results beside foreign ones have."""
    rooms = [f"/processing/{name}" for name in h5.get("/processing", ())]
    found = {}
    for room in filter(lambda path: path in h5, [*rooms, "/intervals"]):
        for match in filter(None, map(_BESIDE.fullmatch, h5[room])):
            found[f"{room}/{match[1]}"] = f"{room}/{match[0]}"
    return found


def kept_names(h5: Any) -> list[str]:
    """Return the names under which replaced results have been kept."""
    if layout.STAGE_RUNS not in h5:
        return []
    actions, remarks = (_texts(h5, layout.STAGE_RUNS, name) for name in ("action", "warnings"))
    told = zip(actions, remarks, strict=True)
    return [remark.removeprefix("kept as ") for action, remark in told if action == "keep"]


def is_set_aside(path: str, names: Iterable[str]) -> bool:
    """Return whether a path has the suffix of a replaced result: one of `names`, or ours."""
    if re.search(rf"_{layout.SUPERSEDED}\d*$", path):
        return True
    return any(path.endswith(f"_{name}") for name in names)


def read_owned(h5: Any) -> Owned:
    """Return path -> object id of everything that we have written, as the history says.

    A file of an older version of ours recorded where its stages wrote, not what.
    """
    if layout.STAGE_OUTPUTS in h5:
        paths, ids = (_texts(h5, layout.STAGE_OUTPUTS, name) for name in ("path", "output_id"))
        return dict(zip(paths, ids, strict=True))
    if layout.STAGE_RUNS not in h5 or not isinstance(h5, h5py.File):
        return {}
    columns = (_texts(h5, layout.STAGE_RUNS, name) for name in ("outputs", "action", "warnings"))
    patterns = [f"{layout.DEVICE_TIME}*", layout.REGULAR_SERIES]  # an alignment did not name them
    for outputs, action, remark in zip(*columns, strict=True):
        suffix = f"_{remark.removeprefix('kept as ')}" if action == "keep" else ""
        patterns += [f"{path}{suffix}" for path in outputs.split("; ") if path]
    return objects_of_older_runs(h5, patterns)


def _texts(h5: Any, table: str, column: str) -> list[str]:
    return [str(text) for text in decode_texts(np.asarray(h5[f"{table}/{column}"][:]))]


def locate(path: str, beside: Mapping[str, str]) -> str:
    """Return where what belongs at `path` stands."""
    for place, actual in beside.items():
        if path == place or path.startswith(f"{place}/"):
            return actual + path[len(place) :]
    return path


def free_name(h5: Any, path: str, suffix: str) -> str:
    """Return `path` with a suffix, and a number if that is taken too."""
    names: Iterator[str] = chain([f"{path}_{suffix}"], (f"{path}_{suffix}{n}" for n in count(2)))
    return next(name for name in names if name not in h5)
