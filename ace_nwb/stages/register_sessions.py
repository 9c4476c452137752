"""Stage register-sessions: which ROIs of this and other sessions are the same cell."""

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.sparse import csc_array

from ace_nwb.errors import AceNwbWarning, ParameterError
from ace_nwb.imaging.alignment import FieldAlignment, align_cells
from ace_nwb.imaging.cell_maps import CellMap, build_cell_map, move_footprints
from ace_nwb.imaging.pair_model import fit_pair_model
from ace_nwb.imaging.registration import (
    CandidatePairs,
    Cells,
    Link,
    assign_matches,
    count_chance_matches,
    find_pairs,
    link_sessions,
)
from ace_nwb.nwb.content.imaging import read_field
from ace_nwb.nwb.content.registration import RegisteredSession, write_registration
from ace_nwb.nwb.content.roi_series import read_roi_table
from ace_nwb.nwb.content.rois import read_footprints
from ace_nwb.nwb.history import current_runs
from ace_nwb.nwb.session import Session, SessionWriter, open_session
from ace_nwb.stages.running.context import StageContext
from ace_nwb.stages.settings.params import RegisterSessionsParams

_DIAMETERS_APART = 0.75
"""How far a cell may lie after alignment; its neighbour lies about 1 away."""
_LEAST_LINK = 0.05  # probability; less likely pairs are not worth a row
_WIDTH_TO_DIAMETER = 4 / 2.355
"""A Gaussian cell is said to be four standard deviations wide; its half-height width is 2.355."""


@dataclass(frozen=True)
class SessionRois:
    """The ROIs of a session that take part.

    Parameters
    ----------
    path, name, identifier
        The file, its name without ending, and the identifier in it.
    numbers
        Rows of the ROI table, shape (roi,).
    footprints
        Of these in the recorded field, shape (pixel, roi).
    field_shape
        (rows, columns) recorded.
    """

    path: Path
    name: str
    identifier: str
    numbers: np.ndarray
    footprints: csc_array
    field_shape: tuple[int, int]


@dataclass(frozen=True)
class ProjectRegistration:
    """All sessions of a project, aligned to one of them, and their cells.

    Parameters
    ----------
    sessions
        In the order of their file names.
    reference
        Number of the session that the others are aligned to.
    alignments, maps
        Of each session, into the field of the reference.
    links
        Judged pairs; ROIs are rows of the sessions' tables.
    cells
        The cells.
    """

    sessions: tuple[SessionRois, ...]
    reference: int
    alignments: tuple[FieldAlignment, ...]
    maps: tuple[CellMap, ...]
    links: tuple[Link, ...]
    cells: Cells


def compute(
    session: Session, params: RegisterSessionsParams, context: StageContext
) -> RegisteredSession:
    """Register this session with the others; each of them gives the same cells."""
    if not params.sessions:
        raise ParameterError(
            "register-sessions needs other sessions and none are given. Their files were expected; "
            "use `ace-nwb register-sessions A.nwb B.nwb ...`, or --sessions B.nwb,C.nwb."
        )
    folder = session.path.resolve().parent
    others = [folder / name.strip() for name in params.sessions.split(",") if name.strip()]
    project = register_project([session.path, *others], params, progress=context.progress)
    paths = [item.path for item in project.sessions]
    return _pick(project, paths.index(session.path.resolve()))


def write(writer: SessionWriter, result: RegisteredSession) -> None:
    """Write matches, alignment and displacement."""
    write_registration(writer, result)


def register_project(
    paths: list[Path],
    params: RegisterSessionsParams,
    *,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> ProjectRegistration:
    """Register sessions with each other.

    Parameters
    ----------
    paths
        Session files, two or more, in any order.
    params
        How; its field `sessions` does not matter.
    progress
        Called with (sessions aligned, of how many).
    """
    unique = sorted({Path(os.path.realpath(path)) for path in paths})
    if len(unique) < 2:
        raise ParameterError(
            f"{unique[0]} alone was given. Two sessions or more were expected; name the others."
        )
    marks = tuple(_mark(path) for path in unique)
    free = params.model_copy(update={"sessions": None})
    return _register_cached(tuple(unique), marks, free, _Progress(progress))


class _Progress:
    """A callback that does not count when calls are compared."""

    def __init__(self, call: Callable[[int, int], None]):
        self.call = call

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Progress)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=1)
def _register_cached(
    paths: tuple[Path, ...],
    _marks: tuple[str, ...],
    params: RegisterSessionsParams,
    progress: _Progress,
) -> ProjectRegistration:
    """Register; all files of a project ask for the same, so the last answer is kept."""
    sessions = tuple(_read_session(path, params) for path in paths)
    shape = tuple(max(s.field_shape[axis] for s in sessions) for axis in (0, 1))
    field_shape = (shape[0], shape[1])
    maps = [
        build_cell_map(_pad(s.footprints, s.field_shape, field_shape), field_shape)
        for s in sessions
    ]
    diameter = params.cell_diameter_px or _measure_diameter(maps)
    reference = len(sessions) // 2
    alignments, moved = [], []
    for number, own in enumerate(maps):
        found = align_cells(
            maps[reference],
            own,
            cell_diameter_px=diameter,
            max_rotation_deg=0.0 if number == reference else params.max_rotation_deg,
        )
        alignments.append(found if number != reference else _identity(found))
        moved.append(move_footprints(own, alignments[-1]))
        progress.call(number + 1, len(sessions))
    reach_px = params.max_distance_px or _DIAMETERS_APART * diameter
    search = {"cell_diameter_px": diameter, "max_rotation_deg": params.max_rotation_deg}
    links = _link_all(sessions, moved, reach_px, search)
    cells = link_sessions(
        [s.numbers for s in sessions], links, min_probability=params.min_probability
    )
    return ProjectRegistration(
        sessions, reference, tuple(alignments), tuple(moved), tuple(links), cells
    )


