"""Objects of a session as they are stored, read without pynwb: a fraction of the time and bytes.

They answer to the names that pynwb gives the same things (`series.data`, `table["roi"]`), so that
what reads them takes either. Works for HDF5 and for Zarr, where links are attributes of a group.
"""

from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

from ace_nwb.errors import SessionFileError


def open_stored(root: Any, path: str) -> "StoredObject | None":
    """Return the object at `path` of an open file, or None if there is none."""
    node = _resolve(root, root, path.strip("/"))
    if node is None or "object_id" not in node.attrs:
        return None
    return StoredTable(root, node) if "colnames" in node.attrs else StoredObject(root, node)


class StoredObject:
    """A series, a column, or a container.

    Parameters
    ----------
    root
        The open file.
    node
        The group or data set.
    """

    def __init__(self, root: Any, node: Any):
        self._root = root
        self._node = node

    @property
    def name(self) -> str:
        """Its name."""
        return str(self._node.name).rpartition("/")[2]

    @property
    def object_id(self) -> str:
        """What it is known by, whatever its path."""
        return _text(self._node.attrs["object_id"])

    @property
    def neurodata_type(self) -> str:
        """Its type."""
        return _text(self._node.attrs.get("neurodata_type", ""))

    @property
    def description(self) -> str:
        """What it says of itself."""
        return _text(self._node.attrs["description"])

    @property
    def data(self) -> Any:
        """The values, on disk until sliced; texts as texts."""
        node = self._child("data") if hasattr(self._node, "keys") else self._node
        is_text = isinstance(node, h5py.Dataset) and h5py.check_string_dtype(node.dtype)
        return node.asstr() if is_text else node

    @property
    def unit(self) -> str:
        """Unit of the values."""
        return _text(self._child("data").attrs["unit"])

    @property
    def conversion(self) -> float:
        """Factor from the values to their unit."""
        return float(self._child("data").attrs.get("conversion", 1.0))

    @property
    def offset(self) -> float:
        """What is added after the conversion."""
        return float(self._child("data").attrs.get("offset", 0.0))

    @property
    def channel_conversion(self) -> Any | None:
        """Factor of each channel, or None."""
        return self._child("channel_conversion")

    @property
    def external_file(self) -> Any | None:
        """Names of the files that hold the samples, or None."""
        return self._child("external_file")

    @property
    def timestamps(self) -> Any | None:
        """Times of the samples, seconds, or None if they are regular."""
        return self._child("timestamps")

    @property
    def starting_time(self) -> float | None:
        """Time of the first of regular samples, seconds."""
        start = self._child("starting_time")
        return None if start is None else float(np.ravel(start[()])[0])

    @property
    def rate(self) -> float | None:
        """Regular samples per second."""
        start = self._child("starting_time")
        return None if start is None else float(start.attrs["rate"])

    @property
    def grid_spacing(self) -> Any | None:
        """Distances of the pixels of an imaging plane, or None."""
        return self._child("grid_spacing")

    @property
    def grid_spacing_unit(self) -> str:
        """Unit of these distances; metres, as NWB says, where none is named."""
        return _text(self._child("grid_spacing").attrs.get("unit", "meters"))

    @property
    def electrodes(self) -> "StoredRegion":
        """The electrodes of the channels."""
        return StoredRegion(self._root, self._child("electrodes"))

    @property
    def rois(self) -> "StoredRegion":
        """The ROIs of the traces."""
        return StoredRegion(self._root, self._child("rois"))

    @property
    def bands(self) -> "StoredTable":
        """The frequency bands of a decomposition."""
        return StoredTable(self._root, self._child("bands"))

    @property
    def source_channels(self) -> "StoredRegion":
        """The ROIs or electrodes that a decomposition was made from."""
        return StoredRegion(self._root, self._child("source_channels"))

    @property
    def source_timeseries(self) -> "StoredObject":
        """The series that a decomposition was made from."""
        return StoredObject(self._root, self._child("source_timeseries"))

    @property
    def images(self) -> "dict[str, StoredObject]":
        """The images of a container by name."""
        return {
            name: StoredObject(self._root, self._node[name])
            for name in self._node
            if name != "order_of_images"
        }

    def _child(self, name: str) -> Any:
        return _resolve(self._root, self._node, name)


class StoredTable(StoredObject):
    """A table with columns."""

    @property
    def colnames(self) -> tuple[str, ...]:
        """Names of the columns; pynwb does not write them down for a table without rows."""
        names = tuple(_text(name) for name in self._node.attrs["colnames"])
        return names or tuple(
            name
            for name, found in self._node.items()
            if not hasattr(found, "keys") and name != "id" and not name.endswith("_index")
        )

    @property
    def id(self) -> Any:
        """The ids of the rows."""
        return self._child("id")

    def __len__(self) -> int:
        return int(self.id.shape[0])

    def __getitem__(self, name: str) -> StoredObject:
        """Return a column; of a ragged one the index, whose `target` are the values."""
        column = self._child(name)
        if column is None:
            raise SessionFileError(f"{self._node.name} has no column {name!r}.")
        index = self._child(f"{name}_index")
        values = _column(self._root, column)
        return values if index is None else StoredIndex(self._root, index, values)


class StoredRegion(StoredObject):
    """A column whose values are rows of a table."""

    @property
    def table(self) -> StoredTable:
        """The table that the rows are of."""
        return StoredTable(self._root, _follow(self._root, self._node.attrs["table"]))


class StoredIndex(StoredObject):
    """The ends of the rows of a ragged column.

    Parameters
    ----------
    root, node
        See `StoredObject`.
    target
        The values of all rows.
    """

    def __init__(self, root: Any, node: Any, target: StoredObject):
        super().__init__(root, node)
        self.target = target


def is_ragged(column: Any) -> bool:
    """Return whether a column of a table, ours or pynwb's, holds several values per row."""
    return hasattr(column, "target")


def is_region(column: Any) -> bool:
    """Return whether a column of a table, ours or pynwb's, refers to rows of another."""
    return hasattr(column, "table") and not is_ragged(column)


def iterate_references(root: Any, column: StoredObject) -> Iterator[tuple[int, int, str]]:
    """Yield (first sample, number of samples, path of the series) of references to stretches."""
    for start, count, reference in column.data[:]:
        yield int(start), int(count), str(_follow(root, reference).name)


def _column(root: Any, node: Any) -> StoredObject:
    is_region = "table" in node.attrs
    return StoredRegion(root, node) if is_region else StoredObject(root, node)


def _resolve(root: Any, node: Any, path: str) -> Any | None:
    """Return what lies at a path below a group, links followed; None if there is nothing."""
    for name in path.split("/"):
        if name in node:
            node = node[name]
            continue
        links = node.attrs.get("zarr_link", ())
        target = next((link["path"] for link in links if link["name"] == name), None)
        if target is None:
            return None
        node = _resolve(root, root, target.strip("/"))
        if node is None:
            return None
    return node


def _follow(root: Any, reference: Any) -> Any:
    """Return what a reference points at."""
    if isinstance(reference, h5py.Reference):
        return root[reference]
    target = reference.get("value", reference)
    return _resolve(root, root, target["path"].strip("/"))


def _text(value: Any) -> str:
    is_bytes = isinstance(value, bytes)
    return value.decode("utf-8", "backslashreplace") if is_bytes else str(np.asarray(value)[()])
