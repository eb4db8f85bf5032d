"""Simple types of XML Schema, and what they are in JSON and in JSON Schema.

The problem: a document that says less than the contract invites mistakes, one that says more is a lie. The rule:
whatever has the same meaning in both goes into the JSON Schema, anything else is left out; the contract itself judges
every message. Dates stay texts: xs:date may have a time zone and xs:dateTime may have none, so neither is RFC 3339.
(W3C XML Schema Part 2; JSON Schema 2020-12, validation.)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gateway.spec.contract import XSD

if TYPE_CHECKING:
    from lxml import etree

_ONLY_XSD: Final = re.compile(r"\\[icICpP]|-\[|\^|\$|\(\?")
"""What means something else in ECMA-262: escapes and subtraction of XSD; ^ and $, which are plain characters there."""
_LENGTHS: Final = {
    "minLength": ("minLength",),
    "maxLength": ("maxLength",),
    "length": ("minLength", "maxLength"),
}
_BOUNDS: Final = {
    "minInclusive": "minimum",
    "maxInclusive": "maximum",
    "minExclusive": "exclusiveMinimum",
    "maxExclusive": "exclusiveMaximum",
}


@dataclass(frozen=True)
class Simple:
    """A simple type."""

    name: str
    """That of the built-in type it comes from."""
    json: str
    """The type in JSON: string, integer, number, boolean, or array (a list)."""
    schema: Mapping[str, Any]
    """What JSON Schema can say besides the type."""
    item: Simple | None = None
    """Of a list."""
    keeps_space: bool = False
    """Whether white space around and inside of a text counts."""


def _integers(**bounds: tuple[int | None, int | None]) -> dict[str, Simple]:
    found = {}
    for name, (least, most) in bounds.items():
        limits = {"minimum": least, "maximum": most}
        found[name] = Simple(name, "integer", {key: value for key, value in limits.items() if value is not None})
    return found


def _strings(*names: str) -> dict[str, Simple]:
    return {name: Simple(name, "string", {"description": f"xs:{name}"}) for name in names}


BUILTINS: Final[Mapping[str, Simple]] = {
    "string": Simple("string", "string", {}, keeps_space=True),
    "normalizedString": Simple("normalizedString", "string", {}, keeps_space=True),
    "boolean": Simple("boolean", "boolean", {}),
    "decimal": Simple("decimal", "number", {}),
    "float": Simple("float", "number", {}),
    "double": Simple("double", "number", {}),
    **_integers(
        integer=(None, None), int=(-(2**31), 2**31 - 1), long=(-(2**63), 2**63 - 1), short=(-(2**15), 2**15 - 1),
        byte=(-128, 127), nonNegativeInteger=(0, None), positiveInteger=(1, None), nonPositiveInteger=(None, 0),
        negativeInteger=(None, -1), unsignedInt=(0, 2**32 - 1), unsignedLong=(0, 2**64 - 1),
        unsignedShort=(0, 2**16 - 1), unsignedByte=(0, 255),
    ),
    **_strings(
        "token", "language", "Name", "NCName", "NMTOKEN", "ID", "IDREF", "anyURI", "date", "dateTime", "time",
        "duration", "gYear", "gYearMonth", "gMonth", "gMonthDay", "gDay", "base64Binary", "hexBinary",
        "anySimpleType",
    ),
}  # fmt: skip


def restricted(base: Simple, node: etree._Element) -> Simple:
    """A type by restriction: `node` is the xs:restriction."""
    said: dict[str, Any] = dict(base.schema)
    allowed, patterns = [], []
    for facet in node:
        kind, value = str(facet.tag).removeprefix(XSD), facet.get("value", "")
        if kind == "enumeration":
            allowed.append(value)
        elif kind == "pattern":
            patterns.append(value)
        elif base.json == "string" and base.keeps_space and kind in _LENGTHS:
            said |= dict.fromkeys(_LENGTHS[kind], int(value))
        elif base.json == "integer" and kind in _BOUNDS:
            said[_BOUNDS[kind]] = int(value)
    if allowed and base.json == "string":
        said["enum"] = allowed
    if patterns and base.json == "string" and not any(map(_ONLY_XSD.search, patterns)):
        said["pattern"] = f"^(?:{'|'.join(patterns)})$"
    return Simple(base.name, base.json, said, base.item, base.keeps_space)
