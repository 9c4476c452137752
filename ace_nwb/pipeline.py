"""Run stages on a session file: one, or all that are not yet done.

A stage whose fingerprint stands in the history already is skipped. A stage either finishes, and
its result, its history rows and the removal of what it replaces are committed together, or the
file stays as it was.
"""

import sys
import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from ace_nwb.engines.base import EngineSettings
from ace_nwb.errors import AceNwbWarning, ParameterError, RequirementError
from ace_nwb.imaging.movie import ProgressCallback, no_progress
from ace_nwb.nwb.checks import Finding
from ace_nwb.nwb.history import RunParameter, StageRun, append_run, current_runs, next_run_id
from ace_nwb.nwb.session import Session, edit_session, open_session
from ace_nwb.stages.context import StageContext
from ace_nwb.stages.parameters import Choice, build_parameters, format_value
from ace_nwb.stages.params import StageParams
from ace_nwb.stages.provenance import Difference, compare_runs, pipeline_text
from ace_nwb.stages.replacement import Replacement, make_room, note_change
from ace_nwb.stages.status import (
    StageStatus,
    current_inputs,
    fingerprint,
    previous_choices,
    stage_statuses,
)
from ace_nwb.stages.table import STAGES, Stage, find_stage

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


@dataclass(frozen=True)
class Plan:
    """Which stages to run, with which chosen parameters.

    Parameters
    ----------
    stages
        Names in order; by default all but those that run on request and have never been asked for.
    choices
        Chosen parameter values.
    is_explicit
        Whether somebody asked for just these stages: then one that cannot run is an error.
    """

    stages: tuple[str, ...] | None = None
    choices: Choices = field(default_factory=dict)
    is_explicit: bool = False


def no_bar(_stage: str) -> AbstractContextManager[ProgressCallback]:
    """Show nothing."""
    return nullcontext(no_progress)


def read_plan(pipeline_path: Path | None = None, settings: Iterable[str] = ()) -> Plan:
    """Read a pipeline YAML and `stage.parameter=value` texts into a plan.

    Parameters
    ----------
    pipeline_path
        YAML with a mapping `stages`: stage name -> parameters (may be empty).
    settings
        Texts such as "motion.max_shift_px=30"; they win over the file.

    Raises
    ------
    ParameterError, UnknownNameError
        If a stage or parameter is unknown, or a text is not of that form.
    """
    choices: Choices = {}
    stages = None
    if pipeline_path is not None:
        content = _read_pipeline(Path(pipeline_path))
        wanted = {find_stage(name).name for name in content}
        stages = tuple(name for name in STAGES if name in wanted)
        for name, values in content.items():
            choices[name] = {key: Choice(value, "file") for key, value in (values or {}).items()}
    for text in settings:
        stage, name, value = _split_setting(text)
        choices.setdefault(stage, {})[name] = Choice(value, "command line")
    for name, chosen in choices.items():
        build_parameters(find_stage(name), chosen)
    return Plan(stages, choices, is_explicit=pipeline_path is not None)


def run(
    nwb_path: Path,
    plan: Plan | None = None,
    *,
    settings: EngineSettings | None = None,
    bar: ProgressBar = no_bar,
    force: bool = False,
    replacement: Replacement | None = None,
) -> list[StageOutcome]:
    """Run every stage of the plan that is not done yet; return what became of each.

    Parameters
    ----------
    nwb_path
        A session file.
    plan
        Stages and chosen parameters; parameters chosen in an earlier run are kept unless the
        plan chooses others.
    settings
        Threads and memory.
    bar
        Opens a progress display per stage.
    force
        Run stages even if they are done.
    replacement
        What becomes of earlier results; they are replaced by default.
    """
    plan = plan or Plan()
    job = _Job(
        Path(nwb_path),
        plan,
        settings or EngineSettings(),
        bar,
        force,
        replacement or Replacement(),
    )
    outcomes = []
    known = _read_state(job.nwb_path)
    for name in _wanted_stages(plan, known):
        outcomes.append(_run_stage(find_stage(name), job, known))
        if outcomes[-1].action == "ran":
            known = _read_state(job.nwb_path)
    return outcomes


def process(
    nwb_path: Path,
    stage: str,
    parameters: dict[str, Any] | None = None,
    *,
    source: str = "python",
    settings: EngineSettings | None = None,
    bar: ProgressBar = no_bar,
    force: bool = False,
    replacement: Replacement | None = None,
) -> StageOutcome:
    """Run one stage with the given parameters, defaults elsewhere."""
    chosen = {name: Choice(value, source) for name, value in (parameters or {}).items()}
    plan = Plan((find_stage(stage).name,), {stage: chosen}, is_explicit=True)
    return run(nwb_path, plan, settings=settings, bar=bar, force=force, replacement=replacement)[0]


def status(nwb_path: Path) -> list[StageStatus]:
    """Return for every stage whether it is done, stale or missing, and why."""
    known = _read_state(Path(nwb_path))
    return stage_statuses(known.runs, known.recording)


def undo_sync(nwb_path: Path) -> bool:
    """Put every series of the camera back on its own clock; return whether there was an alignment.

    What was computed from aligned times stays and is stale then.
    """
    runs = _read_state(Path(nwb_path)).runs
    if "sync" not in runs:
        return False
    with edit_session(nwb_path) as writer:
        STAGES["sync"].load().undo(writer)
        note_change(writer, runs["sync"], "remove", "undone by the user", _software())
    return True


def history_as_pipeline(nwb_path: Path) -> str:
    """Return the pipeline file (YAML) that gives the current results from the raw recording."""
    return pipeline_text(_read_state(Path(nwb_path)).runs)


