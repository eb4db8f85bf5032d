"""Schemas of a document, brought into the one form that workers check by: JSON Schema 2020-12, and nothing idle in it.

The problem: OpenAPI 3.0 has a dialect of its own, references may lead anywhere, and a keyword that is spelled wrongly
checks nothing without telling anybody. The rule: what is known is copied, what only describes is left out, what differs
in 3.0 is said in the words of 2020-12, what a `discriminator` says becomes a choice that can be checked, and everything
else is a mistake with its line. Every component that is used stands once in `definitions`; references name it there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import jsonschema_rs

from gateway.spec.errors import nearest
from gateway.spec.openapi.document import Document, Where
from gateway.spec.openapi.terms import LEAVES, MANY, NAMED, ONE, parts, reachable

IDLE: Final = frozenset(
    [
        "title",
        "description",
        "default",
        "example",
        "examples",
        "externalDocs",
        "xml",
        "deprecated",
        "$comment",
        "contentEncoding",
        "contentMediaType",
        "contentSchema",
        "$schema",
        "$defs",
        "definitions",
        "discriminator",
        "nullable",
    ]
)
"""What only describes, or is read together with another keyword."""
_NOT_HERE: Final = frozenset(
    ["$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor", "$vocabulary"]
)
_INTEGERS: Final = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
"""OpenAPI format registry: what a number of this format can be."""
_BASE64: Final = r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
PATTERNS: Final = jsonschema_rs.RegexOptions(size_limit=1 << 20, dfa_size_limit=1 << 20)
"""The engine whose time is linear in the text, whatever the pattern: no look-around, no back-references (CWE-1333)."""

Report = Callable[[Where, str], None]


class Schemas:
    """Collects what a document's schemas need."""

    def __init__(self, document: Document, report: Report, *, old: bool) -> None:
        self.definitions: dict[str, Any] = {}
        self._document = document
        self._report = report
        self._old = old
        """Whether the document is OpenAPI 3.0."""
        self._where: dict[str, Where] = {}
        self._names: dict[Where, str] = {}

    def read(self, node: Any, where: Where) -> Any:
        """A schema of the document in the form for workers; mistakes are reported."""
        found = self._schema(node, where)
        self._check(found, where)
        return found

    def finish(self) -> None:
        """Look at what can only be seen when everything has been read."""
        for name, schema in self.definitions.items():
            self._check(schema, self._where[name])
            holds = any(key in one for one in parts(schema) for key in ("unevaluatedProperties", "unevaluatedItems"))
            if holds and name in reachable(schema, self.definitions):
                self._report(
                    self._where[name],
                    "unevaluatedProperties (or -Items) in a schema that holds itself takes time that doubles with "
                    "each level of the body: write additionalProperties: false into its parts, or use `strict`",
                )

    def _check(self, schema: Any, where: Where) -> None:
        """Whether values of keywords are of their kinds (the meta-schema of 2020-12)."""
        try:
            jsonschema_rs.meta.validate(schema)
        except jsonschema_rs.ValidationError as error:
            self._report((*where, *error.instance_path), f"not a schema: {error.message[:200]}")

    def _schema(self, node: Any, where: Where) -> Any:
        if isinstance(node, bool) and not self._old:
            return node
        if not isinstance(node, Mapping):
            self._report(where, "a schema is a mapping")
            return True
        if self._old and "$ref" in node:  # OpenAPI 3.0: whatever stands beside it is ignored
            node = {"$ref": node["$ref"]}
        made: dict[str, Any] = {}
        for key, value in node.items():
            self._keyword(made, key, value, (*where, key))
        if "discriminator" in node:
            self._discriminate(made, node, where)
        _sharpen(made)
        if self._old:
            _modernise(made, node)
        return made

    def _keyword(self, made: dict[str, Any], key: str, value: Any, where: Where) -> None:
        if key in LEAVES:
            made[key] = value
            self._patterns((value,) if key == "pattern" else (), where)
        elif key in ONE:
            made[key] = value if isinstance(value, bool) else self._schema(value, where)
        elif key in MANY and isinstance(value, list | tuple):
            made[key] = [self._schema(one, (*where, index)) for index, one in enumerate(value)]
        elif key in NAMED and isinstance(value, Mapping):
            made[key] = {name: self._schema(one, (*where, name)) for name, one in value.items()}
            self._patterns(value if key == "patternProperties" else (), where)
        elif key == "$ref":
            made[key] = self._reference(value, where)
        elif key in _NOT_HERE:
            self._report(where, f"{key} is not supported: name the schema under components and refer to it by $ref")
        elif key in MANY or key in NAMED:
            self._report(where, f"{key} holds {'a list' if key in MANY else 'a mapping'} of schemas")
        elif key not in IDLE and not key.startswith("x-"):
            known = nearest(key, tuple(sorted(LEAVES | ONE | MANY | NAMED)))
            hint = f"; did you mean {known}?" if known else "; extensions begin with x-"
            self._report(where, f"{key[:60]!r} is no keyword, so it would check nothing{hint}")

    def _patterns(self, patterns: Any, where: Where) -> None:
        for one in patterns:
            try:
                jsonschema_rs.Draft202012Validator({"pattern": one}, pattern_options=PATTERNS, offline=True)
            except (jsonschema_rs.ValidationError, ValueError):
                self._report(
                    where,
                    f"{str(one)[:100]!r} is no expression of a linear-time engine (no look-around, no back-references, "
                    "bounded size)",
                )

    def _reference(self, reference: Any, where: Where) -> str:
        """The reference to a definition, which is read if nobody has asked for it yet."""
        try:
            target, node = self._document.follow(str(reference))
        except ValueError as error:
            self._report(where, str(error))
            return "#"
        if target in self._names:
            return f"#/$defs/{self._names[target]}"
        last = "".join(char if char.isalnum() or char in "._-" else "_" for char in str(target[-1]))
        name = last if last not in self._where else f"{last}.{len(self._where)}"
        self._where[name], self._names[target] = target, name
        self.definitions[name] = True  # so that a schema which holds itself ends here
        self.definitions[name] = self._schema(node, target)
        return f"#/$defs/{name}"

    def _discriminate(self, made: dict[str, Any], node: Mapping[str, Any], where: Where) -> None:
        """`oneOf` with a discriminator: the field says which; so there is one to check, and one to explain."""
        told = node["discriminator"]
        kind = next((one for one in ("oneOf", "anyOf") if one in made), None)
        field = told.get("propertyName") if isinstance(told, Mapping) else None
        if not isinstance(field, str):
            self._report((*where, "discriminator"), "a discriminator names a field in propertyName")
            return
        if kind is None or not all(isinstance(one, dict) and set(one) == {"$ref"} for one in made[kind]):
            return  # it only helps code generators there
        choices = {str(one["$ref"]).rpartition("/")[2]: one["$ref"] for one in node[kind]}
        mapping = told.get("mapping") or {}
        named = set(mapping.values())
        choices = {name: to for name, to in choices.items() if name not in named and to not in named}
        for value, to in mapping.items():
            choices[value] = to if to.startswith("#") else f"#/components/schemas/{to}"
        place = (*where, "discriminator", "mapping")
        branches = [
            {
                "if": {"properties": {field: {"const": value}}},
                "then": {"$ref": self._reference(to, place)},
            }
            for value, to in choices.items()
        ]
        del made[kind]
        dispatch = {"required": [field], "properties": {field: {"enum": [*choices]}}, "allOf": branches}
        made["allOf"] = [*made.get("allOf", ()), {"type": "object", **dispatch}]


def _sharpen(made: dict[str, Any]) -> None:
    """Formats that say something of numbers, and base64: said by keywords."""
    more: dict[str, Any] = {}
    if made.get("format") in _INTEGERS:
        low, high = _INTEGERS[made["format"]]
        more = {"minimum": low, "maximum": high}
    elif made.get("format") == "byte":
        more = {"pattern": _BASE64}
    if more:
        made["allOf"] = [*made.get("allOf", ()), more]


def _modernise(made: dict[str, Any], node: Mapping[str, Any]) -> None:
    """What OpenAPI 3.0 says in other words than 2020-12."""
    if node.get("nullable") is True and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    for exclusive, plain in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if made.get(exclusive) is True and plain in made:
            made[exclusive] = made.pop(plain)
        elif isinstance(made.get(exclusive), bool):
            del made[exclusive]
