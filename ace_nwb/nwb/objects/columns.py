"""Columns of tables: built from arrays for writing, read back as arrays."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from ace_nwb.nwb import classes
from ace_nwb.nwb.objects.stored import is_ragged, is_region

Columns = Mapping[str, tuple[str, Any]]
"""Column name -> (description, values, one per row)."""


def build_table(name: str, description: str, columns: Columns) -> "classes.DynamicTable":
    """Build a table from whole columns."""
    built = [build_column(key, text, values) for key, (text, values) in columns.items()]
    ids = np.arange(len(built[0].data))
    return classes.DynamicTable(name=name, description=description, columns=built, id=ids)


def build_column(name: str, description: str, values: Any) -> "classes.VectorData":
    """Build one column; texts as a list, which pynwb stores as such."""
    array = np.asarray(values)
    data = array.tolist() if array.dtype.kind in "UO" else array
    return classes.VectorData(name=name, description=description, data=data)


def read_columns(table: Any, skip: Collection[str] = ()) -> dict[str, np.ndarray]:
    """Return the plain columns of a table by name; ragged columns and regions are left out."""
    columns = {}
    for name in table.colnames:
        column = table[name]
        if name in skip or is_ragged(column) or is_region(column):
            continue
        values = np.asarray(column.data[:])
        columns[name] = decode_texts(values) if values.dtype.kind in "OS" else values
    return columns


def decode_texts(values: np.ndarray) -> np.ndarray:
    """Return texts as texts, whichever way HDF5 stored them."""
    texts = [
        v.decode("utf-8", "backslashreplace") if isinstance(v, bytes) else str(v)
        for v in values.ravel()
    ]
    return np.array(texts, dtype=str).reshape(values.shape)
