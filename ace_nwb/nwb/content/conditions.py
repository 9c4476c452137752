"""Conditions of a session file (baseline, drug, ...): named intervals of the session clock."""

from itertools import pairwise
from typing import Any

import numpy as np

from ace_nwb.nwb import layout
from ace_nwb.nwb.editing import SessionWriter
from ace_nwb.nwb.objects.columns import decode_texts
from ace_nwb.nwb.objects.stored import is_ragged, is_region
from ace_nwb.nwb.reading import Session

_NAME_COLUMNS = ("condition", "label", "tags")


def write_conditions(writer: SessionWriter, windows: dict[str, np.ndarray]) -> str:
    """Write conditions: name -> start and stop, shape (interval, 2), seconds; nothing if none."""
    writer.remove([layout.CONDITIONS])
    rows = sorted(
        (start, stop, name) for name, intervals in windows.items() for start, stop in intervals
    )
    if not rows:
        return layout.CONDITIONS
    starts, stops, names = zip(*rows, strict=True)
    columns = {
        "start_time": ("Start, s.", np.array(starts, float)),
        "stop_time": ("End, s.", np.array(stops, float)),
        "condition": ("Name of the condition.", list(names)),
    }
    text = "Conditions of the experiment, as the user named them."
    writer.create_table(layout.CONDITIONS, text, columns, kind="TimeIntervals")
    return layout.CONDITIONS


def read_conditions(session: Session) -> dict[str, np.ndarray]:
    """Return the conditions: name -> start and stop, shape (interval, 2), seconds, ascending.

    All tables in `/intervals` with a text column `condition`, `label` or `tags` count; those that
    the stage `conditions` wrote come first. An interval counts by its first tag, one without a
    name not at all.
    """
    if "/intervals" not in session.h5:
        return {}
    names = sorted(session.h5["/intervals"], key=lambda name: (name != "Conditions", name))
    found: dict[str, list[tuple[float, float]]] = {}
    for name in names:
        table = session.get(f"/intervals/{name}")
        labels = _read_labels(table)
        if labels is None:
            continue
        bounds = np.column_stack([table["start_time"].data[:], table["stop_time"].data[:]])
        for label, (start, stop) in zip(labels, bounds.tolist(), strict=True):
            if label.strip():
                found.setdefault(label, []).append((start, stop))
    return {label: np.array(sorted(bounds), float) for label, bounds in found.items()}


def _read_labels(table: Any) -> list[str] | None:
    """Return the condition of each interval, or None if the table names none."""
    column = next((name for name in _NAME_COLUMNS if name in getattr(table, "colnames", ())), None)
    if column is None or is_region(table[column]):
        return None
    if is_ragged(table[column]):
        values = decode_texts(np.asarray(table[column].target.data[:]))
        ends = [0, *np.asarray(table[column].data[:]).tolist()]
        return [str(values[a]) if a < b else "" for a, b in pairwise(ends)]
    values = np.asarray(table[column].data[:])
    return decode_texts(values).tolist() if values.dtype.kind in "OSU" else None
