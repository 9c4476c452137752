"""Time series that stage results are stored in: made in one place, read in one place."""

from typing import Any

import h5py
import numpy as np

from ace_nwb.nwb.editing import SessionWriter
from ace_nwb.nwb.layout import DFF_TRACES, MOVIE, RAW_TRACES
from ace_nwb.nwb.objects.writing import Stored, compressed, create_data, link_target
from ace_nwb.nwb.reading import Session


def write_series(
    writer: SessionWriter,
    path: str,
    data: np.ndarray | Stored,
    *,
    unit: str,
    description: str,
    kind: str = "TimeSeries",
    **times: Any,
) -> str:
    """Write a time series of a processing module, replacing one of that path.

    Parameters
    ----------
    writer
        The session.
    path
        "/processing/<module>/<name>".
    data
        Shape (sample,) or (sample, channel, ...).
    unit, description
        Of the values.
    kind
        Type of the series.
    **times
        See `_write_times`; without any, the times of the frames are shared.

    Returns
    -------
        The path.
    """
    writer.remove([path])
    about = {"description": description, "comments": "no comments"}
    series = writer.create_object(path, kind, **about)
    stored = data if isinstance(data, Stored) else compressed(data)
    scale: dict[str, Any] = {"conversion": 1.0, "offset": 0.0, "resolution": -1.0}  # -1: not known
    create_data(series, "data", stored, unit=unit, **scale)
    _write_times(writer, series, **times)
    return path


def _write_times(
    writer: SessionWriter,
    series: h5py.Group,
    *,
    timestamps_from: str | None = None,
    rate_hz: float | None = None,
    start_s: float = 0.0,
    timestamps: np.ndarray | None = None,
) -> None:
    """Write when the samples of a new series were taken.

    Parameters
    ----------
    writer, series
        The session, and the series in it.
    timestamps_from
        Path of a series to share times with (a link is stored); that of the frames by default.
    rate_hz, start_s
        Regular samples: rate and time of the first, session clock.
    timestamps
        Explicit times, session clock, seconds.
    """
    if timestamps is not None:
        times_s = compressed(np.asarray(timestamps, np.float64))
        create_data(series, "timestamps", times_s, interval=1, unit="seconds")
        return
    if rate_hz is None:
        path = writer.locate(timestamps_from or find_frames(writer))
        source = writer.get(path)
        if source.timestamps is not None:
            target = link_target(writer.h5, f"{path}/timestamps")
            series["timestamps"] = h5py.SoftLink(target)
            return
        rate_hz, start_s = source.rate, source.starting_time
    create_data(series, "starting_time", float(start_s), rate=float(rate_hz), unit="seconds")


def find_frames(session: Session) -> str:
    """Return the path of the series that says when frames were taken: movie, or traces of ROIs.

    Raises
    ------
    SessionFileError
        If the file has neither.
    """
    for path in (MOVIE, RAW_TRACES, DFF_TRACES):
        if session.has(path):
            return path
    session.get(MOVIE)
    raise AssertionError("a missing movie is refused above")


def read_times(series: Any) -> np.ndarray:
    """Return the times of a series, session clock, seconds."""
    if series.timestamps is not None:
        return np.asarray(series.timestamps[:], np.float64)
    return float(series.starting_time) + np.arange(len(series.data)) / float(series.rate)


def read_series(session: Session, path: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (times in seconds, values) of a series."""
    series = session.get(path)
    return read_times(series), np.asarray(series.data[:])
