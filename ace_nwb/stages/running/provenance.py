"""How two session files differ in the way they came to be, and a history as a pipeline."""

from dataclasses import dataclass
from typing import Any

from ace_nwb.nwb.history import StageRun
from ace_nwb.stages.settings.texts import format_value, parse_value
from ace_nwb.stages.table import STAGES


@dataclass(frozen=True)
class Difference:
    """One difference: the stage, what differs, and the value in each file."""

    stage: str
    what: str
    first: str
    second: str


def compare_runs(first: dict[str, StageRun], second: dict[str, StageRun]) -> list[Difference]:
    """Return the differences of two files' current runs, in the order of the stages."""
    found: list[Difference] = []
    for stage in dict.fromkeys([*STAGES, *first, *second]):
        one, other = first.get(stage), second.get(stage)
        if one is None or other is None:
            if one is not other:
                states = ["missing" if run is None else "run" for run in (one, other)]
                found.append(Difference(stage, "run", *states))
            continue
        found += _compare_run(one, other)
    return found


def pipeline_text(runs: dict[str, StageRun], decisions: dict[str, Any] | None = None) -> str:
    """Return the pipeline file that gives the same results from the same raw recording.

    Every parameter is written out, so that later changes of defaults do not matter.

    Parameters
    ----------
    runs
        The current run of each stage.
    decisions
        Those of reviewers, as recorded_decisions.py writes them.
    """
    import yaml  # `status` and `history` do without

    stages = {
        stage.name: {
            p.name: parse_value(stage, p.name, p.value) for p in runs[stage.name].parameters
        }
        for stage in STAGES.values()
        if stage.name in runs
    }
    return yaml.safe_dump({"stages": stages} | (decisions or {}), sort_keys=False)


def _compare_run(one: StageRun, other: StageRun) -> list[Difference]:
    """Return the differences of two runs of one stage; times and memory do not count."""
    pairs = {name: (getattr(one, name), getattr(other, name)) for name in ("revision", "software")}
    values = [{p.name: p.value for p in run.parameters} for run in (one, other)]
    for name in dict.fromkeys([*values[0], *values[1]]):
        pairs[name] = (values[0].get(name, "absent"), values[1].get(name, "absent"))
    pairs["fingerprint"] = (one.fingerprint, other.fingerprint)
    return [
        Difference(one.stage, name, format_value(left), format_value(right))
        for name, (left, right) in pairs.items()
        if left != right
    ]