def diff(first: Path, second: Path) -> list[Difference]:
    """Return how two session files differ in stages, parameters, versions and fingerprints."""
    return compare_runs(_read_state(Path(first)).runs, _read_state(Path(second)).runs)


def stale_findings(nwb_path: Path) -> list[Finding]:
    """Return a finding for every stage whose results no longer follow from their inputs."""
    return [
        Finding("BEST_PRACTICE_VIOLATION", "check_stage_current", s.stage, f"Stale: {s.reason}.")
        for s in status(nwb_path)
        if s.state == "stale"
    ]


def _wanted_stages(plan: Plan, known: "_State") -> list[str]:
    """Return the plan's stages; those on request join once they have a result or a choice."""
    if plan.stages is not None:
        return list(plan.stages)
    asked_for = set(known.runs) | set(plan.choices)
    return [s.name for s in STAGES.values() if not s.on_request or s.name in asked_for]


@dataclass(frozen=True)
class _Job:
    """What a call of `run` was asked to do."""

    nwb_path: Path
    plan: Plan
    settings: EngineSettings
    bar: ProgressBar
    force: bool
    replacement: Replacement


@dataclass(frozen=True)
class _State:
    """The current run of each stage, and the identifier of the raw data."""

    runs: dict[str, StageRun]
    recording: str


def _read_state(nwb_path: Path) -> _State:
    with open_session(nwb_path) as session:
        return _State(current_runs(session), session.identifier)


def _run_stage(stage: Stage, job: _Job, known: _State) -> StageOutcome:
    """Run a stage unless its result is in the file already."""
    choices = job.plan.choices.get(stage.name)
    if choices is None:
        choices = previous_choices(stage, known.runs)
    params = build_parameters(stage, choices)
    inputs = current_inputs(stage, known.runs)
    mark = fingerprint(stage, params, inputs, known.recording)
    if not job.force and stage.name in known.runs and known.runs[stage.name].fingerprint == mark:
        return StageOutcome(stage.name, "already done")
    started = datetime.now(UTC)
    clock = time.perf_counter()
    module = stage.load()
    with open_session(job.nwb_path) as session:
        reason = module.not_applicable(session) if hasattr(module, "not_applicable") else None
        if reason and not job.plan.is_explicit:
            return StageOutcome(stage.name, "not applicable", remarks=(reason,))
        _require(stage, known.runs)
        result, remarks = _compute(module, session, params, job, stage.name)
    record = StageRun(
        run_id=-1,  # given when it is written
        action="run",
        stage=stage.name,
        revision=stage.revision,
        engine=str(getattr(params, "engine", "")),
        fingerprint=mark,
        started=started.isoformat(timespec="seconds"),
        duration_s=round(time.perf_counter() - clock, 3),
        software=_software(),
        inputs=inputs,
        outputs=stage.produces,
        peak_memory_mb=peak_memory_mb(),
        warnings=" | ".join(remarks),
        parameters=_record_parameters(params, choices),
    )
    with edit_session(job.nwb_path) as writer:
        make_room(writer, stage, known.runs, replacement=job.replacement, software=record.software)
        module.write(writer, result)
        append_run(writer, replace(record, run_id=next_run_id(writer)))
    return StageOutcome(stage.name, "ran", time.perf_counter() - clock, tuple(remarks))


def _compute(
    module: Any,
    session: Session,
    params: StageParams,
    job: _Job,
    title: str,
) -> tuple[Any, list[str]]:
    """Run the stage's computation; collect its remarks and our own warnings."""
    with job.bar(title) as progress, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", AceNwbWarning)
        context = StageContext(job.settings, progress)
        result = module.compute(session, params, context)
    ours = [str(w.message) for w in caught if issubclass(w.category, AceNwbWarning)]
    for warning in caught:
        if not issubclass(warning.category, AceNwbWarning):
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
    return result, context.remarks + ours


def _require(stage: Stage, runs: dict[str, StageRun]) -> None:
    missing = [name for name in stage.requires if name not in runs]
    if missing:
        raise RequirementError(
            f"Stage {stage.name} reads what {missing[0]} writes, and {missing[0]} has not been "
            f"run on this file. Run `ace-nwb process {missing[0]} FILE` first, or `ace-nwb run "
            f"FILE` for all stages in order."
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


def _software() -> str:
    names = ("ace-nwb", "numpy", "scipy", "numba", "pynwb")
    return ", ".join(f"{name} {version(name)}" for name in names)


def peak_memory_mb() -> float:
    """Return the largest resident memory of this process so far, megabytes."""
    if sys.platform == "win32":
        import psutil

        return round(psutil.Process().memory_info().peak_wset / 2**20, 1)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)


def _read_pipeline(path: Path) -> dict[str, dict[str, Any] | None]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ParameterError(f"The pipeline file {path} cannot be read: {error}.") from error
    stages = content.get("stages") if isinstance(content, dict) else None
    if not isinstance(stages, dict) or set(content) != {"stages"}:
        raise ParameterError(
            f"The pipeline file {path} must hold one mapping `stages:` of stage names to their "
            f"parameters, as in `ace-nwb history FILE --as-pipeline`."
        )
    for name, values in stages.items():
        find_stage(str(name))
        if values is not None and not isinstance(values, dict):
            raise ParameterError(
                f"Stage {name} in {path} holds {values!r}; expected parameter: value lines."
            )
    return stages


def _split_setting(text: str) -> tuple[str, str, str]:
    left, equals, value = text.partition("=")
    stage, dot, name = left.partition(".")
    if not (equals and dot):
        raise ParameterError(
            f"The setting {text!r} is not of the form stage.parameter=value, "
            f"for example motion.max_shift_px=30."
        )
    return find_stage(stage.strip()).name, name.strip(), value.strip()
