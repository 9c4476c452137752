"""Stage curate: what reviewers' decisions come to, beside the automatic proposal."""

from dataclasses import dataclass

import numpy as np

from ace_nwb.nwb import layout
from ace_nwb.nwb.content.roi_series import read_roi_table
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.stages.common.curated import Curation, read_curation
from ace_nwb.stages.running.context import StageContext
from ace_nwb.stages.settings.params import CurateParams

ACCEPTED = "Whether the ROI is accepted: by reviewers, else by the evaluate stage."
_COLUMNS = {
    "decision": "What the reviewers' votes come to: accept, reject, unsure, conflict, or empty.",
    "reviewer": "Who voted, separated by semicolons.",
    "decided_at": "When the latest of them did, ISO 8601 in UTC.",
    "reason": "Their reasons, separated by semicolons.",
}


@dataclass(frozen=True)
class Curated:
    """Texts by column, and whether each ROI is accepted in the end, one value per ROI."""

    texts: dict[str, list[str]]
    accepted: np.ndarray


def not_applicable(session: Session) -> str | None:
    """Return why there is nothing to do, if so."""
    is_curated = session.has(f"{layout.PLANE_SEGMENTATION}/decision")
    return None if is_curated or read_curation(session).votes else "nobody has decided on a ROI"


def compute(session: Session, params: CurateParams, context: StageContext) -> Curated:
    """Count the votes on every ROI."""
    curation = read_curation(session)
    table = read_roi_table(session)
    n_rois = len(table["id"])
    accepted = np.array(table.get("accepted", np.ones(n_rois)), bool)
    texts: dict[str, list[str]] = {name: [] for name in _COLUMNS}
    for row, roi in enumerate(int(roi) for roi in table["id"]):
        outcome = curation.outcome(roi, params.agreement)
        if outcome in ("accept", "reject"):
            accepted[row] = outcome == "accept"
        elif params.undecided == "reject":
            accepted[row] = False
        _add_texts(texts, curation, roi, outcome)
    n_decided = sum(bool(text) for text in texts["decision"])
    n_conflicts = texts["decision"].count("conflict")
    context.remarks.append(
        f"{n_decided} of {n_rois} ROIs decided, {n_conflicts} in conflict, "
        f"{int(accepted.sum())} accepted in the end"
    )
    return Curated(texts, accepted)


def write(writer: SessionWriter, result: Curated) -> None:
    """Write the outcome as columns of the ROI table."""
    columns = {name: (_COLUMNS[name], values) for name, values in result.texts.items()}
    writer.set_columns(
        layout.PLANE_SEGMENTATION, {**columns, "Accepted": (ACCEPTED, result.accepted)}
    )


def _add_texts(texts: dict[str, list[str]], curation: Curation, roi: int, outcome: str) -> None:
    """Add the texts of one ROI."""
    votes = curation.votes.get(roi, {}).values()
    texts["decision"].append(outcome)
    texts["reviewer"].append("; ".join(vote.reviewer for vote in votes))
    texts["decided_at"].append(max((vote.decided_at for vote in votes), default=""))
    texts["reason"].append("; ".join(vote.reason for vote in votes if vote.reason))
