"""Parameters chosen for the next run of a stage, without running it: rows of a table in the file.

A choice counts until the stage runs; the run then carries it among its own parameters.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ace_nwb.nwb import layout
from ace_nwb.nwb.editing import SessionWriter
from ace_nwb.nwb.history import RunParameter, StageRun, next_run_id
from ace_nwb.nwb.objects import tables
from ace_nwb.nwb.reading import Session

_COLUMNS = {
    "stage": "Name of the stage.",
    "parameter": "Name of the parameter.",
    "value": "Value.",
    "source": "Who chose it.",
    "chosen_at": "When, ISO 8601 in UTC.",
    "before_run": "Number of the first run in stage_runs that could have taken it over.",
}
_TEXT = "Parameters chosen for the next run of a stage; rows are only added, the last one counts."


@dataclass(frozen=True)
class ChosenParameter:
    """A value for the next run of a stage.

    Parameters
    ----------
    stage, parameter, value
        Names, and the value as text.
    source
        Who chose it, such as "browser".
    before_run
        Number of the first run that could have taken it over.
    """

    stage: str
    parameter: str
    value: str
    source: str
    before_run: int


def append_choices(
    writer: SessionWriter, values: Mapping[str, Mapping[str, str]], *, source: str
) -> None:
    """Record values for the next runs: stage -> parameter -> value as text."""
    rows: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    row = {
        "source": source,
        "chosen_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "before_run": next_run_id(writer),
    }
    for stage, parameters in values.items():
        for name, value in parameters.items():
            for column, cell in (row | {"stage": stage, "parameter": name, "value": value}).items():
                rows[column].append(cell)
    path = layout.CHOSEN_PARAMETERS
    if writer.has(path):
        tables.append_table_rows(writer.h5, path, rows)
        return
    writer.create_table(path, _TEXT, {name: (_COLUMNS[name], rows[name]) for name in rows})


def read_choices(session: Session) -> list[ChosenParameter]:
    """Return every choice in the order of the file."""
    if not session.has(layout.CHOSEN_PARAMETERS):
        return []
    columns = session.read_table(layout.CHOSEN_PARAMETERS)
    rows = zip(
        columns["stage"],
        columns["parameter"],
        columns["value"],
        columns["source"],
        columns["before_run"],
        strict=True,
    )
    return [
        ChosenParameter(str(stage), str(name), str(value), str(source), int(run))
        for stage, name, value, source, run in rows
    ]


def waiting_choices(
    session: Session, runs: Mapping[str, StageRun]
) -> dict[str, dict[str, RunParameter]]:
    """Return stage -> parameter -> the choice that its next run will take over.

    Parameters
    ----------
    session
        The session.
    runs
        The current run of each stage.
    """
    waiting: dict[str, dict[str, RunParameter]] = {}
    for one in read_choices(session):
        if one.stage not in runs or runs[one.stage].run_id < one.before_run:
            chosen = waiting.setdefault(one.stage, {})
            chosen[one.parameter] = RunParameter(one.parameter, one.value, one.source)
    return waiting
