"""Events in a session file: TTL lines and notes as recorded, calcium events as detected."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ace_nwb.nwb import layout
from ace_nwb.nwb.editing import SessionWriter
from ace_nwb.nwb.objects.columns import read_columns
from ace_nwb.nwb.objects.stored import is_region
from ace_nwb.nwb.objects.writing import compressed, region
from ace_nwb.nwb.ownership import matching_paths
from ace_nwb.nwb.reading import Session

_COLUMN_DESCRIPTIONS = {
    "duration": "Duration of the event.",
    "amplitude": "Height of the event, in units of the trace.",
    "snr": "Height of the event in noise standard deviations.",
    "legacy_index": "Index of the peak in the trace or its difference, as find_peaks gives it.",
}
_SECONDS: dict[str, dict[str, Any]] = {
    "timestamp": {"kind": "TimestampVectorData", "attributes": {"unit": "seconds"}},
    "duration": {"kind": "DurationVectorData", "attributes": {"unit": "seconds"}},
}


def list_event_tables(session: Session) -> list[str]:
    """Return the paths of the recorded events: TTL lines, notes, control changes."""
    return session.members(layout.EVENTS, kind="EventsTable")


def list_ttl_lines(session: Session) -> list[str]:
    """Return the names of the TTL lines: recorded events tables with a level per edge."""
    paths = list_event_tables(session)
    return [path.rpartition("/")[2] for path in paths if "level" in session.get(path).colnames]


def list_calcium_events(session: Session) -> list[str]:
    """Return the paths of the detected calcium events: ours, or, without any, those there are."""
    ours = session.own_paths([layout.CALCIUM_EVENTS])
    return ours or matching_paths(session.h5, [layout.CALCIUM_EVENTS])


def read_events(session: Session, path: str) -> tuple[np.ndarray, Mapping[str, np.ndarray]]:
    """Return the times of events, session clock, seconds, and their other columns by name.

    A `roi` column comes as indices of rows of the ROI table.
    """
    table = session.get(path)
    columns = dict(read_columns(table))
    for name in table.colnames:
        if is_region(table[name]):
            columns[name] = np.asarray(table[name].data[:])
    return columns.pop("timestamp"), columns


def read_ttl_line(session: Session, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the times of every edge of a TTL line, seconds, and the level after it (0 or 1)."""
    times, columns = read_events(session, f"{layout.EVENTS}/{name}")
    return times, columns["level"]


def write_calcium_events(
    writer: SessionWriter,
    path: str,
    times: np.ndarray,
    *,
    roi: np.ndarray,
    columns: Mapping[str, np.ndarray],
    description: str,
) -> str:
    """Write calcium events, replacing the table of that path.

    Parameters
    ----------
    writer
        The session.
    path
        "/processing/events/CalciumEvents<Method>".
    times
        Time of each event, session clock, seconds, in increasing order.
    roi
        Row of the ROI table of each event.
    columns
        Further values by name, such as duration (seconds), amplitude, snr.
    description
        How the events were found.

    Returns
    -------
        The path.
    """
    writer.remove([path])
    stored: dict[str, tuple[str, Any]] = {"timestamp": ("Time of the event.", times)}
    for name, values in columns.items():
        stored[name] = (_COLUMN_DESCRIPTIONS.get(name, f"{name} of the event."), values)
    described: dict[str, tuple[str, Any]] = {
        name: (text, compressed(values, **_SECONDS.get(name, {})))
        for name, (text, values) in stored.items()
    }
    table = writer.node(layout.PLANE_SEGMENTATION)
    described["roi"] = ("The ROI that was active.", region(table, roi))
    writer.create_table(path, description, described, kind="EventsTable")
    return path
