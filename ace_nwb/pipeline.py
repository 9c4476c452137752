"""Run stages on a session file, one or all that are not yet done; say where they stand.

How a single stage runs, and what a crash leaves of it, is in `stages/running/execution.py`.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ace_nwb.engines.base import EngineSettings
from ace_nwb.errors import ParameterError
from ace_nwb.nwb.commit.lock import WAIT_FOR_STAGE_S
from ace_nwb.nwb.content.choices import append_choices
from ace_nwb.nwb.history import current_runs
from ace_nwb.nwb.location import check_changeable, find_folder
from ace_nwb.nwb.session import edit_session, open_session
from ace_nwb.stages.common.curated import read_curation
from ace_nwb.stages.running.execution import (
    Choices,
    Job,
    ProgressBar,
    SessionState,
    StageOutcome,
    foresee,
    is_pending,
    no_bar,
    peak_memory_mb,
    read_state,
    run_stage,
    software,
    state_of,
)
from ace_nwb.stages.running.provenance import Difference, compare_runs, pipeline_text
from ace_nwb.stages.running.recorded_decisions import (
    EXTRACTION,
    RecordedDecisions,
    decisions_content,
    read_decisions_content,
    take_over_decisions,
)
from ace_nwb.stages.running.replacement import (
    ForeignObject,
    Replacement,
    later_stages,
    list_foreign,
    note_change,
)
from ace_nwb.stages.running.status import (
    StageStatus,
    previous_choices,
    stage_statuses,
    without_movie,
)
from ace_nwb.stages.settings.texts import Choice, build_parameters, format_value
from ace_nwb.stages.stage import Stage
from ace_nwb.stages.table import STAGES, find_stage

__all__ = [
    "Plan",
    "ProgressBar",
    "StageOutcome",
    "diff",
    "history_as_pipeline",
    "no_bar",
    "overview",
    "peak_memory_mb",
    "process",
    "read_plan",
    "record_parameters",
    "run",
    "stale_stages",
    "status",
    "undo_sync",
]

logger = logging.getLogger(__name__)


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
    decisions
        Decisions of reviewers to take over once the ROIs are found.
    """

    stages: tuple[str, ...] | None = None
    choices: Choices = field(default_factory=dict)
    is_explicit: bool = False
    decisions: RecordedDecisions | None = None


def read_plan(pipeline_path: Path | None = None, settings: Iterable[str] = ()) -> Plan:
    """Read a pipeline YAML and `stage.parameter=value` texts into a plan.

    Parameters
    ----------
    pipeline_path
        YAML with a mapping `stages`: stage name -> parameters (may be empty), and perhaps the
        `decisions` of reviewers.
    settings
        Texts such as "motion.max_shift_px=30"; they win over the file.

    Raises
    ------
    ParameterError, UnknownNameError
        If a stage or parameter is unknown, or a text is not of that form.
    """
    chosen_now = [_split_setting(text) for text in settings]  # first: a value apart is no file
    choices: Choices = {}
    stages = decisions = None
    if pipeline_path is not None:
        content, decisions = _read_pipeline(Path(pipeline_path))
        wanted = {find_stage(name).name for name in content}
        stages = tuple(name for name in STAGES if name in wanted)
        for name, values in content.items():
            choices[name] = {key: Choice(value, "file") for key, value in (values or {}).items()}
    for stage, name, value in chosen_now:
        choices.setdefault(stage, {})[name] = Choice(value, "command line")
    for name, chosen in choices.items():
        build_parameters(find_stage(name), chosen)
    return Plan(stages, choices, pipeline_path is not None, decisions)


