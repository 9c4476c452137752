"""Where in a YAML file a key stands."""

from collections.abc import Sequence
from typing import Any

import yaml

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
