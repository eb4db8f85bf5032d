"""Local replies on the wire: the one place where an error becomes bytes.

The problem: "Why was I denied?" and opaque 503s are what users of gateways complain about most. The rule: every
reply names a stable `reason`, the policy line that decided when that is safe to tell, and the trace id, in the
style of the route: RFC 9457 problem+json, a SOAP 1.1 fault, or GraphQL `errors`. Never a stack trace, an upstream
address or a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final
from xml.sax.saxutils import escape

import orjson

from gateway.http.messages import Reply
from gateway.http.status import TITLES

Rendered = tuple[bytes, bytes]
"""Content type and body."""

_TYPE_BASE: Final = "urn:gatehouse:problem:"


def _members(reply: Reply, policy: str, trace_id: str) -> dict[str, Any]:
    members: dict[str, Any] = {
        "type": reply.problem_type or _TYPE_BASE + reply.reason,
        "title": reply.title or TITLES.get(reply.status, "Error"),
        "status": reply.status,
        "detail": reply.detail,
        "reason": reply.reason,
    }
    if policy:
        members["policy"] = policy
    if trace_id:
        members["trace_id"] = trace_id
    if reply.errors and reply.status < 500:  # what is wrong with an answer is not the client's to know
        members["errors"] = [one.members() for one in reply.errors]
    return members


def render_problem(reply: Reply, policy: str, trace_id: str) -> Rendered:
    """RFC 9457."""
    return b"application/problem+json", orjson.dumps(_members(reply, policy, trace_id))


def render_graphql(reply: Reply, policy: str, trace_id: str) -> Rendered:
    """A GraphQL response that holds only errors; the members stand in `extensions`."""
    members = _members(reply, policy, trace_id)
    error = {"message": reply.detail or members["title"], "extensions": members}
    return b"application/json", orjson.dumps({"errors": [error]})


def render_soap(reply: Reply, policy: str, trace_id: str) -> Rendered:
    """A SOAP 1.1 fault: whose fault it was, in the words that SOAP 1.1 has for it (section 4.4.1)."""
    members = _members(reply, policy, trace_id)
    errors = members.pop("errors", ())
    detail = _elements(members) + "".join(f"<error>{_elements(one)}</error>" for one in errors)
    code = "VersionMismatch" if reply.reason == "soap_version_mismatch" else "Client"
    body = (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body><soap:Fault>'
        f"<faultcode>soap:{code if reply.status < 500 else 'Server'}</faultcode>"
        f"<faultstring>{escape(reply.detail or members['title'])}</faultstring>"
        f'<detail><problem xmlns="urn:ietf:rfc:9457">{detail}</problem></detail>'
        "</soap:Fault></soap:Body></soap:Envelope>"
    )
    return b"text/xml; charset=utf-8", body.encode()


def _elements(members: dict[str, Any]) -> str:
    return "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in members.items())


RENDERERS: Final[dict[str, Callable[[Reply, str, str], Rendered]]] = {
    "problem": render_problem,
    "soap": render_soap,
    "graphql": render_graphql,
}


def field_lines(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Ready lines of fields."""
    return b"".join([b"%b: %b\r\n" % field for field in fields])


def reply_lines(reply: Reply, content_type: bytes, date: bytes) -> bytes:
    """The field lines of a local reply, besides those that every answer gets."""
    return b"content-type: %b\r\ncache-control: no-store\r\n%b%b" % (content_type, date, field_lines(reply.headers))
