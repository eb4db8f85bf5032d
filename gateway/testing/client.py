"""A client for tests: one connection for each request, and the target exactly as it was written."""

from __future__ import annotations

import json as json_module
import ssl
from collections.abc import Iterable, Mapping
from email.message import Message
from http.client import HTTPConnection, HTTPSConnection
from typing import Any

from gateway.testing.loop import PATIENCE

Fields = Mapping[str, str] | Iterable[tuple[str, str]]


def send(
    port: int,
    method: str,
    target: str,
    headers: Fields,
    body: bytes,
    tls: ssl.SSLContext | None,
) -> tuple[int, Message, bytes]:
    """Status, headers and body of the answer; blocks."""
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    names = {name.lower() for name, _ in pairs}
    if tls is None:
        connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    else:
        connection = HTTPSConnection("127.0.0.1", port, timeout=PATIENCE, context=tls)
    try:
        connection.putrequest(method, target, skip_host="host" in names, skip_accept_encoding=True)
        for name, value in pairs:
            connection.putheader(name, value)
        if not names & {"content-length", "transfer-encoding"} and (body or method in ("POST", "PUT", "PATCH")):
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def content(data: bytes | str | None, json: Any) -> tuple[bytes, dict[str, str]]:
    """The body that a call says, and its Content-Type where it is ours to say."""
    if json is not None:
        return json_module.dumps(json).encode(), {"Content-Type": "application/json"}
    return (data.encode() if isinstance(data, str) else data or b""), {}
