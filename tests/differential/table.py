"""Raw requests, what we answer, and what the upstream may see of them: one line per rule of docs/strictness.md.

`wants` holds the statuses of all answers in order; with a `reason` the last of them is a refusal. `sees` are the
requests that reach the upstream. Whatever is refused is followed by SMUGGLED on the same connection in the tests:
it must never reach the upstream.
"""

from __future__ import annotations

from dataclasses import dataclass

Seen = tuple[str, str, bytes]
"""Method, target and body of a request as the upstream read it."""

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


@dataclass(frozen=True)
class Case:
    """One conversation."""

    name: str
    raw: bytes
    wants: tuple[int, ...]
    reason: str = ""
    sees: tuple[Seen, ...] = ()


def _refused(name: str, status: int, reason: str, raw: bytes) -> Case:
    return Case(name, raw, (status,), reason)


def _passes(name: str, raw: bytes, *sees: Seen) -> Case:
    return Case(name, raw, (200,) * len(sees), "", sees)


def _head(line: bytes, *fields: bytes, host: bytes | None = b"Host: a") -> bytes:
    return b"\r\n".join([line, *([host] if host else []), *fields]) + b"\r\n\r\n"


def _get(target: bytes, *fields: bytes) -> bytes:
    return _head(b"GET " + target + b" HTTP/1.1", b"Connection: close", *fields)


def _post(*fields: bytes, body: bytes = b"") -> bytes:
    return _head(b"POST /p HTTP/1.1", b"Connection: close", *fields) + body


CHUNKED = b"Transfer-Encoding: chunked"
HELLO = b"5\r\nhello\r\n0\r\n\r\n"
P_HELLO: Seen = ("POST", "/p", b"hello")
P_EMPTY: Seen = ("POST", "/p", b"")
A: Seen = ("GET", "/a", b"")

LENGTHS = (
    _refused(
        "length and coding", 400, "length_and_coding", _post(b"Content-Length: 5", CHUNKED, body=HELLO)
    ),  # RFC 9112 §6.1
    _refused("coding and length", 400, "length_and_coding", _post(CHUNKED, b"Content-Length: 5", body=HELLO)),
    _refused(
        "two lengths that differ",
        400,
        "repeated_length",
        _post(b"Content-Length: 5", b"Content-Length: 4", body=b"hello"),
    ),  # §6.3
    _refused(
        "two equal lengths", 400, "repeated_length", _post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello")
    ),
    _refused("a list of lengths", 400, "malformed_length", _post(b"Content-Length: 5, 5", body=b"hello")),
    _refused("a signed length", 400, "malformed_length", _post(b"Content-Length: +5", body=b"hello")),
    _refused("a negative length", 400, "malformed_length", _post(b"Content-Length: -5", body=b"hello")),
    _refused("a hexadecimal length", 400, "malformed_length", _post(b"Content-Length: 0x5", body=b"hello")),
    _refused("an empty length", 400, "malformed_length", _post(b"Content-Length:", body=b"hello")),
    _refused("a length with a space", 400, "malformed_length", _post(b"Content-Length: 5 5", body=b"hello")),
    _refused("a length beyond 64 bits", 400, "malformed_length", _post(b"Content-Length: 18446744073709551621")),
    _refused("a coding we do not know", 501, "unknown_coding", _post(b"Transfer-Encoding: gzip", body=b"hello")),
    _refused("two codings", 501, "unknown_coding", _post(b"Transfer-Encoding: gzip, chunked", body=HELLO)),
    _refused("chunked twice", 501, "unknown_coding", _post(b"Transfer-Encoding: chunked, chunked", body=HELLO)),
    _refused("identity", 501, "unknown_coding", _post(b"Transfer-Encoding: identity", body=HELLO)),
    _refused("a coding with a parameter", 501, "unknown_coding", _post(b"Transfer-Encoding: chunked;a", body=HELLO)),
    _refused("a quoted coding", 501, "unknown_coding", _post(b'Transfer-Encoding: "chunked"', body=HELLO)),
    _refused("coding in two fields", 400, "repeated_length", _post(CHUNKED, b"Transfer-Encoding: x", body=HELLO)),
    _refused("a coding behind a vertical tab", 400, "control_character", _post(b"Transfer-Encoding: \x0bchunked")),
    _refused("chunked in HTTP/1.0", 400, "coding_on_http10", _head(b"POST /p HTTP/1.0", CHUNKED) + HELLO),  # §6.1
    _passes("a coding in capitals", _post(b"Transfer-Encoding: CHUNKED", body=HELLO), P_HELLO),
    _passes("a length", _post(b"Content-Length: 5", body=b"hello"), P_HELLO),
    _passes("a length with zeros", _post(b"Content-Length: 005", body=b"hello"), P_HELLO),
    _passes("no length", _post(), P_EMPTY),
)

