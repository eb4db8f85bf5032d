"""Texts of an address, a header or a form, and the values that they stand for.

The rule: a text becomes a number or a boolean only if its schema asks for one and it is spelled as JSON spells it;
percent-encoding is decoded strictly.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import unquote_to_bytes

from gateway.filters.strict_json import DIGITS

_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONSTANTS: Final = {"true": True, "false": False}
_MAX_NESTING: Final = 4


class Unreadable(Exception):
    """A parameter cannot be taken for what the document says; a sentence for the client."""


class Shape(NamedTuple):
    """What a schema says of a value's kind; of unions, all kinds."""

    kinds: frozenset[str]
    """Of JSON Schema's types; empty: any."""
    items: Shape | None
    fields: Mapping[str, Shape]

    def may_be(self, kind: str) -> bool:
        """Whether the schema speaks of this kind."""
        return kind in self.kinds


def shape_of(schema: Any, definitions: Mapping[str, Any], nesting: int = 0) -> Shape:
    """The shape of a schema, as far as parameters can be: a list or an object of plain values."""
    kinds: set[str] = set()
    items: Shape | None = None
    fields: dict[str, Shape] = {}
    if not isinstance(schema, dict) or nesting > _MAX_NESTING:
        return Shape(frozenset(), None, {})
    told = schema.get("type")
    kinds |= {told} if isinstance(told, str) else set(told or ())
    values = [*schema.get("enum", ()), *([schema["const"]] if "const" in schema else ())]
    if told is None:
        kinds |= {_kind(one) for one in values}
    if "items" in schema:
        items = shape_of(schema["items"], definitions, nesting + 1)
    for name, one in schema.get("properties", {}).items():
        fields[name] = shape_of(one, definitions, nesting + 1)
    parts = [one for key in ("allOf", "anyOf", "oneOf") for one in schema.get(key, ())]
    if "$ref" in schema:
        parts.append(definitions.get(schema["$ref"].removeprefix("#/$defs/"), True))
    for part in parts:
        more = shape_of(part, definitions, nesting + 1)
        kinds, items, fields = kinds | more.kinds, items or more.items, {**more.fields, **fields}
    return Shape(frozenset(kinds), items, fields)


def _kind(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", dict: "object", list: "array"}
    return names.get(type(value), "null")


def typed(text: str, shape: Shape | None) -> Any:
    """The value that a text stands for; the text itself where the schema asks for nothing else or it is spelled so."""
    kinds = shape.kinds if shape is not None else frozenset()
    if ("integer" in kinds or "number" in kinds) and len(text) <= DIGITS:
        if _INTEGER.fullmatch(text):
            return int(text)
        if "number" in kinds and _NUMBER.fullmatch(text) and math.isfinite(float(text)):
            return float(text)
    if "boolean" in kinds and text in _CONSTANTS:
        return _CONSTANTS[text]
    if "null" in kinds and text == "" and "string" not in kinds:
        return None
    return text


def decoded(raw: str, *, plus: bool) -> str:
    """A percent-encoded text.

    Raises:
        Unreadable: an escape that is none, or no UTF-8.
    """
    if "%" not in raw and not (plus and "+" in raw):
        return raw
    if _BAD_ESCAPE.search(raw):
        raise Unreadable("holds a % that begins no escape")
    try:
        return unquote_to_bytes(raw.replace("+", " ") if plus else raw).decode()
    except UnicodeDecodeError:
        raise Unreadable("is not UTF-8") from None
