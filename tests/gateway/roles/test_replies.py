"""The three styles of a local reply, each read by a parser of its own kind."""

from __future__ import annotations

import json
from typing import Any

from lxml import etree

from gateway.http.messages import Reply
from gateway.roles.replies import render_graphql, render_problem, render_soap

REPLY = Reply(403, "insufficient_scope", "the token needs: <orders:read> & more")


def test_problem() -> None:
    kind, body = render_problem(REPLY, "shop.yaml:3", "a" * 32)
    assert kind == b"application/problem+json"
    assert json.loads(body) == {
        "type": "urn:gatehouse:problem:insufficient_scope",
        "title": "Forbidden",
        "status": 403,
        "detail": "the token needs: <orders:read> & more",
        "reason": "insufficient_scope",
        "policy": "shop.yaml:3",
        "trace_id": "a" * 32,
    }


def test_soap() -> None:
    kind, body = render_soap(REPLY, "shop.yaml:3", "a" * 32)
    assert kind.startswith(b"text/xml")
    fault = etree.fromstring(body).find(".//{http://schemas.xmlsoap.org/soap/envelope/}Fault")
    assert fault is not None
    assert fault.findtext("faultcode") == "soap:Client"
    assert fault.findtext("faultstring") == REPLY.detail
    assert fault.findtext("detail/{urn:ietf:rfc:9457}problem/{urn:ietf:rfc:9457}reason") == "insufficient_scope"
    mismatch = render_soap(Reply(400, "soap_version_mismatch"), "", "")[1]
    assert b"<faultcode>soap:VersionMismatch</faultcode>" in mismatch
    assert b"soap:Server" in render_soap(Reply(503, "no_endpoint"), "", "")[1]


def test_graphql() -> None:
    kind, body = render_graphql(REPLY, "", "")
    errors: list[dict[str, Any]] = json.loads(body)["errors"]
    assert kind == b"application/json"
    assert errors[0]["message"] == REPLY.detail
    assert errors[0]["extensions"]["reason"] == "insufficient_scope"
