"""Reads timeStamps.csv by the names of its columns: 3 of v0.11 to v1, 4 of v2, or 5."""

from pathlib import Path

import numpy as np

from ace_nwb.interfaces.frame_times import FrameTimes, StampTable, repair_table, unwrap_daq_frames
from ace_nwb.interfaces.miniscope_daq.folder import TIME_COLUMN, TIMESTAMPS_FILE
from ace_nwb.interfaces.number_tables import NumberTable, read_table, table_irregularities
from ace_nwb.interfaces.policies import Policies

FRAME_COLUMN = "Frame Number"
BUFFER_COLUMN = "Buffer Index"
DAQ_COLUMN = "DAQ Frame Number"
UNIX_COLUMN = "Unix Time Stamp (ms)"
HEADERS: dict[tuple[str, ...], tuple[str, ...]] = {(): (FRAME_COLUMN, TIME_COLUMN, BUFFER_COLUMN)}
"""Columns of v0.1, which wrote no header and separated by tabs."""


def read_frame_times(
    device_path: Path, *, policies: Policies | None = None, device: str = ""
) -> FrameTimes:
    """Read the time stamps of a device folder; what is irregular in them is noted, not raised.

    Raises
    ------
    TimestampError
        If the file is missing, empty, lacks the time column, or is no CSV text.
    """
    chosen = policies or Policies()
    table = read_table(device_path / TIMESTAMPS_FILE, required=(TIME_COLUMN,), headers=HEADERS)
    noted = table_irregularities(table, policies=chosen, device=device)
    return repair_table(_stamp_table(table), policies=chosen, device=device, irregularities=noted)


def _stamp_table(table: NumberTable) -> StampTable:
    """Return the columns that matter, unknown ones marked."""
    columns = table.columns
    raw_s = columns[TIME_COLUMN] / 1000.0
    daq_frame = None
    if DAQ_COLUMN in columns:
        daq_frame = unwrap_daq_frames(_whole(columns[DAQ_COLUMN]))
    unix_s = columns[UNIX_COLUMN] / 1000.0 if UNIX_COLUMN in columns else None
    n_rows = len(raw_s)
    return StampTable(
        file_path=table.file_path,
        frame_number=_whole(columns.get(FRAME_COLUMN, np.arange(n_rows, dtype=float))),
        raw_s=raw_s,
        daq_frame=daq_frame,
        buffer_index=_whole(columns.get(BUFFER_COLUMN, np.full(n_rows, -1.0))),
        unix_time_s=unix_s,
        lines=table.first_line + np.arange(n_rows),
    )


def _whole(values: np.ndarray) -> np.ndarray:
    """Return whole numbers, -1 where a cell is no number."""
    return np.where(np.isfinite(values), values, -1).astype(np.int64)
