"""The parameters of a document's operations, and header fields of its answers, which are described alike.

The problem: what a parameter is stands in several places (its path, its operation, components), and a style that does
not fit its place is silently something else to every reader. The rule: the operation goes before the path, each is
resolved to one flat description, and what cannot be read in one way is a mistake with its line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.spec.openapi.document import Document, Where
from gateway.spec.openapi.paths import parameters_of
from gateway.spec.openapi.schemas import Schemas

STYLES: Final = {
    "path": ("simple", "label", "matrix"),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    "header": ("simple",),
    "cookie": ("form",),
}
"""OpenAPI 3.1.1 section 4.8.12.3; the first one is the default."""
_OTHERS_BUSINESS: Final = frozenset(("accept", "content-type", "authorization"))
"""Header parameters of these names say nothing (OpenAPI 3.1.1, Parameter Object, `name`)."""


class Parameters:
    """The part of a reading that knows references and parameters."""

    def __init__(self, document: Document, *, old: bool) -> None:
        self.document = document
        self.mistakes: list[str] = []
        self.schemas = Schemas(document, self.report, old=old)

    def report(self, where: Where, message: str) -> None:
        """Note a mistake at its place."""
        self.mistakes.append(f"{self.document.place(where)}: {message}")

    def resolved(self, where: Where, node: Any) -> tuple[Where, Mapping[str, Any]]:
        """A mapping, references followed; an empty one after a mistake."""
        for _ in range(10):
            if not isinstance(node, Mapping):
                self.report(where, "expected a mapping")
                return where, {}
            if "$ref" not in node:
                return where, node
            try:
                where, node = self.document.follow(str(node["$ref"]))
            except ValueError as error:
                self.report((*where, "$ref"), str(error))
                return where, {}
        self.report(where, "references that lead to references without end")
        return where, {}

    def parameters(
        self, template: str, item: Mapping[str, Any], where: Where, operation: Mapping[str, Any], place: Where
    ) -> list[dict[str, Any]]:
        """Those of the path and of the operation; the latter's count where both name one."""
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for owner, at in ((item, where), (operation, place)):
            own: set[tuple[str, str]] = set()
            listed = owner.get("parameters", ())
            for index, node in enumerate(listed if isinstance(listed, list | tuple) else ()):
                spot, told = self.resolved((*at, "parameters", index), node)
                if not told:
                    continue
                one = self.parameter(told, spot)
                key = (one["in"], one["name"])
                if key in own:
                    self.report(spot, f"parameter {one['name'][:60]!r} is named twice")
                own.add(key)
                if one["in"] != "header" or one["name"] not in _OTHERS_BUSINESS:
                    found[key] = one
        declared = {name for kind, name in found if kind == "path"}
        for name in set(parameters_of(template)) ^ declared:
            self.report(place, f"path parameter {name[:60]!r} stands in the path or in parameters, but not in both")
        return list(found.values())

    def parameter(self, told: Mapping[str, Any], where: Where) -> dict[str, Any]:
        """One of them, in the form for workers."""
        kind, name = str(told.get("in")), str(told.get("name", ""))
        if kind not in STYLES or not name:
            self.report(where, "a parameter has a name, and `in`: path, query, header or cookie")
            kind = "query"
        style = str(told.get("style") or STYLES[kind][0])
        if style not in STYLES[kind]:
            self.report((*where, "style"), f"{style[:30]!r} is no style for {kind} ({', '.join(STYLES[kind])})")
        made = {
            "name": name.lower() if kind == "header" else name,
            "in": kind,
            "required": kind == "path" or told.get("required") is True,
            "style": style,
            "explode": told.get("explode") is True or ("explode" not in told and style == "form"),
            "empty": told.get("allowEmptyValue") is True,
        }
        content = told.get("content")
        if isinstance(content, Mapping) and "schema" not in told:
            media = next(iter(content), "")
            if len(content) != 1 or media.partition(";")[0].strip().lower() != "application/json":
                self.report(
                    (*where, "content"), "a parameter with content is read as application/json, and nothing else"
                )
                return made | {"schema": True}
            at, inside = self.resolved((*where, "content", media), content[media])
            return made | {"style": "json", "schema": self.schemas.read(inside.get("schema", True), (*at, "schema"))}
        if "schema" not in told:
            self.report(where, "a parameter has a schema, or content: without one it may be anything")
            return made | {"schema": True}
        return made | {"schema": self.schemas.read(told["schema"], (*where, "schema"))}
