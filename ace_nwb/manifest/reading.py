"""Reading a manifest, YAML or CSV, with every problem at its place."""

import io
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ace_nwb.errors import ManifestError
from ace_nwb.forms.csv_rows import CsvRows
from ace_nwb.forms.fields import explain
from ace_nwb.forms.yaml_files import YamlError, parse_yaml
from ace_nwb.manifest.checking import Flaw, check_content
from ace_nwb.manifest.models import Manifest
from ace_nwb.manifest.problems import Problem, refuse

Locate = Callable[[Sequence[Any]], tuple[int, str]]
"""Path within the content -> (line, column)."""

LIST_SEPARATOR = ";"
_TEXT_COLUMNS = ("name", "ephys_folder", "output", "pipeline", "metadata")


def load_manifest(path: Path) -> Manifest:
    """Read a manifest; refuse it with the full list of its problems.

    Raises
    ------
    ManifestError
        If anything in it is not as it should be.
    """
    manifest, problems = read_manifest(path)
    refuse(path, problems)
    if manifest is None:  # cannot be: a manifest without problems was read
        raise ManifestError(f"{path} holds no manifest.")
    return manifest


def read_manifest(path: Path) -> tuple[Manifest | None, list[Problem]]:
    """Return the manifest, None if it cannot be built, and everything that is wrong in it."""
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ManifestError(
            f"{path} cannot be read ({error.strerror}). A manifest of sessions was expected, "
            "sessions.yaml or a CSV; check the path."
        ) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return None, [Problem(str(path), line, "", "not UTF-8; save the file as UTF-8.")]
    if path.suffix.lower() == ".csv":
        content, locate, problems = _read_table(path, text)
    else:
        content, locate, problems = _read_yaml(path, text)
    if content is None:
        return None, problems
    manifest, findings = _build(content, path.parent)
    problems += [Problem(str(path), *locate(f.path), f.message) for f in findings]
    return manifest, sorted(set(problems), key=lambda p: (p.line, p.column, p.message))


def _build(content: Any, folder: Path) -> tuple[Manifest | None, list[Flaw]]:
    """Return the manifest and what does not fit the model or the stages."""
    findings = check_content(content, folder)
    try:
        return Manifest.model_validate(content), findings
    except ValidationError as error:
        names = _names_within(error)
        found = [Flaw(fault.path, fault.message) for fault in explain(error, Manifest, names)]
        return None, found + findings


def _names_within(error: ValidationError) -> dict[str, str]:
    """Return dotted path -> name of the key: the line of the file says where it stands."""
    names = {}
    for path in [item["loc"] for item in error.errors() if item["loc"]]:
        last = max(place for place, part in enumerate(path) if isinstance(part, str))
        names[".".join(map(str, path))] = ".".join(map(str, path[last:]))
    return names


def _read_yaml(path: Path, text: str) -> tuple[Any, Locate, list[Problem]]:
    """Return the content of a YAML file and where its keys stand."""
    try:
        found = parse_yaml(text)
    except YamlError as fault:
        column = str(fault.column) if fault.column else ""
        message = f"no YAML ({fault}); check indentation and quotes."
        return None, _nowhere, [Problem(str(path), fault.line, column, message)]

    def locate(place: Sequence[Any]) -> tuple[int, str]:
        line, column = found.find_place(place)
        return line, str(column)

    doubles = [
        Problem(str(path), line, str(column), f"{key!r} stands twice.")
        for key, (line, column) in found.doubles
    ]
    return found.content, locate, doubles


def _read_table(path: Path, text: str) -> tuple[Any, Locate, list[Problem]]:
    """Return the content of a CSV: one row per session, dots in column names nest."""
    reader = CsvRows(io.StringIO(text), path)
    header = [cell.strip() for cell in next(reader, [])]
    problems = [
        Problem(str(path), 1, name, "the column stands twice.")
        for name, count in Counter(header).items()
        if count > 1
    ]
    sessions, lines = [], []
    for row in reader:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) > len(header):
            message = f"{len(row)} cells, the header has {len(header)}; quote cells with commas."
            problems.append(Problem(str(path), reader.line_num, "", message))
        lines.append(reader.line_num)
        sessions.append(_session_of(dict(zip(header, row, strict=False))))

    def locate(place: Sequence[Any]) -> tuple[int, str]:
        if len(place) < 2 or place[0] != "sessions":
            return 1, ""
        return lines[place[1]], _column_of(place[2:], header)

    if problems:
        return None, locate, problems
    return {"sessions": sessions}, locate, []


def _session_of(row: dict[str, str]) -> dict[str, Any]:
    """Return the entry of one row; empty cells are left out, unknown columns kept."""
    session: dict[str, Any] = {}
    for column, cell in row.items():
        value = cell.strip()
        if not value or not column:
            continue
        first, *rest = column.split(".")
        if column in ("folder", "folders"):
            session["folders"] = [part.strip() for part in value.split(LIST_SEPARATOR)]
        elif column in _TEXT_COLUMNS:
            session[column] = value
        elif rest and first in ("metadata", "stages", "conversion"):
            _put(session, column.split("."), value)
        else:
            session.setdefault("columns", {})[column] = value
    return session


def _put(session: dict[str, Any], path: list[str], value: str) -> None:
    """Set a nested value; the second of two contradicting columns wins the check."""
    *parents, name = path
    for part in parents:
        inner = session.get(part)
        session[part] = inner if isinstance(inner, dict) else {}
        session = session[part]
    is_list = path == ["conversion", "formats"]
    session[name] = [v.strip() for v in value.split(LIST_SEPARATOR)] if is_list else value


def _column_of(path: Sequence[Any], header: Sequence[str]) -> str:
    """Return the column that a part of an entry came from."""
    names = [str(part) for part in path]
    for length in range(len(names), 0, -1):
        name = ".".join(names[:length])
        candidates = [name, "folder"] if name == "folders" else [name]
        for candidate in candidates:
            if candidate in header:
                return candidate
    return names[0] if names else ""


def _nowhere(_path: Sequence[Any]) -> tuple[int, str]:
    return 0, ""
