"""What the fields of a message say, read once for all messages that carry the same.

The problem: reading a head costs more than anything else that is done with a request, and most of it is reading
again what was just read: a client sends the same fields with each request on a connection, an endpoint with each
answer of the same second. The rule: the block of fields below a request line, and the whole head of an answer, is read
strictly into a value that nobody changes, and the latest are remembered by their exact bytes (like HPACK's table in
HTTP/2, for whole blocks). What differs in one byte is read like any other, so nothing is ever guessed.

What is remembered is bounded in number and size: nobody can fill our memory with fields of his invention.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from gateway.http.framing import response_length, stated_length
from gateway.http.grammar import FIELDS, STATUS_LINE, split_fields
from gateway.http.hop import NOT_DOWNSTREAM, NOT_UPSTREAM, passed_on
from gateway.http.messages import NO_BODY, UNTIL_CLOSE, Headers, Refused
from gateway.http.upgrade import wants_websocket

MAX_FIELDS: Final = 100
REMEMBERED: Final = 512
"""Of each kind; the one used longest ago goes."""
LONGEST: Final = 2_048
"""Bytes of what is remembered: with what was read from them, 512 take some 4 MiB at most."""
HOST: Final = re.compile(rb"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")

# Two of any of these and the parties may choose differently (RFC 9110 §5.3: not list-valued).
_UNIQUE: Final = frozenset(
    (b"host", b"content-type", b"authorization", b"expect", b"from", b"referer", b"user-agent", b"max-forwards")
)


class Malformed(Exception):
    """Not a block of fields; whoever has the whole head can say what is wrong."""


class RequestBlock:
    """The fields of a request. Shared by all requests that carry them, so never changed."""

    __slots__ = ("expects_continue", "fields", "headers", "host", "keep_alive", "length", "rendered", "websocket")

    def __init__(self, raw: bytes, http11: bool) -> None:
        """Read a block, blank line included.

        Raises:
            Malformed: it is not one.
            Refused: it contradicts itself, with the status and reason that the client gets.
        """
        headers, fields = _split(raw)
        if len(headers) > MAX_FIELDS:
            raise Refused(431, "too_many_fields", f"more than {MAX_FIELDS} header fields")
        if len(fields) != len(headers):
            _check_repeats(headers)
        self.headers, self.fields = headers, fields
        self.host = _host(fields, http11)
        stated = stated_length(headers, fields, http11)
        self.length = NO_BODY if stated is None else stated
        self.keep_alive = keeps_alive(fields, http11)
        self.expects_continue = _expects_continue(fields, http11)
        self.websocket = wants_websocket(fields)
        self.rendered = (headers, passed_on(headers, fields, NOT_UPSTREAM))


class ResponseHead:
    """The head of an answer to anything but HEAD. Shared like the fields of requests."""

    __slots__ = ("fields", "headers", "keep_alive", "length", "rendered", "status")

    def __init__(self, raw: bytes) -> None:
        """Read a head, blank line included.

        Raises:
            Malformed: it is not one.
            Refused: its lengths contradict each other.
        """
        line = STATUS_LINE.match(raw)
        if line is None:
            raise Malformed
        http11, self.status = line[1] == b"1", int(line[2])
        self.headers, self.fields = headers, fields = _split(raw[line.end() :])
        stated = stated_length(headers, fields, http11)
        self.length = response_length(stated, self.status)
        # RFC 9110 §8.6 forbids to state a length with 204: whoever does may send a body as well.
        dubious = self.length == UNTIL_CLOSE or (self.status == 204 and stated is not None)
        self.keep_alive = not dubious and keeps_alive(fields, http11)
        self.rendered = (headers, passed_on(headers, fields, NOT_DOWNSTREAM))


request_block: Final = lru_cache(maxsize=REMEMBERED)(RequestBlock)
"""For blocks of at most LONGEST bytes; what is refused is not remembered."""
response_head: Final = lru_cache(maxsize=REMEMBERED)(ResponseHead)
"""As above."""


def _split(raw: bytes) -> tuple[Headers, Mapping[bytes, bytes]]:
    match = FIELDS.fullmatch(raw)
    if match is None:
        raise Malformed
    headers = split_fields(match[1])
    return headers, dict(headers)


def _check_repeats(headers: Headers) -> None:
    seen: set[bytes] = set()
    for name, _ in headers:
        if name in seen and name in _UNIQUE:
            raise Refused(400, f"repeated_{name.decode().replace('-', '_')}", "this field may occur once")
        seen.add(name)


def _host(fields: Mapping[bytes, bytes], http11: bool) -> str:
    host = fields.get(b"host")
    if host is None:
        if http11:
            raise Refused(400, "host_missing", "HTTP/1.1 requires a Host field (RFC 9112 section 3.2)")
        return ""
    if not HOST.fullmatch(host):
        raise Refused(400, "host_malformed", "Host is a name or address, and perhaps a port")
    return host.decode("ascii").lower()


def keeps_alive(fields: Mapping[bytes, bytes], http11: bool) -> bool:
    """Whether the connection goes on after this message (RFC 9112 section 9.3)."""
    options = fields.get(b"connection")
    if options is None:
        return http11
    names = [option.strip(b" \t") for option in options.lower().split(b",")]
    return b"close" not in names and (http11 or b"keep-alive" in names)


def _expects_continue(fields: Mapping[bytes, bytes], http11: bool) -> bool:
    expectation = fields.get(b"expect")
    if expectation is None:
        return False
    if expectation.lower() != b"100-continue":
        raise Refused(417, "unknown_expectation", "the only expectation is 100-continue")
    return http11  # RFC 9110 §10.1.1: ignored in an HTTP/1.0 request
