"""Which ROIs of several sessions are the same cell: fields aligned, pairs judged, cells linked.

Two sessions are aligned by their cells (alignment.py), the alignment is compared with those of
foreign fields (common_field.py), and neighbours are judged (pair_model.py). Sessions without a
common field have no links. Many sessions are linked by their pairwise probabilities, at most one
ROI of each session to a cell.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from ace_nwb.imaging.alignment import FieldAlignment, align_points, identity_alignment
from ace_nwb.imaging.common_field import CommonField, judge_score, make_foreign, make_shifts
from ace_nwb.imaging.pair_model import CandidatePairs, judge_pairs
from ace_nwb.imaging.rigid_search import find_rigid
from ace_nwb.imaging.spacing import Field, build_field


@dataclass(frozen=True)
class Registration:
    """How two sessions belong together.

    Parameters
    ----------
    alignment
        From the second session's field to the first one's.
    common
        Whether they share a field.
    pairs
        All neighbours that were judged; none if they share no field.
    """

    alignment: FieldAlignment
    common: CommonField
    pairs: CandidatePairs


@dataclass(frozen=True)
class RegisteredFields:
    """How many sessions belong together.

    Parameters
    ----------
    alignments
        Of each session into the field of the reference; the identity if they share none.
    pairs
        Of every two sessions (first, second).
    """

    alignments: list[FieldAlignment]
    pairs: dict[tuple[int, int], Registration]


def register_fields(
    sessions: Sequence[np.ndarray],
    field_shape: tuple[int, int],
    *,
    reference: int,
    cell_diameter_px: float,
    max_rotation_deg: float,
    max_distance_px: float,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> RegisteredFields:
    """Match the cells of many sessions, two by two.

    Parameters
    ----------
    sessions
        Centroids (row, column) of each, shape (cell, 2), pixels.
    field_shape
        (n_rows, n_columns), the same for all.
    reference
        Number of the session that the others are aligned to.
    cell_diameter_px, max_rotation_deg, max_distance_px
        As for `register_pair`.
    progress
        Called with (pairs of sessions judged, of how many).

    Notes
    -----
    Two sessions that both share the reference's field are compared where they lie in it; others
    are searched anew, as they may share a field that is not the reference's.
    """
    sizes = {"cell_diameter_px": cell_diameter_px, "max_distance_px": max_distance_px}
    alignments = [identity_alignment() for _ in sessions]
    is_placed = {reference}
    pairs: dict[tuple[int, int], Registration] = {}
    # those of the reference first: they say where the others lie
    numbers = sorted(combinations(range(len(sessions)), 2), key=lambda pair: reference not in pair)
    for done, (a, b) in enumerate(numbers):
        if reference in (a, b):
            other = a if b == reference else b
            found = register_pair(
                sessions[reference], sessions[other], field_shape,
                max_rotation_deg=max_rotation_deg, **sizes,
            )  # fmt: skip
            if found.common.is_common:
                alignments[other] = found.alignment
                is_placed.add(other)
            pairs[a, b] = found if b == other else _swap(found)
        elif {a, b} <= is_placed:
            moved = [alignments[k].forward(sessions[k]) for k in (a, b)]
            pairs[a, b] = refine_pair(moved[0], moved[1], field_shape, **sizes)
        else:
            pairs[a, b] = register_pair(
                sessions[a], sessions[b], field_shape, max_rotation_deg=max_rotation_deg, **sizes
            )
        progress(done + 1, len(numbers))
    return RegisteredFields(alignments, pairs)


def register_pair(
    first: np.ndarray,
    second: np.ndarray,
    field_shape: tuple[int, int],
    *,
    cell_diameter_px: float,
    max_rotation_deg: float,
    max_distance_px: float,
) -> Registration:
    """Match the cells of two sessions.

    Parameters
    ----------
    first, second
        Centroids (row, column), shape (cell, 2), pixels.
    field_shape
        (n_rows, n_columns), the same for both.
    cell_diameter_px
        Diameter of a cell.
    max_rotation_deg
        Largest rotation searched in either direction.
    max_distance_px
        Centroids farther apart after alignment are no pair.
    """
    field = build_field(first, second, field_shape, cell_diameter_px)
    alignment, *foreign = [
        align_points(
            field,
            points,
            find_rigid(
                first,
                points,
                field_shape,
                cell_diameter_px=cell_diameter_px,
                max_rotation_deg=max_rotation_deg,
            ),
            cell_diameter_px=cell_diameter_px,
        )
        for points in (second, *make_foreign(second, field_shape))
    ]
    return _judge(field, second, alignment, foreign, max_distance_px)


def refine_pair(
    first: np.ndarray,
    second: np.ndarray,
    field_shape: tuple[int, int],
    *,
    cell_diameter_px: float,
    max_distance_px: float,
) -> Registration:
    """Match the cells of two sessions that were moved into one field, against fields beside it.

    Parameters
    ----------
    first, second, field_shape, cell_diameter_px, max_distance_px
        As for `register_pair`.
    """
    field = build_field(first, second, field_shape, cell_diameter_px)
    alignment, *foreign = [
        align_points(field, second, [start], cell_diameter_px=cell_diameter_px)
        for start in (np.eye(2, 3), *make_shifts(cell_diameter_px))
    ]
    return _judge(field, second, alignment, foreign, max_distance_px)


def _judge(
    field: Field,
    second: np.ndarray,
    alignment: FieldAlignment,
    foreign: list[FieldAlignment],
    max_distance_px: float,
) -> Registration:
    """Return the verdict on the field, and on the pairs; none is probable in a foreign field."""
    common = judge_score(alignment.score, np.array([other.score for other in foreign]))
    pairs = judge_pairs(field, second, alignment, max_distance_px=max_distance_px)
    if not common.is_common:
        pairs = replace(pairs, probability=np.zeros_like(pairs.probability))
    return Registration(alignment, common, pairs)


def _swap(found: Registration) -> Registration:
    """Return a registration with the sessions of its pairs in the other order."""
    pairs = replace(found.pairs, first=found.pairs.second, second=found.pairs.first)
    return replace(found, pairs=pairs)


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
