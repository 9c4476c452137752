"""One stage on one session file: read and calculate first, then commit everything at once.

A stage whose fingerprint stands in the history already is skipped. A stage either finishes, and
its result, its history rows and the removal of what it replaces are committed together, or the
file stays as it was.
"""

import logging
import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ace_nwb.engines.base import EngineSettings
from ace_nwb.errors import (
    AceNwbError,
    AceNwbWarning,
    NothingToDoError,
    RequirementError,
    StageError,
)
from ace_nwb.imaging.movie import ProgressCallback, no_progress
from ace_nwb.nwb.commit.scratch import Scratch
from ace_nwb.nwb.content.choices import waiting_choices
from ace_nwb.nwb.editing import check_writable
from ace_nwb.nwb.history import (
    RunParameter,
    StageRun,
    append_run,
    current_runs,
    next_run_id,
    record_outputs,
)
from ace_nwb.nwb.ownership import list_objects
from ace_nwb.nwb.session import Session, edit_session, open_session
from ace_nwb.stages.common.curated import read_curation
from ace_nwb.stages.running.context import StageContext, group_alike
from ace_nwb.stages.running.memory import peak_memory_mb
from ace_nwb.stages.running.replacement import (
    Replacement,
    describe_replacement,
    make_room,
    note_losses,
)
from ace_nwb.stages.running.status import (
    current_inputs,
    decision_inputs,
    fingerprint,
    not_applicable,
    previous_choices,
    with_choices,
)
from ace_nwb.stages.settings.params import StageParams
from ace_nwb.stages.settings.texts import Choice, build_parameters, format_value
from ace_nwb.stages.stage import Stage

logger = logging.getLogger(__name__)
_WAIT_FOR_WRITER_S = 10.0
"""A reviewer's decision is written in an instant; a result that took hours can wait for it."""

Choices = dict[str, dict[str, Choice]]
"""Stage name -> parameter name -> chosen value."""

ProgressBar = Callable[[str], AbstractContextManager[ProgressCallback]]
"""Given the name of a stage, opens a progress display for it."""


@dataclass(frozen=True)
class StageOutcome:
    """What became of a stage.

    Parameters
    ----------
    stage
        Its name.
    action
        "ran", "already done", or "not applicable".
    duration_s
        Wall time, seconds.
    remarks
        Warnings and reasons.
    """

    stage: str
    action: str
    duration_s: float = 0.0
    remarks: tuple[str, ...] = ()


def no_bar(_stage: str) -> AbstractContextManager[ProgressCallback]:
    """Show nothing."""
    return nullcontext(no_progress)


@dataclass(frozen=True)
class Job:
    """How stages are to run on a session file.

    Parameters
    ----------
    nwb_path
        The session file.
    choices
        Chosen parameters; a stage without any keeps those of its former run. What was recorded
        for its next run counts unless it is chosen anew.
    is_explicit
        Whether somebody asked for just these stages: then one that cannot run is an error.
    settings
        Threads and memory.
    bar
        Opens a progress display per stage.
    force
        Run stages even if they are done.
    replacement
        What becomes of earlier results.
    tell
        Told what a run means for objects of others, before it begins.
    """

    nwb_path: Path
    choices: Choices = field(default_factory=dict)
    is_explicit: bool = False
    settings: EngineSettings = field(default_factory=EngineSettings)
    bar: ProgressBar = no_bar
    force: bool = False
    replacement: Replacement = field(default_factory=Replacement)
    tell: Callable[[str], None] = logger.info


@dataclass(frozen=True)
class SessionState:
    """What a session's history says.

    Parameters
    ----------
    runs
        The current run of each stage, with parameters that were chosen for the next one, and
        the decisions of reviewers.
    recording
        Identifier of the raw data.
    waiting
        Parameters chosen for the next run of stages: stage -> name -> value.
    foreseen
        What the next run of stages means for objects of others, where it has been told: stage ->
        lines.
    """

    runs: dict[str, StageRun]
    recording: str
    waiting: Choices = field(default_factory=dict)
    foreseen: dict[str, list[str]] = field(default_factory=dict)


def read_state(location: str | Path) -> SessionState:
    """Return what a session's history says."""
    with open_session(location) as session:
        return state_of(session)


