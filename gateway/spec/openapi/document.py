"""An OpenAPI document as data, and on which line each value of it stands.

The problem: "the schema is wrong" helps nobody in a document of three thousand lines. The rule: YAML is read by the
reader of our own configurations (places, no duplicate keys, no aliases that explode), JSON strictly; whoever finds a
mistake names a path, and gets the file and the line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from gateway.spec.errors import SpecErrors
from gateway.spec.reading import parse, plain
from gateway.spec.source import PathTuple, Source

MAX_BYTES: Final = 4 * 1_048_576
Where = PathTuple
"""The way to a value: keys and positions."""


class Document:
    """What the file says; lists may be tuples."""

    def __init__(self, name: str, data: Mapping[str, Any], source: Source | None = None) -> None:
        self.name = name
        self.data = data
        self._source = source

    def place(self, where: Where) -> str:
        """`orders.yaml:41`; of JSON, which has no lines that matter, the pointer."""
        if self._source is None:
            return f"{self.name} at {pointer(where)}"
        return self._source.where(where)

    def follow(self, reference: str) -> tuple[Where, Any]:
        """Where a `$ref` leads, and what stands there.

        Raises:
            ValueError: out of this file, or to nothing; a sentence for the one who wrote it.
        """
        if not reference.startswith("#/"):
            raise ValueError(f"{reference[:100]!r} leads out of this file: nothing is fetched, put it in here")
        found = standing_at(self.data, reference)
        if found is None:
            raise ValueError(f"{reference[:100]!r} leads to nothing")
        return found


def pointer(where: Where) -> str:
    """A JSON pointer as a URI fragment, as RFC 9457 shows it (RFC 6901 section 6; not percent-encoded)."""
    return "#" + "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in where)


def standing_at(data: Mapping[str, Any], reference: str) -> tuple[Where, Any] | None:
    """Where a reference within one document leads, and what stands there (RFC 6901 section 6; not percent-encoded)."""
    where: list[str | int] = []
    node: Any = data
    for part in reference.removeprefix("#").split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(node, Mapping) and key in node:
            node = node[key]
            where.append(key)
        elif isinstance(node, list | tuple) and key.isdecimal() and int(key) < len(node):
            node = node[int(key)]
            where.append(int(key))
        else:
            return None
    return tuple(where), node


def read_document(file: str) -> Document:
    """The document in `file`, whatever it says.

    Raises:
        ValueError: it cannot be read; a sentence, with the line where there is one.
    """
    name = Path(file).name
    try:
        with Path(file).open("rb") as opened:
            raw = opened.read(MAX_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise ValueError(f"{name} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is not UTF-8: {error.reason}") from None
    if len(raw) > MAX_BYTES:
        raise ValueError(f"{name} is larger than {MAX_BYTES} bytes")
    source = None if text.lstrip().startswith("{") else _yaml(text, name)
    data = _json(text, name) if source is None else plain(source)
    if not isinstance(data, dict):
        raise ValueError(f"{name} is no OpenAPI document: it is not a mapping")
    return Document(name, data, source)


def _yaml(text: str, name: str) -> Source:
    try:
        source = parse(text, name, None)
        source.stop_on_errors()
        plain(source)
    except SpecErrors as errors:
        first = errors.errors[0]
        raise ValueError(f"{name}:{first.line}: {first.message}") from None
    return source


def _json(text: str, name: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(key for index, (key, _) in enumerate(pairs) if key in dict(pairs[:index]))
            raise ValueError(f"{name}: the member {twice[:100]!r} stands twice in one object")
        return found

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise ValueError(f"{name}:{error.lineno}: not valid JSON: {error.msg}") from None
    except RecursionError:
        raise ValueError(f"{name} is nested too deeply") from None
