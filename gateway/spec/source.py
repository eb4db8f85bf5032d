"""A parsed file: its values with their places, and the mistakes found in it so far.

The problem: after `yaml.safe_load` nobody knows on which line a value stood. The rule: a small tree of nodes, each
with line and column; everything that later finds a mistake names a path, and the place is looked up here.
"""

from __future__ import annotations

from pathlib import Path

from gateway.spec.errors import SpecError, SpecErrors
from gateway.spec.scalars import Scalar

PathTuple = tuple[str | int, ...]


class Node:
    """A value of the file with its place; `keys` are the places of a mapping's keys."""

    __slots__ = ("column", "keys", "line", "value")

    def __init__(self, value: Scalar | list[Node] | dict[str, Node], line: int, column: int) -> None:
        self.value = value
        self.line = line
        self.column = column
        self.keys: dict[str, tuple[int, int]] = {}


class Source:
    """A parsed file: its text, its tree, and the mistakes found so far."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.base_name = Path(file).name
        self.root = Node(None, 1, 1)
        self.errors: list[SpecError] = []
        self.unreadable: set[tuple[int, int]] = set()
        self._lines = text.splitlines()

    def line(self, number: int) -> str:
        """A line of the text, counted from 1; "" beyond its end."""
        return self._lines[number - 1] if 0 < number <= len(self._lines) else ""

    def report_at(
        self, line: int, column: int, message: str, suggestion: str | None = None, path: PathTuple = ()
    ) -> None:
        """Note a mistake at a line and column (both from 1)."""
        text = self.line(line)
        self.errors.append(SpecError(self.file, line, column, spell(path), message, text, suggestion))

    def report(self, path: PathTuple, message: str, suggestion: str | None = None, *, key: bool = False) -> None:
        """Note a mistake in the value at `path`, or in its key; what is absent is reported at its parent.

        A value that could not even be read is skipped: what follows from that would only confuse.
        """
        place = self.place(path, key=key)
        if place not in self.unreadable:
            self.report_at(*place, message, suggestion, path)

    def place(self, path: PathTuple, *, key: bool = False) -> tuple[int, int]:
        """Line and column of the value (or key) at `path`, or of the nearest parent that stands in the file."""
        node, place = self.root, (self.root.line, self.root.column)
        for part in path:
            child = _child(node, part)
            if child is None:
                break
            place = node.keys[part] if key and isinstance(part, str) else (child.line, child.column)
            node = child
        return place

    def where(self, path: PathTuple) -> str:
        """`file:line` of a value, as people and denied clients are told it."""
        return f"{self.base_name}:{self.place(path)[0]}"

    def stop_on_errors(self) -> None:
        """Raise what was reported so far.

        Raises:
            SpecErrors: when there is anything.
        """
        if self.errors:
            raise SpecErrors(self.errors)


def _child(node: Node, part: str | int) -> Node | None:
    if isinstance(node.value, dict) and isinstance(part, str):
        return node.value.get(part)
    if isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
        return node.value[part]
    return None


def spell(path: PathTuple) -> str:
    """`routes[3].filters[0].type`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")
