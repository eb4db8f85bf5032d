"""Raw heads in, a request or a refusal with its reason out."""

from __future__ import annotations

import pytest

from gateway.http.heads import read_request, read_response
from gateway.http.messages import CHUNKED, UNTIL_CLOSE, Refused


def head(*lines: str, host: bool = True) -> bytes:
    """A head from lines; a Host line is added after the first unless told otherwise."""
    fields = [lines[0], *(["Host: shop.example"] if host else []), *lines[1:]]
    return ("\r\n".join(fields) + "\r\n\r\n").encode("latin-1")


def test_a_plain_request() -> None:
    request = read_request(head("GET /orders/1001?x=1&y HTTP/1.1", "Accept:  */* ", "X-Odd:"))
    assert (request.method, request.path, request.query, request.host) == (
        "GET",
        "/orders/1001",
        "x=1&y",
        "shop.example",
    )
    assert list(request.headers) == [(b"host", b"shop.example"), (b"accept", b"*/*"), (b"x-odd", b"")]
    assert request.keep_alive
    assert request.length == 0


@pytest.mark.parametrize(
    ("lines", "status", "reason"),
    [
        (["GET  /orders HTTP/1.1"], 400, "malformed_request_line"),
        (["GET /orders"], 400, "malformed_request_line"),
        (["GET /orders HTTP/1.1 "], 400, "malformed_request_line"),
        (["G\x00T /orders HTTP/1.1"], 400, "malformed_request_line"),
        (["GET /orders HTTP/2.0"], 505, "unsupported_version"),
        (["GET /or\x80ders HTTP/1.1"], 400, "malformed_target"),
        (["GET orders HTTP/1.1"], 400, "malformed_target"),
        (["GET /orders#top HTTP/1.1"], 400, "malformed_target"),
        (["GET ftp://shop.example/ HTTP/1.1"], 400, "malformed_target"),
        (["CONNECT shop.example:443 HTTP/1.1"], 501, "connect_refused"),
        (["GET * HTTP/1.1"], 400, "malformed_target"),
        (["GET / HTTP/1.1", "Name : value"], 400, "space_before_colon"),
        (["GET / HTTP/1.1", "Name: value", " folded"], 400, "obs_fold"),
        (["GET / HTTP/1.1", "no colon"], 400, "malformed_field"),
        (["GET / HTTP/1.1", "Na(me: value"], 400, "malformed_field_name"),
        (["GET / HTTP/1.1", ": value"], 400, "malformed_field_name"),
        (["GET / HTTP/1.1", "Name: va\x00lue"], 400, "control_character"),
        (["GET / HTTP/1.1", "Name: va\x7flue"], 400, "control_character"),
        (["GET / HTTP/1.1", "Name: va\nlue"], 400, "bare_cr_or_lf"),
        (["GET / HTTP/1.1", "Name: va\rlue"], 400, "bare_cr_or_lf"),
        (["GET / HTTP/1.1\nX: y"], 400, "bare_cr_or_lf"),
        (["GET / HTTP/1.1", "Host: two.example"], 400, "repeated_host"),
        (["GET / HTTP/1.1", "Authorization: a", "Authorization: b"], 400, "repeated_authorization"),
        (["GET / HTTP/1.1", "Expect: more"], 417, "unknown_expectation"),
        (["POST / HTTP/1.1", "Content-Length: 3", "Transfer-Encoding: chunked"], 400, "length_and_coding"),
        (["POST / HTTP/1.1", "Content-Length: 3", "Content-Length: 4"], 400, "repeated_length"),
        (["POST / HTTP/1.1", "Content-Length: 3", "Content-Length: 3"], 400, "repeated_length"),
        (["POST / HTTP/1.1", "Content-Length: 3, 3"], 400, "malformed_length"),
        (["POST / HTTP/1.1", "Content-Length: +3"], 400, "malformed_length"),
        (["POST / HTTP/1.1", "Content-Length: -1"], 400, "malformed_length"),
        (["POST / HTTP/1.1", "Content-Length: 0x3"], 400, "malformed_length"),
        (["POST / HTTP/1.1", "Content-Length:"], 400, "malformed_length"),
        (["POST / HTTP/1.1", "Content-Length: 9999999999999999"], 400, "malformed_length"),
        (["POST / HTTP/1.1", "Transfer-Encoding: gzip, chunked"], 501, "unknown_coding"),
        (["POST / HTTP/1.1", "Transfer-Encoding: chunked, chunked"], 501, "unknown_coding"),
        (["POST / HTTP/1.1", "Transfer-Encoding: \x0bchunked"], 400, "control_character"),
        (["POST / HTTP/1.1", "Transfer-Encoding: chunked", "Transfer-Encoding: x"], 400, "repeated_length"),
        (["POST / HTTP/1.0", "Transfer-Encoding: chunked"], 400, "coding_on_http10"),
        (["GET / HTTP/1.1", *(f"X-{n}: 1" for n in range(100))], 431, "too_many_fields"),
    ],
)
def test_refused(lines: list[str], status: int, reason: str) -> None:
    with pytest.raises(Refused) as refusal:
        read_request(head(*lines))
    assert (refusal.value.reply.status, refusal.value.reply.reason) == (status, reason)


