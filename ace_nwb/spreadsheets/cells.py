"""One cell of a spreadsheet in all its forms: TRUE, None, (7,7), "{'x0': ...}", numbers as text.

Every function returns a value or raises `CellError` that names the accepted forms.
"""

import ast
import math
import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

EMPTY = frozenset({"", "none", "na", "n/a", "nan", "null", "-"})
_TRUE, _FALSE = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0"})
_QUOTES = "\"'“”‘’"
_CORNERS = ("x0", "y0", "x1", "y1")
_DRIVE = re.compile(r"^[A-Za-z]:\\")

Reader = Callable[[str], Any]


class CellError(ValueError):
    """A cell that has none of the accepted forms; the message names these."""


def clean(cell: str) -> str:
    """Return a cell without blanks and quotes around it; empty for every sign of "nothing"."""
    text = cell.replace("\u00a0", " ").strip()
    while len(text) > 1 and text[0] in _QUOTES and text[-1] in _QUOTES:
        text = text[1:-1].strip()
    return "" if text.lower() in EMPTY else text


def read_text(text: str) -> str:
    """Return the text."""
    return text


def read_number(text: str) -> float:
    """Return a finite number; a decimal comma and a unit sign behind it are understood."""
    body = text.removesuffix("%").strip()
    if re.fullmatch(r"[+-]?\d+,\d+", body):
        body = body.replace(",", ".")
    try:
        value = float(body)
    except ValueError:
        raise CellError("a number such as 0.35") from None
    if not math.isfinite(value):
        raise CellError("a number such as 0.35")
    return value


def read_count(text: str) -> int:
    """Return a whole number, also one written 3.0 or 001."""
    value = _number_or(text, "a whole number such as 3")
    if value != int(value):
        raise CellError("a whole number such as 3")
    return int(value)


def read_line_number(text: str) -> str:
    """Return the key of a row: "001", "1" and "1.0" are the same line."""
    try:
        return str(read_count(text))
    except CellError:
        return text


def read_flag(text: str) -> bool:
    """Return whether a cell says TRUE or FALSE."""
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise CellError("TRUE or FALSE")


def read_date(text: str) -> date:
    """Return a date written YYMMDD; a leading zero may have been lost, or .0 added."""
    digits = text.removesuffix(".0")
    if re.fullmatch(r"\d{5,6}", digits):
        digits = digits.zfill(6)
        try:
            return datetime.strptime(digits, "%y%m%d").date()
        except ValueError:
            pass
    raise CellError("a date YYMMDD such as 250612")


def read_pair(text: str) -> tuple[float, float]:
    """Return two numbers; one number stands for both."""
    numbers = _numbers(text, "two numbers such as (7,7), or one")
    if len(numbers) == 1:
        return numbers[0], numbers[0]
    if len(numbers) != 2:
        raise CellError("two numbers such as (7,7), or one")
    return numbers[0], numbers[1]


def read_list(text: str) -> list[float]:
    """Return any number of numbers: [0, 2], (0,2), "0;2" or 0."""
    return _numbers(text, "numbers such as [0, 2]")


def read_periods(text: str) -> list[tuple[float, float]]:
    """Return stretches: (0, 600), [[0, 600], [900, 1200]], "0-600; 900-1200"."""
    form = "start and stop such as (0,600), or several as [(0,600),(900,1200)]"
    spans = re.fullmatch(r"\s*\d[\d.]*\s*-\s*\d[\d.]*(\s*;\s*\d[\d.]*\s*-\s*\d[\d.]*)*\s*", text)
    if spans:
        pairs = [tuple(float(v) for v in part.split("-")) for part in text.split(";")]
    else:
        value = _literal(text, form)
        nested = isinstance(value, (list, tuple)) and any(
            isinstance(v, (list, tuple)) for v in value
        )
        items = list(value) if nested else [value]
        pairs = [tuple(_flat_numbers(item, form)) for item in items]
        if len(pairs) == 1 and len(pairs[0]) > 2 and len(pairs[0]) % 2 == 0:
            flat = pairs[0]
            pairs = [(flat[i], flat[i + 1]) for i in range(0, len(flat), 2)]
    for pair in pairs:
        if len(pair) != 2 or pair[1] <= pair[0]:
            raise CellError(form + ", each with stop after start")
    return [(pair[0], pair[1]) for pair in pairs]


def read_baseline(text: str) -> list[tuple[float, float]] | float:
    """Return the minutes of a baseline: one number (its length) or start and stop."""
    try:
        return read_number(text)
    except CellError:
        return read_periods(text)


def read_box(text: str) -> tuple[float, float, float, float]:
    """Return a crop box x0, y0, x1, y1: (95,482, 491,103) or {'x0': 95, 'y0': 482, ...}."""
    form = "a box (x0,y0,x1,y1) such as (95,482,491,103), or {'x0': 95, 'y0': 482, ...}"
    value = _literal(text, form)
    if isinstance(value, dict):
        lowered = {str(key).strip().lower(): corner for key, corner in value.items()}
        if set(lowered) != set(_CORNERS):
            raise CellError(form)
        value = [lowered[name] for name in _CORNERS]
    numbers = _flat_numbers(value, form)
    if len(numbers) != 4:
        raise CellError(form)
    x0, y0, x1, y1 = numbers
    if round(x0) == round(x1) or round(y0) == round(y1):
        raise CellError(f"{form}, not an empty one")
    return x0, y0, x1, y1


def read_paths(text: str) -> list[str]:
    """Return folders joined by semicolons, with forward slashes."""
    parts = [part.strip().strip(_QUOTES).strip() for part in text.split(";")]
    paths = [_posix(part) for part in parts if part]
    if not paths:
        raise CellError("a folder, or two joined by a semicolon")
    return paths


def read_names(text: str) -> list[str]:
    """Return names joined by semicolons."""
    return [part.strip().strip(_QUOTES) for part in text.split(";") if part.strip(_QUOTES + " ")]


def _posix(path: str) -> str:
    """Return a path with forward slashes; those of Windows shares stay as they are."""
    if path.startswith("\\\\") or _DRIVE.match(path):
        return path
    return path.replace("\\", "/")


def _number_or(text: str, form: str) -> float:
    try:
        return read_number(text)
    except CellError:
        raise CellError(form) from None


def _numbers(text: str, form: str) -> list[float]:
    """Return the numbers of a literal, or of a text joined by semicolons."""
    if ";" in text and not text.startswith(("(", "[", "{")):
        return [_number_or(part.strip(), form) for part in text.split(";") if part.strip()]
    return _flat_numbers(_literal(text, form), form)


def _literal(text: str, form: str) -> Any:
    """Return a Python literal; brackets may be missing around numbers."""
    for candidate in (text, text.lstrip("0") or "0", f"({text})"):
        try:
            return ast.literal_eval(candidate.replace(";", ","))
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    raise CellError(form)


def _flat_numbers(value: Any, form: str) -> list[float]:
    """Return numbers, also those written as texts."""
    items = value if isinstance(value, (list, tuple)) else [value]
    numbers = []
    for item in items:
        if isinstance(item, bool) or not isinstance(item, (int, float, str)):
            raise CellError(form)
        numbers.append(_number_or(str(item), form))
    return numbers
