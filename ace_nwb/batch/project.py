"""Registration of a project's sessions: into every file, a table, a picture, and an NWB file."""

import csv
import os
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ace_nwb import pipeline
from ace_nwb.errors import OutputError, ParameterError
from ace_nwb.nwb.commit.new_file import as_text, new_file, new_h5
from ace_nwb.nwb.session import open_session
from ace_nwb.spreadsheets.formulas import as_cell
from ace_nwb.stages.register_sessions import ProjectRegistration, register_project
from ace_nwb.stages.running.execution import StageOutcome
from ace_nwb.stages.settings.params import RegisterSessionsParams
from ace_nwb.stages.settings.texts import Choice, build_parameters
from ace_nwb.stages.table import find_stage

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STAGE = "register-sessions"
_NAMESPACE = uuid.UUID("f5c0f3d5-5f0e-5c55-9a0f-0c7a7c2b3d11")
_ENDINGS = (".csv", ".nwb", ".png")


def register_files(
    paths: Sequence[Path],
    parameters: dict[str, Any] | None = None,
    *,
    outputs: Sequence[Path] = (),
    source: str = "python",
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> tuple[ProjectRegistration, list[StageOutcome]]:
    """Register sessions with each other and write the result into each of them.

    Parameters
    ----------
    paths
        Session files.
    parameters
        Parameters of the stage `register-sessions`, but `sessions`.
    outputs
        Further files: a table (.csv), a picture (.png), the project as NWB (.nwb).
    source
        Who chose the parameters, for the history.
    progress
        Called with (sessions aligned, of how many).
    """
    for output in outputs:
        _check_output(output)
    chosen = parameters or {}
    choices = {name: Choice(value, source) for name, value in chosen.items()}
    params = build_parameters(find_stage(STAGE), choices)
    if not isinstance(params, RegisterSessionsParams):
        raise TypeError(type(params))
    project = register_project([Path(path) for path in paths], params, progress=progress)
    outcomes = []
    for session in project.sessions:
        others = [
            Path(os.path.relpath(other.path, session.path.parent)).as_posix()
            for other in project.sessions
            if other.path != session.path
        ]
        values = {**chosen, "sessions": ",".join(others)}
        outcomes.append(pipeline.process(session.path, STAGE, values, source=source))
    for output in outputs:
        _WRITERS[output.suffix](project, output)
    return project, outcomes


def write_table(project: ProjectRegistration, path: Path) -> None:
    """Write a CSV: a row per cell, its ROIs, its probability, the sessions of other fields."""
    names = [as_cell(session.name) for session in project.sessions]
    with new_file(path, replace=True) as stream, as_text(stream) as text:
        writer = csv.writer(text)
        writer.writerow(["cell", "n_sessions", "probability", *names, "no_common_field"])
        rows = zip(project.cells.rois, project.cells.probability, strict=True)
        for cell, (rois, probability) in enumerate(rows):
            shown = "" if np.isnan(probability) else f"{probability:.4f}"
            found = ["" if roi < 0 else int(roi) for roi in rois]
            strangers = as_cell(project.name_strangers(np.flatnonzero(rois >= 0)))
            writer.writerow([cell, int((rois >= 0).sum()), shown, *found, strangers])


def write_picture(project: ProjectRegistration, path: Path) -> None:
    """Write a picture of the cells of all sessions."""
    with new_file(path, replace=True) as stream:
        draw_picture(project).savefig(stream, format="png")


def draw_picture(project: ProjectRegistration) -> "Figure":
    """Return a picture: the cells of all sessions in one field, matched ones in one colour."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    n_sessions = len(project.sessions)
    figure = Figure(figsize=(4 * min(n_sessions, 4), 4.4 * -(-n_sessions // 4)), dpi=120)
    FigureCanvasAgg(figure)
    rng = np.random.default_rng(0)
    colours = 0.25 + 0.75 * rng.random((len(project.cells.rois), 3))
    shared = (project.cells.rois >= 0).sum(1) > 1
    colours[~shared] = 0.35
    for number, session in enumerate(project.sessions):
        axes = figure.add_subplot(-(-n_sessions // 4), min(n_sessions, 4), number + 1)
        axes.imshow(_paint(project, number, colours), interpolation="nearest")
        n_shared = int(shared[project.cells.rois[:, number] >= 0].sum())
        title = f"{session.name}\n{n_shared} of {len(session.numbers)} ROIs matched"
        if strangers := project.name_strangers([number]):
            title += f"\nno common field with {strangers}"
        axes.set_title(title, size=9)
        axes.set_axis_off()
    figure.tight_layout()
    return figure


def write_project_file(project: ProjectRegistration, path: Path) -> None:
    """Write an NWB file with the cells of the project and the sessions they come from."""
    from pynwb import NWBHDF5IO, NWBFile

    from ace_nwb.nwb.objects.columns import build_table

    identifiers = [session.identifier for session in project.sessions]
    start, subject = _shared_facts(project)
    nwbfile = NWBFile(
        session_description="Cells found in several sessions: " + ", ".join(_names(project)),
        identifier=str(uuid.uuid5(_NAMESPACE, "\n".join(identifiers))),
        session_start_time=start,
        subject=subject,
        was_generated_by=[["ace_nwb", _version()]],
    )
    module = nwbfile.create_processing_module("ophys", "ROIs registered across sessions")
    sessions = {
        "file": ("File name without its ending.", _names(project)),
        "identifier": ("Identifier of the NWB file.", identifiers),
        "is_reference": (
            "Whether the others are aligned to it.",
            [number == project.reference for number in range(len(identifiers))],
        ),
    }
    module.add(build_table("Sessions", "The sessions that were registered.", sessions))
    module.add(_build_pairs(project))
    columns = {
        f"roi_{number}": (
            f"Row of the ROI table of {name}, -1 if absent.",
            project.cells.rois[:, number],
        )
        for number, name in enumerate(_names(project))
    }
    probability = ("Mean probability of the cell's pairs.", project.cells.probability)
    table = build_table("Cells", "One row per cell.", {**columns, "probability": probability})
    module.add(table)
    with new_h5(path, replace=True) as h5:
        io = NWBHDF5IO(file=h5, mode="w")  # named: without a name it would end before its file
        io.write(nwbfile)


def _build_pairs(project: ProjectRegistration) -> Any:
    """Return a table of which sessions share a field."""
    from ace_nwb.nwb.objects.columns import build_table

    names = _names(project)
    pairs = sorted(project.fields.pairs.items())
    verdicts = [found.common for _, found in pairs]
    columns = {
        "first": ("File name of a session.", [names[first] for (first, _), _ in pairs]),
        "second": ("File name of another.", [names[second] for (_, second), _ in pairs]),
        "common_field": ("Whether they share a field.", [each.is_common for each in verdicts]),
        "p_chance": (
            "Probability that a field of another place fits as well.",
            [each.p_chance for each in verdicts],
        ),
    }
    return build_table("Pairs", "Every two sessions.", columns)


_WRITERS: dict[str, Callable[[ProjectRegistration, Path], None]] = {
    ".csv": write_table,
    ".nwb": write_project_file,
    ".png": write_picture,
}


def _check_output(path: Path) -> None:
    """Refuse a file that cannot be written."""
    if path.suffix not in _WRITERS:
        raise ParameterError(
            f"{path} ends in {path.suffix or 'nothing'}. One of {', '.join(_ENDINGS)} was "
            "expected; change the name."
        )
    if path.suffix == ".nwb" and path.exists():
        raise OutputError(f"{path} exists. A new file was expected; give another name.")


def _names(project: ProjectRegistration) -> list[str]:
    return [session.name for session in project.sessions]


def _shared_facts(project: ProjectRegistration) -> tuple[Any, Any]:
    """Return the start of the first session, and the animal."""
    from pynwb.file import Subject

    starts, subjects = [], []
    for session in project.sessions:
        with open_session(session.path) as opened:
            starts.append(opened.nwbfile.session_start_time)
            found = opened.nwbfile.subject
            subjects.append({} if found is None else dict(found.fields))
    same = {
        name: value
        for name, value in subjects[0].items()
        if name != "weight" and all(other.get(name) == value for other in subjects)
    }
    return min(starts), Subject(**same) if same else None


def _version() -> str:
    from importlib.metadata import version

    return version("ace-nwb")


def _paint(project: ProjectRegistration, number: int, colours: np.ndarray) -> np.ndarray:
    """Return the cells of a session in the reference's field, shape (row, column, colour)."""
    cells = project.maps[number]
    session = project.sessions[number]
    n_rois = int(session.numbers.max()) + 1 if len(session.numbers) else 0
    cell_of = project.cells.of_session(number, n_rois)
    peaks = np.maximum(cells.unit.max(0).toarray().ravel(), 1e-12)
    image = np.zeros((cells.unit.shape[0], 3))
    for column, roi in enumerate(session.numbers):
        start, stop = cells.unit.indptr[column : column + 2]
        weights = cells.unit.data[start:stop, None] / peaks[column]
        pixels = cells.unit.indices[start:stop]
        image[pixels] = np.maximum(image[pixels], weights * colours[cell_of[roi]])
    return image.reshape(*cells.field_shape, 3)