CHUNKS = (
    _passes("chunks", _post(CHUNKED, body=b"2\r\nhe\r\n003\r\nllo\r\n0\r\n\r\n"), P_HELLO),
    _passes("an extension", _post(CHUNKED, body=b'5;a=b;c="d"\r\nhello\r\n0;e\r\n\r\n'), P_HELLO),
    _passes("a trailer", _post(CHUNKED, body=b"5\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n"), P_HELLO),
    _refused("a size that is no number", 400, "bad_chunk_size", _post(CHUNKED, body=b"x\r\nhello\r\n0\r\n\r\n")),
    _refused("a signed size", 400, "bad_chunk_size", _post(CHUNKED, body=b"+5\r\nhello\r\n0\r\n\r\n")),
    _refused("a size with 0x", 400, "bad_chunk_size", _post(CHUNKED, body=b"0x5\r\nhello\r\n0\r\n\r\n")),
    _refused("a space before a size", 400, "bad_chunk_size", _post(CHUNKED, body=b" 5\r\nhello\r\n0\r\n\r\n")),
    _refused("a space after a size", 400, "bad_chunk_size", _post(CHUNKED, body=b"5 \r\nhello\r\n0\r\n\r\n")),
    _refused("a size ended by LF", 400, "bad_chunk_size", _post(CHUNKED, body=b"5\nhello\r\n0\r\n\r\n")),
    _refused(
        "a size beyond 64 bits", 400, "bad_chunk_size", _post(CHUNKED, body=b"10000000000000005\r\nhello\r\n0\r\n\r\n")
    ),
    _refused("no size", 400, "bad_chunk_size", _post(CHUNKED, body=b"\r\nhello\r\n0\r\n\r\n")),
    _refused(
        "a long extension",
        400,
        "bad_chunk_size",
        _post(CHUNKED, body=b"5;" + b"e" * 20_000 + b"\r\nhello\r\n0\r\n\r\n"),
    ),
    _refused("LF in an extension", 400, "bad_chunk_size", _post(CHUNKED, body=b"5;a\nb\r\nhello\r\n0\r\n\r\n")),
    _refused("NUL in an extension", 400, "bad_chunk_size", _post(CHUNKED, body=b"5;a\x00\r\nhello\r\n0\r\n\r\n")),
    _refused("data longer than its size", 400, "bad_chunk", _post(CHUNKED, body=b"4\r\nhello\r\n0\r\n\r\n")),
    _refused("data ended by LF", 400, "bad_chunk", _post(CHUNKED, body=b"5\r\nhello\n0\r\n\r\n")),
    _refused("a trailer that is none", 400, "bad_trailers", _post(CHUNKED, body=b"0\r\nno colon\r\n\r\n")),
    _refused(
        "trailers without end", 400, "bad_trailers", _post(CHUNKED, body=b"0\r\n" + b"A: b\r\n" * 3_000 + b"\r\n")
    ),
)

