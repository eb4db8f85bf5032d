r"""What the fuzzers run, and what must hold for any bytes; the tests run the same on the corpus, without atheris.

`heads`: the first byte says whether the others are a request's head, a response or a chunked body. Only `Refused`
may be raised, and what passes is the same when it is read again.

`exchange`: packets, separated by the two bytes FF 0A. Those that begin with FE are the upstream's (what it sends for
each complete request; the last one's length decides whether it closes), the others are the client's. Nothing may
be raised, nothing may be left (see fuzz.memory), and the upstream gets no more requests than the client sent.
"""

from __future__ import annotations

from fuzz.memory import OK, Wire, converse
from gateway.http.chunked import ChunkedDecoder
from gateway.http.heads import read_request, read_response
from gateway.http.hop import downstream_fields, upstream_head
from gateway.http.messages import Refused

SEPARATOR = b"\xff\n"
UPSTREAM = b"\xfe"


def check_request(head: bytes) -> None:
    """What we would send upstream reads as the same request: nothing is ours in one place and theirs in another."""
    request = read_request(head)
    request.upgrade = False
    sent = upstream_head(request, request.host or "a", b"")
    again = read_request(sent)
    assert (again.method, again.path, again.query) == (request.method, request.path, request.query)
    assert again.length == request.length, (again.length, request.length)
    assert sent.count(b"\r\n\r\n") == 1


def check_response(data: bytes) -> None:
    """A response's fields stay fields."""
    for method in ("GET", "HEAD"):
        found = read_response(data, method)
        if found is not None:
            response, end = found
            lines = b"HTTP/1.1 200 OK\r\n" + downstream_fields(response) + b"\r\n"
            assert lines.count(b"\r\n\r\n") == 1
            assert data[:end].endswith(b"\r\n\r\n")


def check_chunks(data: bytes) -> None:
    """Whole or byte by byte: the same body, the same rest, or a refusal both times."""
    whole, bytewise = ChunkedDecoder(), ChunkedDecoder()
    try:
        body: bytes | None = whole.feed(data)
    except Refused:
        body = None
    pieces, rest = [], b""
    try:
        for place in range(len(data)):
            if bytewise.done:
                rest = data[place:]
                break
            pieces.append(bytewise.feed(data[place : place + 1]))
    except Refused:
        assert body is None
        return
    assert body == b"".join(pieces)
    assert (whole.done, whole.unused) == (bytewise.done, rest if whole.done else b"")


CHECKS = (check_request, check_response, check_chunks)


def heads(data: bytes) -> None:
    """The first byte says what the others are."""
    if data:
        try:
            CHECKS[data[0] % len(CHECKS)](data[1:])
        except Refused:
            pass  # the one thing that a parser may say against its input


def exchange(data: bytes) -> None:
    """One conversation, from the first packet to nothing left."""
    packets = data.split(SEPARATOR)
    client = [packet for packet in packets if packet and not packet.startswith(UPSTREAM)]
    upstream = [packet[1:] for packet in packets if packet.startswith(UPSTREAM)] or [OK]

    def answer(wire: Wire) -> None:
        wire.feed(*(packet for packet in upstream if packet))
        if len(upstream[-1]) % 2:
            wire.feed(None)

    outcome = converse(client, answer, patient=len(data) % 2 == 0)
    assert len(outcome.seen) <= 2 * b"".join(client).count(b" HTTP/1."), outcome.seen  # twice: one retry
