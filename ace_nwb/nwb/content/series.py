"""Time series that stage results are stored in: made in one place, read in one place."""

from typing import Any

import numpy as np

from ace_nwb.nwb import classes
from ace_nwb.nwb.layout import MOVIE, module_and_name
from ace_nwb.nwb.session import Session, SessionWriter

GZIP_LEVEL = 1


def compressed(data: np.ndarray, *, chunks: tuple[int, ...] | None = None) -> "classes.H5DataIO":
    """Return data to be written gzip-compressed; small arrays stay contiguous."""
    array = np.asarray(data)
    if array.nbytes < 2**14 and chunks is None:
        return array
    return classes.H5DataIO(
        array,
        compression="gzip",
        compression_opts=GZIP_LEVEL,
        shuffle=array.dtype.itemsize > 1,
        chunks=chunks or True,
    )


def time_arguments(
    writer: SessionWriter,
    *,
    timestamps_from: str | None = None,
    rate_hz: float | None = None,
    start_s: float = 0.0,
    timestamps: np.ndarray | None = None,
) -> dict[str, Any]:
    """Return how a new series gets its times.

    Parameters
    ----------
    writer
        The session.
    timestamps_from
        Path of a series to share times with (a link is stored).
    rate_hz, start_s
        Regular samples: rate and time of the first, session clock.
    timestamps
        Explicit times, session clock, seconds.
    """
    if timestamps is not None:
        return {"timestamps": compressed(np.asarray(timestamps, np.float64))}
    if rate_hz is not None:
        return {"rate": float(rate_hz), "starting_time": float(start_s)}
    source = writer.get(timestamps_from or MOVIE)
    if source.timestamps is None:
        return {"rate": float(source.rate), "starting_time": float(source.starting_time)}
    return {"timestamps": source}


def write_series(
    writer: SessionWriter,
    path: str,
    data: np.ndarray,
    *,
    unit: str,
    description: str,
    **times: Any,
) -> str:
    """Write a plain time series of a processing module, replacing one of that path.

    Parameters
    ----------
    writer
        The session.
    path
        "/processing/<module>/<name>".
    data
        Shape (sample,) or (sample, channel).
    unit, description
        Of the values.
    **times
        See `time_arguments`; without any, the times of the movie are shared.

    Returns
    -------
        The path.
    """
    writer.remove([path])
    module, name = module_and_name(path)
    series = classes.TimeSeries(
        name=name,
        data=compressed(data),
        unit=unit,
        description=description,
        **time_arguments(writer, **times),
    )
    writer.module(module).add(series)
    return path


def read_times(series: Any) -> np.ndarray:
    """Return the times of a series, session clock, seconds."""
    if series.timestamps is not None:
        return np.asarray(series.timestamps[:], np.float64)
    return float(series.starting_time) + np.arange(len(series.data)) / float(series.rate)


def read_series(session: Session, path: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (times in seconds, values) of a series."""
    series = session.get(path)
    return read_times(series), np.asarray(series.data[:])
