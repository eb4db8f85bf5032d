"""YAML text → a tree with places → plain data.

The problem: in most readers duplicate keys silently win over each other, and a few aliases blow up into gigabytes
("billion laughs"). The rule: we read the parser's events ourselves; duplicates, further documents, tags and merge
keys are refused; size, depth and the number of values after expanding aliases are bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from yaml import events

from gateway.spec.errors import SpecError, SpecErrors
from gateway.spec.scalars import resolve, substitute
from gateway.spec.source import Node, Source

try:
    from yaml._yaml import CParser as _Parser
except ImportError:  # PyYAML without libyaml: the same events, about ten times slower
    from gateway.spec.slow_yaml import Parser as _Parser  # type: ignore[assignment]

MAX_BYTES: Final = 16 * 1024 * 1024
MAX_DEPTH: Final = 64
MAX_VALUES: Final = 2_000_000


def read_file(path: Path) -> str:
    """The text of a configuration file, at most 16 MiB of UTF-8.

    Raises:
        SpecErrors: it cannot be read, is too large or is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SpecErrors([SpecError(str(path), 1, 1, "", f"cannot be read: {error.strerror}")]) from error
    if len(raw) > MAX_BYTES:
        raise SpecErrors([SpecError(str(path), 1, 1, "", "is larger than 16 MiB")])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SpecErrors([SpecError(str(path), line, 1, "", "is not UTF-8 text")]) from error


def parse(text: str, file: str, variables: Mapping[str, str] | None) -> Source:
    """The tree of a YAML text, variables replaced (None: `${…}` is text like any other).

    Mistakes inside values are noted in `Source.errors`.

    Raises:
        SpecErrors: it is no YAML at all, or more than the bounds allow.
    """
    source = Source(text, file)
    if len(text) > MAX_BYTES:
        source.report_at(1, 1, "is larger than 16 MiB")
        source.stop_on_errors()
    try:
        source.root = _Composer(text, source, variables).document()
    except yaml.MarkedYAMLError as error:
        _report_syntax(source, error)
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        source.report_at(1, 1, f"not valid YAML: {str(error).splitlines()[0]}")
    except _Stop:
        pass  # reported where it was found; there is nothing to go on with
    if source.errors and source.root.value is None:
        source.stop_on_errors()
    return source


def _report_syntax(source: Source, error: yaml.MarkedYAMLError) -> None:
    """What libyaml says, and in plain words what usually lies behind it."""
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    begun = error.context_mark.line + 1 if error.context_mark else line
    text = source.line(line)
    message = f"not valid YAML: {error.problem or error.context}"
    if begun != line:
        message += f" (in what begins on line {begun})"
    if text[column - 1 : column] == "\t":
        message += "; indent with spaces, not with tabs"
    elif "${" in text:
        message += "; inside { } or [ ] put a value with ${…} in quotes, or on a line of its own"
    source.report_at(line, column, message)


class _Stop(Exception):
    """The document cannot be read any further."""


class _Composer:
    """Builds the tree from the parser's events, one method for each kind of node."""

    def __init__(self, text: str, source: Source, variables: Mapping[str, str] | None) -> None:
        self._next: Callable[[], Any] = _Parser(text).get_event
        self._source = source
        self._variables = variables
        self._anchors: dict[str, Node] = {}

    def document(self) -> Node:
        """The only document of the stream."""
        self._next()  # stream start
        if isinstance(event := self._next(), events.StreamEndEvent):
            self._source.report_at(1, 1, "the file is empty")
            raise _Stop
        root = self._node(self._next(), 0)
        self._next()  # document end
        if not isinstance(event := self._next(), events.StreamEndEvent):
            self._stop(event, "only one document may stand in a file; remove everything from here on")
        return root

    def _node(self, event: Any, depth: int) -> Node:
        if type(event) is events.ScalarEvent:
            node = self._scalar(event)
        elif type(event) is events.AliasEvent:
            return self._alias(event)
        elif depth >= MAX_DEPTH:
            self._stop(event, f"nested deeper than {MAX_DEPTH} levels")
        elif type(event) is events.MappingStartEvent:
            node = self._mapping(event, depth)
        else:
            node = self._sequence(event, depth)
        if event.tag is not None:
            self._report(event, f'tags like "{event.tag}" are not supported; quotes make a value text')
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _scalar(self, event: Any) -> Node:
        mark = event.start_mark
        text = event.value
        if "${" in text and self._variables is not None:
            try:
                text = substitute(text, self._variables)
            except ValueError as error:
                self._report(event, str(error))
        return Node(resolve(text) if event.implicit[0] else text, mark.line + 1, mark.column + 1)

    def _alias(self, event: Any) -> Node:
        if event.anchor not in self._anchors:
            self._stop(event, f"alias *{event.anchor} has no anchor &{event.anchor} before it")
        return self._anchors[event.anchor]

    def _sequence(self, event: Any, depth: int) -> Node:
        items: list[Node] = []
        mark = event.start_mark
        while type(item := self._next()) is not events.SequenceEndEvent:
            items.append(self._node(item, depth + 1))
        return Node(items, mark.line + 1, mark.column + 1)

    def _mapping(self, event: Any, depth: int) -> Node:
        pairs: dict[str, Node] = {}
        node = Node(pairs, event.start_mark.line + 1, event.start_mark.column + 1)
        while type(key_event := self._next()) is not events.MappingEndEvent:
            key = self._key(key_event)
            value = self._node(self._next(), depth + 1)
            if key in pairs:
                self._report(key_event, f'duplicate key "{key}"; it stands already on line {node.keys[key][0]}')
                continue
            pairs[key] = value
            node.keys[key] = (key_event.start_mark.line + 1, key_event.start_mark.column + 1)
        return node

    def _key(self, event: Any) -> str:
        """A key is its text: neither typed nor substituted, so that a name stays a name."""
        if type(event) is not events.ScalarEvent:
            self._stop(event, "a key must be a word")
        if event.value == "<<" and event.implicit[0]:
            self._report(event, 'merge keys ("<<") left YAML with version 1.2; repeat the lines or use an alias')
        return str(event.value)

    def _report(self, event: Any, message: str) -> None:
        place = (event.start_mark.line + 1, event.start_mark.column + 1)
        self._source.report_at(*place, message)
        self._source.unreadable.add(place)

    def _stop(self, event: Any, message: str) -> Any:
        self._report(event, message)
        raise _Stop


def plain(source: Source) -> Any:
    """The data without places, aliases expanded; lists become tuples, as the models hold them.

    Raises:
        SpecErrors: aliases expand to more than MAX_VALUES values.
    """
    left = MAX_VALUES

    def expand(node: Node) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            source.report_at(node.line, node.column, f"more than {MAX_VALUES} values after expanding aliases")
            source.stop_on_errors()
        value = node.value
        if isinstance(value, dict):
            return {key: expand(child) for key, child in value.items()}
        if isinstance(value, list):
            return tuple([expand(child) for child in value])
        return value

    return expand(source.root)
