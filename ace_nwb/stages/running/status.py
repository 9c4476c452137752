"""Which stages are done, stale, missing or not needed, and why: derived from the history alone.

Only `with_applicability` looks into the file.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from json import dumps
from typing import Literal

from ace_nwb.engines.base import IMPORTED
from ace_nwb.nwb.history import RunParameter, StageRun
from ace_nwb.nwb.session import Session
from ace_nwb.stages.common.curated import Curation
from ace_nwb.stages.settings.params import StageParams
from ace_nwb.stages.settings.texts import Choice, build_parameters
from ace_nwb.stages.stage import Stage
from ace_nwb.stages.table import STAGES

RECORDED = ("browser", "recorded")
"""Sources of parameters that were chosen without running the stage."""

_NO_MOVIE = "The file holds no movie."

State = Literal["done", "stale", "missing", "not applicable", "on request"]


@dataclass(frozen=True)
class StageStatus:
    """Where a stage stands, and the reason in a few words."""

    stage: str
    state: State
    reason: str


def fingerprint(stage: Stage, params: StageParams, inputs: dict[str, str], recording: str) -> str:
    """Return the hash that identifies a result: stage, revision, parameters and inputs.

    Parameters
    ----------
    inputs
        Stage name -> fingerprint of each input stage that has been run.
    recording
        Identifier of the raw data.
    """
    content = [stage.name, stage.revision, params.model_dump(mode="json"), inputs, recording]
    return sha256(dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def current_inputs(
    stage: Stage, runs: dict[str, StageRun], params: StageParams | None = None
) -> dict[str, str]:
    """Return name -> fingerprint of the input stages that have been run.

    ROIs of another program stay current whatever is run before them, until `params` choose an
    engine of ours.
    """
    own = runs.get(stage.name)
    if own is not None and own.engine == getattr(params, "engine", IMPORTED) == IMPORTED:
        return dict(own.inputs)
    names = stage.inputs + stage.decisions
    return {name: runs[name].fingerprint for name in names if name in runs}


def decision_inputs(curation: Curation) -> dict[str, StageRun]:
    """Return the decisions of reviewers as stages see them: inputs beside the runs of others."""
    return {
        name: StageRun(-1, "run", name, 1, "", digest, "", 0.0, "", {}, (), 0.0, "")
        for name, digest in curation.digests().items()
    }


def with_choices(
    runs: dict[str, StageRun], waiting: dict[str, dict[str, RunParameter]]
) -> dict[str, StageRun]:
    """Return the runs with the parameters chosen for the next run in place of their own.

    The fingerprints stay, so that a choice that differs makes its stage stale.
    """
    changed = {}
    for stage, chosen in waiting.items():
        if stage in runs:
            own = {one.name: one for one in runs[stage].parameters}
            changed[stage] = replace(runs[stage], parameters=tuple((own | chosen).values()))
    return runs | changed


def previous_choices(stage: Stage, runs: dict[str, StageRun]) -> dict[str, Choice]:
    """Return the values somebody chose in the stage's current run, or nothing."""
    if stage.name not in runs:
        return {}
    return {
        p.name: Choice(p.value, p.source)
        for p in runs[stage.name].parameters
        if p.source != "default"
    }


def stage_statuses(runs: dict[str, StageRun], recording: str) -> list[StageStatus]:
    """Return the status of every stage, in the order of the table.

    Parameters
    ----------
    runs
        The current run of each stage.
    recording
        Identifier of the raw data.
    """
    statuses: dict[str, StageStatus] = {}
    for stage in STAGES.values():
        statuses[stage.name] = _status(stage, runs, statuses, recording)
    return list(statuses.values())


def with_applicability(statuses: Sequence[StageStatus], session: Session) -> list[StageStatus]:
    """Return the statuses with what the recording leaves nothing to do for, as a run would say."""
    told = []
    for status in statuses:
        is_open = status.state == "missing"
        reason = not_applicable(STAGES[status.stage], session) if is_open else None
        told.append(StageStatus(status.stage, "not applicable", reason) if reason else status)
    return told


def without_movie(statuses: Sequence[StageStatus], session: Session) -> list[StageStatus]:
    """Return the statuses with stages that read the movie as not applicable, if there is none."""
    if not session.lacks_movie:
        return list(statuses)
    return [
        StageStatus(one.stage, "not applicable", _NO_MOVIE)
        if one.state == "missing" and STAGES[one.stage].reads_movie
        else one
        for one in statuses
    ]


def not_applicable(stage: Stage, session: Session) -> str | None:
    """Say why a recording leaves a stage nothing to do, or None."""
    if stage.reads_movie and session.lacks_movie:
        return _NO_MOVIE
    judge = getattr(stage.load(), "not_applicable", None)
    reason: str | None = None if judge is None else judge(session)
    return reason


def _status(
    stage: Stage,
    runs: dict[str, StageRun],
    earlier: dict[str, StageStatus],
    recording: str,
) -> StageStatus:
    if stage.name not in runs and any(name in runs for name in stage.decisions):
        return StageStatus(stage.name, "stale", "reviewers have decided")
    if stage.name not in runs and stage.on_request:
        return StageStatus(stage.name, "on request", "")
    if stage.name not in runs and stage.decisions:
        return StageStatus(stage.name, "not applicable", "nobody has decided on a ROI")
    if stage.name not in runs:
        return StageStatus(stage.name, "missing", "not run")
    run = runs[stage.name]
    if run.revision != stage.revision:
        return StageStatus(stage.name, "stale", f"made by revision {run.revision} of the stage")
    for name in stage.inputs:
        if earlier[name].state == "stale":
            return StageStatus(stage.name, "stale", f"{name} is stale")
    inputs = current_inputs(stage, runs)
    params = build_parameters(stage, previous_choices(stage, runs))
    if run.fingerprint != fingerprint(stage, params, inputs, recording):
        return StageStatus(stage.name, "stale", _changed_input(run, inputs, runs))
    return StageStatus(stage.name, "done", "")


def _changed_input(run: StageRun, inputs: dict[str, str], runs: dict[str, StageRun]) -> str:
    """Name the input stage that has changed since the run."""
    for name, value in inputs.items():
        if run.inputs.get(name) != value:
            if name not in STAGES:
                return f"reviewers have decided: {name}"
            chosen = [p for p in runs[name].parameters if p.source != "default"]
            settings = ", ".join(f"{p.name} {p.value}" for p in chosen)
            verb = "re-run" if name in run.inputs else "run later"
            return f"{name} {verb}" + (f" with {settings}" if settings else "")
    removed = sorted(set(run.inputs) - set(inputs))
    if removed:
        return f"{removed[0]} removed"
    since = [f"{p.name} {p.value}" for p in run.parameters if p.source in RECORDED]
    return f"chosen since: {', '.join(since)}" if since else "a default has changed"
