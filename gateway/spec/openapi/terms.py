"""The keywords of schemas, by what they hold; and walks over schemas that follow from it.

The rule: whoever reads documents, compiles contracts or follows bodies knows the same keywords.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

LEAVES: Final = frozenset(
    [
        "type",
        "enum",
        "const",
        "multipleOf",
        "maximum",
        "exclusiveMaximum",
        "minimum",
        "exclusiveMinimum",
        "maxLength",
        "minLength",
        "pattern",
        "maxItems",
        "minItems",
        "uniqueItems",
        "maxContains",
        "minContains",
        "maxProperties",
        "minProperties",
        "required",
        "dependentRequired",
        "format",
        "readOnly",
        "writeOnly",
    ]
)
ONE: Final = frozenset(
    [
        "items",
        "additionalProperties",
        "unevaluatedItems",
        "unevaluatedProperties",
        "not",
        "contains",
        "propertyNames",
        "if",
        "then",
        "else",
    ]
)
"""They hold a schema."""
MANY: Final = frozenset(("allOf", "anyOf", "oneOf", "prefixItems"))
"""They hold a list of schemas."""
NAMED: Final = frozenset(("properties", "patternProperties", "dependentSchemas"))
"""They hold schemas by name."""


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """A schema and all that stand in it; references are not followed."""
    if not isinstance(schema, dict):
        return
    yield schema
    for key, value in schema.items():
        below = [value] if key in ONE else value if key in MANY else value.values() if key in NAMED else ()
        for one in below:
            yield from parts(one)


def in_place(schema: Any, definitions: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A schema and those that speak of the same value: references, and the parts that it is put together from."""
    found: list[dict[str, Any]] = []
    seen: set[int] = set()
    left = [schema]
    while left:
        one = left.pop()
        if not isinstance(one, dict) or id(one) in seen:
            continue
        seen.add(id(one))
        found.append(one)
        if "$ref" in one:
            left.append(referred(one, definitions))
        left += [part for key in ("allOf", "anyOf", "oneOf") for part in one.get(key, ())]
        left += [one[key] for key in ("if", "then", "else") if key in one]
        left += one.get("dependentSchemas", {}).values()
    return found


def referred(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Any:
    """What a schema's `$ref` names."""
    return definitions.get(str(schema["$ref"]).removeprefix("#/$defs/"), True)


def reachable(schema: Any, definitions: Mapping[str, Any]) -> dict[str, Any]:
    """The definitions that a schema needs, directly or through others."""
    found: dict[str, Any] = {}
    left = [schema]
    while left:
        for one in parts(left.pop()):
            name = str(one.get("$ref", "")).removeprefix("#/$defs/")
            if name in definitions and name not in found:
                found[name] = definitions[name]
                left.append(definitions[name])
    return found
