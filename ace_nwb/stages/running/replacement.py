"""What happens to earlier results when a stage runs again: replaced, kept, pruned, protected.

Only what we wrote is replaced (nwb/ownership.py). Foreign objects at the places of a stage stay,
and its results stand beside them.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fnmatch import fnmatch

from ace_nwb.errors import SessionFileError, StageError
from ace_nwb.nwb.contents import list_contents
from ace_nwb.nwb.history import StageRun, append_run, current_runs, next_run_id
from ace_nwb.nwb.layout import BESIDE, CURATION_DECISIONS, EXTRACTED, SUPERSEDED
from ace_nwb.nwb.objects.removal import plan_removal
from ace_nwb.nwb.objects.renaming import check_renaming, kept_paths
from ace_nwb.nwb.ownership import free_name, locate, matching_paths
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.stages.common.curated import read_curation
from ace_nwb.stages.stage import Stage
from ace_nwb.stages.table import STAGES


@dataclass(frozen=True)
class Replacement:
    """What to do with earlier results.

    Parameters
    ----------
    keep_as
        Keep the stage's former results, and those that refer to them, under this name.
    prune
        Remove the results of later stages that are stale once the stage has run.
    discard_curation
        Allow that decisions of people about ROIs are removed.
    replace_foreign
        Remove what others wrote at the places of the stage, in place of writing beside it.
    """

    keep_as: str | None = None
    prune: bool = False
    discard_curation: bool = False
    replace_foreign: bool = False


def make_room(
    writer: SessionWriter, stage: Stage, *, replacement: Replacement, software: str
) -> None:
    """Remove or rename what the stage will write anew.

    What stands in the file counts, also results that another process wrote since the work began.

    Parameters
    ----------
    software
        Packages and versions, for the history.

    Raises
    ------
    StageError
        If people's decisions about ROIs would be lost and that was not allowed.
    """
    runs = current_runs(writer)
    if replacement.keep_as is not None:
        _keep(writer, stage, runs, name=replacement.keep_as, software=software)
    writer.remove(find_replaced(writer, stage, runs, replacement=replacement))
    writer.clear(foreign_paths(writer, stage))


def note_losses(writer: SessionWriter, stage: Stage, *, software: str) -> None:
    """Note in the history what the results of `stage` have cost later ones, once they are written.

    A stage that has lost one of its results loses the rest too: they belong together.
    """
    writer.settle()
    runs = current_runs(writer)
    for other in later_stages(stage):
        lost = [*writer.removed, *writer.superseded]
        if other.name in runs and _has_lost(other, lost):
            writer.remove(existing_paths(writer, _removable(other)))
            writer.settle()
            note_change(writer, runs[other.name], "remove", f"{stage.name} re-run", software)


def find_replaced(
    session: Session, stage: Stage, runs: dict[str, StageRun], *, replacement: Replacement
) -> list[str]:
    """Return the paths whose place a new result takes; none if they are kept.

    Raises
    ------
    StageError
        If people's decisions about ROIs would be lost and that was not allowed.
    SessionFileError
        If they cannot be kept under the name wanted.
    """
    foreign = foreign_paths(session, stage)
    if not replacement.replace_foreign:
        _protect_columns(session, stage, foreign)
    removed = foreign if replacement.replace_foreign else []
    if replacement.keep_as is not None:
        _check_name(replacement.keep_as)
        paths = _family_paths(session, _family(stage, runs))
        check_renaming(session.h5, kept_paths(paths, replacement.keep_as))
        return removed
    doomed = [stage]
    if replacement.prune:
        doomed += [other for other in later_stages(stage) if other.name in runs]
    paths = [path for one in doomed for path in existing_paths(session, _removable(one))]
    if not replacement.discard_curation:
        _protect_curation(session, paths)
    return paths + removed


def describe_replacement(
    session: Session, stage: Stage, runs: dict[str, StageRun], *, replacement: Replacement
) -> list[str]:
    """Say what a run of the stage means for objects of others, before it runs.

    Raises
    ------
    StageError, SessionFileError
        If it is refused, see `find_replaced`.
    """
    paths = find_replaced(session, stage, runs, replacement=replacement)
    plan = plan_removal(session.h5, paths, session.is_own)
    foreign = foreign_paths(session, stage)
    told = [
        f"{path} was not written by us and is kept as {plan.superseded[path]}: {reason}"
        if path in foreign
        else f"{path} is kept as {plan.superseded[path]}: {reason}"
        for path, reason in sorted(plan.reasons.items())
    ]
    for path in foreign:
        if path in plan.deleted:
            told.append(f"{path} was not written by us and is removed")
        elif path not in plan.superseded:
            beside = session.beside.get(path) or free_name(session.h5, path, BESIDE)
            ours = "ours stands" if path in stage.produces else "one of ours would stand"
            told.append(f"{path} was not written by us and stays; {ours} in {beside}")
    return told


def existing_paths(session: Session, patterns: Iterable[str]) -> list[str]:
    """Return the paths of our results at places such as "/processing/events/Calcium*"."""
    return session.own_paths(list(patterns))


def later_stages(stage: Stage) -> list[Stage]:
    """Return the stages that read what `stage` writes, directly or through others, in order."""
    names = {stage.name}
    later = []
    for other in STAGES.values():
        if names & set(other.inputs):
            names.add(other.name)
            later.append(other)
    return later


def _removable(stage: Stage) -> tuple[str, ...]:
    """Return the products that are objects of their own, not columns of another stage's table."""
    return () if stage.writes_in_place else stage.produces


