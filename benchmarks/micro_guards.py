"""What guards cost: a GraphQL operation and a SOAP message, each as a filter of its own sees it.

The problem: a guard's cost depends on what was seen before. The rule: the same body again (its text is known by its
hash, which is what traffic looks like), and the same body as if it were the first.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from gateway.filters.base import Build
from gateway.filters.graphql_guard import GraphQLGuardFilter
from gateway.filters.soap_guard import SoapGuardFilter
from gateway.http.heads import read_request
from gateway.http.messages import Request
from gateway.observability.metrics import Metrics
from gateway.spec.guards import GraphQLGuard, SoapGuard

CONFIG = Path(__file__).parent.parent / "config"
QUERY = """query Home { me { username profile { fullName } orders(first: 3) { id total items { quantity unitPrice
    product { name reviews(first: 1) { stars } } } } } }"""
NAMESPACE = "https://profiles.shop.example/v1"
MESSAGE = f"""<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>
    <ReadProfile xmlns="{NAMESPACE}"><username>alice</username></ReadProfile></s:Body></s:Envelope>"""


def guard_steps() -> dict[str, Callable[[], object]]:
    """Each guard with the shop's own contract or schema.

    Raises:
        RuntimeError: one of them refuses what shall be measured.
    """
    build = Build({}, Metrics(), time.monotonic, time.time)
    graphql = _request(json.dumps({"query": QUERY}), "Content-Type: application/json")
    soap = _request(MESSAGE, "Content-Type: text/xml", f'SOAPAction: "{NAMESPACE}/ReadProfile"')
    known = GraphQLGuardFilter(GraphQLGuard(), build)
    fresh = GraphQLGuardFilter(GraphQLGuard(cache_entries=0), build)
    checked = GraphQLGuardFilter(GraphQLGuard(cache_entries=0, schema_file=str(CONFIG / "storefront.graphql")), build)
    message = SoapGuardFilter(SoapGuard(wsdl=str(CONFIG / "profiles.wsdl")), build)
    steps: dict[str, Callable[[], object]] = {
        "GraphQLGuard: a known text": lambda: known.decide(graphql),
        "GraphQLGuard: a new text": lambda: fresh.decide(graphql),
        "GraphQLGuard: a new text, with the schema": lambda: checked.decide(graphql),
        "SoapGuard: a message, with the contract": lambda: message.decide(soap),
    }
    for label, step in steps.items():
        if step() is not None:
            raise RuntimeError(f"{label} is not what shall be measured: {step()!r}")
    return steps


def _request(body: str, *fields: str) -> Request:
    head = "\r\n".join(("POST /api HTTP/1.1", "Host: 127.0.0.1:8088", *fields))
    request = read_request(f"{head}\r\n\r\n".encode())
    request.body = body.encode()
    return request
