"""The OpenAPI document of what a mediating filter offers.

The problem: a document that somebody writes drifts away from what runs. The rule: it is made from the very description
by which requests are read, when the configuration is compiled. (OpenAPI 3.1.0; its schemas are JSON Schema 2020-12.)
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from gateway.http.status import TITLES
from gateway.spec.rest_offer import Input, Offer, Schema

_ERROR: Final = {"$ref": "#/components/responses/Error"}
_PROBLEM: Final = {
    "type": "object",
    "description": "RFC 9457; reason is a stable code; type begins with urn:gatehouse: where the gateway refused.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "reason": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail", "reason"],
}
_RESPONSES: Final = {
    "Error": {
        "description": "Refused, by the gateway or by the service.",
        "content": {"application/problem+json": {"schema": _PROBLEM}},
    }
}


def document(title: str, offers: Iterable[Offer], types: Mapping[str, Schema], *, protected: bool) -> bytes:
    """The document as JSON; `protected`: whether requests must bring a bearer token."""
    paths: dict[str, dict[str, Any]] = {}
    names: Counter[str] = Counter()
    for one in offers:
        names[one.name] += 1
        number = f"-{names[one.name]}" if names[one.name] > 1 else ""
        paths.setdefault(one.template.text, {})[one.method.lower()] = _operation(one, one.name + number, protected)
    components: dict[str, Any] = {"schemas": types, "responses": _RESPONSES}
    if protected:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    said = {"paths": paths, "components": components}
    version = hashlib.sha256(orjson.dumps(said)).hexdigest()[:12]
    return orjson.dumps({"openapi": "3.1.0", "info": {"title": title, "version": version}, **said})


def _operation(one: Offer, name: str, protected: bool) -> dict[str, Any]:
    said: dict[str, Any] = {"operationId": name}
    if protected:
        said["security"] = [{"token": list(one.scopes)}]
    parameters = [_parameter(each) for each in one.inputs if each.place != "body"]
    if parameters:
        said["parameters"] = parameters
    if one.body:
        said["requestBody"] = _body(one.body)
    return {**said, "responses": _responses(one, protected)}


def _parameter(one: Input) -> dict[str, Any]:
    schema: dict[str, Any] = dict(one.schema)
    if one.many:
        schema = {"type": "array", "items": schema}
    if one.default is not None:
        schema["default"] = one.default
    return {"name": one.name, "in": one.place, "required": one.required and one.default is None, "schema": schema}


def _body(inputs: tuple[Input, ...]) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
    for one in inputs:
        member = one.schema if one.default is None else {**one.schema, "default": one.default}
        schema["properties"][one.name] = member
    required = [one.name for one in inputs if one.required and one.default is None]
    if required:
        schema["required"] = required
    return {"required": bool(required), "content": {"application/json": {"schema": schema}}}


def _responses(one: Offer, protected: bool) -> dict[str, Any]:
    good: dict[str, Any] = {"description": TITLES.get(one.status, "Success")}
    if one.status != 204:
        good["content"] = {"application/json": {"schema": one.answer}}
    refused = {400, 406, 502, *one.failures}
    refused |= {415} if one.body else set()
    refused |= {401} if protected else set()
    refused |= {403} if one.scopes else set()
    refused |= {404} if one.select and one.absent == "not_found" else set()
    return {str(one.status): good, **{str(status): _ERROR for status in sorted(refused)}, "default": _ERROR}
