"""Which ROIs of two sessions are the same cell: fields aligned, pairs judged, matches assigned.

Fields are aligned by rotation and shift of cell maps, then by a smooth displacement field
(alignment.py). Pairs of neighbours are judged by the distance of their centroids and the overlap
of their footprints, with a mixture model of "same" and "different" pairs whose parameters come
from the data (after Sheintuch et al. 2017). Many sessions are linked by their pairwise
probabilities, at most one ROI of each session to a cell.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csc_array
from scipy.spatial import cKDTree

from ace_nwb.imaging.alignment import FieldAlignment, align_cells
from ace_nwb.imaging.cell_maps import CellMap, build_cell_map, mirror, move_footprints
from ace_nwb.imaging.pair_model import PairModel, fit_pair_model


@dataclass(frozen=True)
class CandidatePairs:
    """Neighbouring ROIs of two sessions.

    Parameters
    ----------
    first, second
        Numbers of the ROIs, shape (pair,).
    distance_px
        Between their centroids after alignment, shape (pair,).
    overlap
        Correlation of their footprints after alignment, 0..1, shape (pair,).
    """

    first: np.ndarray
    second: np.ndarray
    distance_px: np.ndarray
    overlap: np.ndarray


@dataclass(frozen=True)
class Registration:
    """How two sessions belong together.

    Parameters
    ----------
    alignment
        From the second session's field to the first one's.
    pairs
        All neighbours that were judged.
    probability
        That a pair is one cell, shape (pair,).
    matches
        Numbers of matched ROIs, shape (match, 2).
    match_probability
        Of each match, shape (match,).
    model
        The mixture that judged them.
    n_by_chance
        Matches that the same procedure finds in the mirror image of the second session, which
        shares no cell with the first: what `matches` would be for fields of different places.
    """

    alignment: FieldAlignment
    pairs: CandidatePairs
    probability: np.ndarray
    matches: np.ndarray
    match_probability: np.ndarray
    model: PairModel
    n_by_chance: int


def register_sessions(
    first: csc_array,
    second: csc_array,
    field_shape: tuple[int, int],
    *,
    cell_diameter_px: float,
    max_rotation_deg: float,
    max_distance_px: float,
    min_probability: float,
) -> Registration:
    """Match the ROIs of two sessions of one field.

    Parameters
    ----------
    first, second
        Footprints, shape (n_rows * n_columns, roi), row-major pixels.
    field_shape
        (n_rows, n_columns), the same for both.
    cell_diameter_px
        Diameter of a cell.
    max_rotation_deg
        Largest rotation searched in either direction.
    max_distance_px
        Centroids farther apart after alignment are no pair.
    min_probability
        Least probability of a match.
    """
    maps = [build_cell_map(f, field_shape) for f in (first, second)]
    search = {"cell_diameter_px": cell_diameter_px, "max_rotation_deg": max_rotation_deg}
    alignment = align_cells(maps[0], maps[1], **search)
    moved = move_footprints(maps[1], alignment)
    pairs = find_pairs(maps[0], moved, max_distance_px=max_distance_px)
    model = fit_pair_model(pairs.distance_px, pairs.overlap, max_distance_px=max_distance_px)
    probability = model.probability(pairs.distance_px, pairs.overlap)
    matches, certainty = assign_matches(pairs, probability, min_probability=min_probability)
    n_by_chance = count_chance_matches(
        maps[0], maps[1], model, min_probability=min_probability, **search
    )
    return Registration(alignment, pairs, probability, matches, certainty, model, n_by_chance)


def count_chance_matches(
    first: CellMap,
    second: CellMap,
    model: PairModel,
    *,
    cell_diameter_px: float,
    max_rotation_deg: float,
    min_probability: float,
) -> int:
    """Return how many matches the mirror image of the second session gives.

    Parameters
    ----------
    first, second
        Cells of two sessions, not aligned.
    model
        The mixture that judges pairs.
    cell_diameter_px, max_rotation_deg, min_probability
        As for `register_sessions`.
    """
    mirrored = mirror(second)
    alignment = align_cells(
        first, mirrored, cell_diameter_px=cell_diameter_px, max_rotation_deg=max_rotation_deg
    )
    moved = move_footprints(mirrored, alignment)
    pairs = find_pairs(first, moved, max_distance_px=model.max_distance_px)
    probability = model.probability(pairs.distance_px, pairs.overlap)
    return len(assign_matches(pairs, probability, min_probability=min_probability)[0])


def find_pairs(first: CellMap, second: CellMap, *, max_distance_px: float) -> CandidatePairs:
    """Return all neighbours of two aligned sessions.

    Parameters
    ----------
    first, second
        Cells in one field.
    max_distance_px
        Largest distance of their centroids.
    """
    found: list[tuple[int, int]] = []
    if first.n_cells and second.n_cells:
        near = cKDTree(first.centroids).query_ball_tree(cKDTree(second.centroids), max_distance_px)
        found = [(i, j) for i, others in enumerate(near) for j in sorted(others)]
    index = np.array(found, int).reshape(-1, 2)
    left, right = index[:, 0], index[:, 1]
    distance = np.linalg.norm(first.centroids[left] - second.centroids[right], axis=1)
    products = np.asarray(first.unit.T.tocsr()[left].multiply(second.unit.T.tocsr()[right]).sum(1))
    return CandidatePairs(left, right, distance, np.clip(products.ravel(), 0, 1))


def assign_matches(
    pairs: CandidatePairs, probability: np.ndarray, *, min_probability: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the most probable matches, each ROI in at most one, and their probabilities.

    Parameters
    ----------
    pairs
        Neighbours.
    probability
        That a pair is one cell, shape (pair,).
    min_probability
        Least probability of a match.
    """
    good = probability >= min_probability
    if not good.any():
        return np.zeros((0, 2), int), np.zeros(0)
    rows, row_of = np.unique(pairs.first[good], return_inverse=True)
    columns, column_of = np.unique(pairs.second[good], return_inverse=True)
    gain = np.zeros((len(rows), len(columns)))
    gain[row_of, column_of] = probability[good]
    chosen = np.column_stack(linear_sum_assignment(gain, maximize=True))
    certainty = gain[chosen[:, 0], chosen[:, 1]]
    is_pair = certainty > 0
    matches = np.column_stack([rows[chosen[:, 0]], columns[chosen[:, 1]]])[is_pair]
    return matches, certainty[is_pair]


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