def state_of(session: Session) -> SessionState:
    """Return what the history of an open session says."""
    runs = current_runs(session)
    waiting = waiting_choices(session, runs)
    decided = decision_inputs(read_curation(session))
    return SessionState(
        with_choices(runs, waiting) | decided,
        session.identifier,
        {
            stage: {one.name: Choice(one.value, one.source) for one in chosen.values()}
            for stage, chosen in waiting.items()
        },
    )


def run_stage(stage: Stage, job: Job, known: SessionState) -> StageOutcome:
    """Run a stage unless its result is in the file already.

    Raises
    ------
    KeyboardInterrupt
        With a message that says what is kept.
    """
    task = _plan_task(stage, job, known)
    if task is None:
        return StageOutcome(stage.name, "already done")
    try:
        outcome = _run_task(task, job, known)
    except AceNwbError as error:
        if job.is_explicit or not isinstance(error, NothingToDoError):
            error.args = (f"Stage {stage.name}: {error}",)
            raise
        outcome = StageOutcome(stage.name, "not applicable", remarks=(str(error),))
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt(_tell_interrupted(stage, job.nwb_path, task.scratch)) from interrupt
    task.scratch.remove()
    return outcome


def is_pending(stage: Stage, job: Job, known: SessionState) -> bool:
    """Return whether a stage would run: it is not done, and the session has what it is about."""
    if _plan_task(stage, job, known) is None:
        return False
    if job.is_explicit:
        return True
    with open_session(job.nwb_path) as session:
        return not not_applicable(stage, session)


def foresee(stages: Iterable[Stage], job: Job, known: SessionState) -> SessionState:
    """Tell what stages that are to run mean for objects of others, before the first of them runs.

    Returns
    -------
        What was known, with what was told.

    Raises
    ------
    StageError, SessionFileError
        If one of them will be refused.
    """
    told = {}
    for stage in stages:
        if is_pending(stage, job, known):
            with open_session(job.nwb_path) as session:
                told[stage.name] = _tell_replacement(session, stage, job, known)
    return replace(known, foreseen=told)


def _tell_replacement(session: Session, stage: Stage, job: Job, known: SessionState) -> list[str]:
    if stage.name in known.foreseen:
        return known.foreseen[stage.name]
    told = describe_replacement(session, stage, known.runs, replacement=job.replacement)
    for line in told:
        job.tell(f"{stage.name}: {line}")
    return told


@dataclass(frozen=True)
class _Task:
    """A stage with its parameters, what it reads from, and the mark of its result."""

    stage: Stage
    params: StageParams
    choices: dict[str, Choice]
    inputs: dict[str, str]
    mark: str
    scratch: Scratch


def _plan_task(stage: Stage, job: Job, known: SessionState) -> _Task | None:
    """Return what is to be done, or None if it has been done."""
    given, waiting = job.choices.get(stage.name), known.waiting.get(stage.name, {})
    before = previous_choices(stage, known.runs) if given is None else {}
    choices = before | waiting | (given or {})
    params = build_parameters(stage, choices)
    inputs = current_inputs(stage, known.runs, params)
    mark = fingerprint(stage, params, inputs, known.recording)
    scratch = Scratch(job.nwb_path, stage.name, f"{mark}, {software()}")
    if not job.force and stage.name in known.runs and known.runs[stage.name].fingerprint == mark:
        scratch.remove()  # left if the program died right after the commit
        return None
    return _Task(stage, params, choices, inputs, mark, scratch)