def foreign_paths(session: Session, stage: Stage) -> list[str]:
    """Return the objects at the places of a stage that others wrote.

    A stage that writes columns writes them into our table, which may stand, or will stand once it
    is made, beside a foreign one: of that no column is in the way.
    """
    places: Iterable[str] = stage.produces
    if stage.writes_in_place:
        places = [locate(place, session.beside) for place in places]
        places = [place for place in places if session.is_own(place.rpartition("/")[0])]
    return [path for path in matching_paths(session.h5, places) if not session.is_own(path)]


def _has_lost(stage: Stage, removed: Iterable[str]) -> bool:
    """Return whether one of the removed paths is, holds or lies in a product of the stage."""
    return any(
        fnmatch(path, pattern) or fnmatch(path, f"{pattern}/*") or pattern.startswith(f"{path}/")
        for path in removed
        for pattern in stage.produces
    )


def _keep(
    writer: SessionWriter, stage: Stage, runs: dict[str, StageRun], *, name: str, software: str
) -> None:
    """Rename the stage's results and those that cannot stand without them."""
    family = _family(stage, runs)
    writer.keep_as(_family_paths(writer, family), name)
    for one in family:
        note_change(writer, runs[one], "keep", f"kept as {name}", software)


def _family(stage: Stage, runs: dict[str, StageRun]) -> list[str]:
    """Return the stage and those whose results cannot stand without its results."""
    family = [stage.name]
    for other in later_stages(stage):
        if set(other.requires) & set(family):
            family.append(other.name)
    return [one for one in family if one in runs]


def _family_paths(session: Session, family: list[str]) -> list[str]:
    return [p for one in family for p in existing_paths(session, _removable(STAGES[one]))]


def _check_name(name: str) -> None:
    """Refuse names that our own suffixes have."""
    if re.fullmatch(rf"({EXTRACTED}|{BESIDE}|{SUPERSEDED})\d*", name):
        raise SessionFileError(
            f"Results cannot be kept as {name!r}, which has a meaning of its own in session files. "
            "Choose another name."
        )


def _protect_columns(session: Session, stage: Stage, foreign: list[str]) -> None:
    """Refuse to write a column where somebody else put one into a table of ours."""
    if stage.writes_in_place and foreign:
        raise StageError(
            f"{stage.name} writes {foreign[0]}, and {session.path} has a column of that name which "
            "we did not write. Rename the column, or give --replace-foreign. The file is unchanged."
        )


def _protect_curation(session: Session, paths: list[str]) -> None:
    """Refuse to remove ROIs about which people have decided."""
    decisions = session.beside.get(CURATION_DECISIONS, CURATION_DECISIONS)
    if decisions not in paths:
        return
    decided = {roi for one in read_curation(session).standing for roi in one.rois}
    if decided:
        raise StageError(
            f"{len(decided)} ROIs of {session.path} carry decisions of reviewers, which would be "
            "removed with the ROIs. Keep them beside the new ones with --keep-as NAME, or give "
            "--discard-curation. The file is unchanged."
        )


def note_change(
    writer: SessionWriter, run: StageRun, action: str, reason: str, software: str
) -> None:
    """Add the history row that says what became of a run's results."""
    row = replace(
        run,
        run_id=next_run_id(writer),
        action=action,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        duration_s=0.0,
        software=software,
        inputs={},
        peak_memory_mb=0.0,
        warnings=reason,
        parameters=(),
    )
    append_run(writer, row)


@dataclass(frozen=True)
class ForeignObject:
    """An object that we did not write: its path, its NWB type, and what it means for stages."""

    path: str
    kind: str
    remark: str


def list_foreign(session: Session) -> list[ForeignObject]:
    """Return what others wrote, as far as it concerns stages, in the order of their paths."""
    remarks: dict[str, str] = {}
    for stage in STAGES.values():
        for path in foreign_paths(session, stage):
            ours = session.beside.get(path)
            place = f"ours stands in {ours}" if ours else f"ours will be {_beside(session, path)}"
            remarks[path] = f"has the place of what {stage.name} writes; {place}"
    kinds = {path: one["type"] for path, one in list_contents(session)["objects"].items()}
    for path, kind in kinds.items():
        if kind == "PlaneSegmentation" and not session.is_own(path):
            name = session.path.name
            remarks[path] = f"ROIs; `ace-nwb adopt {name} {name}` takes them over for later stages"
    return [ForeignObject(path, kinds.get(path, ""), remarks[path]) for path in sorted(remarks)]


def _beside(session: Session, path: str) -> str:
    return free_name(session.h5, path, BESIDE)