def _link_all(
    sessions: tuple[SessionRois, ...],
    moved: list[CellMap],
    max_distance_px: float,
    search: dict[str, float],
) -> list[Link]:
    """Judge the neighbours of every two sessions."""
    links = []
    for a, b in combinations(range(len(sessions)), 2):
        pairs = find_pairs(moved[a], moved[b], max_distance_px=max_distance_px)
        model = fit_pair_model(pairs.distance_px, pairs.overlap, max_distance_px=max_distance_px)
        probability = model.probability(pairs.distance_px, pairs.overlap)
        links += _to_links(pairs, probability, a, b, sessions)
        n_matches = len(assign_matches(pairs, probability, min_probability=0.5)[0])
        n_chance = count_chance_matches(moved[a], moved[b], model, min_probability=0.5, **search)
        if n_matches < 2 * n_chance:
            warnings.warn(
                f"{sessions[a].name} and {sessions[b].name} share {n_matches} ROIs, their mirror "
                f"images {n_chance}: the fields may not be of one place. Look at the picture "
                "before you trust these matches.",
                AceNwbWarning,
                stacklevel=2,
            )
    return links


def _to_links(
    pairs: CandidatePairs,
    probability: np.ndarray,
    a: int,
    b: int,
    sessions: tuple[SessionRois, ...],
) -> list[Link]:
    """Return the pairs that are not out of the question, by rows of the ROI tables."""
    return [
        Link(a, int(sessions[a].numbers[i]), b, int(sessions[b].numbers[j]), float(p))
        for i, j, p in zip(pairs.first, pairs.second, probability, strict=True)
        if p >= _LEAST_LINK
    ]


def _pick(project: ProjectRegistration, number: int) -> RegisteredSession:
    """Return what belongs into the file of one session."""
    own = project.sessions[number]
    cells = project.cells
    found = np.flatnonzero(cells.rois[:, number] >= 0)
    rows = found[np.argsort(cells.rois[found, number])].tolist()
    known = {
        ((k.session, k.roi), (k.other_session, k.other_roi)): k.probability for k in project.links
    }
    matches = []
    for cell in rows:
        roi = int(cells.rois[cell, number])
        for other, partner in enumerate(cells.rois[cell]):
            if other == number or partner < 0:
                continue
            pair = sorted([(number, roi), (other, int(partner))])
            probability = known.get((pair[0], pair[1]), 0.0)
            matches.append((roi, project.sessions[other].name, int(partner), probability))
    alignment = project.alignments[number]
    grid = np.moveaxis(np.mgrid[: own.field_shape[0], : own.field_shape[1]], 0, -1).astype(float)
    points = grid.reshape(-1, 2) @ alignment.matrix[:, :2].T + alignment.matrix[:, 2]
    return RegisteredSession(
        rois=cells.rois[rows, number],
        cells=np.array(rows, int),
        n_sessions=(cells.rois[rows] >= 0).sum(1),
        probability=cells.probability[rows],
        matches=sorted(matches),
        reference=project.sessions[project.reference].name,
        reference_identifier=project.sessions[project.reference].identifier,
        matrix=alignment.matrix,
        similarity=(alignment.similarity_before, alignment.similarity_after),
        residual_px=alignment.residual_px,
        displacement=alignment.displacement(points).reshape(*own.field_shape, 2),
    )


def _read_session(path: Path, params: RegisterSessionsParams) -> SessionRois:
    """Read the ROIs of a session, in the recorded field."""
    with open_session(path) as session:
        table = read_roi_table(session)
        numbers = np.arange(len(table["id"]))
        if params.rois == "accepted" and "accepted" in table:
            numbers = np.flatnonzero(table["accepted"])
        field = read_field(session)
        analysed = csc_array(read_footprints(session))[:, numbers]
        footprints = _pad(analysed, field.shape, field.recorded, origin=field.origin)
        return SessionRois(path, path.stem, session.identifier, numbers, footprints, field.recorded)


def _mark(path: Path) -> str:
    """Return what tells whether the ROIs of a file have changed."""
    with open_session(path) as session:
        runs = current_runs(session)
    return " ".join(runs[name].fingerprint for name in ("extract", "evaluate") if name in runs)


def _pad(
    footprints: csc_array,
    shape: tuple[int, int],
    larger: tuple[int, int],
    *,
    origin: tuple[int, int] = (0, 0),
) -> csc_array:
    """Return footprints placed in a larger field."""
    rows, columns = np.divmod(footprints.indices, shape[1])
    pixels = (rows + origin[0]) * larger[1] + columns + origin[1]
    size = (larger[0] * larger[1], footprints.shape[1])
    return csc_array((footprints.data, pixels, footprints.indptr), shape=size)


def _measure_diameter(maps: list[CellMap]) -> float:
    """Return the usual diameter of a cell, from the area above half of its peak."""
    areas = []
    for cells in maps:
        for cell in range(cells.n_cells):
            weights = cells.unit.data[cells.unit.indptr[cell] : cells.unit.indptr[cell + 1]]
            if len(weights):
                areas.append((weights >= weights.max() / 2).sum())
    width = 2 * np.sqrt(np.median(areas) / np.pi) if areas else 7.0
    return float(np.clip(width * _WIDTH_TO_DIAMETER, 4, 60))


def _identity(found: FieldAlignment) -> FieldAlignment:
    """Return the alignment of the reference to itself."""
    nothing = np.zeros((0, 2))
    return FieldAlignment(np.eye(2, 3), nothing, nothing, found.length_px, 1.0, 1.0, 0.0)
