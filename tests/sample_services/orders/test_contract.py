"""The OpenAPI document is valid, complete and says nothing that is not served."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import Any

from openapi_spec_validator import OpenAPIV31SpecValidator

from sample_services.orders import bodies
from sample_services.orders.contract import contract

PROBES = {"/healthz", "/readyz", "/metrics"}


def test_the_document_is_openapi_3_1() -> None:
    OpenAPIV31SpecValidator(contract()).validate()


def test_every_route_is_in_the_document_and_every_operation_is_served(shop: Any) -> None:
    served = {
        (route.method.lower(), route.resource.canonical)
        for route in shop.service.app.router.routes()
        if route.method != "HEAD" and route.resource.canonical not in PROBES
    }
    told = {
        (method, path)
        for path, operations in contract()["paths"].items()
        for method in operations
        if method in ("get", "post", "put", "patch", "delete")
    }
    assert served == told


def test_the_gateway_holds_to_this_document() -> None:
    own = resources.files("sample_services.orders").joinpath("openapi.yaml").read_text("utf-8")
    assert (Path(__file__).parents[3] / "config" / "orders.openapi.yaml").read_text("utf-8") == own


async def test_the_document_is_served(shop: Any) -> None:
    assert (await shop.call("GET", "/openapi.json")).body == contract()


def test_bounds_in_the_document_are_those_of_the_code() -> None:
    schemas, parameters = contract()["components"]["schemas"], contract()["components"]["parameters"]
    items = schemas["NewOrder"]["properties"]["items"]
    assert items["maxItems"] == bodies.MAX_LINES
    assert items["items"]["properties"]["quantity"]["maximum"] == bodies.MAX_QUANTITY
    assert parameters["limit"]["schema"]["maximum"] == parameters["ids"]["schema"]["maxItems"] == bodies.MAX_LIMIT


def test_operations_that_need_a_token_say_so_and_name_the_scope(shop: Any) -> None:
    for operations in contract()["paths"].values():
        for method, operation in operations.items():
            if method == "parameters":
                continue
            (scopes,) = [list(one.get("bearer", ())) for one in operation["security"]] or [[]]
            assert bool(operation["security"]) == ("401" in operation["responses"])
            assert all(re.search(f"scope `{scope}`", operation["description"]) for scope in scopes)
