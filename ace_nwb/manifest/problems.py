"""What is wrong in a file that people write, and where: all of it at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ace_nwb.errors import ManifestError


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Parameters
    ----------
    file
        Name of the file as it was given.
    line
        Line of the file, from 1; 0 if it is about the whole file.
    column
        Column of a table by its name, or the place in the line of a YAML file, from 1.
    message
        What was found, what was expected.
    """

    file: str
    line: int
    column: str
    message: str

    @property
    def text(self) -> str:
        """The problem with its place, in one line."""
        places = [self.file]
        if self.line:
            places.append(f"line {self.line}")
        if self.column:
            places.append(f"column {self.column}")
        return f"{', '.join(places)}: {self.message}"


def refuse(path: Path, problems: Sequence[Problem]) -> None:
    """Raise one error that lists every problem, if there is any.

    Raises
    ------
    ManifestError
        With one line per problem.
    """
    if not problems:
        return
    listing = "\n".join(f"  {problem.text}" for problem in problems)
    count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    raise ManifestError(f"{path} has {count}; nothing was run:\n{listing}\nCorrect these places.")