def _run_task(task: _Task, job: Job, known: SessionState) -> StageOutcome:
    """Compute and commit."""
    stage, module = task.stage, task.stage.load()
    started, clock = datetime.now(UTC), time.perf_counter()
    with open_session(job.nwb_path) as session:
        reason = None if job.is_explicit else not_applicable(stage, session)
        if reason:
            return StageOutcome(stage.name, "not applicable", remarks=(reason,))
        _require(stage, known.runs, is_explicit=job.is_explicit)
        told = _tell_replacement(session, stage, job, known)
        check_writable(job.nwb_path, wait_s=_WAIT_FOR_WRITER_S)
        result, remarks, others = _compute(module, session, task, job)
        remarks += told
    record = StageRun(
        run_id=-1,  # given when it is written
        action="run",
        stage=stage.name,
        revision=stage.revision,
        engine=str(getattr(task.params, "engine", "")),
        fingerprint=task.mark,
        started=started.isoformat(timespec="seconds"),
        duration_s=round(time.perf_counter() - clock, 3),
        software=software(others),
        inputs=task.inputs,
        outputs=stage.produces,
        peak_memory_mb=peak_memory_mb(),
        warnings=" | ".join(remarks),
        parameters=_record_parameters(task.params, task.choices),
    )
    with edit_session(job.nwb_path, wait_s=_WAIT_FOR_WRITER_S) as writer:
        _check_unchanged(writer, task)
        before = list_objects(writer.h5)
        make_room(writer, stage, replacement=job.replacement, software=record.software)
        module.write(writer, result)
        note_losses(writer, stage, software=record.software)
        run_id = next_run_id(writer)
        append_run(writer, replace(record, run_id=run_id))
        record_outputs(writer, before, run_id=run_id)
    return StageOutcome(stage.name, "ran", time.perf_counter() - clock, tuple(group_alike(remarks)))


def _compute(
    module: Any, session: Session, task: _Task, job: Job
) -> tuple[Any, list[str], dict[str, str]]:
    """Run the stage's computation; collect its remarks, our warnings, and other programs."""
    with job.bar(task.stage.name) as progress, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", AceNwbWarning)
        context = StageContext(job.settings, progress, scratch=task.scratch)
        result = module.compute(session, task.params, context)
    ours = [str(w.message) for w in caught if issubclass(w.category, AceNwbWarning)]
    for warning in caught:
        if not issubclass(warning.category, AceNwbWarning):
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
    return result, context.remarks + ours, context.software


def _require(stage: Stage, runs: dict[str, StageRun], *, is_explicit: bool) -> None:
    """Raise if a stage that must have been run was not; a run of all had nothing to do in it."""
    missing = [name for name in stage.requires if name not in runs]
    if not missing:
        return
    first = missing[0]
    if not is_explicit:
        raise NothingToDoError(f"It reads what {first} writes, and {first} had nothing to do.")
    raise RequirementError(
        f"It reads what {first} writes, and {first} has not been run on this file. Run `ace-nwb "
        f"process {first} FILE` first, or `ace-nwb run FILE` for all stages in order."
    )


def _check_unchanged(session: Session, task: _Task) -> None:
    """Refuse a result whose inputs another process has replaced while it was calculated.

    Reviewers may go on deciding: the result is stale then, and no less right.
    """
    read = {name: mark for name, mark in task.inputs.items() if name not in task.stage.decisions}
    if current_inputs(task.stage, current_runs(session), task.params) != read:
        raise StageError(
            f"What {task.stage.name} reads from {session.path} was replaced by another process "
            "while it ran, so its result would not belong to it. Nothing was written; run it again."
        )


def _tell_interrupted(stage: Stage, path: Path, scratch: Scratch) -> str:
    """Say what an interrupted run leaves."""
    kept = (
        f"What {stage.name} has found so far is in {scratch.folder}"
        if scratch.path.exists()
        else f"{stage.name} will begin anew"
    )
    return (
        f"Interrupted in stage {stage.name}. {path} holds every stage that was finished and "
        f"nothing by half. {kept}; run the same command again to go on."
    )


def _record_parameters(params: StageParams, choices: dict[str, Choice]) -> tuple[RunParameter, ...]:
    return tuple(
        RunParameter(
            name,
            format_value(getattr(params, name)),
            choices[name].source if name in choices else "default",
        )
        for name in type(params).model_fields
    )


_version = cache(version)
"""Version of an installed package; its metadata are looked for once."""


def software(others: dict[str, str] | None = None) -> str:
    """Return the packages that make results, and their versions, for the history.

    Parameters
    ----------
    others
        Programs outside this environment that took part, and their versions.
    """
    names = ("ace-nwb", "numpy", "scipy", "numba", "pynwb")
    versions = {name: _version(name) for name in names} | (others or {})
    return ", ".join(f"{name} {number}" for name, number in versions.items())
