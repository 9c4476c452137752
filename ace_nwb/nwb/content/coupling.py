"""Relations between calcium and ephys in a session file: tables with one row per pair.

Every row refers to its ROI and its electrode; the names in the tables are what people read.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ace_nwb.nwb import layout
from ace_nwb.nwb.content.ephys import list_ephys
from ace_nwb.nwb.editing import SessionWriter
from ace_nwb.nwb.objects.columns import Columns
from ace_nwb.nwb.objects.writing import region
from ace_nwb.nwb.reading import Session

_ELECTRODES = "/general/extracellular_ephys/electrodes"
_ROI_COLUMNS = ("roi", "partner_roi")


def write_result_table(
    writer: SessionWriter, path: str, columns: Columns, *, description: str
) -> str:
    """Write a table of results, replacing the one of that path; nothing without rows.

    A column `roi` or `partner_roi` holds rows of the ROI table and is stored as a reference to it.
    Beside a column `channel`, the electrode of each row is stored, where it is known.

    Parameters
    ----------
    path
        "/processing/coupling/<name>".
    columns
        Name -> (description, values, one per row; rows may hold arrays of equal length).
    description
        What a row is.
    """
    writer.remove([path])
    if not len(next(iter(columns.values()))[1]):
        return path
    described: dict[str, tuple[str, Any]] = {}
    for key, (text, values) in columns.items():
        if key in _ROI_COLUMNS:
            values = region(writer.node(layout.PLANE_SEGMENTATION), values)
        described[key] = (text, values)
        if key == "channel" and (rows := _find_electrodes(writer, values)) is not None:
            electrode = region(writer.node(_ELECTRODES), rows)
            described["electrode"] = ("The channel's electrode.", electrode)
    writer.create_table(path, description, described)
    return path


def read_result_table(session: Session, path: str) -> Mapping[str, np.ndarray]:
    """Return the columns of a table of results, ROIs and electrodes as rows of their tables.

    Without the table there are no columns.
    """
    return session.read_table(path) if session.has(path) else {}


def _find_electrodes(session: Session, channels: Any) -> np.ndarray | None:
    """Return the row of the electrodes table of each channel; None if one is not known."""
    known: dict[str, int] = {}
    for series in list_ephys(session):
        known |= dict(zip(series.channel_names, series.electrode_rows, strict=True))
    names = [str(channel) for channel in channels]
    if any(name not in known for name in names):
        return None
    return np.array([known[name] for name in names], np.int64)
