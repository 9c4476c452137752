"""What follows from reviewers' decisions: which ROIs exist, who voted what, what it comes to.

A pure function of the rows (`ace_nwb.nwb.content.decisions`): nothing is stored but the rows
themselves.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from json import dumps
from typing import Literal

from ace_nwb.errors import CurationError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.decisions import Decision, Line, read_decisions
from ace_nwb.nwb.session import Session
from ace_nwb.stages.table import GROUPS, VERDICTS

Agreement = Literal["majority", "unanimous", "latest"]
Outcome = Literal["accept", "reject", "unsure", "conflict", ""]

VOTES = ("accept", "reject", "unsure")
AGREEMENTS: tuple[Agreement, ...] = ("majority", "unanimous", "latest")
_LONGEST_NAME, _LONGEST_REASON = 80, 1000
"""Letters of a name and of a reason: a paragraph, which a table still shows."""


@dataclass(frozen=True)
class Making:
    """Where a ROI comes from that a reviewer made.

    Parameters
    ----------
    sources
        Ids of the ROIs it is made of.
    line
        Dividing line if it is half of a split ROI, else None.
    side
        Which half: 0 lies to the left of the line as seen along it.
    decision
        Number of the decision.
    """

    sources: tuple[int, ...]
    line: Line | None
    side: int
    decision: int


@dataclass(frozen=True)
class Curation:
    """All decisions on a segmentation, and what follows from them.

    Parameters
    ----------
    decisions
        Every decision in the order of the file.
    extracted
        Ids of the ROIs that source extraction found.
    """

    decisions: tuple[Decision, ...]
    extracted: tuple[int, ...]

    @cached_property
    def undone(self) -> frozenset[int]:
        """Numbers of the decisions that were undone."""
        return frozenset(d.undoes for d in self.decisions if d.action == "undo")

    @property
    def standing(self) -> list[Decision]:
        """The decisions that were not undone, without the undoing ones."""
        return [d for d in self.decisions if d.action != "undo" and d.number not in self.undone]

    @cached_property
    def makings(self) -> dict[int, Making]:
        """Id -> origin of every ROI that standing merges and splits make, in order."""
        return {
            roi: Making(decision.rois, decision.line, side, decision.number)
            for decision in self.standing
            for side, roi in enumerate(decision.makes)
        }

    @cached_property
    def replaced(self) -> dict[int, int]:
        """Id of a ROI that was merged or split -> number of that decision."""
        return {roi: d.number for d in self.standing if d.makes for roi in d.rois}

    @cached_property
    def active(self) -> tuple[int, ...]:
        """Ids of the ROIs that stand now, in ascending order."""
        return tuple(sorted({*self.extracted, *self.makings} - set(self.replaced)))

    @cached_property
    def votes(self) -> dict[int, dict[str, Decision]]:
        """ROI id -> reviewer -> their latest verdict."""
        votes: dict[int, dict[str, Decision]] = {}
        for decision in self.standing:
            if decision.action in VOTES:
                for roi in decision.rois:
                    votes.setdefault(roi, {})[decision.reviewer] = decision
        return votes

    @property
    def next_id(self) -> int:
        """An id that no ROI ever had."""
        made = [roi for decision in self.decisions for roi in decision.makes]
        return max((*self.extracted, *made), default=-1) + 1

    @property
    def reviewers(self) -> list[str]:
        """Names in the order of their first decision."""
        return list(dict.fromkeys(decision.reviewer for decision in self.decisions))

    def outcome(self, roi: int, agreement: Agreement = "majority") -> Outcome:
        """Return what the votes on a ROI come to; "" without votes."""
        votes = list(self.votes.get(roi, {}).values())
        if not votes:
            return ""
        if agreement == "latest":
            return max(votes, key=lambda vote: vote.number).action  # type: ignore[return-value]
        kinds = [vote.action for vote in votes]
        if agreement == "unanimous":
            return kinds[0] if len(set(kinds)) == 1 else "conflict"  # type: ignore[return-value]
        balance = kinds.count("accept") - kinds.count("reject")
        if balance == 0:
            return "conflict" if "accept" in kinds else "unsure"
        return "accept" if balance > 0 else "reject"

    def disagreements(self) -> list[int]:
        """Return the standing ROIs that one reviewer accepts and another rejects."""
        found = []
        for roi in self.active:
            kinds = {vote.action for vote in self.votes.get(roi, {}).values()}
            if {"accept", "reject"} <= kinds:
                found.append(roi)
        return found

    def with_decisions(self, decisions: Iterable[Decision]) -> "Curation":
        """Return the curation after further decisions."""
        return replace(self, decisions=(*self.decisions, *decisions))

    def digests(self) -> dict[str, str]:
        """Return the inputs that stages depend on -> hash; an empty one is left out.

        A second reviewer who agrees changes nothing, a merge changes the ROIs themselves.
        """
        groups = [
            [roi, making.sources, making.line, making.side] for roi, making in self.makings.items()
        ]
        verdicts = [
            [roi, *(self.outcome(roi, agreement) for agreement in AGREEMENTS)]
            for roi in self.active
            if roi in self.votes
        ]
        contents = {GROUPS: groups, VERDICTS: verdicts}
        return {
            name: sha256(dumps(content, sort_keys=True).encode()).hexdigest()[:16]
            for name, content in contents.items()
            if content
        }


def read_curation(session: Session) -> Curation:
    """Return the decisions on the ROIs of a session."""
    return Curation(tuple(read_decisions(session)), extracted_ids(session))


def extracted_ids(session: Session) -> tuple[int, ...]:
    """Return the ids of the ROIs that source extraction found."""
    for path in (layout.EXTRACTED_SEGMENTATION, layout.PLANE_SEGMENTATION):
        if session.has(path):
            return tuple(int(roi) for roi in session.node(f"{path}/id")[:])
    return ()


def check_decision(decision: Decision, curation: Curation) -> Decision:
    """Return the decision with the ids of the ROIs it makes, if it is possible.

    Raises
    ------
    CurationError
        If it is not; the message says why and what to do.
    """
    _check_texts(decision)
    if decision.action == "undo":
        _check_undo(decision.undoes, curation)
        return replace(decision, rois=(), makes=(), line=None)
    rois = tuple(dict.fromkeys(decision.rois))
    missing = [roi for roi in rois if roi not in curation.active]
    if missing or not rois:
        raise CurationError(
            f"ROI {missing[0] if missing else 'none'} cannot be decided on: it does not exist, or "
            "was merged or split meanwhile. Choose among the ROIs that stand now."
        )
    n_made = {"merge": 1, "split": 2}.get(decision.action, 0)
    _check_numbers(decision, rois)
    first = curation.next_id
    line = decision.line if decision.action == "split" else None
    return replace(
        decision, rois=rois, makes=tuple(range(first, first + n_made)), undoes=-1, line=line
    )


def _check_numbers(decision: Decision, rois: Sequence[int]) -> None:
    """Refuse a merge of one ROI, a split of several, a split without a line."""
    if decision.action == "merge" and len(rois) < 2:
        raise CurationError("A merge needs two ROIs or more; one was given. Select another one.")
    if decision.action == "split" and (len(rois) != 1 or decision.line is None):
        raise CurationError(
            f"A split needs one ROI and a dividing line; {len(rois)} ROIs were given"
            f"{'' if decision.line else ' and no line'}. Select one ROI and draw a line across it."
        )
    if decision.line is not None and decision.line[:2] == decision.line[2:]:
        raise CurationError("The dividing line is a point. Draw a line across the ROI.")


def _check_undo(number: int, curation: Curation) -> None:
    """Refuse to undo what does not stand, or what later merges and splits build on."""
    decision = next((d for d in curation.standing if d.number == number), None)
    if decision is None:
        raise CurationError(
            f"Decision {number} does not exist or was undone already. Nothing to undo."
        )
    users = [curation.replaced[roi] for roi in decision.makes if roi in curation.replaced]
    if users:
        raise CurationError(
            f"Decision {number} made a ROI that decision {users[0]} merged or split. "
            f"Undo decision {users[0]} first."
        )


def _check_texts(decision: Decision) -> None:
    """Refuse a decision without a name, and texts that are no texts."""
    name, reason = decision.reviewer, decision.reason
    if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise CurationError(
            f"The reviewer is {name[:100]!r}; a name of 1 to {_LONGEST_NAME} letters was expected. "
            "Type your name."
        )
    if len(reason) > _LONGEST_REASON or not reason.replace("\n", " ").isprintable():
        raise CurationError(
            f"The reason has {len(reason)} letters; at most {_LONGEST_REASON} printable ones were "
            "expected. Shorten it."
        )
