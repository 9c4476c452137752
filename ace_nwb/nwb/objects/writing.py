"""NWB objects written with h5py, byte for byte the types and attributes that pynwb writes.

pynwb reads the whole file before it adds to it, 3 ms of CPU per object of the file; this touches
only what is new. What the objects are for is in content/.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import h5py
import numpy as np

from ace_nwb.nwb.objects.columns import Columns

GZIP_LEVEL = 1
"""2 and more take longer and save next to nothing on noise."""
_SMALL_BYTES = 2**14
"""Up to this size, bytes, data are stored as they are: one read, and nothing to gain."""
_CHUNK_BYTES = 2**22
"""Largest chunk, bytes: a chunk is one request when a file is read over a network."""
_COMMON = frozenset(
    {"DynamicTable", "DynamicTableRegion", "ElementIdentifiers", "VectorData", "VectorIndex"}
)
"""Types of the schema `hdmf-common`; all others are of the schema `core`."""
_STRETCH = np.dtype([("idx_start", np.int32), ("count", np.int32), ("timeseries", h5py.ref_dtype)])


@dataclass(frozen=True)
class Stored:
    """Values with what a plain array does not say about the way they are stored.

    Parameters
    ----------
    values
        The array, or texts as a list.
    kind
        Type of a column.
    attributes
        Attributes of the data set.
    chunks
        Shape of a chunk; as large as sensible if not given.
    gzip
        Level of compression; not compressed if not given.
    is_shuffled
        Whether bytes of the same significance stand together before they are compressed.
    ends
        End of each row in `values`, of a ragged column.
    """

    values: Any
    kind: str = "VectorData"
    attributes: Mapping[str, Any] = field(default_factory=dict)
    chunks: tuple[int, ...] | None = None
    gzip: int | None = None
    is_shuffled: bool = False
    ends: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.values if self.ends is None else self.ends)


def compressed(data: Any, *, chunks: tuple[int, ...] | None = None, **more: Any) -> Stored:
    """Return data to be written gzip-compressed; small arrays stay contiguous.

    Parameters
    ----------
    data
        The values.
    chunks
        Shape of a chunk; given, small arrays are compressed too.
    **more
        See `Stored`.
    """
    array = np.asarray(data)
    if array.nbytes < _SMALL_BYTES and chunks is None:
        return Stored(array, **more)
    is_shuffled = array.dtype.itemsize > 1
    return Stored(array, chunks=chunks, gzip=GZIP_LEVEL, is_shuffled=is_shuffled, **more)


def region(table: h5py.Group, rows: Any) -> Stored:
    """Return a column of references to rows of a table."""
    return Stored(np.asarray(rows, np.int64), "DynamicTableRegion", {"table": table.ref})


def stretches(found: Sequence[tuple[int, int, h5py.Group]]) -> Stored:
    """Return a column of (first sample, number of samples, series), one stretch per row."""
    values = np.array([(start, count, series.ref) for start, count, series in found], _STRETCH)
    ends = np.arange(1, len(found) + 1)
    return Stored(values, "TimeSeriesReferenceVectorData", ends=ends)


def create_object(parent: h5py.Group, name: str, kind: str, **attributes: Any) -> h5py.Group:
    """Create an NWB object that is a group."""
    group = parent.create_group(name)
    _stamp(group, kind)
    group.attrs.update(attributes)
    return group


def create_data(
    parent: h5py.Group, name: str, data: Any, *, kind: str = "", **attributes: Any
) -> h5py.Dataset:
    """Create a data set: an NWB object if it has a type, else a part of one."""
    stored = data if isinstance(data, Stored) else Stored(data)
    options = _options(np.asarray(stored.values), stored) if stored.gzip is not None else {}
    return _create(parent, name, stored, kind=kind, attributes=attributes, options=options)


def create_column(parent: h5py.Group, name: str, description: str, data: Any) -> None:
    """Create a column of a table, or a region of a series: it can grow."""
    stored = data if isinstance(data, Stored) else Stored(data)
    options = _options(np.asarray(stored.values), stored)
    options["maxshape"] = (None,) * np.ndim(stored.values)
    about = {"description": description}
    column = _create(parent, name, stored, kind=stored.kind, attributes=about, options=options)
    if stored.ends is not None:
        ends = np.asarray(stored.ends)
        least = np.min_scalar_type(int(ends[-1]) if len(ends) else 0)
        index = Stored(ends.astype(least), "VectorIndex", {"target": column.ref})
        create_column(parent, f"{name}_index", f"Index for VectorData '{name}'", index)


def create_table(
    parent: h5py.Group,
    name: str,
    description: str,
    columns: Columns,
    *,
    kind: str = "DynamicTable",
    ids: Sequence[int] | None = None,
) -> h5py.Group:
    """Create a table; its rows have their number as id, unless `ids` says otherwise."""
    table = create_object(parent, name, kind, description=description)
    table.attrs["colnames"] = np.array(list(columns), dtype=h5py.string_dtype())
    for key, (text, values) in columns.items():
        create_column(table, key, text, values)
    n_rows = len(next(iter(columns.values()))[1])
    rows = np.asarray(range(n_rows) if ids is None else ids, np.int64)
    options = {**_options(rows, Stored(rows)), "maxshape": (None,)}
    _create(table, "id", Stored(rows), kind="ElementIdentifiers", attributes={}, options=options)
    return table


def link_target(h5: h5py.File, path: str) -> str:
    """Return the path at which soft links from `path` end."""
    parent, _, name = path.rpartition("/")
    link = h5[parent or "/"].get(name, getlink=True)
    if not isinstance(link, h5py.SoftLink):
        return path
    return link_target(h5, link.path if link.path.startswith("/") else f"{parent}/{link.path}")


def _create(
    parent: h5py.Group,
    name: str,
    stored: Stored,
    *,
    kind: str,
    attributes: Mapping[str, Any],
    options: dict[str, Any],
) -> h5py.Dataset:
    array = np.asarray(stored.values)
    if array.dtype.kind in "UO":
        array, options = array.astype(object), {"dtype": h5py.string_dtype(), **options}
    created = parent.create_dataset(name, data=array, **options)
    if kind:
        _stamp(created, kind)
    created.attrs.update({**attributes, **stored.attributes})
    return created


def _options(array: np.ndarray, stored: Stored) -> dict[str, Any]:
    """Return how a data set in chunks is created."""
    row_bytes = array.itemsize * int(np.prod(array.shape[1:]))
    if array.dtype.kind == "U":
        row_bytes = np.dtype(object).itemsize  # texts lie elsewhere, in the heap of the file
    n_rows = max(1, min(len(array), _CHUNK_BYTES // max(1, row_bytes)))
    chunks = stored.chunks or ((n_rows, *array.shape[1:]) if row_bytes else True)
    return {
        "chunks": chunks,
        "compression": None if stored.gzip is None else "gzip",
        "compression_opts": stored.gzip,
        "shuffle": stored.is_shuffled,
    }


def _stamp(created: h5py.Group | h5py.Dataset, kind: str) -> None:
    """Say what an object is, and give it an id of its own."""
    created.attrs["namespace"] = "hdmf-common" if kind in _COMMON else "core"
    created.attrs["neurodata_type"] = kind
    created.attrs["object_id"] = str(uuid4())


_LEAST_CORE = (2, 10)
"""First version of the schema `core` with every type of ours; events tables came last."""


def provide_schema(h5: h5py.File) -> None:
    """Let pynwb add its schema to a file that carries older ones only, made by another program.

    Validators go by the schemas in the file.
    """
    if any(_version(name) >= _LEAST_CORE for name in h5.get("/specifications/core", ())):
        return
    from pynwb import NWBHDF5IO  # takes a second

    io = NWBHDF5IO(file=h5, mode="r+", load_namespaces=True)
    nwbfile = io.read()
    nwbfile.set_modified()
    io.write(nwbfile)


def _version(name: str) -> tuple[int, ...]:
    """Return (major, minor) of a version such as "2.9.0-alpha"."""
    return tuple(int(part) for part in name.split(".")[:2] if part.isdecimal())
