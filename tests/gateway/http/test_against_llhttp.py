"""Our grammar against llhttp, the parser of Node: what we let through, it reads in the same way.

The other direction does not hold, on purpose: llhttp repairs or ignores much that we refuse.
"""

from __future__ import annotations

import re

import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.http.heads import read_request
from gateway.http.messages import CHUNKED, Refused
from gateway.observability.registry import METHODS


class Seen:
    """What llhttp reports of a request."""

    def __init__(self) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = False

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        self.complete = True


PIECES = st.sampled_from(
    (
        b"GET|POST| |/|/a|?x=1| HTTP/1.1| HTTP/1.0|\r\n|\n|\r|Host: a|: |\t|\x00|%2e|..|;|,"
        b"|Content-Length: 5|Transfer-Encoding: chunked|X: y|X :y"
    ).split(b"|")
)


@settings(max_examples=1_000)
@given(st.lists(PIECES, min_size=1, max_size=14), st.binary(max_size=6), st.integers(0, 120))
def test_what_we_accept_llhttp_reads_alike(pieces: list[bytes], noise: bytes, place: int) -> None:
    raw = b"GET /a HTTP/1.1\r\nHost: a\r\n" + b"".join(pieces)
    raw = raw[:place] + noise + raw[place:] + b"\r\n\r\n"
    raw = raw[: raw.index(b"\r\n\r\n") + 4]
    try:
        ours = read_request(raw)
    except Refused:
        return
    theirs = Seen()
    parser = httptools.HttpRequestParser(theirs)
    try:
        parser.feed_data(raw)
    except httptools.HttpParserInvalidMethodError:
        assert ours.method not in METHODS  # any token is a method (RFC 9110 section 9.1); llhttp has a list
        return
    except httptools.HttpParserError:
        assert ours.length == CHUNKED
        assert re.search(rb"chunked *\t", raw)  # white space around a value is SP or HTAB (RFC 9110 section 5.6.3)
        return
    assert theirs.complete
    assert parser.get_method().decode() == ours.method
    assert tuple(theirs.headers) == ours.headers
    assert parser.should_keep_alive() == ours.keep_alive


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_what_llhttp_lets_through_and_we_refuse(raw: bytes) -> None:
    httptools.HttpRequestParser(Seen()).feed_data(raw)
    with pytest.raises(Refused):
        read_request(raw)
