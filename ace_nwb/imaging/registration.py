"""Which ROIs of two sessions are the same cell: fields aligned, pairs judged, matches assigned.

Fields are aligned by rotation and shift of cell maps, then by a smooth displacement field
(alignment.py). Pairs of neighbours are judged by the distance of their centroids and the overlap
of their footprints, with a mixture model of "same" and "different" pairs whose parameters come
from the data (after Sheintuch et al. 2017). Many sessions are linked by their pairwise
probabilities, at most one ROI of each session to a cell (linking.py).
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csc_array
from scipy.spatial import cKDTree

from ace_nwb.imaging.alignment import Alignment, align_cells
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

    alignment: Alignment
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
