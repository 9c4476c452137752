"""What stands in a session file, as plain data, and the JSON Schema of such an inventory.

`list_contents` describes a file (path -> type, axes, unit, columns); the schema made of the table
in `results` says what that description must look like. It is published in `schemas/`, so that other
programs can check a file of ours, or find their way in it, without our code.
"""

from typing import Any

import h5py

from ace_nwb.nwb import layout
from ace_nwb.nwb.editing import SessionWriter
from ace_nwb.nwb.layout import Place
from ace_nwb.nwb.reading import Session
from ace_nwb.nwb.results import PLACES

_GENERATED_BY = "/general/was_generated_by"
_OWN_VERSION = "ace_nwb layout"
"""Key of the layout's version in the file's `was_generated_by`."""


def layout_schema() -> dict[str, Any]:
    """Return the JSON schema of a session file's inventory; see `list_contents`."""
    places = {place.pattern: _place_schema(place) for place in PLACES}
    return {
        "title": "Contents of an ace_nwb session file",
        "description": "Inventory of an NWB file as `ace-nwb contents FILE` prints it: "
        "path -> NWB type, axes of its data, unit, columns.",
        "type": "object",
        "properties": {
            "layout_version": {"const": layout.LAYOUT_VERSION},
            "objects": {"type": "object", "patternProperties": places},
        },
        "required": ["layout_version", "objects"],
    }


def list_contents(session: Session) -> dict[str, Any]:
    """Describe a file as plain data: its layout version, and path -> what stands there.

    Data sets are not read. Objects within tables and series are left out.
    """
    objects: dict[str, Any] = {}
    pending = [session.h5[name] for name in _ROOMS if name in session.h5]
    while pending:
        group = pending.pop()
        for name in group:
            # what a link leads to is listed at its own place
            if _is_link(group, name) or not hasattr(found := group[name], "keys"):
                continue
            described = _describe(found)
            if described["type"] is not None:
                objects[found.name] = described
            if described["type"] in (None, "ProcessingModule", *_CONTAINERS):
                pending.append(found)
    return {"layout_version": read_version(session), "objects": dict(sorted(objects.items()))}


def read_version(session: Session) -> int | None:
    """Return the version of a file's layout; None if the file is not ours."""
    stored = session.h5.get(_GENERATED_BY)
    rows = [] if stored is None else stored[:].tolist()
    for name, value in rows:
        if _text(name) == _OWN_VERSION:
            return int(_text(value))
    return 1 if session.has(layout.STAGE_RUNS) else None


def version_row() -> list[str]:
    """Return the entry of `was_generated_by` that records the layout's version."""
    return [_OWN_VERSION, str(layout.LAYOUT_VERSION)]


def record_version(writer: SessionWriter) -> None:
    """Record the present version of the layout, in place of an older one."""
    stored = writer.h5.get(_GENERATED_BY)
    rows = [] if stored is None else stored.asstr()[:].tolist()
    own = version_row()
    writer.set_value(_GENERATED_BY, [*(row for row in rows if row[0] != own[0]), own])


_ROOMS = ("/acquisition", "/events", "/intervals", "/processing")
_CONTAINERS = ("ImageSegmentation", "Fluorescence", "DfOverF", "CompassDirection")


def _is_link(group: Any, name: str) -> bool:
    """Return whether a member of a group is a soft or external link; Zarr has none."""
    is_hdf5 = isinstance(group, h5py.Group)
    return is_hdf5 and not isinstance(group.get(name, getlink=True), h5py.HardLink)


def _place_schema(place: Place) -> dict[str, Any]:
    properties: dict[str, Any] = {"type": {"const": place.kind}}
    if place.axes:
        properties["n_axes"] = {"const": len(place.axes)}
    if place.unit:
        properties["unit"] = {"const": place.unit}
    if place.columns:
        named = [{"contains": {"const": column}} for column in place.columns]
        properties["columns"] = {"type": "array", "allOf": named}
    axes = f" Axes: {', '.join(place.axes)}." if place.axes else ""
    return {
        "description": place.text + axes,
        "type": "object",
        "properties": properties,
        "required": list(properties),
    }


def _describe(found: Any) -> dict[str, Any]:
    """Return an object's type, number of axes, unit and columns, as far as it has them."""
    kind = found.attrs.get("neurodata_type")
    described: dict[str, Any] = {"type": None if kind is None else _text(kind)}
    data = found.get("data")
    if data is not None and hasattr(data, "shape"):
        described["n_axes"] = len(data.shape)
        if "unit" in data.attrs:
            described["unit"] = _text(data.attrs["unit"])
    if "colnames" in found.attrs:
        described["columns"] = [_text(name) for name in found.attrs["colnames"]]
    return described


def _text(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
