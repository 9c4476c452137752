"""CSV files of numbers, read by the names of their columns; what is irregular in them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from ace_nwb.errors import InputError, TimestampError
from ace_nwb.forms.csv_rows import CsvRows
from ace_nwb.interfaces.policies import Irregularity, Policies

LARGEST_NUMBER = 2**53
"""Whole numbers beyond this one are not exact in float64; infinity and NaN are beyond it too."""

LONGEST_TEXT = 40
"""Characters of a file that a message shows."""


@dataclass(frozen=True)
class NumberTable:
    """The rows of a CSV file of numbers.

    Parameters
    ----------
    columns
        Name -> values, float64; NaN where a cell is no number.
    bad_cells
        (line, column, text) of the cells that are no number.
    cut_row
        (line, number of cells) of a last row that breaks off, None if it is whole.
    n_header_cells
        Columns of the header.
    first_line
        Line of the first row, counted from 1.
    """

    file_path: Path
    columns: dict[str, np.ndarray]
    bad_cells: tuple[tuple[int, str, str], ...]
    cut_row: tuple[int, int] | None
    n_header_cells: int
    first_line: int = 2


def read_table(
    file_path: Path,
    *,
    required: Sequence[str],
    headers: Mapping[tuple[str, ...], Sequence[str]] | None = None,
    skip: Sequence[str] = (),
) -> NumberTable:
    """Read a CSV file; cells that are no number and a broken last row are noted, not raised.

    Parameters
    ----------
    file_path
        The file.
    required
        Columns that must be there.
    headers
        Header lines of other versions of the recorder -> what their columns are; () stands for a
        file without a header line, which begins with numbers.
    skip
        Columns of text, left out.

    Raises
    ------
    TimestampError
        If the file is missing, empty, no CSV text, lacks a column, or holds a short row.
    """
    if not file_path.is_file():
        raise TimestampError(
            f"{file_path} does not exist",
            "The time stamps that the recorder writes beside the movie were expected; copy the "
            "file from the acquisition computer.",
        )
    rows = _csv_rows(file_path)
    first = [cell.strip() for cell in next(rows, [])]
    known = headers or {}
    is_headed = () not in known or not first or not _is_number(first[0])
    names = list(known.get(tuple(first) if is_headed else (), first) if first else [])
    missing = [name for name in required if name not in names]
    if missing:
        raise _column_missing(file_path, names, missing=missing[0])
    data = rows if is_headed else chain([first], rows)
    numbered = [(line, row) for line, row in enumerate(data, start=1 + is_headed) if row]
    while numbered and not any(numbered[-1][1]):  # rows of commas, as spreadsheets add them
        numbered.pop()
    cut_row = None
    if numbered and len(numbered[-1][1]) < len(names):
        line, row = numbered.pop()
        cut_row = (line, len(row))
    if not numbered:
        raise TimestampError(
            f"{file_path} has a header but no rows",
            "One row per frame was expected; copy the file again.",
        )
    _check_lengths(file_path, numbered, n_columns=len(names))
    columns, bad_cells = _to_numbers(numbered, names, skip=skip)
    return NumberTable(
        file_path, columns, tuple(bad_cells), cut_row, len(names), first_line=1 + is_headed
    )


CUT_ROW_EXPECTED = (
    "Whole rows were expected; the file was cut off while it was written: remove the broken line."
)
BAD_CELL_EXPECTED = "A number was expected; correct the cell or copy the file again."


def table_irregularities(
    table: NumberTable, *, policies: Policies, device: str
) -> list[Irregularity]:
    """Say which cells of a file of time stamps cannot be read."""
    noted = []
    if table.cut_row is not None:
        noted.append(
            Irregularity(
                "cut_row",
                policies["cut_row"],
                device,
                1,
                describe_cut_row(table),
                CUT_ROW_EXPECTED,
                TimestampError,
            )
        )
    if table.bad_cells:
        noted.append(
            Irregularity(
                "unreadable_stamps",
                policies["unreadable_stamps"],
                device,
                len(table.bad_cells),
                describe_bad_cell(table),
                BAD_CELL_EXPECTED,
                TimestampError,
            )
        )
    return noted


def describe_cut_row(table: NumberTable) -> str:
    """Say where the last row breaks off."""
    line, n_cells = table.cut_row or (0, 0)
    return f"{table.file_path} line {line} has {n_cells} of {table.n_header_cells} cells"


def describe_bad_cell(table: NumberTable) -> str:
    """Say which cell is no number."""
    line, name, cell = table.bad_cells[0]
    more = f" ({len(table.bad_cells)} such cells)" if len(table.bad_cells) > 1 else ""
    return f'{table.file_path} line {line}, column "{name}" holds {cell[:LONGEST_TEXT]!r}{more}'


def _column_missing(file_path: Path, names: Sequence[str], *, missing: str) -> TimestampError:
    """Return an error that names the column, and why where something else separates the cells."""
    if len(names) == 1 and missing in names[0]:
        separator = "semicolons" if ";" in names[0] else "tabs or blanks"
        return TimestampError(
            f"{file_path} separates its cells by {separator}, as spreadsheet programs of some "
            "countries do",
            "Commas were expected, as the recorder writes them; copy the file of the recorder "
            "again, or save it with commas and decimal points.",
        )
    shown = ", ".join(name[:LONGEST_TEXT] for name in names[:10])
    return TimestampError(
        f"{file_path} has the columns {shown or '(none)'}",
        f'A column "{missing}" was expected; is this the file of the recorder?',
    )


def _check_lengths(
    file_path: Path, numbered: list[tuple[int, list[str]]], *, n_columns: int
) -> None:
    """Raise if a row within the file is short."""
    for line, row in numbered:
        if len(row) < n_columns:
            raise TimestampError(
                f"{file_path} line {line} has {len(row)} of {n_columns} cells",
                "Whole rows were expected; the file was damaged: copy it again or correct the "
                "line.",
            )


def _to_numbers(
    numbered: list[tuple[int, list[str]]], names: list[str], *, skip: Sequence[str]
) -> tuple[dict[str, np.ndarray], list[tuple[int, str, str]]]:
    """Turn cells into columns of numbers."""
    columns: dict[str, np.ndarray] = {}
    bad_cells: list[tuple[int, str, str]] = []
    for index, name in enumerate(names):
        if name in skip:
            continue
        values = np.empty(len(numbered))
        for place, (line, row) in enumerate(numbered):
            number = _number(row[index])
            if number is None:
                bad_cells.append((line, name, row[index]))
            values[place] = np.nan if number is None else number
        columns[name] = values
    return columns, sorted(bad_cells)


def _number(cell: str) -> float | None:
    """Return a cell as a number, None if it is none that a recorder writes."""
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if abs(number) <= LARGEST_NUMBER else None


def _is_number(cell: str) -> bool:
    """Return whether a cell is a number that a recorder writes."""
    return _number(cell) is not None


def _csv_rows(file_path: Path) -> Iterator[list[str]]:
    """Yield the rows of a CSV file as text cells."""
    try:
        with file_path.open(encoding="utf-8-sig", newline="") as file:
            lines = (line.replace("\0", "") for line in file)
            first = next(lines, "")
            has_tabs = "\t" in first and "," not in first and _is_number(first.split("\t")[0])
            delimiter = "\t" if has_tabs else ","
            yield from CsvRows(chain([first], lines), file_path, delimiter=delimiter)
    except (UnicodeDecodeError, InputError) as error:
        raise TimestampError(
            f"{file_path} is no CSV text ({error})",
            "Comma-separated UTF-8 was expected; copy the file again.",
        ) from error
