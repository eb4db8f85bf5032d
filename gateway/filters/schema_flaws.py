"""Why a value does not fit its schema, in plain words.

The problem: engines list what is wrong without an end, and show the values, which may be passwords. The rule: the
schema is walked beside the value, each single rule is asked of the engine (so that both agree), at most `BUDGET` of
them; what is told is the place and the rule, never the value, and at most `MOST` times. What is not found that way is
told of the whole: it does not fit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from gateway.http.messages import Flaw

BUDGET: Final = 1_000
MOST: Final = 10
_LONGEST: Final = 200
_KINDS: Final = {"integer": "a whole number", "number": "a number", "string": "a text", "boolean": "true or false"}
_MORE_KINDS: Final = {"array": "a list", "object": "an object", "null": "null"}
KINDS: Final = _KINDS | _MORE_KINDS
_SAID: Final[Mapping[str, str]] = {
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be more than {}",
    "exclusiveMaximum": "must be less than {}",
    "multipleOf": "must be a multiple of {}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "pattern": "must match {}",
    "format": "is not of the format {}",
    "minItems": "must have at least {} items",
    "maxItems": "must have at most {} items",
    "uniqueItems": "must not have the same item twice",
    "minProperties": "must have at least {} fields",
    "maxProperties": "must have at most {} fields",
    "const": "must be {}",
    "contains": "lacks an item that it must have",
    "dependentRequired": "has a field that wants others beside it",
}

_LINEAR: Final = frozenset(("uniqueItems", "contains", "enum", "const", "pattern", "format"))
"""Rules that look at all of a value: they spend more of the budget."""


class Rule(Protocol):
    """One keyword, asked of the engine."""

    def is_valid(self, instance: Any) -> bool:
        """Whether the value keeps it."""


class _Spent(Exception):
    """The budget is used up, or enough is said."""


def find_flaws(schema: Any, definitions: Mapping[str, Any], value: Any, rule: Callable[[str, str], Rule]) -> list[Flaw]:
    """What is wrong with a value that does not fit."""
    search = _Search(definitions, rule)
    try:
        search.look(schema, value, "#", search.found)
    except (_Spent, RecursionError):
        pass
    return search.found or [Flaw("does not fit its schema", "#")]


def step(pointer: str, part: str | int) -> str:
    """The pointer to what lies below."""
    return pointer if len(pointer) > _LONGEST else f"{pointer}/{quoted(str(part), 60)}"


def quoted(name: str, most: int = 40) -> str:
    """A name that a client chose: bounded, printable, and escaped as in a JSON pointer."""
    short = name[:most] + ("…" if len(name) > most else "")
    return "".join(one if one.isprintable() else "\ufffd" for one in short).replace("~", "~0").replace("/", "~1")


class _Search:
    def __init__(self, definitions: Mapping[str, Any], rule: Callable[[str, str], Rule]) -> None:
        self._definitions = definitions
        self._rule = rule
        self._left = BUDGET
        self.found: list[Flaw] = []

    def look(self, schema: Any, value: Any, at: str, found: list[Flaw]) -> None:
        """Add to `found` what is wrong at `at` and below."""
        self._left -= 1
        if self._left < 0 or len(self.found) >= MOST:
            raise _Spent
        if schema is False:
            found.append(Flaw("must not be there", at))
        if not isinstance(schema, dict):
            return
        before = len(found)
        for keyword, wanted in schema.items():
            if keyword == "type" or keyword == "enum" or keyword in _SAID:
                self._single(keyword, wanted, value, at, found)
            if keyword == "type" and len(found) > before:
                return  # of something else there is nothing more to say
        self._combined(schema, value, at, found)
        if isinstance(value, dict):
            self._fields(schema, value, at, found)
        elif isinstance(value, list):
            self._items(schema, value, at, found)

    def _single(self, keyword: str, wanted: Any, value: Any, at: str, found: list[Flaw]) -> None:
        if keyword in _LINEAR and isinstance(value, list | dict | str):
            self._left -= len(value) // 200
        if not self._rule(keyword, json.dumps(wanted)).is_valid(value):
            found.append(Flaw(_said(keyword, wanted)[:_LONGEST], at))

    def _combined(self, schema: dict[str, Any], value: Any, at: str, found: list[Flaw]) -> None:
        if "$ref" in schema:
            self.look(self._definitions.get(schema["$ref"].removeprefix("#/$defs/"), True), value, at, found)
        for one in schema.get("allOf", ()):
            self.look(one, value, at, found)
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                self._choice(schema[keyword], value, at, found, once=keyword == "oneOf")
        if "not" in schema and not self._tried(schema["not"], value, at):
            found.append(Flaw("has a form that is excluded", at))
        if "if" in schema:
            branch = "else" if self._tried(schema["if"], value, at) else "then"
            self.look(schema.get(branch, True), value, at, found)

    def _tried(self, schema: Any, value: Any, at: str) -> list[Flaw]:
        aside: list[Flaw] = []
        self.look(schema, value, at, aside)
        return aside

    def _choice(self, forms: list[Any], value: Any, at: str, found: list[Flaw], *, once: bool) -> None:
        tried = [self._tried(one, value, at) for one in forms]
        fitting = sum(not flaws for flaws in tried)
        if fitting == 0:
            near = [
                flaws for flaws in tried if not any(one.pointer == at and "must be " in one.detail for one in flaws)
            ]
            found += near[0] if len(near) == 1 else [Flaw(f"fits none of the {len(forms)} forms that it may have", at)]
        elif fitting > 1 and once:
            found.append(Flaw("fits more than one of the forms of which it must have one", at))

    def _fields(self, schema: dict[str, Any], value: dict[str, Any], at: str, found: list[Flaw]) -> None:
        missing = [name for name in schema.get("required", ()) if name not in value]
        found += [Flaw(f"{quoted(name)} is missing", at) for name in missing]
        properties, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
        others = schema.get("additionalProperties", True)
        for name, one in value.items():
            known = name in properties
            if known:
                self.look(properties[name], one, step(at, name), found)
            for pattern, wanted in patterns.items():
                if self._rule("pattern", json.dumps(pattern)).is_valid(name):
                    known = True
                    self.look(wanted, one, step(at, name), found)
            if not known and others is False:
                found.append(Flaw("there is no such field", step(at, name)))
            elif not known:
                self.look(others, one, step(at, name), found)
            if "propertyNames" in schema and self._tried(schema["propertyNames"], name, at):
                found.append(Flaw("is called as no field may be", step(at, name)))

    def _items(self, schema: dict[str, Any], value: list[Any], at: str, found: list[Flaw]) -> None:
        first = schema.get("prefixItems", ())
        for index, one in enumerate(value):
            wanted = first[index] if index < len(first) else schema.get("items", True)
            if wanted is not True:
                self.look(wanted, one, step(at, index), found)


def _said(keyword: str, wanted: Any) -> str:
    if keyword == "type":
        kinds = [wanted] if isinstance(wanted, str) else wanted
        return "must be " + " or ".join(KINDS.get(one, one) for one in kinds)
    if keyword == "enum":
        return "must be one of " + ", ".join(json.dumps(one, ensure_ascii=False) for one in wanted)
    return _SAID[keyword].format(json.dumps(wanted, ensure_ascii=False) if keyword == "const" else wanted)
