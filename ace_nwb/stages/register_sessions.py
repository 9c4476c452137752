"""Stage register-sessions: which ROIs of this and other sessions are the same cell."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.sparse import csc_array

from ace_nwb.errors import ParameterError
from ace_nwb.imaging.cell_maps import (
    CellMap,
    build_cell_map,
    measure_similarity,
    move_footprints,
)
from ace_nwb.imaging.registration import (
    Cells,
    Link,
    RegisteredFields,
    link_sessions,
    register_fields,
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
    fields
        How the sessions lie in the field of the reference, and which share a field at all.
    maps
        The cells of each session in the field of the reference.
    similarities
        Correlation of the cells' pictures with the reference before and after the alignment.
    links
        Judged pairs; ROIs are rows of the sessions' tables.
    cells
        The cells.
    """

    sessions: tuple[SessionRois, ...]
    reference: int
    fields: RegisteredFields
    maps: tuple[CellMap, ...]
    similarities: tuple[tuple[float, float], ...]
    links: tuple[Link, ...]
    cells: Cells

    def find_strangers(self, number: int) -> dict[int, float]:
        """Return the sessions without a common field with one, and how probable chance is.

        Where no ROI was found, nothing tells of the field.
        """
        return {
            b if number == a else a: pair.common.p_chance
            for (a, b), pair in self.fields.pairs.items()
            if number in (a, b)
            and not pair.common.is_common
            and all(len(self.sessions[each].numbers) for each in (a, b))
        }

    def p_chance(self, number: int) -> float:
        """Return how probable chance is for a session and the reference, NaN for the latter."""
        if number == self.reference:
            return float("nan")
        first, second = sorted((number, self.reference))
        return self.fields.pairs[first, second].common.p_chance

    def name_strangers(self, numbers: Iterable[int]) -> str:
        """Return the names of the sessions that share no field with any of some sessions."""
        found = set.intersection(*(set(self.find_strangers(number)) for number in numbers))
        return ", ".join(self.sessions[number].name for number in sorted(found))


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
    number = [item.path for item in project.sessions].index(session.path.resolve())
    for other, p_chance in sorted(project.find_strangers(number).items()):
        context.remarks.append(
            f"no common field with {project.sessions[other].name}: fields of other places fit as "
            f"well with p = {p_chance:.2g}; no cell is linked"
        )
    return _pick(project, number)


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
    fields = register_fields(
        [own.centroids for own in maps],
        field_shape,
        reference=reference,
        cell_diameter_px=diameter,
        max_rotation_deg=params.max_rotation_deg,
        max_distance_px=params.max_distance_px or _DIAMETERS_APART * diameter,
        progress=progress.call,
    )
    links = _to_links(fields, sessions)
    return ProjectRegistration(
        sessions,
        reference,
        fields,
        tuple(move_footprints(own, fields.alignments[n]) for n, own in enumerate(maps)),
        tuple(
            _compare(maps[reference], own, fields.alignments[n].matrix, diameter)
            for n, own in enumerate(maps)
        ),
        tuple(links),
        link_sessions([s.numbers for s in sessions], links, min_probability=params.min_probability),
    )


def _compare(
    reference: CellMap, own: CellMap, matrix: np.ndarray, diameter_px: float
) -> tuple[float, float]:
    """Return the similarity of two sessions before and after the affine map."""
    before, after = (
        measure_similarity(reference, own, each, blur_px=diameter_px / 3)
        for each in (np.eye(2, 3), matrix)
    )
    return before, after


def _to_links(fields: RegisteredFields, sessions: tuple[SessionRois, ...]) -> list[Link]:
    """Return the pairs that are not out of the question, by rows of the ROI tables."""
    return [
        Link(a, int(sessions[a].numbers[i]), b, int(sessions[b].numbers[j]), float(p))
        for (a, b), found in fields.pairs.items()
        for i, j, p in zip(
            found.pairs.first, found.pairs.second, found.pairs.probability, strict=True
        )
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
    alignment = project.fields.alignments[number]
    grid = np.moveaxis(np.mgrid[: own.field_shape[0], : own.field_shape[1]], 0, -1).astype(float)
    points = alignment.affine(grid.reshape(-1, 2))
    return RegisteredSession(
        rois=cells.rois[rows, number],
        cells=np.array(rows, int),
        n_sessions=(cells.rois[rows] >= 0).sum(1),
        probability=cells.probability[rows],
        matches=sorted(matches),
        reference=project.sessions[project.reference].name,
        reference_identifier=project.sessions[project.reference].identifier,
        matrix=alignment.matrix,
        similarity=project.similarities[number],
        jitter_px=alignment.jitter_px,
        warp_px=alignment.warp_px,
        p_chance=project.p_chance(number),
        no_common_field=project.name_strangers([number]),
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
