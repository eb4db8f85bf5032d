"""The only upgrade that passes: WebSocket (RFC 6455), checked on both sides before a byte is tunnelled.

The problem: after `101 Switching Protocols` a proxy forwards bytes that it no longer understands. A proxy that
believes any `Upgrade`, or any 101, lets a client speak to the service past every filter (upgrade smuggling); and
browsers send cookies with WebSocket handshakes from any site (cross-site WebSocket hijacking, CWE-1385). The rule:
the token must be `websocket` and the handshake complete; the filters run first; the Origin must be the host asked
or one that the route lists; the service must answer a 101 with the accept key that only a WebSocket server gives.
Any other token is ignored, as RFC 9110 §7.8 allows.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Collection, Mapping
from typing import Final

from gateway.http.messages import Refused, Reply, Request, Response

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def _names(value: bytes) -> list[bytes]:
    return [name.strip(b" \t") for name in value.lower().split(b",")]


def wants_websocket(fields: Mapping[bytes, bytes]) -> bool:
    """Whether a request asks for this one upgrade."""
    upgrade, connection = fields.get(b"upgrade", b""), fields.get(b"connection", b"")
    return upgrade.lower() == b"websocket" and b"upgrade" in _names(connection)


def check_handshake(request: Request) -> None:
    """RFC 6455 section 4.2.1.

    Raises:
        Refused: 400, or 426 for another version.
    """
    key = request.fields.get(b"sec-websocket-key", b"")
    try:
        complete = len(base64.b64decode(key, validate=True)) == 16
    except binascii.Error:
        complete = False
    if request.method != "GET" or request.version != "1.1" or request.length or not complete:
        raise Refused(400, "websocket_handshake", "not a WebSocket handshake (RFC 6455 section 4.2.1)")
    if request.fields.get(b"sec-websocket-version") != b"13":
        raise Refused(426, "websocket_version", "the WebSocket version is 13")


def check_origin(request: Request, allowed: Collection[str]) -> Reply | None:
    """403 for a browser's request from another site than the host asked for and those allowed."""
    origin = request.get(b"origin")
    if origin is None or "*" in allowed or origin.lower() in allowed:
        return None
    if origin.lower() == f"{request.scheme}://{request.host}":
        return None
    return Reply(403, "websocket_origin", "this page's origin may not open a WebSocket here")


def accepted(request: Request, response: Response) -> bool:
    """Whether an upstream's 101 answers exactly this handshake (RFC 6455 section 4.1)."""
    digest = hashlib.sha1(request.fields[b"sec-websocket-key"] + _GUID, usedforsecurity=False).digest()
    expected = base64.b64encode(digest)
    return wants_websocket(response.fields) and response.fields.get(b"sec-websocket-accept") == expected
