"""New times for series and events tables in an open HDF5 file."""

import h5py
import numpy as np

from ace_nwb.errors import SessionFileError, TimestampError
from ace_nwb.nwb.objects.copying import copy_attributes


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
