"""What the tests of OpenApiValidation share: a document around a few schemas, and a filter that holds to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.filters.base import Build
from gateway.filters.openapi_validation import OpenApiValidationFilter
from gateway.http.heads import read_request
from gateway.http.messages import Reply, Request, Response
from gateway.observability.metrics import Metrics
from gateway.spec.validation import OpenApiValidation

JSON = "Content-Type: application/json"


def document(paths: Mapping[str, Any], schemas: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """An OpenAPI 3.1 document."""
    return {"openapi": "3.1.0", "paths": dict(paths), "components": {"schemas": dict(schemas or {})}, **more}


def taking(schema: Any, schemas: Mapping[str, Any] | None = None, kind: str = "application/json") -> dict[str, Any]:
    """A document with POST /things, whose body is of this schema, and so is its answer."""
    content = {"content": {kind: {"schema": schema}}}
    post = {"operationId": "make", "requestBody": {"required": True, **content}, "responses": {"200": content}}
    return document({"/things": {"post": post}}, schemas)


def asking(*parameters: Mapping[str, Any], path: str = "/things") -> dict[str, Any]:
    """A document with GET /things, which takes these parameters."""
    return document({path: {"get": {"operationId": "list", "parameters": list(parameters), "responses": {}}}})


def filter_for(folder: Path, told: Mapping[str, Any], **keys: Any) -> OpenApiValidationFilter:
    """A filter that holds to the document `told`."""
    file = folder / "api.json"
    file.write_text(json.dumps(told))
    spec = OpenApiValidation.model_validate({"document": str(file)} | keys, by_alias=True)
    assert list(spec.mistakes()) == []
    return OpenApiValidationFilter(spec.loaded(), Build({}, Metrics(), lambda: 1.0, lambda: 1.0, route="r"))


def request(target: str, *fields: str, method: str = "GET", body: bytes | None = None) -> Request:
    """A request as it comes to the filter: its body is there already."""
    lines = [f"{method} {target} HTTP/1.1", "Host: a", *fields]
    made = read_request(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
    if body is not None:
        made.replace_body(body)
    return made


def post(body: Any, *fields: str) -> Request:
    """POST /things with a body: bytes as they are, anything else as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return request("/things", *(fields or (JSON,)), method="POST", body=raw)


def refused(decision: Any) -> Reply:
    """The refusal that a decision must be."""
    assert isinstance(decision, Reply)
    return decision


def errors(decision: Any) -> list[tuple[str, str]]:
    """Where and what of each error in a refusal."""
    return [(one.parameter + one.pointer, one.detail) for one in refused(decision).errors]


def answer(body: bytes = b"", status: int = 200, *fields: tuple[bytes, bytes]) -> Response:
    """An endpoint's answer, in JSON unless told otherwise."""
    headers = fields or ((b"content-type", b"application/json"),)
    return Response(status, headers, dict(headers), len(body), keep_alive=True)