def run(
    nwb_path: Path,
    plan: Plan | None = None,
    *,
    settings: EngineSettings | None = None,
    bar: ProgressBar = no_bar,
    force: bool = False,
    replacement: Replacement | None = None,
    tell: Callable[[str], None] = logger.info,
) -> list[StageOutcome]:
    """Run every stage of the plan that is not done yet; return what became of each.

    Parameters
    ----------
    nwb_path
        A session file, or a session in Zarr: that is changed as a whole, at the end.
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
        What becomes of earlier results; they are replaced by default, what others wrote is not.
    tell
        Told what the run means for objects of others, before it begins.
    """
    plan = plan or Plan()
    check_changeable(nwb_path)
    job = Job(
        Path(nwb_path),
        plan.choices,
        plan.is_explicit,
        settings or EngineSettings(),
        bar,
        force,
        replacement or Replacement(),
        tell,
    )
    known = read_state(nwb_path)
    stages = [find_stage(name) for name in _wanted_stages(plan, known)]
    if plan.decisions is None and not any(is_pending(stage, job, known) for stage in stages):
        return [run_stage(stage, job, known) for stage in stages]
    if find_folder(nwb_path) is None:
        return _run_with_decisions(stages, plan, job)
    from ace_nwb.nwb.zarr.editing import edit_zarr  # loads zarr

    with edit_zarr(job.nwb_path) as working:
        return _run_with_decisions(stages, plan, replace(job, nwb_path=working))


def _run_with_decisions(stages: list[Stage], plan: Plan, job: Job) -> list[StageOutcome]:
    """Run stages, and between those that find ROIs and those that use them take decisions over."""
    _take_over_rois(stages, job)
    if plan.decisions is None:
        return _run_stages(stages, job)
    after = {stage.name for stage in later_stages(STAGES[EXTRACTION])}
    outcomes = _run_stages([stage for stage in stages if stage.name not in after], job)
    take_over_decisions(job.nwb_path, plan.decisions)
    return outcomes + _run_stages([stage for stage in stages if stage.name in after], job)


def _take_over_rois(stages: list[Stage], job: Job) -> None:
    """Take over the ROIs of a file that has no movie to find any in, if stages need them."""
    needed = {stage.name for stage in later_stages(STAGES[EXTRACTION])}
    if needed.isdisjoint(stage.name for stage in stages):
        return
    with open_session(job.nwb_path) as session:
        if not session.lacks_movie or EXTRACTION in current_runs(session):
            return
    from ace_nwb.adopt import adopt, holds_rois, read_results  # loads scipy; seldom needed

    if holds_rois(job.nwb_path):
        found = read_results(job.nwb_path)
        n_rois = adopt(job.nwb_path, found, replacement=job.replacement)
        told = f"there is no movie; {n_rois} ROIs of the file and their traces are taken over"
        for remark in (*found.remarks, told):
            job.tell(f"{EXTRACTION}: {remark}")


def _run_stages(stages: list[Stage], job: Job) -> list[StageOutcome]:
    """Run stages one after the other."""
    outcomes, known = [], read_state(job.nwb_path)
    job = replace(job, tell=_once(job.tell))
    known = foresee(stages, job, known)
    for stage in stages:
        outcomes.append(run_stage(stage, job, known))
        if outcomes[-1].action == "ran":
            known = read_state(job.nwb_path)
    return outcomes


def _once(tell: Callable[[str], None]) -> Callable[[str], None]:
    """Return a function that tells every line once."""
    told: set[str] = set()

    def tell_once(line: str) -> None:
        if line not in told:
            told.add(line)
            tell(line)

    return tell_once


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
    tell: Callable[[str], None] = logger.info,
) -> StageOutcome:
    """Run one stage with the given parameters, defaults elsewhere."""
    chosen = {name: Choice(value, source) for name, value in (parameters or {}).items()}
    plan = Plan((find_stage(stage).name,), {stage: chosen}, is_explicit=True)
    outcomes = run(
        nwb_path,
        plan,
        settings=settings,
        bar=bar,
        force=force,
        replacement=replacement,
        tell=tell,
    )
    return outcomes[0]


def chosen_parameters(nwb_path: Path, stage: str) -> dict[str, Any]:
    """Return the values that somebody chose in the stage's current run, as texts by name."""
    runs = read_state(Path(nwb_path)).runs
    return {n: choice.value for n, choice in previous_choices(find_stage(stage), runs).items()}