FIELDS = (
    _refused("obs-fold", 400, "obs_fold", _get(b"/a", b"X: y\r\n z")),  # RFC 9112 §5.2
    _refused("a folded first field", 400, "malformed_field_name", _head(b"GET /a HTTP/1.1", b" Host: a", host=None)),
    _refused("a bare LF", 400, "bare_cr_or_lf", _get(b"/a", b"X: y\nZ: z")),  # §2.2
    _refused("a bare CR", 400, "bare_cr_or_lf", _get(b"/a", b"X: y\rZ: z")),
    _refused("a space before the colon", 400, "space_before_colon", _get(b"/a", b"X : y")),  # §5.1
    _refused("a hidden length", 400, "space_before_colon", _post(b"Content-Length : 5", body=b"hello")),
    _refused("a hidden coding", 400, "space_before_colon", _post(b"Transfer-Encoding : chunked", body=HELLO)),
    _refused("NUL in a value", 400, "control_character", _get(b"/a", b"X: y\x00z")),  # RFC 9110 §5.5
    _refused("a control character", 400, "control_character", _get(b"/a", b"X: y\x01z")),
    _refused("DEL in a value", 400, "control_character", _get(b"/a", b"X: y\x7fz")),
    _refused("a name with a space", 400, "malformed_field_name", _get(b"/a", b"X Y: z")),
    _refused("a name with NUL", 400, "malformed_field_name", _get(b"/a", b"X\x00: z")),
    _refused("no name", 400, "malformed_field_name", _get(b"/a", b": z")),
    _refused("no colon", 400, "malformed_field", _get(b"/a", b"nothing")),
    _refused("too many fields", 431, "too_many_fields", _get(b"/a", *(b"X-%d: 1" % number for number in range(400)))),
    _refused("large fields", 431, "fields_too_large", _get(b"/a", b"X: " + b"x" * 90_000)),  # RFC 6585 §5
    _refused("an expectation", 417, "unknown_expectation", _get(b"/a", b"Expect: more")),  # RFC 9110 §10.1.1
    _refused(
        "two authorizations", 400, "repeated_authorization", _get(b"/a", b"Authorization: x", b"Authorization: y")
    ),
    _passes("an empty value", _get(b"/a", b"X:"), A),
    _passes("octets above ASCII", _get(b"/a", b"X: caf\xc3\xa9"), A),
    _passes("an upgrade nobody offers", _head(b"GET /a HTTP/1.1", b"Connection: upgrade, close", b"Upgrade: h2c"), A),
)

HOSTS = (
    _refused("no host", 400, "host_missing", _head(b"GET /a HTTP/1.1", host=None)),  # RFC 9112 §3.2
    _refused("two hosts", 400, "repeated_host", _get(b"/a", b"Host: b")),
    _refused("a host with a path", 400, "host_malformed", _head(b"GET /a HTTP/1.1", host=b"Host: a/b")),
    _refused("a host with a user", 400, "host_malformed", _head(b"GET /a HTTP/1.1", host=b"Host: u@a")),
    _refused("a host list", 400, "host_malformed", _head(b"GET /a HTTP/1.1", host=b"Host: a, b")),
    _refused("an empty host", 400, "host_malformed", _head(b"GET /a HTTP/1.1", host=b"Host:")),
    _passes("HTTP/1.0 without host", _head(b"GET /a HTTP/1.0", host=None), A),
    _passes("absolute-form", _get(b"http://b/a"), A),  # §3.2.2
)

