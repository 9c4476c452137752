"""YAML as the people mean it who type it, with the line of every fault.

YAML 1.1 reads `017` as 15, `15:26:31` as 55591, `no` as false, and `2025-13-06` not at all. Here
numbers are decimal, true and false are spelt out, and dates stay texts that models check. What is
no text here is none in YAML 1.1 either, so that what PyYAML writes is read back as it was.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ace_nwb.errors import AceNwbError

MOST_VALUES = 1_000_000
"""Values of a text with every alias written out. 10,000 sessions with 40 entries each make
400,000; nine nested lists of nine aliases make 400,000,000 out of 500 bytes."""

DEEPEST = 100
"""Lists within lists. What we read is less than 10 deep; the reader is recursive and ends at some
300."""


class BoundedLoader(yaml.SafeLoader):
    """A safe loader that follows no text deeper than its bound, and whose aliases stay few."""

    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Return the next node; see PyYAML."""
        self._depth += 1
        try:
            if self._depth > DEEPEST:
                raise _unbounded(self.peek_event(), f"it is nested more than {DEEPEST} deep")
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def get_single_node(self) -> yaml.Node | None:
        """Return the root; its aliases are counted before anything is made of them."""
        root: yaml.Node | None = super().get_single_node()
        if root is not None:
            _count(root, {}, [])
        return root


def _count(node: yaml.Node, sizes: dict[int, int], open_nodes: list[int]) -> int:
    """Return the number of values below a node, each alias as often as it stands."""
    if id(node) in open_nodes:
        raise _unbounded(node, "an alias stands within what it stands for")
    if id(node) in sizes:
        return sizes[id(node)]
    open_nodes.append(id(node))
    size = 1 + sum(_count(child, sizes, open_nodes) for child in _children(node))
    open_nodes.pop()
    if size > MOST_VALUES:
        raise _unbounded(node, f"its aliases make more than {MOST_VALUES:,} values")
    sizes[id(node)] = size
    return size


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for pair in node.value:
            yield from pair
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def _unbounded(place: Any, problem: str) -> yaml.YAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=place.start_mark)


Place = tuple[int, int]
"""(line, column), both from 1."""


def find_place(root: yaml.Node | None, path: Sequence[Any]) -> Place:
    """Return the place of a key or value, or of the nearest thing around it that exists."""
    node, mark = root, root.start_mark if root is not None else None
    for part in path:
        found = _step(node, part)
        if found is None:
            break
        mark, node = found
    return (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)


def find_double_keys(root: yaml.Node | None) -> list[tuple[str, Place]]:
    """Return keys that stand twice in one mapping, which YAML readers overlook."""
    found = []
    pending = [root] if root is not None else []
    while pending:
        node = pending.pop()
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                if key.value in seen:
                    mark = key.start_mark
                    found.append((str(key.value), (mark.line + 1, mark.column + 1)))
                seen.add(key.value)
                pending.append(value)
        elif isinstance(node, yaml.SequenceNode):
            pending += node.value
    return found


def _step(node: yaml.Node | None, part: Any) -> tuple[Any, yaml.Node] | None:
    """Return the mark and the node of a child."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key.start_mark, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        child = node.value[part]
        return child.start_mark, child
    return None


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
