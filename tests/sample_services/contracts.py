"""A service held against its own OpenAPI document: what is served, and what is answered."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from aiohttp import web
from openapi_schema_validator import OAS31Validator, oas31_format_checker
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

PROBES = {"/healthz", "/readyz", "/metrics"}
METHODS = ("get", "post", "put", "patch", "delete")


def check_document(document: dict[str, Any], app: web.Application, hidden: Iterable[str] = ()) -> None:
    """It is OpenAPI 3.1, names every route and no other, and says which scope each operation needs."""
    OpenAPIV31SpecValidator(document).validate()
    served = {
        (route.method.lower(), route.resource.canonical)
        for route in app.router.routes()
        if route.method != "HEAD" and route.resource and route.resource.canonical not in PROBES | set(hidden)
    }
    told = {(method, path) for path, one in document["paths"].items() for method in one if method in METHODS}
    assert served == told
    for operations in document["paths"].values():
        for operation in (operations[method] for method in METHODS if method in operations):
            needs = operation.get("security", document["security"])
            assert bool(needs) == ("401" in operation["responses"]), operation["operationId"]
            scopes = [scope for one in needs for scope in one.get("bearer", ())]
            assert all(f"scope `{scope}`" in operation["description"] for scope in scopes), operation["operationId"]


def check_answer(document: dict[str, Any], method: str, path: str, status: int, media_type: str, body: Any) -> None:
    """Status, media type and body are declared for the operation that this path belongs to."""
    template = next(one for one in document["paths"] if re.fullmatch(re.sub(r"\{[a-z_]+\}", "[^/]+", one), path))
    responses = document["paths"][template][method.lower()]["responses"]
    assert str(status) in responses, f"{status} of {method} {path} is not declared"
    place = f"#/paths/{template.replace('/', '~1')}/{method.lower()}/responses/{status}"
    place = responses[str(status)].get("$ref", place)
    declared: Any = document
    for name in place.removeprefix("#/").split("/"):
        declared = declared[name.replace("~1", "/")]
    if "content" not in declared:
        assert not body
        return
    assert media_type in declared["content"]
    registry: Registry[Any] = Registry().with_resource("urn:contract", DRAFT202012.create_resource(document))
    schema = {"$ref": f"urn:contract{place}/content/{media_type.replace('/', '~1')}/schema"}
    OAS31Validator(schema, registry=registry, format_checker=oas31_format_checker).validate(body)
