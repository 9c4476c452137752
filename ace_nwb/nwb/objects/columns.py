"""Columns of tables as arrays."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ace_nwb.errors import SessionFileError
from ace_nwb.nwb.objects.stored import is_ragged, is_region

if TYPE_CHECKING:
    from hdmf.common import DynamicTable

Columns = Mapping[str, tuple[str, Any]]
"""Column name -> (description, values, one per row)."""


def build_table(name: str, description: str, columns: Columns) -> "DynamicTable":
    """Build a table of a new file for pynwb to write; stages write with `writing.create_table`."""
    from hdmf.common import DynamicTable, VectorData  # take a second

    built = []
    for key, (text, values) in columns.items():
        array = np.asarray(values)
        data = array.tolist() if array.dtype.kind in "UO" else array  # pynwb stores texts in lists
        built.append(VectorData(name=key, description=text, data=data))
    ids = np.arange(len(built[0].data))
    return DynamicTable(name=name, description=description, columns=built, id=ids)


def read_columns(table: Any, skip: Collection[str] = ()) -> dict[str, np.ndarray]:
    """Return the plain columns of a table by name; ragged columns and regions are left out.

    Raises
    ------
    SessionFileError
        If a column has not one value per row.
    """
    columns = {}
    for name in table.colnames:
        column = table[name]
        if name in skip or is_ragged(column) or is_region(column):
            continue
        values = np.asarray(column.data[:])
        if len(values) != len(table.id):
            raise SessionFileError(
                f"Column {name} of the table {table.name} has {len(values)} rows and "
                f"{len(table.id)} were expected, as its ids say. The file is damaged, or was "
                "changed by another program; get a copy from before."
            )
        columns[name] = decode_texts(values) if values.dtype.kind in "OS" else values
    return columns


def decode_texts(values: np.ndarray) -> np.ndarray:
    """Return texts as texts, whichever way HDF5 stored them."""
    texts = [
        v.decode("utf-8", "backslashreplace") if isinstance(v, bytes) else str(v)
        for v in values.ravel()
    ]
    return np.array(texts, dtype=str).reshape(values.shape)
