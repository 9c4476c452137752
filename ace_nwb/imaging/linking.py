"""Cells over many sessions: pairwise probabilities joined into groups, one ROI per session."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Link:
    """A pair of ROIs of two sessions and how probable it is that they are one cell."""

    session: int
    roi: int
    other_session: int
    other_roi: int
    probability: float


@dataclass(frozen=True)
class Cells:
    """Cells of a project.

    Parameters
    ----------
    rois
        ROI of each cell in each session, -1 where it was not found, shape (cell, session).
    probability
        Mean probability of the links within each cell, NaN for a cell of one session,
        shape (cell,).
    """

    rois: np.ndarray
    probability: np.ndarray

    def of_session(self, session: int, n_rois: int) -> np.ndarray:
        """Return the cell of each ROI of a session, -1 for one that took no part."""
        cells = np.full(n_rois, -1)
        found = self.rois[:, session] >= 0
        cells[self.rois[found, session]] = np.flatnonzero(found)
        return cells


def link_sessions(
    rois: Sequence[np.ndarray], links: Sequence[Link], *, min_probability: float
) -> Cells:
    """Join ROIs into cells, the surest links first.

    Two groups are joined if they share no session and the mean probability over all pairs
    between them, absent links counting as zero, reaches the least one.

    Parameters
    ----------
    rois
        Numbers of the ROIs of each session that take part.
    links
        Judged pairs.
    min_probability
        Least mean probability.
    """
    members = [(session, int(roi)) for session, found in enumerate(rois) for roi in found]
    group_of = {member: index for index, member in enumerate(members)}
    groups = {index: [member] for index, member in enumerate(members)}
    known = {(((k.session, k.roi)), (k.other_session, k.other_roi)): k.probability for k in links}
    known |= {(second, first): p for (first, second), p in known.items()}
    for link in sorted(links, key=_by_certainty):
        if link.probability < min_probability:
            break
        left = group_of[link.session, link.roi]
        right = group_of[link.other_session, link.other_roi]
        if left == right or not _may_join(groups[left], groups[right], known, min_probability):
            continue
        for member in groups.pop(right):
            groups[left].append(member)
            group_of[member] = left
    return _to_table(groups, known, n_sessions=len(rois))


def _by_certainty(link: Link) -> tuple[float, int, int, int, int]:
    return -link.probability, link.session, link.other_session, link.roi, link.other_roi


Member = tuple[int, int]


def _may_join(
    left: list[Member],
    right: list[Member],
    known: dict[tuple[Member, Member], float],
    least: float,
) -> bool:
    """Return whether two groups can be one cell."""
    if {session for session, _ in left} & {session for session, _ in right}:
        return False
    return float(np.mean([known.get((a, b), 0.0) for a in left for b in right])) >= least


def _to_table(
    groups: dict[int, list[Member]],
    known: dict[tuple[Member, Member], float],
    *,
    n_sessions: int,
) -> Cells:
    """Return the groups as a table, in the order of their first ROI."""
    ordered = sorted(groups.values(), key=min)
    rois = np.full((len(ordered), n_sessions), -1)
    probability = np.full(len(ordered), np.nan)
    for cell, members in enumerate(ordered):
        for session, roi in members:
            rois[cell, session] = roi
        pairs = [known.get((a, b), 0.0) for a in members for b in members if a < b]
        if pairs:
            probability[cell] = np.mean(pairs)
    return Cells(rois, probability)
