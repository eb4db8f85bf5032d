"""The OpenAPI 3.1 description of the REST face.

The problem: field limits written a second time in a description are soon wrong. The rule: paths are written here,
schemas are generated from the models (OpenAPI 3.1 and pydantic both speak JSON Schema 2020-12).
"""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from sample_services.profiles.model import Changes, NewProfile, Profile, RecoveryRequest

_USERNAME = {"name": "username", "in": "path", "required": True, "schema": {"type": "string"}}


def document(public_url: str) -> dict[str, Any]:
    """The whole document; `public_url` is where clients reach this service."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Profiles",
            "version": "1.0.0",
            "description": "Who the shop's people are. The same records are served by SOAP at /profiles/soap.",
        },
        "servers": [{"url": public_url}],
        "security": [{"bearer": []}],
        "paths": _paths(),
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "responses": {"Problem": _problem()},
        },
    }


def _paths() -> dict[str, Any]:
    profiles = {"type": "array", "maxItems": 100, "items": _ref("Profile")}
    many = _closed({"profiles": profiles})
    usernames = {
        "name": "usernames",
        "in": "query",
        "required": True,
        "description": "Up to 100, comma-separated; unknown ones and those not for the caller are left out.",
        "schema": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 100},
        "style": "form",
        "explode": False,
    }
    return {
        "/profiles": {
            "get": _operation("readProfiles", "Several profiles at once", {200: many}, parameters=[usernames]),
            "post": _operation("createProfile", "Create", {201: _ref("Profile")}, body="NewProfile"),
        },
        "/profiles/{username}": {
            "parameters": [_USERNAME],
            "get": _operation("readProfile", "Read; the ETag is its version", {200: _ref("Profile"), 304: None}),
            "patch": _operation(
                "updateProfile",
                "Change the given fields of the version named by If-Match",
                {200: _ref("Profile")},
                body="Changes",
                body_types=("application/json", "application/merge-patch+json"),
                parameters=[_if_match(required=True)],
            ),
            "delete": _operation(
                "dropProfile", "Drop; can be recovered", {204: None}, parameters=[_if_match(required=False)]
            ),
        },
        "/profiles/{username}/recover": {
            "parameters": [_USERNAME],
            "post": _operation(
                "recoverProfile",
                "Restore a dropped profile and start a credential reset",
                {200: _recovered()},
                body="RecoveryRequest",
                body_required=False,
            ),
        },
    }


def _operation(
    name: str,
    summary: str,
    answers: dict[int, dict[str, Any] | None],
    *,
    body: str | None = None,
    body_required: bool = True,
    body_types: tuple[str, ...] = ("application/json",),
    parameters: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    responses: dict[str, Any] = {"default": {"$ref": "#/components/responses/Problem"}}
    for status, schema in answers.items():
        content = {} if schema is None else {"content": {"application/json": {"schema": schema}}}
        responses[str(status)] = {"description": summary, **content}
    operation: dict[str, Any] = {"operationId": name, "summary": summary, "responses": responses}
    if parameters:
        operation["parameters"] = parameters
    if body:
        accepted = {kind: {"schema": _ref(body)} for kind in body_types}
        operation["requestBody"] = {"required": body_required, "content": accepted}
    return operation


def _schemas() -> dict[str, Any]:
    models = (NewProfile, Changes, Profile, RecoveryRequest)
    _, definitions = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    schemas: dict[str, Any] = definitions["$defs"]
    return schemas


def _recovered() -> dict[str, Any]:
    return _closed({"profile": _ref("Profile"), "credential_reset": {"const": "pending"}})


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    """An object with exactly these fields."""
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


def _if_match(*, required: bool) -> dict[str, Any]:
    return {"name": "If-Match", "in": "header", "required": required, "schema": {"type": "string"}}


def _problem() -> dict[str, Any]:
    names = {"type": "string", "title": "string", "status": "integer", "detail": "string"}
    names |= {"reason": "string", "trace_id": "string"}
    properties = {name: {"type": kind} for name, kind in names.items()}
    schema = {"type": "object", "properties": properties, "required": ["type", "title", "status", "reason"]}
    return {
        "description": "What went wrong (RFC 9457); `reason` is a stable code",
        "content": {"application/problem+json": {"schema": schema}},
    }


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}
