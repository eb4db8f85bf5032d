"""Which path template of a document a request's path belongs to.

The problem: `/orders/{id}` and `/orders/latest` both fit `/orders/latest`, and a document of a thousand templates is
asked for every request. The rule: a tree of segments; at each one a concrete name goes before one that holds a
parameter, and that before one which is nothing but a parameter (OpenAPI 3.1.1 section 4.8.8.2, "Path Templating
Matching": concrete before templated). A segment holds at most one parameter, so that there is only one way to read it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

METHODS: Final = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
"""The members of a Path Item Object that are operations."""
PARAMETER: Final = re.compile(r"\{([^{}/]+)\}")
"""A parameter in a template: a name in braces within one segment."""
MAX_OPERATIONS: Final = 2_000
MAX_PATH: Final = 500
"""Of a document: its operations, and the characters of a template, where each becomes something of ours."""


class Found(NamedTuple):
    """A template, and what stands in the places of its parameters, percent-encoded as it came."""

    template: str
    values: Mapping[str, str]


class _Node:
    __slots__ = ("literals", "parts", "template", "whole")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.parts: list[tuple[str, str, _Node]] = []
        """Prefix, suffix; the longest together first."""
        self.whole: _Node | None = None
        self.template: str | None = None


class Paths:
    """The templates of a document."""

    def __init__(self, templates: Iterable[str] = ()) -> None:
        self._root = _Node()
        self._names: dict[str, tuple[str, ...]] = {}
        for one in templates:
            self.add(one)

    def add(self, template: str) -> None:
        """Add a template that `check_template` finds nothing wrong with.

        Raises:
            ValueError: it means the same as one that is there already.
        """
        node = self._root
        for segment in template.split("/")[1:]:
            node = _below(node, segment)
        if node.template is not None:
            raise ValueError(f"{node.template} and {template} are the same path")
        node.template = template
        self._names[template] = parameters_of(template)

    def find(self, path: str) -> Found | None:
        """The template that `path` belongs to, if any."""
        values: list[str] = []
        template = _search(self._root, path.split("/")[1:], 0, values)
        return None if template is None else Found(template, dict(zip(self._names[template], values, strict=True)))


def parameters_of(template: str) -> tuple[str, ...]:
    """The names of a template's parameters, in their order."""
    return tuple(PARAMETER.findall(template))


def check_template(template: str) -> None:
    """Whether it can be read in one way.

    Raises:
        ValueError: a sentence for the one who wrote it.
    """
    if not template.startswith("/"):
        raise ValueError('a path begins with "/"')
    for segment in template.split("/")[1:]:
        rest = PARAMETER.sub("", segment)
        if "{" in rest or "}" in rest:
            raise ValueError("a brace without its partner")
        if len(PARAMETER.findall(segment)) > 1:
            raise ValueError("one segment of a path holds at most one parameter here: which of two begins where?")
    names = parameters_of(template)
    if len(set(names)) < len(names):
        raise ValueError("a parameter stands twice in it")


def _below(node: _Node, segment: str) -> _Node:
    """The node for a segment, made where there is none yet."""
    match = PARAMETER.search(segment)
    if match is None:
        return node.literals.setdefault(segment, _Node())
    prefix, suffix = segment[: match.start()], segment[match.end() :]
    if not prefix and not suffix:
        node.whole = node.whole or _Node()
        return node.whole
    for known in node.parts:
        if known[:2] == (prefix, suffix):
            return known[2]
    node.parts.append((prefix, suffix, _Node()))
    node.parts.sort(key=lambda one: -len(one[0]) - len(one[1]))
    return next(one[2] for one in node.parts if one[:2] == (prefix, suffix))


def _search(node: _Node, segments: list[str], at: int, values: list[str]) -> str | None:
    """Depth first; at most as many steps as the tree has nodes."""
    if at == len(segments):
        return node.template
    segment = segments[at]
    child = node.literals.get(segment)
    found = None if child is None else _search(child, segments, at + 1, values)
    if found is not None or not segment:  # a parameter is never empty
        return found
    for prefix, suffix, child in node.parts:
        inside = len(segment) - len(prefix) - len(suffix)
        if inside > 0 and segment.startswith(prefix) and segment.endswith(suffix):
            found = _with(child, segments, at, values, segment[len(prefix) : len(prefix) + inside])
            if found is not None:
                return found
    return None if node.whole is None else _with(node.whole, segments, at, values, segment)


def _with(node: _Node, segments: list[str], at: int, values: list[str], value: str) -> str | None:
    values.append(value)
    found = _search(node, segments, at + 1, values)
    if found is None:
        values.pop()
    return found
