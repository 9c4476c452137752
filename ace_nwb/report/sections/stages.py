"""The tables of the page: stages with their state, and every run."""

from collections.abc import Sequence
from dataclasses import dataclass

from ace_nwb.nwb.history import StageRun
from ace_nwb.stages.running.status import StageStatus


@dataclass(frozen=True)
class StageRow:
    """One stage: its state, what was changed from the default, its last run, and remarks on it."""

    name: str
    status: str
    changed: tuple[str, ...]
    duration_s: float | None
    version: str
    remark: str = ""


@dataclass(frozen=True)
class HistoryRow:
    """One run of a stage with all its parameters."""

    run_id: str
    stage: str
    started: str
    version: str
    duration_s: float | None
    parameters: tuple[tuple[str, str, str], ...]


def list_stages(statuses: Sequence[StageStatus], runs: dict[str, StageRun]) -> tuple[StageRow, ...]:
    """Return one row per stage: its status and what is known of its current run."""
    rows = []
    for status in statuses:
        run = runs.get(status.stage)
        remark = " · ".join(text for text in (status.reason, run.warnings if run else "") if text)
        rows.append(
            StageRow(
                name=status.stage,
                status=status.state,
                changed=_changed(run) if run else (),
                duration_s=run.duration_s if run else None,
                version=_version(run) if run else "",
                remark=remark if run else "",
            )
        )
    return tuple(rows)


def list_history(runs: Sequence[StageRun]) -> tuple[HistoryRow, ...]:
    """Return every run with all its parameters, the latest first."""
    return tuple(
        HistoryRow(
            run_id=f"run {run.run_id}",
            stage=run.stage if run.action == "run" else f"{run.stage} removed",
            started=run.started,
            version=run.software,
            duration_s=run.duration_s,
            parameters=tuple((p.name, p.value, p.source) for p in run.parameters),
        )
        for run in reversed(runs)
    )


def _changed(run: StageRun) -> tuple[str, ...]:
    return tuple(f"{p.name} = {p.value}" for p in run.parameters if p.source != "default")


def _version(run: StageRun) -> str:
    """Return ace_nwb's version, and the engine where there is a choice."""
    software = dict(part.rpartition(" ")[::2] for part in run.software.split(", "))
    return " · ".join(text for text in (software.get("ace-nwb", ""), run.engine) if text)
