"""Does a file follow the published layout, and how an older file of ours comes to follow it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ace_nwb.errors import SessionFileError
from ace_nwb.nwb.contents import layout_schema, list_contents, read_version, record_version
from ace_nwb.nwb.findings import Finding
from ace_nwb.nwb.history import record_outputs, split_joined
from ace_nwb.nwb.layout import LAYOUT_VERSION, STAGE_RUNS
from ace_nwb.nwb.ownership import list_objects
from ace_nwb.nwb.results import PLACES, ROI_COLUMNS
from ace_nwb.nwb.session import Session, SessionWriter, edit_session, open_session

_OF_STAGES = ("coupling", "ecephys", "events", "ophys", "phase", "spectral")
"""Processing modules that no conversion of ours writes to."""


def check_layout(session: Session) -> list[Finding]:
    """Return where a file of ours differs from the layout; files of other programs pass."""
    version = read_version(session)
    if version is None:
        return []
    if version > LAYOUT_VERSION:
        message = (
            f"The file has layout {version}, this ace_nwb knows {LAYOUT_VERSION}. Install a newer "
            "ace_nwb to check it whole."
        )
        return [Finding("BEST_PRACTICE_SUGGESTION", "check_layout_version", "/", message)]
    objects = list_contents(session)["objects"]
    others = _written_by_other_packages(session)
    ours = {
        path: kind
        for path, kind in objects.items()
        if not _is_foreign(session, path) and path not in others
    }
    return [*_old(version), *_differences(ours)]


def upgrade(path: Path) -> list[int]:
    """Bring an older session file to the present layout, in one journaled change.

    Returns
    -------
        The versions gone through, such as [2]; empty if the file is up to date.

    Raises
    ------
    SessionFileError
        If the file is not ours, or newer than this program.
    """
    with open_session(path) as session:
        version = read_version(session)
    if version is None or version > LAYOUT_VERSION:
        found = "no layout of ours" if version is None else f"layout {version}"
        raise SessionFileError(
            f"{path} has {found}; a session file of ace_nwb with layout 1 to {LAYOUT_VERSION} was "
            "expected. Files of other programs are read as they are."
        )
    steps = list(range(version + 1, LAYOUT_VERSION + 1))
    if steps:
        with edit_session(path) as writer:
            for step in steps:
                if step in _MIGRATIONS:
                    _MIGRATIONS[step](writer)
            record_version(writer)
    return steps


def _to_layout_3(writer: SessionWriter) -> None:
    """Take away what our tables of ROIs said of the movie: notebooks walked it in a circle."""
    for path, described in list_contents(writer)["objects"].items():
        if described["type"] == "PlaneSegmentation" and writer.is_own(path):
            writer.remove([f"{path}/reference_images"])


def _to_layout_4(writer: SessionWriter) -> None:
    """Record the objects that stages wrote."""
    record_outputs(writer, list_objects(writer.h5))


_MIGRATIONS: dict[int, Callable[[SessionWriter], None]] = {3: _to_layout_3, 4: _to_layout_4}
"""Version -> the change that leads to it from the one before; 2 did no more than record itself."""


def _is_foreign(session: Session, path: str) -> bool:
    """Return whether others wrote what stands in a module that only stages of ours write to."""
    module = path.split("/")[2] if path.startswith("/processing/") else ""
    return module in _OF_STAGES and not session.is_own(path)


def _written_by_other_packages(session: Session) -> set[str]:
    """Return what stages of other packages wrote; no layout says what that is."""
    known = {place.stage for place in PLACES} | set(ROI_COLUMNS)
    runs = session.read_table(STAGE_RUNS) if session.has(STAGE_RUNS) else {}
    written = zip(runs.get("stage", ()), runs.get("outputs", ()), strict=False)
    return {path for stage, paths in written if stage not in known for path in split_joined(paths)}


def _old(version: int) -> Iterator[Finding]:
    if version < LAYOUT_VERSION:
        message = f"The file has layout {version}; `ace-nwb upgrade` brings it to {LAYOUT_VERSION}."
        yield Finding("BEST_PRACTICE_SUGGESTION", "check_layout_version", "/", message)


def _differences(objects: dict[str, Any]) -> Iterator[Finding]:
    """Compare the objects of a file with the published schema."""
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(layout_schema()["properties"]["objects"])
    for error in validator.iter_errors(objects):
        path, *inner = [str(part) for part in error.absolute_path]
        place = f"{' '.join(inner)}: " if inner else ""
        yield Finding("ERROR", "check_layout", path, f"{place}{error.message}")
