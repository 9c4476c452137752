"""Rows of CSV files, whatever stands in them."""

import csv
from collections.abc import Iterable, Iterator

from ace_nwb.errors import InputError

LONGEST_CELL = 10_000_000
"""Characters of a cell; the 131,072 of Python's reader are fewer than a long comment of a
spreadsheet with its history, and 10 MB still fit in the memory many times."""


class CsvRows:
    """The rows of a CSV; see `csv.reader`.

    Parameters
    ----------
    lines
        Its lines.
    name
        The file, for messages.
    delimiter
        What stands between cells.

    Raises
    ------
    InputError
        While the rows are read, if a cell never ends or a line cannot be read.
    """

    def __init__(self, lines: Iterable[str], name: object, *, delimiter: str = ","):
        self._name = name
        csv.field_size_limit(LONGEST_CELL)
        self._reader = csv.reader(lines, delimiter=delimiter)

    @property
    def line_num(self) -> int:
        """Lines read so far."""
        return self._reader.line_num

    def __iter__(self) -> Iterator[list[str]]:
        return self

    def __next__(self) -> list[str]:
        try:
            return next(self._reader)
        except csv.Error as error:
            raise InputError(
                f"{self._name}, line {self.line_num}: {error}. Cells of at most {LONGEST_CELL:,} "
                "characters were expected; look for a quotation mark that is never closed."
            ) from error
