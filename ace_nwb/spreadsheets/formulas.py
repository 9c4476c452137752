"""Texts in tables for spreadsheets: none is taken for a formula, and each reads back as it was.

Excel and LibreOffice compute cells that begin with one of `= + - @` (or with a tab or a line end
before), which can run programs and send data away. An apostrophe before them marks a text.
"""

from typing import Any

_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
_MARK = "'"


def as_cell(value: Any) -> Any:
    """Return a value for a cell of a table; numbers stay, a text that computes is marked."""
    return _MARK + value if isinstance(value, str) and _computes(value) else value


def from_cell(text: str) -> str:
    """Return the text that `as_cell` made a cell of."""
    return text[1:] if text.startswith(_MARK) and _computes(text) else text


def _computes(text: str) -> bool:
    """Return whether a text, or one that was marked already, begins like a formula."""
    return text.lstrip(_MARK).startswith(_STARTS)
