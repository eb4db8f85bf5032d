"""SOAP messages as attackers write them: by hand, since a library would refuse to."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.cli.wire import Answer
from scenarios.lab.target import Target

NAMESPACE = "https://profiles.shop.example/v1"
ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"


def message(operation: str, fields: Mapping[str, str], doctype: str = "") -> bytes:
    """A request; values go in as they are, entities included."""
    inside = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    body = f'<{operation} xmlns="{NAMESPACE}">{inside}</{operation}>'
    return f'{doctype}<s:Envelope xmlns:s="{ENVELOPE}"><s:Body>{body}</s:Body></s:Envelope>'.encode()


def call(
    lab: Target, who: str, operation: str, fields: Mapping[str, str], *, doctype: str = "", action: str = ""
) -> Answer:
    """Send a request; `action` is what SOAPAction says, if it is to say something else than the body."""
    headers = [("Content-Type", "text/xml; charset=utf-8"), ("SOAPAction", f'"{NAMESPACE}/{action or operation}"')]
    body = message(operation, fields, doctype)
    return lab.call(who, "POST", "/profiles/soap", headers=headers, body=body)
