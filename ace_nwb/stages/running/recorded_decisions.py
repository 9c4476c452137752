"""Reviewers' decisions in a pipeline file: written by `history --as-pipeline`, taken over by a run.

Fingerprints behind curation depend on the decisions, so that a pipeline without them would not
repeat what was done. They are only taken over for the ROIs they were made on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from ace_nwb.errors import CurationError, ParameterError
from ace_nwb.nwb.commit.lock import WAIT_FOR_STAGE_S
from ace_nwb.nwb.content.decisions import Action, Decision, append_decisions
from ace_nwb.nwb.history import StageRun, current_runs
from ace_nwb.nwb.session import edit_session, open_session
from ace_nwb.stages.common.curated import Curation, check_decision, read_curation

EXTRACTION = "extract"
_DEFAULTS: dict[str, Any] = {"rois": [], "reason": "", "undoes": -1, "line": None}
_KEYS = ("action", "reviewer", "decided_at", *_DEFAULTS)


@dataclass(frozen=True)
class RecordedDecisions:
    """Decisions to be taken over.

    Parameters
    ----------
    rois_of
        Fingerprint of the extraction whose ROIs they are about.
    decisions
        In the order they were made; numbers and ids of new ROIs follow from it.
    """

    rois_of: str
    decisions: tuple[Decision, ...]


def decisions_content(curation: Curation, runs: Mapping[str, StageRun]) -> dict[str, Any]:
    """Return what the pipeline file says of the decisions of a session; empty without any."""
    if not curation.decisions or EXTRACTION not in runs:
        return {}
    rows = [{key: _plain(getattr(one, key)) for key in _KEYS} for one in curation.decisions]
    told = [
        {key: row[key] for key in _KEYS if key not in _DEFAULTS or row[key] != _DEFAULTS[key]}
        for row in rows
    ]
    return {"decisions": {"rois_of": runs[EXTRACTION].fingerprint, "rows": told}}


def read_decisions_content(content: Any, source: Path) -> RecordedDecisions:
    """Return the decisions that a pipeline file holds.

    Raises
    ------
    ParameterError
        If they are not of the form that `history --as-pipeline` writes.
    """
    try:
        rows = [_DEFAULTS | dict(row) for row in content["rows"]]
        if any(set(row) != set(_KEYS) for row in rows):
            raise ValueError(f"a row has keys other than {', '.join(_KEYS)}")
        return RecordedDecisions(str(content["rois_of"]), tuple(_decision(row) for row in rows))
    except (KeyError, TypeError, ValueError) as error:
        raise ParameterError(
            f"The decisions in {source} cannot be read ({type(error).__name__}: {error}). Expected "
            "`rois_of` and `rows` as in `ace-nwb history FILE --as-pipeline`."
        ) from error


def take_over_decisions(nwb_path: Path, recorded: RecordedDecisions) -> None:
    """Write decisions into a session whose ROIs they are about, unless they stand there already.

    Raises
    ------
    CurationError
        If the ROIs are others, or the session has decisions of its own.
    """
    with open_session(nwb_path) as session:
        curation = read_curation(session)
        _check_rois(nwb_path, recorded, current_runs(session))
    if _holds(curation, recorded.decisions):
        return
    if curation.decisions:
        raise CurationError(
            f"{nwb_path} has {len(curation.decisions)} decisions of its own; those of the pipeline "
            "file were expected, or none. Remove `decisions` from the pipeline file."
        )
    for number, decision in enumerate(recorded.decisions):
        checked = check_decision(replace(decision, number=number), curation)
        curation = curation.with_decisions([checked])
    with edit_session(nwb_path, wait_s=WAIT_FOR_STAGE_S) as writer:
        append_decisions(writer, curation.decisions)


def _check_rois(path: Path, recorded: RecordedDecisions, runs: Mapping[str, StageRun]) -> None:
    found = runs[EXTRACTION].fingerprint if EXTRACTION in runs else "none"
    if found != recorded.rois_of:
        raise CurationError(
            f"The decisions of the pipeline file are about the ROIs of extraction "
            f"{recorded.rois_of}, and {path} has those of {found}. Run the pipeline on the "
            "recording it was made from, or remove `decisions` from the pipeline file."
        )


def _holds(curation: Curation, decisions: Sequence[Decision]) -> bool:
    """Return whether the first decisions of a session are these."""
    first = curation.decisions[: len(decisions)]
    return [_key(one) for one in first] == [_key(one) for one in decisions]


def _key(decision: Decision) -> tuple[Any, ...]:
    return tuple(_plain(getattr(decision, key)) for key in _KEYS)


def _decision(row: dict[str, Any]) -> Decision:
    line = None if row["line"] is None else tuple(float(value) for value in row["line"])
    if line is not None and len(line) != 4:
        raise ValueError(f"line has {len(line)} numbers, expected 4")
    return Decision(
        action=_known_action(row["action"]),
        rois=tuple(int(roi) for roi in row["rois"]),
        reviewer=str(row["reviewer"]),
        decided_at=str(row["decided_at"]),
        reason=str(row["reason"]),
        undoes=int(row["undoes"]),
        line=line,
    )


def _known_action(action: Any) -> Action:
    if action not in get_args(Action):
        raise ValueError(f"action {action!r}, expected one of {', '.join(get_args(Action))}")
    return action


def _plain(value: Any) -> Any:
    """Return a value as YAML holds it."""
    return list(value) if isinstance(value, tuple) else value
