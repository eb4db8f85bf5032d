"""Strategies for whole conversations: pipelined requests with bodies, mutations of them, and where packets end."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

from hypothesis import strategies as st

_HEX = re.compile(rb"[0-9a-f]{16,32}")


def cut(raw: bytes, places: list[int]) -> list[bytes]:
    """`raw` in packets that end at the given places."""
    edges = [0, *sorted({place % (len(raw) or 1) for place in places} - {0}), len(raw)]
    return [raw[start:end] for start, end in pairwise(edges)]


def without_ids(said: bytes) -> bytes:
    """Answers without the random part."""
    return _HEX.sub(b"*", said)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """One well-formed request."""
    method = draw(st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"]))
    path = draw(st.sampled_from(["/", "/a", "/a/b?x=1", "/%7Eb", "http://b.example/c", "/a%20b"]))
    fields = draw(st.lists(st.sampled_from(_FIELDS), max_size=4, unique=True))
    lines = [f"{method} {path} HTTP/1.1", "Host: a.example", *fields]
    body = draw(st.one_of(st.none(), st.binary(max_size=60)))
    if body is None:
        return _head(lines)
    if draw(st.booleans()):
        return _head([*lines, f"Content-Length: {len(body)}"]) + body
    return _head([*lines, "Transfer-Encoding: chunked"]) + draw(chunked(body))


_FIELDS = (
    "Accept: */*",
    "X-Empty:",
    "X-Text: caf\xe9 \t end",
    "Connection: keep-alive, x-empty",
    "Expect: 100-continue",
    "Cookie: a=1; b=2",
    "TE: trailers",
    "X-Forwarded-For: 6.6.6.6",
)


def _head(lines: list[str]) -> bytes:
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


@st.composite
def chunked(draw: st.DrawFn, body: bytes) -> bytes:
    """The body in chunks of any size, with what RFC 9112 §7.1 allows around them."""
    extension = draw(st.sampled_from([b"", b";a=b", b" ; q"]))
    trailer = draw(st.sampled_from([b"", b"X-Trailer: 1\r\n"]))
    pieces = cut(body, draw(st.lists(st.integers(0, 60), max_size=3))) if body else []
    return b"".join(b"%X%b\r\n%b\r\n" % (len(one), extension, one) for one in pieces) + b"0\r\n%b\r\n" % trailer


streams = st.lists(st.one_of(requests(), requests().map(lambda one: one + b"\r\n")), min_size=1, max_size=4).map(
    b"".join
)

_PARTS = st.sampled_from(
    [
        b"\r\n",
        b"\n",
        b"\r",
        b"\x00",
        b" ",
        b"\t",
        b":",
        b"0\r\n\r\n",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip\r\n",
        b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        b"Connection: close\r\n",
        b"Connection: content-length\r\n",
        b"HTTP/1.0",
        b"%2e%2e/",
        b"f" * 16,
        b"A: b\r\n" * 101,
        b"x" * 5000,
    ]
)
_Change = Callable[[bytes, int, bytes], bytes]
_CHANGES: list[_Change] = [
    lambda raw, place, part: raw[:place] + part + raw[place:],
    lambda raw, place, part: raw[:place] + part + raw[place + len(part) :],
    lambda raw, place, part: raw[:place] + raw[place + len(part) :],
    lambda raw, place, _: raw[:place],
    lambda raw, place, _: raw[:place] + bytes([(raw[place] + 128) % 256]) + raw[place + 1 :],
    lambda raw, place, part: raw.replace(raw[place : place + 2], part, 1),
]


@st.composite
def mutated(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Something that was well-formed before it was changed in one to three places."""
    raw = draw(whole)
    for _ in range(draw(st.integers(1, 3))):
        if raw:
            place = draw(st.integers(0, len(raw) - 1))
            raw = draw(st.sampled_from(_CHANGES))(raw, place, draw(_PARTS))
    return raw


places = st.lists(st.integers(0, 2_000), max_size=8)
