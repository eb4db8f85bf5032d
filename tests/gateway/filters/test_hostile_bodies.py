"""Guards answer whatever comes: an exception would deny the request too, but fill the log for whoever wants it full."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.filters.base import Build
from gateway.filters.graphql_guard import GraphQLGuardFilter
from gateway.filters.soap_guard import SoapGuardFilter
from gateway.http.heads import read_request
from gateway.http.messages import Reply, Request
from gateway.observability.metrics import Metrics
from gateway.roles.replies import render_graphql, render_soap
from gateway.spec.guards import GraphQLGuard, SoapGuard

CONFIG = Path(__file__).parents[3] / "config"
NAMESPACE = "https://profiles.shop.example/v1"
BUILD = Build({}, Metrics(), time.monotonic, time.time)
GRAPHQL = GraphQLGuardFilter(GraphQLGuard(schema_file=str(CONFIG / "storefront.graphql"), max_batch=2), BUILD)
SOAP = SoapGuardFilter(SoapGuard(wsdl=str(CONFIG / "profiles.wsdl")), BUILD)

QUERY = (
    b'{"query": "query A($n: Int = 3) { products(first: $n) { nodes { ...F x: name @skip(if: true) } } } '
    b'fragment F on Product { id }", "operationName": "A", "variables": {"n": 5}}'
)
MESSAGE = f"""<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header><h a="1"/>
</s:Header><s:Body><ReadProfile xmlns="{NAMESPACE}"><username>al<!-- c -->ice</username></ReadProfile></s:Body>
</s:Envelope>""".encode()
PIECES = (
    b'"', b"{", b"}", b"[", b"(", b"$", b"...", b"\\ud800", b"\\u0000", b"\xff", b"\0", b"1e999", b"__schema", b"@",
    b"#\\n", b"<", b">", b"</", b"&", b"&#0;", b"]]>", b"<![CDATA[", b"<!DOCTYPE x [", b"<?x ", b"xmlns=''", b"x:y",
    b"\xef\xbf\xbf", b"\xf0\x9f\x92\xa9", b"\xed\xa0\x80",
)  # fmt: skip


def mutated(whole: bytes) -> st.SearchStrategy[bytes]:
    """The body with some pieces put in, taken out, or written over."""
    change = st.tuples(
        st.integers(0, len(whole)), st.integers(0, 8), st.one_of(st.sampled_from(PIECES), st.binary(max_size=4))
    )

    def apply(changes: list[tuple[int, int, bytes]]) -> bytes:
        body = whole
        for place, length, piece in changes:
            body = body[:place] + piece + body[place + length :]
        return body

    return st.lists(change, min_size=1, max_size=4).map(apply)


def post(body: bytes, *fields: str) -> Request:
    head = "\r\n".join(("POST /api HTTP/1.1", "Host: a", *fields))
    request = read_request(f"{head}\r\n\r\n".encode())
    request.body = body
    return request


def decided(guard: Any, request: Request) -> Reply | None:
    decision = guard.decide(request)
    assert decision is None or isinstance(decision, Reply)
    assert guard.explain(request, decision)
    return decision


def test_what_is_mutated_passes_as_it_is() -> None:
    assert decided(GRAPHQL, post(QUERY, "Content-Type: application/json")) is None
    soap = post(MESSAGE, "Content-Type: text/xml", f'SOAPAction: "{NAMESPACE}/ReadProfile"')
    assert decided(SOAP, soap) is None


@given(st.one_of(mutated(QUERY), st.binary(max_size=60)))
@example(b'{"query": "{ me { username(x: \\"\\ud800\\") } }"}')
@example(b'{"query": "query ($i: ID!) { order(id: $i) { id } }", "variables": {"i": "\\ud800"}}')
@example(b'{"query": "query ($i: Int!) { products(first: $i) { nodes { id } } }", "variables": {"i": "\\ud800"}}')
def test_graphql(body: bytes) -> None:
    refused = decided(GRAPHQL, post(body, "Content-Type: application/json"))
    if refused is not None:
        assert render_graphql(refused, "", "")


@given(st.one_of(mutated(MESSAGE), st.binary(max_size=60)))
def test_soap(body: bytes) -> None:
    refused = decided(SOAP, post(body, "Content-Type: text/xml", f'SOAPAction: "{NAMESPACE}/ReadProfile"'))
    if refused is not None:
        assert render_soap(refused, "", "")
