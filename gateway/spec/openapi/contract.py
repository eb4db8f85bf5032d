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
from gateway.spec.openapi.parameters import Parameters
from gateway.spec.openapi.paths import MAX_OPERATIONS, METHODS, Paths, check_template
from gateway.spec.openapi.servers import server_path

MAX_MISTAKES: Final = 20
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


class _Reader(Parameters):
    """Reads one document; goes on after a mistake."""

    def __init__(self, document: Document) -> None:
        version = str(document.data.get("openapi", ""))
        super().__init__(document, old=version.startswith("3.0."))
        if not version.startswith(("3.0.", "3.1.")):
            said = f"OpenAPI {version[:20]}" if version else "it has no `openapi`"
            self.report(("openapi",), f"{said}: documents of OpenAPI 3.1 and 3.0 are read")
        dialect = str(document.data.get("jsonSchemaDialect", _DIALECTS[0]))
        if dialect not in _DIALECTS:
            self.report(("jsonSchemaDialect",), "schemas of another dialect than 2020-12 are not read")

    def contract(self) -> dict[str, Any]:
        """Everything for workers."""
        operations = list(self._operations()) if not self.mistakes else []
        names = [one["name"] for one in operations]
        for name in sorted({one for one in names if names.count(one) > 1}):
            self.report(("paths",), f"operationId {name[:60]!r} is given twice")
        if len(operations) > MAX_OPERATIONS:
            self.report(("paths",), f"more than {MAX_OPERATIONS} operations")
        self.schemas.finish()
        base = server_path(self.document.data)
        definitions = self.schemas.definitions
        return {"base": base, "keys": self._keys(), "operations": operations, "definitions": definitions}

    def _keys(self) -> list[str]:
        """Query parameters that are not listed as such: API keys in the query."""
        schemes = _mapping(_mapping(self.document.data.get("components")).get("securitySchemes"))
        found = [one for one in schemes.values() if isinstance(one, Mapping) and one.get("type") == "apiKey"]
        return [str(one.get("name")) for one in found if one.get("in") == "query"]

    def _operations(self) -> Iterator[dict[str, Any]]:
        paths = self.document.data.get("paths")
        if not isinstance(paths, Mapping) or not paths:
            self.report(("paths",), "it has no paths, so nothing would be allowed")
            return
        known = Paths()
        for template in paths:
            if template.startswith("x-"):
                continue
            try:
                check_template(template)
                known.add(template)
            except ValueError as error:
                self.report(("paths", template), str(error))
                continue
            where, item = self.resolved(("paths", template), paths[template])
            for method in item:
                if method in METHODS:
                    yield self._operation(template, method, item, where)

    def _operation(self, template: str, method: str, item: Mapping[str, Any], where: Where) -> dict[str, Any]:
        place, operation = self.resolved((*where, method), item[method])
        parameters = self.parameters(template, item, where, operation, place)
        body = None
        if "requestBody" in operation:
            at, told = self.resolved((*place, "requestBody"), operation["requestBody"])
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
                self.report(place, 'an answer is named by its status, like "200", "2XX" or default')
            at, told = self.resolved(place, node)
            content = self._content(told, at) if "content" in told else None
            answers[status.upper() if status != "default" else status] = {
                "content": content,
                "headers": list(self._headers(told, at)),
            }
        return answers

    def _headers(self, told: Mapping[str, Any], where: Where) -> Iterator[dict[str, Any]]:
        for name, node in _mapping(told.get("headers")).items():
            if name.lower() != "content-type":
                at, header = self.resolved((*where, "headers", name), node)
                yield self.parameter({**header, "name": name, "in": "header"}, at)

    def _content(self, told: Mapping[str, Any], where: Where) -> dict[str, Any]:
        """Schemas by media type; None where nothing is said of the content."""
        content = told.get("content")
        if not isinstance(content, Mapping) or (not content and "required" in told):
            self.report((*where, "content"), "expected media types, each with its schema")
            return {}
        found: dict[str, Any] = {}
        for kind, node in content.items():
            at, media = self.resolved((*where, "content", kind), node)
            if media.get("encoding") and kind.lower().startswith("application/x-www-form"):
                self.report((*at, "encoding"), "forms are read by the default style only: leave encoding out")
            schema = self.schemas.read(media["schema"], (*at, "schema")) if "schema" in media else None
            found[kind.partition(";")[0].strip().lower()] = schema
        return found


def _mapping(node: Any) -> Mapping[str, Any]:
    return node if isinstance(node, Mapping) else {}


def _is_status(text: str) -> bool:
    return text[1:].isdecimal() or text[1:].upper() == "XX"
