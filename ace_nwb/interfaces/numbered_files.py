"""Movie files that are numbered: their order, and the gaps in their numbers."""

import re
from dataclasses import dataclass
from pathlib import Path

from ace_nwb.errors import MovieError

MOST_MISSING = 1000
"""With more gaps than this the numbers are no numbering."""


@dataclass(frozen=True)
class NumberedFiles:
    """Files by number: those that are there, those that are not, and all of them in order."""

    present: tuple[Path, ...]
    missing: tuple[Path, ...]
    ordered: tuple[Path, ...]


def list_numbered(folder_path: Path, pattern: re.Pattern[str], *, first: int) -> NumberedFiles:
    """Return the files whose whole name matches, in numeric order, never by age or text.

    Parameters
    ----------
    folder_path
        Where to look.
    pattern
        Its first group is the number.
    first
        Number of the first file.

    Raises
    ------
    MovieError
        If there is none, or a number comes twice.
    """
    numbered = {
        path: int(match.group(1))
        for path in folder_path.iterdir()
        if (match := pattern.fullmatch(path.name)) and path.is_file()
    }
    if not numbered:
        raise MovieError(
            f"{folder_path} holds no movie",
            f"Files {first}.avi, {first + 1}.avi, ... were expected; copy them from the "
            "acquisition computer.",
        )
    ordered = sorted(numbered, key=lambda path: (numbered[path], path.name))
    numbers = [numbered[path] for path in ordered]
    last = max(numbers)
    is_twice = len(set(numbers)) < len(numbers)
    if is_twice or min(numbers) < first or last - first + 1 - len(numbers) > MOST_MISSING:
        raise MovieError(
            f"{folder_path} holds the movies {', '.join(path.name for path in ordered[:50])}",
            f"Each number from {first} to {last} was expected once; find the missing file or move "
            "the extra one away.",
        )
    by_number = dict(zip(numbers, ordered, strict=True))
    model = ordered[0]
    missing = {
        number: _named_like(model, numbered[model], number)
        for number in range(first, last + 1)
        if number not in by_number
    }
    every = by_number | missing
    return NumberedFiles(
        present=tuple(ordered),
        missing=tuple(missing.values()),
        ordered=tuple(every[number] for number in sorted(every)),
    )


def _named_like(model: Path, model_number: int, number: int) -> Path:
    """Return the path of a file that is not there, named as the others are."""
    stem, _, tail = model.stem.rpartition(str(model_number))
    return model.with_name(f"{stem}{number}{tail}{model.suffix}")
