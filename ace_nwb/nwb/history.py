"""The history of a session file: which stage ran when, with which parameters, on what.

Three tables in long form: `stage_runs` has one row per run, `stage_parameters` one row per run and
parameter, `stage_outputs` one row per object that was written (see ownership.py). None of them
holds names of users or computers, or absolute paths.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ace_nwb.nwb import layout
from ace_nwb.nwb.contents import read_version, record_version
from ace_nwb.nwb.editing import SessionWriter
from ace_nwb.nwb.objects import tables
from ace_nwb.nwb.objects.columns import Columns, build_table
from ace_nwb.nwb.ownership import Owned, list_objects, read_owned
from ace_nwb.nwb.reading import Session

if TYPE_CHECKING:
    from pynwb import NWBFile

_RUN_COLUMNS = {
    "run_id": "Number of the run.",
    "action": "run: results were written; remove: they were removed; describe: metadata were.",
    "stage": "Name of the stage.",
    "revision": "Revision of the stage's code.",
    "engine": "Engine that did the work, if there is a choice.",
    "fingerprint": "Hash of stage, revision, parameters and inputs.",
    "started": "Wall-clock time of the start, ISO 8601.",
    "duration_s": "Duration, seconds.",
    "software": "Packages and their versions.",
    "inputs": "Stages it read from, as stage=fingerprint; separated by semicolons.",
    "outputs": "Paths it wrote, separated by semicolons.",
    "peak_memory_mb": "Largest memory of the process until the end of the run, megabytes.",
    "warnings": "What the reader of the result should know.",
}
_PARAMETER_COLUMNS = {
    "run_id": "Number of the run in stage_runs.",
    "parameter": "Name of the parameter.",
    "value": "Value.",
    "source": "Who chose it: default, file, command line, python, browser or imported.",
}
_OUTPUT_COLUMNS = {
    "run_id": "Number of the run in stage_runs; -1: written beside the runs, or before this table.",
    "path": "Where the object stands.",
    "output_id": "Its object id, which it keeps under any name.",
}
_TABLES = {
    "stage_runs": "Every run of a processing stage.",
    "stage_parameters": "Every parameter of every run.",
    "stage_outputs": "Every object that was written or renamed; others are not ours to replace.",
}
_SEPARATOR = "; "
BESIDE_RUNS = -1
"""Run number of objects that no run wrote: decisions of reviewers, intervals of a manifest."""
_HISTORY = "/processing/misc/"
"""Where the history and the choices stand, which no stage replaces."""


@dataclass(frozen=True)
class RunParameter:
    """A parameter of a run: its value as text, and who chose it."""

    name: str
    value: str
    source: str = "default"


@dataclass(frozen=True)
class StageRun:
    """One row of the history.

    Parameters
    ----------
    run_id
        Number of the run in its file, from 0.
    action
        "run", or "remove" if the results were removed.
    stage, revision, engine
        What ran.
    fingerprint
        Hash of stage, revision, parameters and inputs.
    started
        ISO 8601.
    duration_s
        Seconds.
    software
        Packages and versions.
    inputs
        Stage name -> fingerprint of the results that were read.
    outputs
        Paths written.
    peak_memory_mb
        Largest memory of the process, megabytes.
    warnings
        Remarks.
    parameters
        Every parameter with its source.
    """

    run_id: int
    action: str
    stage: str
    revision: int
    engine: str
    fingerprint: str
    started: str
    duration_s: float
    software: str
    inputs: dict[str, str]
    outputs: tuple[str, ...]
    peak_memory_mb: float
    warnings: str
    parameters: tuple[RunParameter, ...] = ()


def add_history(nwbfile: "NWBFile", run: StageRun) -> None:
    """Start the history of a file that has none yet, with its first run."""
    _add_table(nwbfile, "stage_runs", _described(_RUN_COLUMNS, _run_rows(run)))
    if run.parameters:
        _add_table(
            nwbfile, "stage_parameters", _described(_PARAMETER_COLUMNS, _parameter_rows(run))
        )


def append_run(writer: SessionWriter, run: StageRun) -> None:
    """Add a run to the history."""
    if not writer.has(layout.STAGE_RUNS) and read_version(writer) is None:  # another program's file
        record_version(writer)
    tables_of_run = (
        (layout.STAGE_RUNS, _described(_RUN_COLUMNS, _run_rows(run))),
        (layout.STAGE_PARAMETERS, _described(_PARAMETER_COLUMNS, _parameter_rows(run))),
    )
    for path, columns in tables_of_run:
        _append(writer, path, columns)


def record_outputs(writer: SessionWriter, before: Owned, *, run_id: int = BESIDE_RUNS) -> None:
    """Note as ours what was written since `before`, and where renamed objects of ours stand now.

    Parameters
    ----------
    writer
        The session.
    before
        All objects before the change, see `list_objects`.
    run_id
        Number of the run that wrote them.
    """
    recorded = read_owned(writer.h5) if writer.has(layout.STAGE_OUTPUTS) else None
    earlier = set(before.values())
    rows = []
    for path, identity in list_objects(writer.h5).items():
        final, is_new = writer.final_path(path), identity not in earlier
        is_ours = is_new or writer.owned.get(path) == identity
        if is_ours and (recorded or {}).get(final) != identity and not final.startswith(_HISTORY):
            made_by = run_id if is_new or recorded is not None else BESIDE_RUNS
            rows.append((made_by, final, identity))
            writer.owned[path] = identity
    if rows:
        columns = dict(zip(_OUTPUT_COLUMNS, map(list, zip(*rows, strict=True)), strict=True))
        _append(writer, layout.STAGE_OUTPUTS, _described(_OUTPUT_COLUMNS, columns))


def read_runs(session: Session) -> list[StageRun]:
    """Return every run in the order of the file."""
    if not session.has(layout.STAGE_RUNS):
        return []
    columns = session.read_table(layout.STAGE_RUNS)
    parameters = _read_parameters(session)
    runs = []
    for row in range(len(columns["run_id"])):
        values: dict[str, Any] = {name: column[row].item() for name, column in columns.items()}
        inputs = split_joined(values["inputs"])
        values["inputs"] = dict(text.split("=", 1) for text in inputs)
        values["outputs"] = tuple(split_joined(values["outputs"]))
        runs.append(StageRun(parameters=parameters.get(values["run_id"], ()), **values))
    return runs


def current_runs(session: Session) -> dict[str, StageRun]:
    """Return stage name -> the run whose results are in the file now."""
    current: dict[str, StageRun] = {}
    for run in read_runs(session):
        current.pop(run.stage, None)
        if run.action == "run":
            current[run.stage] = run
    return current


def next_run_id(session: Session) -> int:
    """Return the number of the next run."""
    if not session.has(layout.STAGE_RUNS):
        return 0
    ids = session.h5[f"{layout.STAGE_RUNS}/run_id"]
    return int(ids[-1]) + 1 if len(ids) else 0


def _add_table(nwbfile: "NWBFile", name: str, columns: Columns) -> None:
    """Add a table of the history to a file."""
    if "misc" not in nwbfile.processing:
        nwbfile.create_processing_module(name="misc", description=layout.MODULES["misc"])
    nwbfile.processing["misc"].add(build_table(name, _TABLES[name], columns))


def _append(writer: SessionWriter, path: str, columns: Columns) -> None:
    """Add rows to a table of the history, made if it is missing."""
    rows = {name: values for name, (_, values) in columns.items()}
    if writer.has(path):
        tables.append_table_rows(writer.h5, path, rows)
    elif all(rows.values()):
        writer.create_table(path, _TABLES[path.rpartition("/")[2]], columns)


def _described(descriptions: dict[str, str], rows: dict[str, Any]) -> dict[str, tuple[str, Any]]:
    """Return column name -> (description, values)."""
    return {name: (text, rows[name]) for name, text in descriptions.items()}


def _run_rows(run: StageRun) -> dict[str, list[Any]]:
    """Return column name -> the one value of this run."""
    rows = {name: [getattr(run, name)] for name in _RUN_COLUMNS}
    inputs = [f"{stage}={mark}" for stage, mark in run.inputs.items()]
    return rows | {"inputs": [_SEPARATOR.join(inputs)], "outputs": [_SEPARATOR.join(run.outputs)]}


def _parameter_rows(run: StageRun) -> dict[str, list[Any]]:
    """Return column name -> one value per parameter of this run."""
    return {
        "run_id": [run.run_id] * len(run.parameters),
        "parameter": [parameter.name for parameter in run.parameters],
        "value": [parameter.value for parameter in run.parameters],
        "source": [parameter.source for parameter in run.parameters],
    }


def split_joined(text: str) -> list[str]:
    """Return the parts of a joined text; none if it is empty."""
    return text.split(_SEPARATOR) if text else []


def _read_parameters(session: Session) -> dict[int, tuple[RunParameter, ...]]:
    """Return run id -> its parameters."""
    if not session.has(layout.STAGE_PARAMETERS):
        return {}
    columns = session.read_table(layout.STAGE_PARAMETERS)
    rows: Iterable[tuple[Any, ...]] = zip(
        *(columns[name] for name in _PARAMETER_COLUMNS), strict=True
    )
    found: dict[int, list[RunParameter]] = {}
    for run_id, name, value, source in rows:
        found.setdefault(int(run_id), []).append(RunParameter(str(name), str(value), str(source)))
    return {run_id: tuple(parameters) for run_id, parameters in found.items()}