@pytest.mark.parametrize("host", ["a b", "shop.example:99999999", "shop.example/", "user@shop.example", ""])
def test_a_host_that_is_none(host: str) -> None:
    with pytest.raises(Refused, match="host_malformed"):
        read_request(head("GET / HTTP/1.1", f"Host: {host}", host=False))


def test_a_missing_host() -> None:
    with pytest.raises(Refused, match="host_missing"):
        read_request(head("GET / HTTP/1.1", host=False))
    assert read_request(head("GET / HTTP/1.0", host=False)).host == ""


def test_other_forms_of_target() -> None:
    absolute = read_request(head("GET http://Other.example:81?x HTTP/1.1"))
    assert (absolute.host, absolute.path, absolute.query) == ("other.example:81", "/", "x")
    assert read_request(head("OPTIONS * HTTP/1.1")).path == "*"


@pytest.mark.parametrize(
    ("version", "connection", "alive"),
    [
        ("1.1", None, True),
        ("1.1", "close", False),
        ("1.1", "Foo, CLOSE", False),
        ("1.0", None, False),
        ("1.0", "keep-alive", True),
    ],
)
def test_keep_alive(version: str, connection: str | None, alive: bool) -> None:
    lines = [f"GET / HTTP/{version}", *([f"Connection: {connection}"] if connection else [])]
    assert read_request(head(*lines)).keep_alive is alive


def test_lengths() -> None:
    assert read_request(head("POST / HTTP/1.1", "Content-Length: 12")).length == 12
    assert read_request(head("POST / HTTP/1.1", "Transfer-Encoding: Chunked")).length == CHUNKED


@pytest.mark.parametrize(
    ("raw", "method", "length"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "GET", 5),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD", 0),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "GET", 0),
        (b"HTTP/1.1 204\r\n\r\n", "GET", 0),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", CHUNKED),
        (b"HTTP/1.1 200 OK\r\n\r\n", "GET", UNTIL_CLOSE),
    ],
)
def test_responses(raw: bytes, method: str, length: int) -> None:
    found = read_response(raw + b"rest", method)
    assert found is not None
    response, start = found
    assert response.length == length
    assert start == len(raw)
    assert response.keep_alive is (length != UNTIL_CLOSE)


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 5\n\n\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_broken_responses(raw: bytes) -> None:
    with pytest.raises(Refused) as refusal:
        read_response(raw, "GET")
    assert (refusal.value.reply.status, refusal.value.reply.reason) == (502, "upstream_protocol_error")


def test_an_unfinished_response_waits() -> None:
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    assert all(read_response(whole[:cut], "GET") is None for cut in range(len(whole)))
