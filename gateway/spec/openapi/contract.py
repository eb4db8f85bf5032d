"""From an OpenAPI document to the contract that workers hold requests and answers to.

The problem: a worker must not read YAML, must not find mistakes, and must come up with the last good configuration
even if the document beside it has been broken since. The rule: the control process reads the document once, tells
everything that is wrong with it, and what workers need becomes one text of JSON inside the configuration: operations
with their parameters, bodies and answers, and the schemas that these use.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from gateway.spec.openapi.document import Document, Where, read_document
from gateway.spec.openapi.paths import METHODS, Paths, check_template, parameters_of, server_path
from gateway.spec.openapi.schemas import Schemas

MAX_OPERATIONS: Final = 2_000
MAX_MISTAKES: Final = 20
STYLES: Final = {
    "path": ("simple", "label", "matrix"),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    "header": ("simple",),
    "cookie": ("form",),
}
"""OpenAPI 3.1.1 section 4.8.12.3; the first one is the default."""
_OTHERS_BUSINESS: Final = frozenset(("accept", "content-type", "authorization"))
"""Header parameters of these names say nothing (OpenAPI 3.1.1, Parameter Object, `name`)."""
_DIALECTS: Final = ("https://spec.openapis.org/oas/3.1/dialect/base", "https://json-schema.org/draft/2020-12/schema")


class Contract(NamedTuple):
    """What was made of a document; `text` is empty if there are mistakes."""

    text: str
    mistakes: tuple[str, ...]


def read_contract(file: str) -> Contract:
    """The contract in the document `file`, or everything that is wrong with it."""
    try:
        return _read(file, Path(file).stat().st_mtime_ns, Path(file).stat().st_size)
    except OSError as error:
        return Contract("", (f"{Path(file).name} cannot be read: {error.strerror}",))


@lru_cache(maxsize=8)
def _read(file: str, _changed: int, _size: int) -> Contract:
    """Several filters name the same document, and each is asked for its mistakes and its content."""
    try:
        document = read_document(file)
    except ValueError as error:
        return Contract("", (str(error),))
    reader = _Reader(document)
    made = reader.contract()
    if reader.mistakes:
        return Contract("", tuple(dict.fromkeys(reader.mistakes))[:MAX_MISTAKES])
    return Contract(json.dumps(made, separators=(",", ":")), ())


class _Reader:
    """Reads one document; goes on after a mistake."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.mistakes: list[str] = []
        version = str(document.data.get("openapi", ""))
        self._schemas = Schemas(document, self._report, old=version.startswith("3.0."))
        if not version.startswith(("3.0.", "3.1.")):
            said = f"OpenAPI {version[:20]}" if version else "it has no `openapi`"
            self._report(("openapi",), f"{said}: documents of OpenAPI 3.1 and 3.0 are read")
        dialect = str(document.data.get("jsonSchemaDialect", _DIALECTS[0]))
        if dialect not in _DIALECTS:
            self._report(("jsonSchemaDialect",), "schemas of another dialect than 2020-12 are not read")

    def _report(self, where: Where, message: str) -> None:
        self.mistakes.append(f"{self._document.place(where)}: {message}")

    def contract(self) -> dict[str, Any]:
        """Everything for workers."""
        operations = list(self._operations()) if not self.mistakes else []
        names = [one["name"] for one in operations]
        for name in sorted({one for one in names if names.count(one) > 1}):
            self._report(("paths",), f"operationId {name[:60]!r} is given twice")
        if len(operations) > MAX_OPERATIONS:
            self._report(("paths",), f"more than {MAX_OPERATIONS} operations")
        self._schemas.finish()
        base = server_path(self._document.data)
        definitions = self._schemas.definitions
        return {"base": base, "keys": self._keys(), "operations": operations, "definitions": definitions}

    def _keys(self) -> list[str]:
        """Query parameters that are not listed as such: API keys in the query."""
        schemes = _mapping(_mapping(self._document.data.get("components")).get("securitySchemes"))
        found = [one for one in schemes.values() if isinstance(one, Mapping) and one.get("type") == "apiKey"]
        return [str(one.get("name")) for one in found if one.get("in") == "query"]

    def _operations(self) -> Iterator[dict[str, Any]]:
        paths = self._document.data.get("paths")
        if not isinstance(paths, Mapping) or not paths:
            self._report(("paths",), "it has no paths, so nothing would be allowed")
            return
        known = Paths()
        for template in paths:
            if template.startswith("x-"):
                continue
            try:
                check_template(template)
                known.add(template)
            except ValueError as error:
                self._report(("paths", template), str(error))
                continue
            where, item = self._resolved(("paths", template), paths[template])
            for method in item:
                if method in METHODS:
                    yield self._operation(template, method, item, where)

    def _resolved(self, where: Where, node: Any) -> tuple[Where, Mapping[str, Any]]:
        """A mapping, references followed; an empty one after a mistake."""
        for _ in range(10):
            if not isinstance(node, Mapping):
                self._report(where, "expected a mapping")
                return where, {}
            if "$ref" not in node:
                return where, node
            try:
                where, node = self._document.follow(str(node["$ref"]))
            except ValueError as error:
                self._report((*where, "$ref"), str(error))
                return where, {}
        self._report(where, "references that lead to references without end")
        return where, {}

    def _operation(self, template: str, method: str, item: Mapping[str, Any], where: Where) -> dict[str, Any]:
        place, operation = self._resolved((*where, method), item[method])
        parameters = self._parameters(template, item, where, operation, place)
        body = None
        if "requestBody" in operation:
            at, told = self._resolved((*place, "requestBody"), operation["requestBody"])
            body = {"required": told.get("required") is True, "content": self._content(told, at)}
        return {
            "method": method.upper(),
            "path": template,
            "name": str(operation.get("operationId") or f"{method.upper()} {template}")[:100],
            "parameters": parameters,
            "body": body,
            "answers": self._answers(operation, place),
        }

    def _answers(self, operation: Mapping[str, Any], where: Where) -> dict[str, Any]:
        responses = operation.get("responses")
        answers: dict[str, Any] = {}
        for status, node in _mapping(responses).items():
            place = (*where, "responses", status)
            if status.startswith("x-"):
                continue
            if status != "default" and not (len(status) == 3 and status[0] in "12345" and _is_status(status)):
                self._report(place, 'an answer is named by its status, like "200", "2XX" or default')
            at, told = self._resolved(place, node)
            content = self._content(told, at) if "content" in told else None
            answers[status.upper() if status != "default" else status] = {
                "content": content,
                "headers": list(self._headers(told, at)),
            }
        return answers

    def _headers(self, told: Mapping[str, Any], where: Where) -> Iterator[dict[str, Any]]:
        for name, node in _mapping(told.get("headers")).items():
            if name.lower() != "content-type":
                at, header = self._resolved((*where, "headers", name), node)
                yield self._parameter({**header, "name": name, "in": "header"}, at)

    def _content(self, told: Mapping[str, Any], where: Where) -> dict[str, Any]:
        """Schemas by media type; None where nothing is said of the content."""
        content = told.get("content")
        if not isinstance(content, Mapping) or (not content and "required" in told):
            self._report((*where, "content"), "expected media types, each with its schema")
            return {}
        found: dict[str, Any] = {}
        for kind, node in content.items():
            at, media = self._resolved((*where, "content", kind), node)
            if media.get("encoding") and kind.lower().startswith("application/x-www-form"):
                self._report((*at, "encoding"), "forms are read by the default style only: leave encoding out")
            schema = self._schemas.read(media["schema"], (*at, "schema")) if "schema" in media else None
            found[kind.partition(";")[0].strip().lower()] = schema
        return found

    def _parameters(
        self, template: str, item: Mapping[str, Any], where: Where, operation: Mapping[str, Any], place: Where
    ) -> list[dict[str, Any]]:
        """Those of the path and of the operation; the latter's count where both name one."""
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for owner, at in ((item, where), (operation, place)):
            own: set[tuple[str, str]] = set()
            listed = owner.get("parameters", ())
            for index, node in enumerate(listed if isinstance(listed, list | tuple) else ()):
                spot, told = self._resolved((*at, "parameters", index), node)
                if not told:
                    continue
                one = self._parameter(told, spot)
                key = (one["in"], one["name"])
                if key in own:
                    self._report(spot, f"parameter {one['name'][:60]!r} is named twice")
                own.add(key)
                if one["in"] != "header" or one["name"] not in _OTHERS_BUSINESS:
                    found[key] = one
        declared = {name for kind, name in found if kind == "path"}
        for name in set(parameters_of(template)) ^ declared:
            self._report(place, f"path parameter {name[:60]!r} stands in the path or in parameters, but not in both")
        return list(found.values())

    def _parameter(self, told: Mapping[str, Any], where: Where) -> dict[str, Any]:
        kind, name = str(told.get("in")), str(told.get("name", ""))
        if kind not in STYLES or not name:
            self._report(where, "a parameter has a name, and `in`: path, query, header or cookie")
            kind = "query"
        style = str(told.get("style") or STYLES[kind][0])
        if style not in STYLES[kind]:
            self._report((*where, "style"), f"{style[:30]!r} is no style for {kind} ({', '.join(STYLES[kind])})")
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
                self._report(
                    (*where, "content"), "a parameter with content is read as application/json, and nothing else"
                )
                return made | {"schema": True}
            at, inside = self._resolved((*where, "content", media), content[media])
            return made | {"style": "json", "schema": self._schemas.read(inside.get("schema", True), (*at, "schema"))}
        if "schema" not in told:
            self._report(where, "a parameter has a schema, or content: without one it may be anything")
            return made | {"schema": True}
        return made | {"schema": self._schemas.read(told["schema"], (*where, "schema"))}


def _mapping(node: Any) -> Mapping[str, Any]:
    return node if isinstance(node, Mapping) else {}


def _is_status(text: str) -> bool:
    return text[1:].isdecimal() or text[1:].upper() == "XX"
