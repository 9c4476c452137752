"""Small pieces of NWB that every interface needs: modules, names, tables of events."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from hdmf.common import VectorData
from pynwb import NWBFile, ProcessingModule
from pynwb.event import EventsTable, TimestampVectorData

MODULES = {
    "behavior": "Behaviour of the animal",
    "misc": "History of processing and settings",
    "sync": "Alignment of the clocks of camera and electrophysiology",
}


REGULAR_S = 1e-9
"""Times this close to a grid are regular; the NWB Inspector rounds to the same."""

NOT_STATED = "not stated"
"""Text of fields that the NWB schema requires and that neither source nor metadata give."""


def section(metadata: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a section of NeuroConv metadata, empty where it is absent or of another shape."""
    found = metadata.get(name)
    return dict(found) if isinstance(found, Mapping) else {}


def free_name(name: str, taken: Collection[str] | None) -> str:
    """Return a name, numbered from 2 if another program's object has it."""
    found, number = name, 2
    while taken is not None and found in taken:
        found = f"{name}{number}"
        number += 1
    return found


def get_module(nwbfile: NWBFile, name: str) -> ProcessingModule:
    """Return a processing module, made if it is not there."""
    if name not in nwbfile.processing:
        nwbfile.create_processing_module(name=name, description=MODULES[name])
    return nwbfile.processing[name]


def series_times(times_s: np.ndarray) -> dict[str, Any]:
    """Return how a series stores its times: a rate where they are exactly regular, else stamps.

    Parameters
    ----------
    times_s
        Strictly increasing, shape (sample,), seconds.
    """
    n_samples = len(times_s)
    if n_samples > 2:
        rate_hz = (n_samples - 1) / float(times_s[-1] - times_s[0])
        start_s = float(times_s[0])
        if np.abs(start_s + np.arange(n_samples) / rate_hz - times_s).max() < REGULAR_S:
            return {"rate": rate_hz, "starting_time": start_s}
    return {"timestamps": times_s}


def add_events(
    nwbfile: NWBFile,
    name: str,
    *,
    description: str,
    source: str,
    timestamps_s: np.ndarray,
    columns: Mapping[str, tuple[str, Any]],
) -> None:
    """Add an events table to /events.

    Parameters
    ----------
    nwbfile
        The open file.
    name
        Name of the table.
    description, source
        What the events are and which system noted them.
    timestamps_s
        Times, seconds.
    columns
        Column name -> (description, values).
    """
    times = TimestampVectorData(
        name="timestamp", description="Time of the event, s.", data=np.asarray(timestamps_s, float)
    )
    others = [
        VectorData(name=column, description=text, data=values)
        for column, (text, values) in columns.items()
    ]
    nwbfile.add_events_table(
        EventsTable(
            name=name, description=description, source_description=source, columns=[times, *others]
        )
    )
