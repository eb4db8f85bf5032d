"""From the bytes of a head to a Request or Response.

The problem: a head can be well-formed and still lie about its host, its length or whether the connection goes on.
The rule: the first line is read here, each time; what the fields below it say is read in `gateway.http.blocks`, once
for all heads that have the same.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.http.blocks import (
    HOST,
    LONGEST,
    Malformed,
    RequestBlock,
    ResponseHead,
    keeps_alive,
    request_block,
    response_head,
)
from gateway.http.grammar import END_OF_HEAD, REQUEST_LINE, diagnose_request
from gateway.http.messages import NO_BODY, Refused, Request, Response
from gateway.http.path import canonical_path, split_target
from gateway.http.upgrade import check_handshake

_ABSOLUTE: Final = re.compile(rb"https?://([^/?#]+)(/[^#]*|\?[^#]*)?", re.IGNORECASE)

# Method names as str without decoding each time; others take the slow way.
_METHODS: Final = {
    name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY")
}


def read_request(head: bytes) -> Request:
    """The request whose head is exactly `head`, blank line included.

    Raises:
        Refused: with the status and reason that the client gets.
    """
    end = head.find(b"\r\n")
    line = REQUEST_LINE.fullmatch(head, 0, end)
    if line is None:
        raise diagnose_request(head)
    method, target, minor = line.groups()
    http11 = minor == b"1"
    try:
        raw = head[end + 2 :]
        block = (request_block if len(raw) <= LONGEST else RequestBlock)(raw, http11)
    except Malformed:
        raise diagnose_request(head) from None
    host = block.host
    if target[:1] != b"/":
        target, host = _other_form(method, target, host)
    raw_path, query = split_target(target) if b"?" in target else (target, "")
    request = Request(
        _METHODS.get(method) or method.decode("ascii"),
        "*" if raw_path == b"*" else canonical_path(raw_path),
        query,
        block.headers,
        block.fields,
        host,
        block.length,
        "1.1" if http11 else "1.0",
    )
    request.rendered = block.rendered
    request.keep_alive = block.keep_alive
    if block.expects_continue:
        request.expects_continue = True
    if block.websocket:
        check_handshake(request)
        request.upgrade = True
    return request


def _other_form(method: bytes, target: bytes, host: str) -> tuple[bytes, str]:
    """Absolute-form and asterisk-form (RFC 9112 section 3.2.2, 3.2.4); CONNECT has no place here."""
    if method == b"CONNECT":
        raise Refused(501, "connect_refused", "this is a gateway, not a forward proxy")
    if target == b"*" and method == b"OPTIONS":
        return target, host
    match = _ABSOLUTE.fullmatch(target)
    if match is None or not HOST.fullmatch(match[1]):
        raise Refused(400, "malformed_target", "the target is a path, or an absolute http address")
    rest = match[2] or b"/"
    return (rest if rest[:1] == b"/" else b"/" + rest), match[1].decode("ascii").lower()


def read_response(data: bytes, method: str) -> tuple[Response, int] | None:
    """The response head at the start of `data` and where its body begins; None when more bytes are needed.

    Raises:
        Refused: the upstream broke the protocol; `reply` is a 502.
    """
    end = data.find(END_OF_HEAD) + 4
    if end < 4:
        if not b"HTTP/1.".startswith(data[:7]):
            raise Refused(502, "upstream_protocol_error", "the upstream's answer is not HTTP/1.1")
        return None
    raw = data[:end]
    try:
        head = response_head(raw) if end <= LONGEST else ResponseHead(raw)
    except Malformed:
        raise Refused(502, "upstream_protocol_error", "the upstream's answer is not HTTP/1.1") from None
    except Refused as error:
        raise Refused(502, "upstream_protocol_error", error.reply.reason) from error
    length, keep_alive = head.length, head.keep_alive
    if method == "HEAD":  # RFC 9112 §6.3 rule 1: the answer ends with its head, whatever that says
        length, keep_alive = NO_BODY, keeps_alive(head.fields, raw[7:8] == b"1")
    response = Response(head.status, head.headers, head.fields, length, keep_alive)
    response.rendered = head.rendered
    return response, end
