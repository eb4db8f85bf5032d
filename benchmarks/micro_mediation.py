"""What mediation costs: a REST request becoming a SOAP message or a stored query, and each answer on its way back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.filters.base import Build
from gateway.filters.graphql_to_rest import GraphQLToRestFilter
from gateway.filters.mediation import MediationFilter
from gateway.filters.soap_to_rest import SoapToRestFilter
from gateway.http.heads import read_request
from gateway.http.messages import Request, Response
from gateway.observability.metrics import Metrics
from gateway.spec.mediation import GraphQLToRest, SoapToRest

CONFIG = Path(__file__).parent.parent / "config"
NAMESPACE = "https://profiles.shop.example/v1"
PROFILE = f"""<?xml version='1.0' encoding='UTF-8'?>
<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body><p:ReadProfileResponse
xmlns:p="{NAMESPACE}"><p:profile><p:username>alice</p:username><p:fullName>Alice Archer</p:fullName>
<p:email>alice@shop.example</p:email><p:phone>+41441234567</p:phone><p:street>Main Street 1</p:street>
<p:city>Zurich</p:city><p:postcode>8001</p:postcode><p:country>CH</p:country><p:loyaltyPoints>120</p:loyaltyPoints><p:version>1</p:version>
</p:profile></p:ReadProfileResponse></soap:Body></soap:Envelope>""".encode()
ITEM = {"id": "1", "name": "A lamp", "price": 4900, "currency": "EUR", "rating": {"average": 4.5, "count": 12}}
FRONT = {"data": {"products": {"items": [ITEM] * 10, "pageInfo": {"hasNextPage": True, "endCursor": "eyJhIjoxfQ"}}}}


def mediation_steps() -> dict[str, Callable[[], object]]:
    """Both ways, with the shop's own contract and schema.

    Raises:
        RuntimeError: one of them refuses what shall be measured.
    """
    build = Build({}, Metrics(), time.monotonic, time.time)
    operation = {"name": "ReadProfile", "method": "GET", "path": "/people/{username}", "select": "profile"}
    wsdl = str(CONFIG / "profiles.wsdl")
    soap = SoapToRestFilter(
        SoapToRest.model_validate({"wsdl": wsdl, "endpoint": "/soap", "operations": [operation]}), build
    )
    query = {"method": "GET", "path": "/front", "query": str(CONFIG / "front.graphql"), "operation": "Front"}
    schema = str(CONFIG / "storefront.graphql")
    graphql = GraphQLToRestFilter(
        GraphQLToRest.model_validate({"schemaFile": schema, "queries": [{**query, "select": "products"}]}), build
    )
    steps: dict[str, Callable[[], object]] = {}
    for name, one, path, kind, body in (
        ("SoapToRest", soap, "/people/alice", b"text/xml", PROFILE),
        ("GraphQLToRest", graphql, "/front?first=10", b"application/json", json.dumps(FRONT).encode()),
    ):
        steps[f"{name}: a request"], steps[f"{name}: its answer"] = _steps(one, path, kind, body)
    return steps


def _steps(one: MediationFilter[Any], path: str, kind: bytes, body: bytes) -> tuple[Callable[[], object], ...]:
    asked = _request(path)
    if one.decide(asked) is not None or not isinstance(one.on_answer(asked, _response(kind), body), bytes):
        raise RuntimeError(f"{one.name} refuses what shall be measured")
    return lambda: one.decide(_request(path)), lambda: one.on_answer(asked, _response(kind), body)


def _request(path: str) -> Request:
    return read_request(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:8088\r\nAccept: application/json\r\n\r\n".encode())


def _response(kind: bytes) -> Response:
    return Response(200, [(b"content-type", kind)], {b"content-type": kind}, 0, True)