def record_parameters(
    nwb_path: Path, values: dict[str, dict[str, Any]], *, source: str = "recorded"
) -> dict[str, str]:
    """Choose parameters for the next run of stages, without running them.

    Parameters
    ----------
    nwb_path
        A session file.
    values
        Stage -> parameter -> value.
    source
        Who chose them, for the history.

    Returns
    -------
        "stage.parameter" -> the value as recorded.

    Raises
    ------
    ParameterError, UnknownNameError
        If a stage, a parameter or a value does not exist.
    """
    texts: dict[str, dict[str, str]] = {}
    for name, chosen in values.items():
        stage = find_stage(name)
        params = build_parameters(stage, {key: Choice(v, source) for key, v in chosen.items()})
        texts[stage.name] = {key: format_value(getattr(params, key)) for key in chosen}
    with edit_session(nwb_path, wait_s=WAIT_FOR_STAGE_S) as writer:
        append_choices(writer, texts, source=source)
    return {f"{s}.{key}": text for s, chosen in texts.items() for key, text in chosen.items()}


def status(nwb_path: Path) -> list[StageStatus]:
    """Return for every stage whether it is done, stale or missing, and why."""
    known = read_state(nwb_path)
    return stage_statuses(known.runs, known.recording)


def overview(nwb_path: Path) -> tuple[list[StageStatus], list[ForeignObject]]:
    """Return the status of every stage, and what others wrote that concerns stages."""
    with open_session(nwb_path) as session:
        known = state_of(session)
        statuses = without_movie(stage_statuses(known.runs, known.recording), session)
        return statuses, list_foreign(session)


def undo_sync(nwb_path: Path) -> bool:
    """Put every series of the camera back on its own clock; return whether there was an alignment.

    What was computed from aligned times stays and is stale then.
    """
    runs = read_state(nwb_path).runs
    if "sync" not in runs:
        return False
    with edit_session(nwb_path) as writer:
        STAGES["sync"].load().undo(writer)
        note_change(writer, runs["sync"], "remove", "undone by the user", software())
    return True


def history_as_pipeline(nwb_path: Path) -> str:
    """Return the pipeline file (YAML) that gives the current results from the raw recording."""
    with open_session(nwb_path) as session:
        runs = current_runs(session)
        return pipeline_text(runs, decisions_content(read_curation(session), runs))


def diff(first: Path, second: Path) -> list[Difference]:
    """Return how two session files differ in stages, parameters, versions and fingerprints."""
    return compare_runs(read_state(first).runs, read_state(second).runs)


def stale_stages(nwb_path: Path) -> list[StageStatus]:
    """Return the stages whose results no longer follow from their inputs, and why.

    That is no fault of the file: it stays valid, and says what its results were made from.
    """
    return [one for one in status(nwb_path) if one.state == "stale"]


def _wanted_stages(plan: Plan, known: SessionState) -> list[str]:
    """Return the plan's stages; those on request join once they have a result or a choice."""
    if plan.stages is not None:
        return list(plan.stages)
    asked_for = set(known.runs) | set(plan.choices)
    return [s.name for s in STAGES.values() if not s.on_request or s.name in asked_for]


def _read_pipeline(
    path: Path,
) -> tuple[dict[str, dict[str, Any] | None], RecordedDecisions | None]:
    """Return the parameters of each stage, and the decisions of reviewers if there are any."""
    from ace_nwb.forms.yaml_files import read_yaml
    from ace_nwb.manifest.checking import check_stages

    found = read_yaml(path, expected="A pipeline file", error=ParameterError)
    content = found.content
    stages = content.get("stages") if isinstance(content, dict) else None
    if not isinstance(stages, dict) or set(content) - {"stages", "decisions"}:
        raise ParameterError(
            f"The pipeline file {path} must hold one mapping `stages:` of stage names to their "
            f"parameters, and perhaps `decisions:`, as in `ace-nwb history FILE --as-pipeline`."
        )
    findings = list(check_stages(stages, ("stages",)))
    if findings:
        lines = [f"  line {found.find_place(f.path)[0]}: {f.message}" for f in findings]
        raise ParameterError(
            "\n".join([f"The pipeline file {path} cannot be taken as it is:", *lines])
            + "\nCorrect these lines; nothing was run."
        )
    if "decisions" not in content:
        return stages, None
    return stages, read_decisions_content(content["decisions"], path)


def _split_setting(text: str) -> tuple[str, str, str]:
    left, equals, value = text.partition("=")
    stage, dot, name = left.partition(".")
    if not (equals and dot):
        raise ParameterError(
            f"The setting {text!r} is not of the form stage.parameter=value, without spaces, for "
            f"example motion.max_shift_px=30."
        )
    return find_stage(stage.strip()).name, name.strip(), value.strip()
