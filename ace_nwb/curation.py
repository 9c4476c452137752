"""Curation of ROIs: reviewers accept, reject, merge, split and undo; every decision is a row.

Decisions are committed before they are acknowledged, and nothing is computed here: the stages
`regroup` and `curate` apply them at the next run. Tables for spreadsheets are in
`ace_nwb.curation_table`, the browser page is in `ace_nwb.apps`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ace_nwb.errors import CurationError
from ace_nwb.nwb.commit.lock import WAIT_FOR_STAGE_S
from ace_nwb.nwb.content.decisions import Action, Decision, Line, append_decisions
from ace_nwb.nwb.session import SessionWriter, edit_session, open_session
from ace_nwb.stages.common.curated import Curation, check_decision, extracted_ids, read_curation

__all__ = ["Curation", "Decision", "Draft", "decide", "load_curation"]


@dataclass(frozen=True)
class Draft:
    """A decision that a reviewer wants to make.

    Parameters
    ----------
    action
        "accept", "reject", "unsure", "merge", "split" or "undo".
    rois
        Ids of the ROIs.
    reviewer
        Name.
    reason
        In the reviewer's words; may be empty.
    line
        Dividing line of a split: row, column of start and end in the recorded field, pixels.
    undoes
        Number of the decision to undo.
    decided_at
        ISO 8601 in UTC; now if empty.
    """

    action: Action
    rois: tuple[int, ...]
    reviewer: str
    reason: str = ""
    line: Line | None = None
    undoes: int = -1
    decided_at: str = ""


def load_curation(nwb_path: str | Path) -> Curation:
    """Return the decisions in a session file and what follows from them."""
    with open_session(nwb_path) as session:
        return read_curation(session)


def decide(
    nwb_path: str | Path, drafts: Sequence[Draft], *, seen: int | None = None
) -> list[Decision]:
    """Add decisions to a session file, all or none; they are safe on disk when this returns.

    Parameters
    ----------
    nwb_path
        The session file.
    drafts
        The decisions; later ones may build on earlier ones.
    seen
        How many decisions the reviewer has seen: a ROI on which the same reviewer has decided
        since, in another window, is refused. None checks nothing.

    Returns
    -------
        The decisions as they stand in the file, with numbers and the ids of new ROIs.

    Raises
    ------
    CurationError
        If one of them is not possible as things stand.
    SessionLockedError
        If another program writes the file for longer than 20 seconds.
    """
    with edit_session(nwb_path, wait_s=WAIT_FOR_STAGE_S) as writer:
        return _append(writer, drafts, seen)


def _append(writer: SessionWriter, drafts: Iterable[Draft], seen: int | None) -> list[Decision]:
    """Check every draft against what stands by then, and write them."""
    if not extracted_ids(writer):
        raise CurationError(
            f"{writer.path} has no ROIs to decide on. Run `ace-nwb run {writer.path.name}` first."
        )
    curation = read_curation(writer)
    _check_seen(drafts, curation, seen)
    new: list[Decision] = []
    for draft in drafts:
        decision = Decision(
            action=draft.action,
            rois=draft.rois,
            reviewer=draft.reviewer.strip(),
            decided_at=draft.decided_at or datetime.now(UTC).isoformat(timespec="seconds"),
            reason=draft.reason.strip(),
            number=len(curation.decisions),
            undoes=draft.undoes,
            line=draft.line,
        )
        new.append(check_decision(decision, curation))
        curation = curation.with_decisions(new[-1:])
    return append_decisions(writer, new)


def _check_seen(drafts: Iterable[Draft], curation: Curation, seen: int | None) -> None:
    """Refuse to overrule what the reviewer has decided in another window meanwhile."""
    if seen is None:
        return
    later = [d for d in curation.decisions if d.number >= seen]
    for draft in drafts:
        for decision in later:
            shared = set(decision.rois) & set(draft.rois)
            if shared and decision.reviewer == draft.reviewer.strip():
                raise CurationError(
                    f"ROI {min(shared)} was decided on in another window "
                    f"({decision.action}, by {decision.reviewer}). Look again, then decide."
                )
