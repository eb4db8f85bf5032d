"""What a forward proxy is asked in: whole addresses, and CONNECT (RFC 9112 section 3.2).

The problem: a client that uses a proxy names the server in the request line, and the Host field beside it may say
something else; CONNECT names nothing but a server, and whatever follows is no HTTP at all. The rule: the target says
where to go, as RFC 9112 section 3.2.2 demands, and Host is set anew from it; what CONNECT names is a host and a port,
both of them, and it has no body (RFC 9110 section 9.3.6): bytes behind its head belong to the tunnel.

Only listeners with `forwardProxy` read so. On all others CONNECT is refused (`gateway.http.heads`).
"""

from __future__ import annotations

import re
from typing import Final

from gateway.http.blocks import LONGEST, Malformed, RequestBlock, request_block
from gateway.http.grammar import REQUEST_LINE, diagnose_request
from gateway.http.heads import read_request
from gateway.http.messages import NO_BODY, Refused, Request
from gateway.http.server import ServerConnection

_AUTHORITY: Final = re.compile(rb"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")


def read_proxy_request(head: bytes) -> Request:
    """The request whose head is exactly `head`, blank line included.

    Raises:
        Refused: with the status and reason that the client gets.
    """
    if head.startswith(b"CONNECT "):
        return _read_connect(head)
    request = read_request(head)
    target = head.split(b" ", 2)[1][:8].lower()
    if target.startswith(b"http"):
        request.target_scheme = "https" if target == b"https://" else "http"
    return request


def _read_connect(head: bytes) -> Request:
    """Authority-form; the path is `/`, so that routes and filters have one to look at."""
    end = head.find(b"\r\n")
    line = REQUEST_LINE.fullmatch(head, 0, end)
    if line is None:
        raise diagnose_request(head)
    if not _AUTHORITY.fullmatch(line[2]):
        raise Refused(400, "malformed_target", "CONNECT names a host and a port (RFC 9112 section 3.2.3)")
    http11 = line[3] == b"1"
    try:
        raw = head[end + 2 :]
        block = (request_block if len(raw) <= LONGEST else RequestBlock)(raw, http11)
    except Malformed:
        raise diagnose_request(head) from None
    if block.length != NO_BODY or b"transfer-encoding" in block.fields:
        raise Refused(400, "connect_body", "CONNECT has no body (RFC 9110 section 9.3.6)")
    host = line[2].decode("ascii").lower()
    request = Request("CONNECT", "/", "", block.headers, block.fields, host, NO_BODY, "1.1" if http11 else "1.0")
    request.keep_alive = False  # when it is refused: bytes that were meant for the tunnel are no further request
    return request


class ProxyConnection(ServerConnection):
    """One client's connection on a listener with `forwardProxy`."""

    __slots__ = ()

    reader = staticmethod(read_proxy_request)
