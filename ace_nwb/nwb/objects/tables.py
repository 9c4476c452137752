"""Columns, rows and times of tables and series in an open HDF5 file, which pynwb cannot change."""

from collections.abc import Iterable, Mapping, Sequence

import h5py
import numpy as np

from ace_nwb.errors import SessionFileError, TimestampError
from ace_nwb.nwb.objects.columns import Columns
from ace_nwb.nwb.objects.copying import copy_attributes
from ace_nwb.nwb.objects.writing import create_column


def set_columns(h5: h5py.File, table_path: str, columns: Columns) -> list[h5py.Dataset]:
    """Create or replace whole columns of a DynamicTable.

    Parameters
    ----------
    h5
        The open file.
    table_path
        Path of the table.
    columns
        Name -> (description, values); values have one entry per row.

    Returns
    -------
        Open handles on the columns replaced, which keep their space from being reused.
    """
    table = _open_table(h5, table_path)
    kept = []
    for name, (description, values) in columns.items():
        _check_length(table, name, values)
        if name in table:
            kept.append(table[name])
            del table[name]
        create_column(table, name, description, values)
    old_names = list(table.attrs["colnames"])
    table.attrs["colnames"] = [*old_names, *(name for name in columns if name not in old_names)]
    return kept


def remove_columns(h5: h5py.File, table_path: str, names: Iterable[str]) -> list[h5py.Dataset]:
    """Remove whole columns of a table, those that exist; return handles that keep their space."""
    table = _open_table(h5, table_path)
    doomed = [name for name in names if name in table]
    handles = [table[name] for name in doomed]
    for name in doomed:
        del table[name]
    kept = [str(name) for name in table.attrs["colnames"] if name not in doomed]
    table.attrs["colnames"] = np.array(kept, dtype=h5py.string_dtype())
    return handles


def set_value(h5: h5py.File, path: str, value: str | float | list[object]) -> list[h5py.Dataset]:
    """Create or replace a small data set; return handles that keep the space of the old one."""
    kept = [h5[path]] if path in h5 else []
    if kept:
        del h5[path]
    array = np.asarray(value)
    if array.dtype.kind == "U":
        created = h5.create_dataset(path, data=array.astype(object)[()], dtype=h5py.string_dtype())
    else:
        created = h5.create_dataset(path, data=array)
    for former in kept:
        copy_attributes(former, created)
    return kept


def append_rows(dataset: h5py.Dataset, values: Sequence[object] | np.ndarray) -> None:
    """Append values to a data set; one that cannot grow is made anew."""
    if dataset.chunks is None:
        dataset = _make_resizable(dataset)
    start = len(dataset)
    dataset.resize(start + len(values), axis=0)
    dataset[start:] = values


def append_table_rows(
    h5: h5py.File, table_path: str, columns: Mapping[str, Sequence[object]]
) -> None:
    """Append rows to a table without ragged columns; every column must be given."""
    table = h5[table_path]
    for name in table.attrs["colnames"]:
        append_rows(table[name], columns[name])
    first = len(table["id"])
    append_rows(table["id"], np.arange(first, len(table[name])))


def _make_resizable(dataset: h5py.Dataset) -> h5py.Dataset:
    """Replace a data set by one of the same content and attributes that can grow."""
    parent, name = dataset.parent, dataset.name.rpartition("/")[2]
    values, dtype = dataset[()], dataset.dtype
    del parent[name]
    created = parent.create_dataset(
        name, data=values, dtype=dtype, maxshape=(None, *values.shape[1:]), chunks=True
    )
    copy_attributes(dataset, created)
    return created


def _open_table(h5: h5py.File, table_path: str) -> h5py.Group:
    """Return the group of a table."""
    table = h5.get(table_path)
    if table is None or "colnames" not in table.attrs:
        raise SessionFileError(
            f"{h5.filename} has no table {table_path}. Run the stage that makes it first."
        )
    return table


def _check_length(table: h5py.Group, name: str, values: np.ndarray | list[str]) -> None:
    """Refuse a column that does not have one value per row."""
    if len(values) != len(table["id"]):
        raise ValueError(
            f"column {name!r} has {len(values)} values, the table {table.name} has "
            f"{len(table['id'])} rows"
        )


def replace_times(h5: h5py.File, path: str, values: np.ndarray) -> list[h5py.Dataset]:
    """Give a series or an events table new times.

    Parameters
    ----------
    h5
        The open file.
    path
        Path of the series or events table.
    values
        Times, seconds, one per sample or event. Times of a series must increase.

    Returns
    -------
        Open handles on data sets replaced, which keep their space from being reused. A series
        whose times are linked to another one's is left alone.
    """
    holder = h5.get(path)
    if not isinstance(holder, h5py.Group):
        raise SessionFileError(f"{h5.filename} has no series or events table {path}.")
    is_events = "timestamp" in holder
    name = "timestamp" if is_events else "timestamps"
    if isinstance(holder.get(name, getlink=True) if name in holder else None, h5py.SoftLink):
        return []
    values = np.asarray(values, np.float64)
    check_times(values, path, is_strict=not is_events)
    if name in holder and holder[name].shape == values.shape and holder[name].dtype == values.dtype:
        holder[name][...] = values
        return []
    return _recreate(holder, name, values)


def set_regular(h5: h5py.File, path: str, *, rate_hz: float, start_s: float) -> list[h5py.Dataset]:
    """Replace the time stamps of a series by a rate; return handles that keep their space."""
    holder = h5[path]
    old = [holder[name] for name in ("timestamps", "starting_time") if name in holder]
    for dataset in old:
        del holder[dataset.name.rpartition("/")[2]]
    start = holder.create_dataset("starting_time", data=float(start_s))
    start.attrs["rate"] = np.float32(rate_hz) if np.float32(rate_hz) == rate_hz else rate_hz
    start.attrs["unit"] = "seconds"
    return old


def check_times(values: np.ndarray, path: str, *, is_strict: bool) -> None:
    """Refuse times that are not finite, or that do not increase.

    Raises
    ------
    TimestampError
        If a time is NaN or infinite, or (if `is_strict`) not later than the one before.
    """
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise TimestampError(
            f"{path}: time {bad[0]} is {values[bad[0]]}; finite seconds were expected. "
            "Leave samples without a time out."
        )
    backward = np.flatnonzero(np.diff(values) <= 0)
    if is_strict and backward.size:
        index = int(backward[0])
        raise TimestampError(
            f"{path}: time {index + 1} ({values[index + 1]:.6f} s) is not later than the one "
            f"before ({values[index]:.6f} s); increasing times were expected."
        )


def _recreate(holder: h5py.Group, name: str, values: np.ndarray) -> list[h5py.Dataset]:
    """Replace the times, or a regular rate, by a new data set with the same attributes."""
    data_length = len(holder["data"] if "data" in holder else holder["id"])
    if len(values) != data_length:
        raise TimestampError(
            f"{holder.name} has {data_length} samples but {len(values)} new times were given; "
            "one per sample was expected."
        )
    old = [holder[key] for key in (name, "starting_time") if key in holder]
    former = holder.get(name)
    for dataset in old:
        del holder[dataset.name.rpartition("/")[2]]
    created = holder.create_dataset(name, data=values, maxshape=(None,), chunks=True)
    if former is None:
        created.attrs["interval"], created.attrs["unit"] = np.int32(1), "seconds"
    else:
        copy_attributes(former, created)
    return old
