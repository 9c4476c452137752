"""Rows of a table of results, gathered one by one."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from ace_nwb.nwb.content.coupling import write_result_table
from ace_nwb.nwb.objects.columns import Columns
from ace_nwb.nwb.session import SessionWriter


class ResultRows:
    """A table in the making.

    Parameters
    ----------
    path
        Where it will stand in the file.
    description
        What a row is.
    columns
        Name -> description of each column.
    """

    def __init__(self, path: str, description: str, columns: dict[str, str]):
        self.path = path
        self.description = description
        self._descriptions = columns
        self._values: dict[str, list[Any]] = {name: [] for name in columns}

    def __len__(self) -> int:
        return len(next(iter(self._values.values())))

    def add(self, **values: Any) -> None:
        """Add one row; every column must be given."""
        if values.keys() != self._values.keys():
            raise ValueError(f"{sorted(values)} are not the columns {sorted(self._values)}")
        for name, value in values.items():
            self._values[name].append(value)

    def columns(self) -> Columns:
        """Return name -> (description, values)."""
        return {
            name: (self._descriptions[name], np.array(values))
            for name, values in self._values.items()
        }

    def count_below(self, name: str, bound: float) -> int:
        """Count the rows whose value of a column is below a bound."""
        return int(np.sum(np.array(self._values[name], float) < bound))


def write_rows(writer: SessionWriter, tables: Iterable[ResultRows]) -> None:
    """Write the tables that have rows."""
    for table in tables:
        write_result_table(writer, table.path, table.columns(), description=table.description)
