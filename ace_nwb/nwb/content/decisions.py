"""Decisions of reviewers about ROIs: rows of a table in the session file, only ever added to.

What follows from the rows is worked out in `ace_nwb.stages.common.curated`; here they are stored.
Written through HDF5 directly, so that a decision costs a few kilobytes whatever the size of the
file.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from ace_nwb.nwb import layout
from ace_nwb.nwb.editing import SessionWriter
from ace_nwb.nwb.history import record_outputs
from ace_nwb.nwb.objects import tables
from ace_nwb.nwb.ownership import list_objects
from ace_nwb.nwb.reading import Session

Action = Literal["accept", "reject", "unsure", "merge", "split", "undo"]
Line = tuple[float, float, float, float]

_NONE = -1  # no ROI, no number: integer columns of a table have no other way to say it
_COLUMNS: dict[str, tuple[str, Any]] = {
    "decision": ("Number of the decision; the rows of one decision share it.", np.int64),
    "action": ("accept, reject, unsure, merge, split or undo.", str),
    "roi": ("ROI the decision is about, as its id; -1 for undo.", np.int64),
    "new_roi": ("Id of the ROI that a merge or split makes, or -1.", np.int64),
    "undoes": ("Number of the decision that is undone, or -1.", np.int64),
    "line_row_start": ("Row where the dividing line of a split begins, recorded field, px.", float),
    "line_column_start": ("Column where it begins, px.", float),
    "line_row_stop": ("Row where it ends, px.", float),
    "line_column_stop": ("Column where it ends, px.", float),
    "reviewer": ("Who decided.", str),
    "decided_at": ("When, ISO 8601 in UTC.", str),
    "reason": ("Why, in the reviewer's words.", str),
}
_LINE = ("line_row_start", "line_column_start", "line_row_stop", "line_column_stop")
_TEXT = "Decisions of reviewers about ROIs, in the order they were made; rows are only added."


@dataclass(frozen=True)
class Decision:
    """What one reviewer decided at one time.

    Parameters
    ----------
    action
        "accept", "reject", "unsure", "merge", "split" or "undo".
    rois
        Ids of the ROIs it is about.
    reviewer
        Name.
    decided_at
        ISO 8601 in UTC.
    reason
        In the reviewer's words; may be empty.
    number
        Number in the file, from 0; -1 before it is written.
    makes
        Ids of the ROIs that a merge (one) or split (two) makes.
    undoes
        Number of the decision undone, or -1.
    line
        Dividing line of a split: row, column of its start and of its end, recorded field, px.
    """

    action: Action
    rois: tuple[int, ...]
    reviewer: str
    decided_at: str
    reason: str = ""
    number: int = _NONE
    makes: tuple[int, ...] = ()
    undoes: int = _NONE
    line: Line | None = None


def read_decisions(session: Session) -> list[Decision]:
    """Return every decision in the order of the file."""
    if not session.has(layout.CURATION_DECISIONS):
        return []
    columns = session.read_table(layout.CURATION_DECISIONS)
    numbers = columns["decision"]
    starts = np.flatnonzero(np.diff(numbers, prepend=numbers[:1] - 1))
    ends = [*starts[1:], len(numbers)]
    return [
        _from_rows(columns, slice(int(start), int(end)))
        for start, end in zip(starts, ends, strict=True)
    ]


def append_decisions(writer: SessionWriter, decisions: Iterable[Decision]) -> list[Decision]:
    """Add decisions to the table, made if it is missing; return them with their numbers."""
    path = layout.CURATION_DECISIONS
    first = 0
    if writer.has(path):
        known = writer.h5[f"{path}/decision"]
        first = int(known[-1]) + 1 if len(known) else 0
    numbered = [replace(one, number=first + index) for index, one in enumerate(decisions)]
    if not numbered:
        return []
    rows = _to_rows(numbered)
    if writer.has(path):
        tables.append_table_rows(writer.h5, path, rows)
    else:
        described = {name: (_COLUMNS[name][0], values) for name, values in rows.items()}
        before = list_objects(writer.h5)
        writer.create_table(path, _TEXT, described)
        record_outputs(writer, before)
    return numbered


def _from_rows(columns: dict[str, np.ndarray], rows: slice) -> Decision:
    """Build one decision from its rows."""
    first = {name: values[rows][0].item() for name, values in columns.items()}
    line = tuple(float(first[name]) for name in _LINE)
    rois = [int(roi) for roi in columns["roi"][rows] if roi != _NONE]
    made = [int(roi) for roi in columns["new_roi"][rows] if roi != _NONE]
    return Decision(
        action=first["action"],
        rois=tuple(dict.fromkeys(rois)),
        reviewer=first["reviewer"],
        decided_at=first["decided_at"],
        reason=first["reason"],
        number=int(first["decision"]),
        makes=tuple(dict.fromkeys(made)),
        undoes=int(first["undoes"]),
        line=line if np.isfinite(line).all() else None,  # type: ignore[arg-type]
    )


def _to_rows(decisions: Sequence[Decision]) -> dict[str, list[Any]]:
    """Return column name -> values: a row per ROI, two for the halves of a split."""
    rows: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    for decision in decisions:
        for roi, new_roi in _pairs(decision):
            values = {
                "decision": decision.number,
                "roi": roi,
                "new_roi": new_roi,
                **{name: getattr(decision, name) for name in ("action", "undoes", "reviewer")},
                **{name: getattr(decision, name) for name in ("decided_at", "reason")},
                **dict(zip(_LINE, decision.line or (np.nan,) * 4, strict=True)),
            }
            for name, column in rows.items():
                column.append(values[name])
    return rows


def _pairs(decision: Decision) -> list[tuple[int, int]]:
    """Return (ROI, ROI it becomes part of) for every row of a decision."""
    if decision.action == "split":
        return [(decision.rois[0], made) for made in decision.makes]
    made = decision.makes[0] if decision.makes else _NONE
    return [(roi, made) for roi in decision.rois] or [(_NONE, made)]
