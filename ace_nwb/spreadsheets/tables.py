"""Reading a spreadsheet: rows by line number, cells as values, every bad cell at its place."""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ace_nwb.errors import ManifestError
from ace_nwb.forms.csv_rows import CsvRows
from ace_nwb.manifest.problems import Problem
from ace_nwb.spreadsheets.cells import CellError, clean
from ace_nwb.spreadsheets.columns import KEY, Column


@dataclass(frozen=True)
class Row:
    """One row of a spreadsheet.

    Parameters
    ----------
    line
        Line of the file, from 1.
    values
        Column in lower case -> value of the cells that are understood and not empty.
    texts
        Column as it is written -> text, of all cells that are not empty.
    """

    line: int
    values: dict[str, Any]
    texts: dict[str, str]


@dataclass(frozen=True)
class Table:
    """A spreadsheet.

    Parameters
    ----------
    path
        The file.
    rows
        Line number -> row.
    problems
        What is wrong in it.
    remarks
        What the reader should know.
    headers
        Column in lower case -> as it is written.
    """

    path: Path
    rows: dict[str, Row] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    def problem(self, line: int, column: str, message: str) -> None:
        """Note a problem at a cell."""
        shown = self.headers.get(column, column)
        self.problems.append(Problem(str(self.path), line, shown, message))


def read_table(path: Path, columns: Mapping[str, Column]) -> Table:
    """Read a spreadsheet.

    Parameters
    ----------
    path
        A CSV with a header, its cells separated by commas, semicolons or tabs.
    columns
        The columns that are understood, by name in lower case.
    """
    text, remarks = _read_text(path)
    table = Table(path, remarks=remarks)
    lines = io.StringIO(text, newline="")
    reader = CsvRows(lines, path, delimiter=_delimiter(text))
    header = [" ".join(cell.split()) for cell in next(reader, [])]
    for name in header:
        if name.lower() in table.headers and name:
            table.problem(1, name.lower(), f"the column {name!r} stands twice.")
        table.headers.setdefault(name.lower(), name)
    if KEY not in table.headers:
        table.problem(1, "", f"no column {KEY!r}; it was expected in the first line.")
        return table
    start = reader.line_num + 1
    for cells in reader:
        line, start = start, reader.line_num + 1
        if any(cell.strip() for cell in cells):
            _add_row(table, header, cells, line=line, columns=columns)
    return table


def _add_row(
    table: Table, header: list[str], cells: list[str], *, line: int, columns: Mapping[str, Column]
) -> None:
    """Read the cells of a row and file it under its line number."""
    surplus = [cell for cell in cells[len(header) :] if cell.strip()]
    if surplus:
        message = (
            f"{len(cells)} cells, the header has {len(header)}; put cells with commas in quotes."
        )
        table.problem(line, "", message)
        return
    row = Row(line, {}, {})
    for name, cell in zip(header, cells, strict=False):
        content = clean(cell)
        if not content or not name:
            continue
        row.texts[name] = content
        column = columns.get(name.lower())
        if column is None:
            continue
        try:
            row.values[name.lower()] = column.read(content)
        except CellError as error:
            table.problem(line, name.lower(), f"found {cell.strip()!r}; expected {error}.")
    key = row.values.get(KEY)
    if key is None:
        table.problem(line, KEY, "the cell is empty; every row needs its line number.")
    elif key in table.rows:
        earlier = table.rows[key].line
        table.problem(
            line, KEY, f"{row.texts[table.headers[KEY]]!r} also stands in line {earlier}."
        )
    else:
        table.rows[key] = row


def _read_text(path: Path) -> tuple[str, list[str]]:
    """Return the text of a file in UTF-8, UTF-16, or the encoding of Western Windows or Macs."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ManifestError(
            f"{path} cannot be read ({error.strerror}). A CSV with the column {KEY!r} was "
            "expected; check the path."
        ) from error
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16"), []
    try:
        return content.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        name, encoding = WESTERN[_is_of_a_mac(content)]
        text = content.decode(encoding)
        word = next(word for word in text.split() if not word.isascii())
        remark = (
            f"{path.name} is not UTF-8; it was read as {name}, in which its first special word is "
            f"{word[:40]!r}. If that is wrong, save the file as UTF-8."
        )
        return text, [remark]


WESTERN = {False: ("Windows-1252", "cp1252"), True: ("Mac Roman", "mac_roman")}


def _is_of_a_mac(content: bytes) -> bool:
    """Return whether letters beside letters are those of a Mac, not of Western Windows.

    Its accented letters are the bytes 80 to 9F, which Windows gives to quotation marks and the
    like or to nothing; those of Windows are the bytes C0 to FF.
    """
    try:
        content.decode("cp1252")
    except UnicodeDecodeError:
        return True
    of_mac, of_windows = (
        len(re.findall(rb"[A-Za-z]" + letters + rb"|" + letters + rb"[a-z]", content))
        for letters in (rb"[\x80-\x9f]", rb"[\xc0-\xff]")
    )
    return of_mac > of_windows


def _delimiter(text: str) -> str:
    """Return what separates the cells of the header."""
    first = text.partition("\n")[0]
    return max((",", ";", "\t"), key=first.count)
