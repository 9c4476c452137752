"""Verbs that compute: sync and run; `process` and its options are in `stage_commands`."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from os import cpu_count
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from ace_nwb.cli.console import parse_size, print_table, progress_bar, say


@Parameter(name="*")
@dataclass(frozen=True)
class Execution:
    """How to run; never changes a result.

    Parameters
    ----------
    workers
        Number of threads; all processors by default.
    max_memory
        Memory to use, such as 4GB.
    caiman_python
        The Python, environment folder or conda environment with CaImAn, for the engine caiman.
    scheduler
        Address of a Dask scheduler whose workers compute the blocks of the movie, such as
        tcp://10.0.0.1:8786; they must see the file under the same path.
    """

    workers: int = cpu_count() or 1
    max_memory: str = "4GB"
    caiman_python: str | None = None
    scheduler: str | None = None


@Parameter(name="*")
@dataclass(frozen=True)
class Rerun:
    """What becomes of earlier results when a stage runs again.

    Parameters
    ----------
    force
        Run even if it is done.
    prune
        Remove the results of later stages, which are stale then.
    keep_as
        Keep the former results, and those that refer to them, under this name.
    discard_curation
        Allow that decisions of people about ROIs are removed.
    replace_foreign
        Remove what other programs wrote where the results belong; without it the results stand
        beside, under names that end in _ace.
    """

    force: Annotated[bool, Parameter(negative="")] = False
    prune: Annotated[bool, Parameter(negative="")] = False
    keep_as: str | None = None
    discard_curation: Annotated[bool, Parameter(negative="")] = False
    replace_foreign: Annotated[bool, Parameter(negative="")] = False


def sync(
    file: Path,
    /,
    *,
    line: str | None = None,
    correction: Annotated[list[str] | None, Parameter(negative="")] = None,
    set: Annotated[list[str] | None, Parameter(negative="")] = None,  # noqa: A002 (the option's name)
    accept_ambiguity: Annotated[bool, Parameter(negative="")] = False,
    undo: Annotated[bool, Parameter(negative="")] = False,
    execution: Execution | None = None,
    rerun: Rerun | None = None,
) -> None:
    """Align the camera's clock to the ephys clock.

    Where the recorder stamped movie and ephys with one hardware clock, that is checked; else the
    frames are matched to their TTL pulses. What is chosen here is kept for later runs.

    Example: `ace-nwb sync session.nwb --line TTLBoard0Port0Bit3`. If it is refused because frames
    fit in more than one way, state what you know: `--set lost_at_start=0` (the first pulse is the
    first frame), `--set start_s=812 --set stop_s=2650` (where this recording lies in the ephys
    session), or `--correction "pin frame 120 to edge 133: flash seen (A. Meyer)"`. All parameters:
    `ace-nwb process sync --help`.

    Parameters
    ----------
    file
        A session file.
    line
        Events table with the frame pulses; found by its rate if not given.
    correction
        A correction by hand, with reason and author: "pin frame I to edge J: reason (author)" or
        "exclude edges A-B: reason (author)"; added to earlier ones; may be repeated.
    set
        A parameter of the stage as name=value; may be repeated.
    accept_ambiguity
        Write an alignment that leaves open more frames than the recorder itself does.
    undo
        Put everything back on the camera's own clock.
    """
    if undo:
        _undo_sync(file)
        return
    from ace_nwb import pipeline

    chosen = pipeline.chosen_parameters(file, "sync")
    chosen |= dict(_split_assignment(text) for text in set or ())
    if line is not None:
        chosen["line"] = line
    if accept_ambiguity:
        chosen["accept_ambiguity"] = "true"
    if correction:
        chosen["corrections"] = "; ".join([*filter(None, [chosen.get("corrections")]), *correction])
    run_stage("sync", file, chosen, execution=execution, rerun=rerun)


def _split_assignment(text: str) -> tuple[str, str]:
    """Return name and value of `name=value`; `sync.name=value` is understood as well."""
    name, equals, value = text.partition("=")
    if not equals:
        from ace_nwb.errors import ParameterError

        raise ParameterError(f"The setting {text!r} is not of the form name=value.")
    return name.strip().removeprefix("sync."), value.strip()


def _undo_sync(file: Path) -> None:
    from ace_nwb import pipeline

    was_aligned = pipeline.undo_sync(file)
    say(f"{file}: {'back on' if was_aligned else 'not aligned; it is on'} the camera's own clock.")


def run(
    file: Path,
    pipeline: Path | None = None,
    /,
    *,
    set: Annotated[list[str] | None, Parameter(negative="")] = None,  # noqa: A002 (the option's name)
    execution: Execution | None = None,
    rerun: Rerun | None = None,
) -> None:
    """Run every stage that is not done yet, in order.

    Example: `ace-nwb run session.nwb --set motion.max_shift_px=30`

    Parameters
    ----------
    file
        A session file.
    pipeline
        YAML with the stages to run and their parameters; all stages by default.
    set
        A parameter as stage.parameter=value; may be repeated.
    """
    from ace_nwb import pipeline as engine_room

    plan = engine_room.read_plan(pipeline, set or ())
    with _spread(execution, file):
        outcomes = engine_room.run(
            file, plan, settings=_settings(execution), bar=progress_bar, **_rerun(rerun)
        )
    if all(outcome.action == "not applicable" for outcome in outcomes):
        say(f"Nothing to do: {file} holds nothing that a stage applies to.")
    elif all(outcome.action != "ran" for outcome in outcomes):
        say(f"Nothing to do: every stage of {file} is done.")
    _print_outcomes(outcomes)


def run_stage(
    stage: str,
    file: Path,
    chosen: dict[str, Any],
    *,
    execution: Execution | None,
    rerun: Rerun | None,
) -> None:
    """Run a stage with the parameters chosen on the command line."""
    from ace_nwb import pipeline

    with _spread(execution, file):
        outcome = pipeline.process(
            file,
            stage,
            chosen,
            source="command line",
            settings=_settings(execution),
            bar=progress_bar,
            **_rerun(rerun),
        )
    _print_outcomes([outcome])


def _spread(execution: Execution | None, file: Path) -> AbstractContextManager[None]:
    """Have a cluster compute the blocks of the movie, if one is named."""
    if execution is None or execution.scheduler is None:
        return nullcontext()
    from ace_nwb.batch.blocks import spread_over

    return spread_over(execution.scheduler, file)


def _settings(execution: Execution | None) -> Any:
    from ace_nwb.engines.base import EngineSettings

    execution = execution or Execution()
    return EngineSettings(
        max(1, execution.workers),
        parse_size(execution.max_memory),
        caiman_python=execution.caiman_python,
    )


def _rerun(rerun: Rerun | None) -> dict[str, Any]:
    from ace_nwb.stages.running.replacement import Replacement

    rerun = rerun or Rerun()
    replacement = Replacement(
        rerun.keep_as, rerun.prune, rerun.discard_curation, rerun.replace_foreign
    )
    return {"force": rerun.force, "replacement": replacement, "tell": say}


def _print_outcomes(outcomes: list[Any]) -> None:
    rows = [
        (o.stage, o.action, f"{o.duration_s:.1f} s" if o.duration_s else "", "\n".join(o.remarks))
        for o in outcomes
    ]
    print_table(("stage", "", "time", "remarks"), rows)
