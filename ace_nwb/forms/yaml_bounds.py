"""Bounds on YAML: texts that are nested without end, or whose aliases grow without bounds."""

from collections.abc import Iterator
from typing import Any

import yaml

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
