"""Raw bytes through a gateway that compresses: what gets smaller, what is left alone, and what clients are told."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from typing import Any

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.filters.compression import MAX_STREAMS, Compressing, CompressionFilter, Gzip, _brotli, listed, preferred
from gateway.roles.returning import SLICE

TEXT = b"all work and no play makes jack a dull boy\n" * 100
JSON = b"Content-Type: application/json\r\n"


def config(address: str, compression: str = "", more: str = "") -> str:
    return f"""
listeners: [{{name: public, port: 0}}]
clusters: [{{name: shop, endpoints: ["{address}"]}}]
caches: [{{name: main}}]
filters: [{{type: Compression{compression}}}]
routes:
  - {{name: all, public: true, backendRefs: [{{cluster: shop}}], filters: [{more}]}}
"""


def stated(body: bytes, fields: bytes = JSON, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n%b" % (status, fields, len(body), body)


def read(raw: bytes) -> tuple[dict[bytes, bytes], bytes]:
    """Fields and body, unchunked."""
    head, _, body = raw.partition(b"\r\n\r\n")
    fields: dict[bytes, bytes] = {}
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        name = name.lower()
        fields[name] = fields[name] + b", " + value.strip() if name in fields else value.strip()
    if fields.get(b"transfer-encoding") == b"chunked":
        plain, rest = b"", body
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            plain, rest = plain + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
        body = plain
    return fields, body


async def ask(gateway: Any, upstream: Any, answer: Any, accept: str = "gzip", **how: Any) -> Any:
    shop = await upstream(answer)
    running = await gateway(config(shop.address, how.get("compression", ""), how.get("more", "")))
    accepted = f"Accept-Encoding: {accept}\r\n" if accept else ""
    head = f"{how.get('method', 'GET')} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{accepted}"
    fields, body = read(await running.raw(f"{head}{how.get('fields', '')}\r\n".encode()))
    return running, shop, fields, body


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [
        ("gzip", b"gzip"),
        ("x-gzip", b"gzip"),
        ("br", b"br"),
        ("gzip, br", b"br"),
        ("gzip, deflate, br;q=0.5", b"gzip"),
        ("*", b"br"),
        ("*;q=0.1, br;q=0", b"gzip"),
    ],
)
async def test_the_client_says_what_it_reads(gateway: Any, upstream: Any, accept: str, encoding: bytes) -> None:
    running, _, fields, body = await ask(
        gateway, upstream, stated(TEXT, JSON + b'ETag: "1"\r\nAccept-Ranges: bytes\r\n'), accept
    )
    assert fields[b"content-encoding"] == encoding
    assert fields[b"vary"] == b"accept-encoding"
    assert fields[b"etag"] == b'W/"1"'
    assert b"accept-ranges" not in fields
    assert int(fields[b"content-length"]) == len(body) < len(TEXT) / 5
    assert (brotli.decompress(body) if encoding == b"br" else gzip.decompress(body)) == TEXT
    assert running.total("gateway_compressed_answers_total", http_route="all", encoding=encoding.decode()) == 1


@pytest.mark.parametrize(
    "accept", ["", "identity", "gzip;q=0", "deflate", "gzip;q=0.5, identity", "gzip;q=x", "gzip;q=1;a"]
)
async def test_who_does_not_ask_gets_it_plain_and_caches_are_told(gateway: Any, upstream: Any, accept: str) -> None:
    _, _, fields, body = await ask(gateway, upstream, stated(TEXT, JSON + b'ETag: "1"\r\n'), accept)
    assert body == TEXT
    assert b"content-encoding" not in fields
    assert fields[b"vary"] == b"accept-encoding"
    assert fields[b"etag"] == b'"1"'


@pytest.mark.parametrize(
    "answer",
    [
        stated(TEXT, b"Content-Type: image/png\r\n"),
        stated(TEXT, b""),
        stated(TEXT, b"Content-Type: text/event-stream\r\n"),
        stated(TEXT[:1023]),
        stated(TEXT, JSON + b"Content-Encoding: br\r\n"),
        stated(TEXT, JSON + b"Cache-Control: public, No-Transform\r\n"),
        stated(TEXT, JSON + b"Content-Range: bytes 0-9/10\r\n", b"206 Partial Content"),
        stated(TEXT, JSON + b"Repr-Digest: sha-256=:x:\r\n"),
    ],
)
async def test_what_is_left_alone(gateway: Any, upstream: Any, answer: bytes) -> None:
    _, _, fields, body = await ask(gateway, upstream, answer)
    assert answer.endswith(b"\r\n\r\n" + body)
    assert b"vary" not in fields


@pytest.mark.parametrize(("setting", "encoded"), [("", False), (", cookies: true", True)])
async def test_cookies(gateway: Any, upstream: Any, setting: str, encoded: bool) -> None:
    _, _, fields, _ = await ask(gateway, upstream, stated(TEXT), fields="Cookie: a=b\r\n", compression=setting)
    assert (b"content-encoding" in fields) == encoded


async def test_vary_is_added_to_what_is_there(gateway: Any, upstream: Any) -> None:
    _, _, fields, _ = await ask(gateway, upstream, stated(TEXT, JSON + b"Vary: Origin\r\n"))
    assert fields[b"vary"] == b"Origin, accept-encoding"


async def test_head_says_what_get_would(gateway: Any, upstream: Any) -> None:
    answer = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: "1"\r\nContent-Length: 5000\r\n\r\n'
    _, _, fields, body = await ask(gateway, upstream, answer, method="HEAD")
    assert (fields[b"content-encoding"], fields[b"etag"], body) == (b"gzip", b'W/"1"', b"")
    assert b"content-length" not in fields


async def test_a_304_has_the_name_that_the_client_knows(gateway: Any, upstream: Any) -> None:
    _, shop, fields, _ = await ask(
        gateway, upstream, b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n', fields='If-None-Match: W/"1"\r\n'
    )
    assert (fields[b"etag"], fields[b"vary"]) == (b'W/"1"', b"accept-encoding")
    assert b"content-encoding" not in fields
    assert b'if-none-match: w/"1"' in shop.seen[0].lower()


async def test_a_stream_is_compressed_piece_by_piece(gateway: Any, upstream: Any) -> None:
    async def pieces(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _number in range(5):
            writer.write(b"%x\r\n%b\r\n" % (len(TEXT), TEXT))
            await writer.drain()
            await asyncio.sleep(0.01)  # so that they are not read in one
        writer.write(b"0\r\n\r\n")

    _, _, fields, body = await ask(gateway, upstream, pieces)
    assert b"content-length" not in fields
    assert gzip.decompress(body) == TEXT * 5


@pytest.mark.parametrize("encoding", ["gzip", "br"])
async def test_an_event_arrives_before_the_next_one(gateway: Any, upstream: Any, encoding: str) -> None:
    go = asyncio.Event()

    async def events(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\ndata: one\n\n")
        await writer.drain()
        await go.wait()
        writer.close()

    shop = await upstream(events)
    running = await gateway(config(shop.address, ", types: [text/event-stream]"))
    reader, writer = await asyncio.open_connection("127.0.0.1", running.ports["public"])
    writer.write(f"GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {encoding}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    size = int(await reader.readline(), 16)
    piece = await reader.readexactly(size)
    plain = brotli.Decompressor().process(piece) if encoding == "br" else zlib.decompressobj(31).decompress(piece)
    assert plain == b"data: one\n\n"
    assert b"content-encoding: " + encoding.encode() in head.lower()
    go.set()
    writer.close()


async def test_no_more_than_so_many_at_one_time(gateway: Any, upstream: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("gateway.filters.compression.MAX_STREAMS", 0)
    _, _, fields, body = await ask(gateway, upstream, stated(TEXT))
    assert (body, fields[b"vary"]) == (TEXT, b"accept-encoding")
    assert MAX_STREAMS > 0


async def test_nothing_is_remembered_of_requests_that_are_over(gateway: Any, upstream: Any) -> None:
    running, _, _, _ = await ask(gateway, upstream, stated(TEXT))
    (one,) = (one for one in running.worker.snapshot.filters.values() if isinstance(one, CompressionFilter))
    assert (one._wanted, one._chosen) == ({}, {})


# -- together with a cache -------------------------------------------------------------------------------------

CACHE = "{type: Cache, cache: main}"
KEPT = JSON + b'Cache-Control: max-age=60\r\nETag: "1"\r\n'


async def test_one_kept_answer_serves_every_encoding(gateway: Any, upstream: Any) -> None:
    running, shop, fields, body = await ask(gateway, upstream, stated(TEXT, KEPT), "gzip", more=CACHE)
    assert gzip.decompress(body) == TEXT
    for accept, expected in (("br", b"br"), ("gzip", b"gzip"), ("identity", b"")):
        head = f"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAccept-Encoding: {accept}\r\n\r\n"
        fields, body = read(await running.raw(head.encode()))
        plain = {b"br": brotli.decompress, b"gzip": gzip.decompress, b"": bytes}[expected](body)
        assert plain == TEXT
        assert fields.get(b"content-encoding", b"") == expected
        assert b"hit" in fields[b"cache-status"]
        assert fields[b"etag"] == (b'W/"1"' if expected else b'"1"')
    assert len(shop.seen) == 1


async def test_what_a_client_has_compressed_is_recognised(gateway: Any, upstream: Any) -> None:
    running, shop, fields, _ = await ask(gateway, upstream, stated(TEXT, KEPT), more=CACHE)
    head = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAccept-Encoding: gzip\r\nIf-None-Match: %b\r\n\r\n"
    raw = await running.raw(head % fields[b"etag"])
    assert raw.startswith(b"HTTP/1.1 304")
    assert read(raw)[1] == b""
    assert len(shop.seen) == 1


async def test_a_large_kept_answer_is_compressed_in_slices(gateway: Any, upstream: Any) -> None:
    large = bytes(range(256)) * (SLICE * 5 // 256) + b"end"
    running, shop, _, body = await ask(gateway, upstream, stated(large, KEPT), more=CACHE)
    assert gzip.decompress(body) == large
    fields, body = read(
        await running.raw(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAccept-Encoding: gzip\r\n\r\n")
    )
    assert fields[b"transfer-encoding"] == b"chunked"
    assert gzip.decompress(body) == large
    assert len(shop.seen) == 1


async def test_a_client_that_takes_nothing_stops_the_compressing(gateway: Any, upstream: Any) -> None:
    import random

    large = random.Random(1).randbytes(8 * 1_048_576)  # does not shrink, and is more than a socket's buffers take
    shop = await upstream(stated(large, KEPT))
    zone = "caches: [{name: main, maxBytes: 134217728, maxObjectBytes: 16777216}]"
    running = await gateway(config(shop.address, more=CACHE).replace("caches: [{name: main}]", zone))
    await running.raw(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", wait=20)
    reader, writer = await asyncio.open_connection("127.0.0.1", running.ports["public"], limit=4_096)
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAccept-Encoding: gzip\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    while not (exchanges := list(running.worker.exchanges)) or not exchanges[0]._rest_waits:
        await asyncio.sleep(0)
    left = len(exchanges[0]._rest)
    for _ in range(50):
        await asyncio.sleep(0)
    assert left > 0
    assert len(exchanges[0]._rest) == left
    got = await reader.read(-1)
    _, body = read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + got)
    assert gzip.decompress(body) == large
    writer.close()


# -- negotiation, and round trips ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "types", "found"),
    [
        (b"text/html", ("text/html",), True),
        (b"Text/HTML; charset=utf-8", ("text/html",), True),
        (b"text/html", ("text/*",), True),
        (b"text/", ("text/*",), False),
        (b"application/problem+json", ("application/*+json",), True),
        (b"application/+json", ("application/*+json",), False),
        (b"application/jsonx", ("application/json",), False),
        (b"text/html" + b";" * 300, ("text/html",), False),
    ],
)
def test_types(kind: bytes, types: tuple[str, ...], found: bool) -> None:
    assert listed(kind, types) == found


def test_our_order_breaks_ties() -> None:
    assert preferred(b"br, gzip", ("gzip", "br")) == "gzip"
    assert preferred(b"gzip;q=0.001", ("br", "gzip")) == "gzip"
    assert preferred(b"gzip" + b" " * 300, ("gzip",)) == ""


@given(st.binary(max_size=120))
def test_no_header_breaks_the_negotiation(accepted: bytes) -> None:
    assert preferred(accepted, ("br", "gzip")) in ("", "br", "gzip")


@pytest.mark.parametrize("encoding", ["gzip", "br"])
@given(pieces=st.lists(st.binary(max_size=3_000), max_size=8), flushes=st.booleans(), level=st.integers(1, 9))
def test_what_goes_in_comes_out(encoding: str, pieces: list[bytes], flushes: bool, level: int) -> None:
    stream = Compressing((_brotli() if encoding == "br" else Gzip)(level), flushes)
    sent = [stream.feed(one) for one in pieces if one]
    packed = b"".join(sent) + stream.end()
    assert (brotli.decompress(packed) if encoding == "br" else gzip.decompress(packed)) == b"".join(pieces)
