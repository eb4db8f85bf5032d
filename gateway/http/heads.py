"""From the bytes of a head to a Request or Response, and what its fields mean for the connection.

The problem: a head can be well-formed and still lie about its host, its length or whether the connection goes on.
The rule: fields that must be unique are, the host is there exactly once and looks like one (RFC 9112 §3.2), and
unknown expectations are refused (RFC 9110 §10.1.1).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from gateway.http.framing import request_length, response_length
from gateway.http.grammar import END_OF_HEAD, REQUEST_HEAD, RESPONSE_HEAD, diagnose_request, split_fields
from gateway.http.messages import UNTIL_CLOSE, Headers, Refused, Request, Response
from gateway.http.path import canonical_path, split_target
from gateway.http.upgrade import check_handshake, wants_websocket

MAX_FIELDS: Final = 100

# Two of any of these and the parties may choose differently (RFC 9110 §5.3: not list-valued).
_UNIQUE: Final = frozenset(
    (b"host", b"content-type", b"authorization", b"expect", b"from", b"referer", b"user-agent", b"max-forwards")
)
_HOST: Final = re.compile(rb"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
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
    match = REQUEST_HEAD.fullmatch(head)
    if match is None:
        raise diagnose_request(head)
    method, target, minor, block = match.groups()
    headers = split_fields(block)
    fields = dict(headers)
    if len(headers) > MAX_FIELDS:
        raise Refused(431, "too_many_fields", f"more than {MAX_FIELDS} header fields")
    if len(fields) != len(headers):
        _check_repeats(headers)
    http11 = minor == b"1"
    host = _host(fields, http11)
    if target[:1] != b"/":
        target, host = _other_form(method, target, host)
    raw_path, query = split_target(target) if b"?" in target else (target, "")
    request = Request(
        _METHODS.get(method) or method.decode("ascii"),
        "*" if raw_path == b"*" else canonical_path(raw_path),
        query,
        headers,
        fields,
        host,
        version="1.1" if http11 else "1.0",
    )
    if b"content-length" in fields or b"transfer-encoding" in fields:
        request.length = request_length(headers, fields, http11)
    if not http11 or b"connection" in fields:
        request.keep_alive = keeps_alive(fields, http11)
    if b"expect" in fields:
        request.expects_continue = _expectation(fields[b"expect"], http11)
    if b"upgrade" in fields and wants_websocket(fields):
        check_handshake(request)
        request.upgrade = True
    return request


def _check_repeats(headers: Headers) -> None:
    seen: set[bytes] = set()
    for name, _ in headers:
        if name in seen and name in _UNIQUE:
            raise Refused(400, f"repeated_{name.decode().replace('-', '_')}", "this field may occur once")
        seen.add(name)


def _host(fields: dict[bytes, bytes], http11: bool) -> str:
    host = fields.get(b"host")
    if host is not None:
        return _checked_host(host)
    if http11:
        raise Refused(400, "host_missing", "HTTP/1.1 requires a Host field (RFC 9112 section 3.2)")
    return ""


@lru_cache(maxsize=1_024)
def _checked_host(host: bytes) -> str:
    """A Host value as text; the few that a gateway serves are remembered (0.25 µs less for each request)."""
    if not _HOST.fullmatch(host):
        raise Refused(400, "host_malformed", "Host is a name or address, and perhaps a port")
    return host.decode("ascii").lower()


def _other_form(method: bytes, target: bytes, host: str) -> tuple[bytes, str]:
    """Absolute-form and asterisk-form (RFC 9112 section 3.2.2, 3.2.4); CONNECT has no place here."""
    if method == b"CONNECT":
        raise Refused(501, "connect_refused", "this is a gateway, not a forward proxy")
    if target == b"*" and method == b"OPTIONS":
        return target, host
    match = _ABSOLUTE.fullmatch(target)
    if match is None or not _HOST.fullmatch(match[1]):
        raise Refused(400, "malformed_target", "the target is a path, or an absolute http address")
    rest = match[2] or b"/"
    return (rest if rest[:1] == b"/" else b"/" + rest), match[1].decode("ascii").lower()


def keeps_alive(fields: dict[bytes, bytes], http11: bool) -> bool:
    """Whether the connection goes on after this message (RFC 9112 section 9.3)."""
    options = fields.get(b"connection")
    if options is None:
        return http11
    if options == b"keep-alive":  # what nearly everybody who says anything says
        return True
    names = [option.strip(b" \t") for option in options.lower().split(b",")]
    return b"close" not in names and (http11 or b"keep-alive" in names)


def _expectation(value: bytes, http11: bool) -> bool:
    if value.lower() != b"100-continue":
        raise Refused(417, "unknown_expectation", "the only expectation is 100-continue")
    return http11  # RFC 9110 §10.1.1: ignored in an HTTP/1.0 request


def read_response(data: bytes, method: str) -> tuple[Response, int] | None:
    """The response head at the start of `data` and where its body begins; None when more bytes are needed.

    Raises:
        Refused: the upstream broke the protocol; `reply` is a 502.
    """
    match = RESPONSE_HEAD.match(data)
    if match is None:
        if END_OF_HEAD in data or not b"HTTP/1.".startswith(data[:7]):
            raise Refused(502, "upstream_protocol_error", "the upstream's answer is not HTTP/1.1")
        return None
    minor, code, block = match.groups()
    headers = split_fields(block)
    fields = dict(headers)
    http11, status = minor == b"1", int(code)
    try:
        length = response_length(headers, fields, http11, status, method)
    except Refused as error:
        raise Refused(502, "upstream_protocol_error", error.reply.reason) from error
    keep_alive = length != UNTIL_CLOSE and (keeps_alive(fields, http11) if b"connection" in fields else http11)
    if status == 204 and (b"content-length" in fields or b"transfer-encoding" in fields):
        keep_alive = False  # RFC 9110 §8.6 forbids both: whoever says them may send a body as well
    return Response(status, headers, fields, length, keep_alive), match.end()