LINES = (
    _refused("HTTP/0.9", 400, "malformed_request_line", b"GET /a\r\n\r\n"),
    _refused("HTTP/2.0", 505, "unsupported_version", _head(b"GET /a HTTP/2.0")),
    _refused("HTTP/1.2", 505, "unsupported_version", _head(b"GET /a HTTP/1.2")),
    _refused("a version in small letters", 400, "malformed_request_line", _head(b"GET /a http/1.1")),
    _refused("two spaces", 400, "malformed_request_line", _head(b"GET  /a HTTP/1.1")),
    _refused("a tab for a space", 400, "malformed_request_line", _head(b"GET\t/a HTTP/1.1")),
    _refused("a space at the end", 400, "malformed_request_line", _head(b"GET /a HTTP/1.1 ")),
    _refused("a line ended by LF", 400, "bare_cr_or_lf", b"GET /a HTTP/1.1\nHost: a\r\nConnection: close\r\n\r\n"),
    _refused("a method that is no token", 400, "malformed_request_line", _head(b"G(T /a HTTP/1.1")),
    _refused("a long target", 414, "target_too_long", _get(b"/" + b"a" * 90_000)),  # RFC 9110 §15.5.15
    _refused("CONNECT", 501, "connect_refused", _head(b"CONNECT a:443 HTTP/1.1")),
    _refused(
        "a TLS hello",
        400,
        "bare_cr_or_lf",
        b"\x16\x03\x01\x02\x00\x01\r\x0a\x0d\x0a\x0d\x0a".replace(b"\x01\r", b"\n\r"),
    ),
    _refused("the HTTP/2 preface", 505, "unsupported_version", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    _refused("* with GET", 400, "malformed_target", _get(b"*")),
    _refused("another scheme", 400, "malformed_target", _get(b"ftp://b/a")),
    _refused("a relative target", 400, "malformed_target", _get(b"a")),
    _refused("a fragment", 400, "malformed_target", _get(b"/a#b")),
    _refused("an octet above ASCII", 400, "malformed_target", _get(b"/\xff")),
    _refused("NUL in the target", 400, "malformed_target", _get(b"/a\x00b")),
    _passes("an empty line before", b"\r\n" + _get(b"/a"), A),  # RFC 9112 §2.2
    _passes("two empty lines before", b"\r\n\r\n" + _get(b"/a"), A),
    _passes("a query", _get(b"/a?x=/../%2e&y"), ("GET", "/a?x=/../%2e&y", b"")),
)

PATHS = (
    _refused("dot segments", 400, "path_dot_segment", _get(b"/a/../b")),
    _refused("encoded dot segments", 400, "path_dot_segment", _get(b"/a/%2e%2e/b")),
    _refused("a half encoded dot segment", 400, "path_dot_segment", _get(b"/a/.%2E/b")),
    _refused("a dot segment with a parameter", 400, "path_dot_segment", _get(b"/a/..;x/b")),
    _refused("an encoded slash", 400, "path_encoded_slash", _get(b"/a%2fb")),
    _refused("an encoded backslash", 400, "path_encoded_slash", _get(b"/a%5cb")),
    _refused("a backslash", 400, "path_backslash", _get(b"/a\\b")),
    _refused("an encoded NUL", 400, "path_control_character", _get(b"/a%00b")),
    _refused("an encoded CR LF", 400, "path_control_character", _get(b"/a%0d%0aX:y")),
    _refused("two slashes", 400, "path_empty_segment", _get(b"/a//b")),
    _refused("a broken escape", 400, "path_bad_escape", _get(b"/a%zz")),
    _refused("an escape cut short", 400, "path_bad_escape", _get(b"/a%4")),
    _passes("an escape that needs none", _get(b"/%61"), A),  # RFC 3986 §6.2.2.2
    _passes("an escape in small letters", _get(b"/caf%c3%a9"), ("GET", "/caf%C3%A9", b"")),
    _passes("a space", _get(b"/a%20b"), ("GET", "/a%20b", b"")),
)

ORDERS = (
    _passes(
        "pipelined",
        _head(b"GET /1 HTTP/1.1") + _head(b"POST /2 HTTP/1.1", b"Content-Length: 2") + b"hi" + _get(b"/3"),
        ("GET", "/1", b""),
        ("POST", "/2", b"hi"),
        ("GET", "/3", b""),
    ),
    Case(
        "pipelined, the second broken",
        _head(b"GET /a HTTP/1.1") + _get(b"/b", b"X : y"),
        (200, 400),
        "space_before_colon",
        (A,),
    ),
    _passes("nothing after close", _get(b"/a") + _get(b"/b"), A),  # §9.6
    _passes("a GET with a body", _get(b"/a", b"Content-Length: 5") + b"hello", ("GET", "/a", b"hello")),
    _passes("HEAD", _head(b"HEAD /a HTTP/1.1", b"Connection: close"), ("HEAD", "/a", b"")),
    _refused("OPTIONS *", 404, "no_route", _head(b"OPTIONS * HTTP/1.1", b"Connection: close")),
    _passes("a method of its own", _head(b"PURGE /a HTTP/1.1", b"Connection: close"), ("PURGE", "/a", b"")),
)

CASES = (*LENGTHS, *CHUNKS, *FIELDS, *HOSTS, *LINES, *PATHS, *ORDERS)
