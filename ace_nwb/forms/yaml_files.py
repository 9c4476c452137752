"""YAML as the people mean it who type it, with the line of every fault.

YAML 1.1 reads `017` as 15, `15:26:31` as 55591, `no` as false, and `2025-13-06` not at all. Here
numbers are decimal, true and false are spelt out, and dates stay texts that models check. What is
no text here is none in YAML 1.1 either, so that what PyYAML writes is read back as it was.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ace_nwb.errors import AceNwbError
from ace_nwb.forms.places import Place, find_double_keys, find_place
from ace_nwb.forms.yaml_bounds import BoundedLoader

_TAG = "tag:yaml.org,2002:"
_SIGNED = list("-+.0123456789")
_PLAIN = {
    f"{_TAG}bool": (r"(true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    f"{_TAG}int": (r"[-+]?(0|[1-9][0-9]*)$", _SIGNED),
    f"{_TAG}float": (
        r"([-+]?[0-9]+\.[0-9]*([eE][-+][0-9]+)?|\.[0-9]+([eE][-+][0-9]+)?"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$",
        _SIGNED,
    ),
}
_REASONS = {
    "found character '\\t' that cannot start any token": "a tab; indent with spaces",
    "mapping values are not allowed here": "a second colon in the line, or an indent too many; put "
    "texts with colons in quotes",
    "expected <block end>, but found '<block mapping start>'": "an indent that fits no line above",
    "could not find expected ':'": "no colon behind the key",
}
"""What PyYAML says -> what a person has to change."""


class _Loader(BoundedLoader):
    """Reads plain numbers, true and false; everything else is text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag in (f"{_TAG}null", f"{_TAG}merge")]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _tag, (_pattern, _first) in _PLAIN.items():
    _Loader.add_implicit_resolver(_tag, re.compile(_pattern), _first)


class YamlError(Exception):
    """A text that is no YAML: where, and why."""

    def __init__(self, reason: str, line: int = 0, column: int = 0) -> None:
        super().__init__(reason)
        self.line, self.column = line, column


@dataclass(frozen=True)
class YamlText:
    """The content of a YAML text, {} if it says nothing, and where its keys stand."""

    content: Any
    root: yaml.Node | None = None
    doubles: list[tuple[str, Place]] = field(default_factory=list)

    def find_place(self, path: Sequence[Any]) -> Place:
        """Return (line, column) of a key, or of the nearest thing around it that exists."""
        return find_place(self.root, path)


def parse_yaml(text: str) -> YamlText:
    """Read a YAML text.

    Raises
    ------
    YamlError
        If it is no YAML.
    """
    try:
        root, content = _load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = str(getattr(error, "problem", None) or error)
        place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise YamlError(_REASONS.get(reason, reason), *place) from error
    except (ValueError, TypeError, OverflowError, AttributeError, RecursionError) as error:
        raise YamlError(str(error)) from error
    return YamlText({} if content is None else content, root, find_double_keys(root))


def _load(text: str) -> tuple[yaml.Node | None, Any]:
    """Return the root of a YAML text and its content."""
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        return root, None if root is None else loader.construct_document(root)
    finally:
        loader.dispose()


def read_yaml(
    file_path: Path, *, expected: str, error: type[AceNwbError], doubles: bool = False
) -> YamlText:
    """Read a YAML file.

    Parameters
    ----------
    file_path
        The file, UTF-8.
    expected
        What it should be, in words, such as "a YAML file of session metadata".
    error
        What is raised if it is not.
    doubles
        Whether the caller tells of keys that stand twice itself.
    """
    try:
        found = parse_yaml(file_path.read_text(encoding="utf-8-sig"))
    except OSError as problem:
        raise error(
            f"{file_path} cannot be read ({problem.strerror}). {expected} was expected; check the "
            "path."
        ) from problem
    except UnicodeDecodeError as problem:
        raise error(
            f"{file_path} is not UTF-8 text. {expected} was expected; save it as UTF-8."
        ) from problem
    except YamlError as problem:
        where = f", line {problem.line}" if problem.line else ""
        raise error(
            f"{file_path}{where}: no YAML ({problem}). {expected} was expected, with lines such as "
            "'key: value'; correct the place."
        ) from problem
    if found.doubles and not doubles:
        key, (line, _) = found.doubles[0]
        raise error(
            f"{file_path}, line {line}: {key!r} stands twice. Each key was expected once; take one "
            "of the two lines out."
        )
    return found
