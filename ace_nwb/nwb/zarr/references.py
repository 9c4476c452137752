"""Columns that refer to stretches of series: one of three parts in HDF5, three in Zarr."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import h5py
import numpy as np
import zarr

_TYPE = "TimeSeriesReferenceVectorData"
_START, _COUNT, _SERIES = _PARTS = ("idx_start", "count", "timeseries")


def split_references(h5: h5py.File, root: zarr.Group) -> None:
    """Split every such column of a session that has just been written as Zarr.

    Parameters
    ----------
    h5
        The session.
    root
        The same in Zarr, open for writing.
    """
    for path in list(_reference_columns(h5)):
        table_path, _, name = path.rpartition("/")
        table, rows = root[table_path], h5[path][:]
        values = {
            _START: rows[_START],
            _COUNT: rows[_COUNT],
            _SERIES: np.array([h5[reference].name for reference in rows[_SERIES]], object),
        }
        attributes = dict(table[name].attrs)
        del table[name]
        for part in _PARTS:
            _add_column(table, f"{name}_{part}", values[part], attributes, is_first=part == _START)
        if f"{name}_index" in table:
            _split_index(table, table_path, name)
        names = [_part_names(name) if one == name else [one] for one in table.attrs["colnames"]]
        table.attrs["colnames"] = [one for group in names for one in group]


def join_references(h5: h5py.File) -> None:
    """Make such columns of three in a session that has just been written as HDF5."""
    tables: list[h5py.Group] = []
    h5.visititems(lambda _, found: tables.append(found) if "colnames" in found.attrs else None)
    for table in tables:
        names = list(table.attrs["colnames"])
        for first in [one for one in names if one.endswith(f"_{_START}")]:
            name = first.removesuffix(f"_{_START}")
            if set(_part_names(name)) <= set(names):
                _join(h5, table, name)


def find_split(table: Any, name: str) -> list[Any] | None:
    """Return the three columns that one has been split into, or None if it has not."""
    parts = _part_names(name)
    return [table[part] for part in parts] if parts[0] in table else None


def _part_names(name: str) -> list[str]:
    return [f"{name}_{part}" for part in _PARTS]


def _reference_columns(h5: h5py.File) -> Iterator[str]:
    """Yield the paths of the columns that refer to stretches of series."""
    found: list[str] = []
    h5.visititems(
        lambda name, item: (
            found.append(f"/{name}") if item.attrs.get("neurodata_type") == _TYPE else None
        )
    )
    yield from found


def _add_column(
    table: zarr.Group, name: str, values: np.ndarray, attributes: dict[str, Any], *, is_first: bool
) -> None:
    """Write a plain column as hdmf does; the first one keeps the identity."""
    is_text = values.dtype.kind == "O"
    column = table.create_dataset(
        name, shape=values.shape, dtype=str if is_text else values.dtype, chunks=max(1, len(values))
    )
    column[:] = values
    column.attrs.update(
        {
            "_ARRAY_DIMENSIONS": ["num_rows"],
            "description": attributes["description"],
            "namespace": "hdmf-common",
            "neurodata_type": "VectorData",
            "object_id": attributes["object_id"] if is_first else str(uuid4()),
            "zarr_dtype": "object_utf8" if is_text else str(values.dtype),
        }
    )


def _split_index(table: zarr.Group, table_path: str, name: str) -> None:
    """Give every part the index of the column."""
    index = table[f"{name}_index"]
    ends, attributes = index[:], dict(index.attrs)
    del table[f"{name}_index"]
    for part in _part_names(name):
        copied = table.create_dataset(f"{part}_index", data=ends, chunks=max(1, len(ends)))
        target = attributes["target"]
        value = target["value"] | {"path": f"{table_path}/{part}"}
        copied.attrs.update(attributes | {"target": target | {"value": value}})
        if part != f"{name}_{_START}":
            copied.attrs["object_id"] = str(uuid4())


def _join(h5: h5py.File, table: h5py.Group, name: str) -> None:
    """Make one column of three."""
    start, count, series = (table[part] for part in _part_names(name))
    dtype = np.dtype([(_START, "<i4"), (_COUNT, "<i4"), (_SERIES, h5py.ref_dtype)])
    rows = np.empty(len(start), dtype)
    rows[_START], rows[_COUNT] = start[:], count[:]
    rows[_SERIES] = [h5[path].ref for path in series.asstr()[:]]
    maxshape = (None,) if start.maxshape == (None,) else None
    column = table.create_dataset(name, data=rows, maxshape=maxshape, chunks=start.chunks)
    for key in ("description", "object_id"):
        column.attrs[key] = start.attrs[key]
    column.attrs["namespace"], column.attrs["neurodata_type"] = "core", _TYPE
    if f"{name}_{_START}_index" in table:
        table.move(f"{name}_{_START}_index", f"{name}_index")
        index = table[f"{name}_index"].attrs
        index["target"] = column.ref
        index["description"] = index["description"].replace(f"{name}_{_START}", name)
    for part in _part_names(name):
        for doomed in (part, f"{part}_index"):
            if doomed in table:
                del table[doomed]
    kept = [one for one in table.attrs["colnames"] if one not in _part_names(name)[1:]]
    names = [name if one == f"{name}_{_START}" else one for one in kept]
    table.attrs["colnames"] = np.array(names, dtype=h5py.string_dtype())
