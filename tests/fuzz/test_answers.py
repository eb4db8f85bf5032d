"""What an upstream answers may arrive in any packets, or be broken: complete for the client, or visibly not."""

from __future__ import annotations

import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.memory import Outcome, Wire, converse
from tests.fuzz.streams import cut, mutated, places

ANSWERS = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\nX: y\r\n\r\nhello world",
    "empty": b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;a\r\nhello\r\n006\r\n world\r\n0\r\nT: x\r\n\r\n",
    "until close": b"HTTP/1.1 200 OK\r\n\r\nhello world",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\nhello world",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "not modified": b'HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: "x"\r\n\r\n',
    "interim": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world",
    "more than asked for": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello world",
}
REQUEST = b" /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"


class Read:
    """An answer as llhttp reads it."""

    def __init__(self, outcome: Outcome) -> None:
        self.body = b""
        self.complete = False
        self.head = b""
        self._parser = httptools.HttpResponseParser(self)
        self._parser.feed_data(outcome.said)
        self.status = self._parser.get_status_code() if self.head else 0

    def on_headers_complete(self) -> None:
        self.head = b"x"

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.complete = self._parser.get_status_code() >= 200  # an informational answer completes nothing


def ask(packets: list[bytes], method: bytes = b"GET", end: Exception | None = None) -> Outcome:
    """The client's side of an exchange with an upstream that sends these packets, then ends."""

    def answer(wire: Wire) -> None:
        for packet in packets:
            wire.feed(packet)
        wire.feed(end)

    return converse([method + REQUEST], answer)


@pytest.mark.parametrize("name", ANSWERS)
def test_cut_at_every_byte(name: str) -> None:
    raw = ANSWERS[name]
    whole = Read(ask([raw]))
    assert whole.complete
    for place in range(1, len(raw)):
        found = Read(ask([raw[:place], raw[place:]]))
        assert (found.status, found.body, found.complete) == (whole.status, whole.body, True)
    found = Read(ask([bytes([octet]) for octet in raw]))
    assert (found.status, found.body, found.complete) == (whole.status, whole.body, True)


@pytest.mark.parametrize("end", [None, ConnectionResetError()], ids=["closed", "reset"])
@pytest.mark.parametrize("name", ["length", "chunked", "interim"])
def test_cut_short_at_every_byte_is_visible(name: str, end: Exception | None) -> None:
    raw = ANSWERS[name]
    for place in range(len(raw)):
        outcome = ask([raw[:place]], end=end)
        found = Read(outcome)
        assert found.status == 502 or not found.complete, place
        assert outcome.ended or found.status == 502


@pytest.mark.parametrize("name", ["until close", "HTTP/1.0"])
def test_a_reset_is_not_an_end(name: str) -> None:
    """RFC 9112 §8: a body that the connection's end would end is incomplete when the connection breaks."""
    for place in range(len(ANSWERS[name])):
        found = Read(ask([ANSWERS[name][:place]], end=ConnectionResetError()))
        assert found.status == 502 or not found.complete


@settings(max_examples=1_500, deadline=None)
@given(mutated(st.sampled_from(sorted(ANSWERS.values()))), places, st.sampled_from([b"GET", b"HEAD", b"POST"]))
def test_broken_answers_never_depend_on_packets(raw: bytes, cuts: list[int], method: bytes) -> None:
    """If the whole answer is good, so is the cut one, with the same body; if not, neither looks complete."""
    if method == b"HEAD":  # llhttp would wait for a body: only that nothing breaks or is left
        ask(cut(raw, cuts), method)
        return
    whole, pieces = Read(ask([raw], method)), Read(ask(cut(raw, cuts), method))
    good = whole.complete and whole.status != 502
    assert (pieces.complete and pieces.status != 502) == good
    if good:
        assert (pieces.status, pieces.body) == (whole.status, whole.body)
