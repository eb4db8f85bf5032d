"""What a client sends may arrive in any packets: the gateway's answers, and what the upstream sees, are the same."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fuzz.memory import Outcome, converse
from tests.fuzz.streams import cut, mutated, places, streams, without_ids

PIPELINE = (
    b"\r\nPOST /first?x=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc"
    b"\r\n\r\nPUT /second HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2;x=y\r\nhe\r\n3 ;q\r\nllo\r\n0\r\nTrailer: t\r\n\r\n"
    b"HEAD /third HTTP/1.1\r\nHost: a\r\n\r\n"
    b"GET http://b/fourth HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    b"DELETE /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n"
)
SEEN = [
    ("POST", "/first?x=1", b"abc"),
    ("PUT", "/second", b"hello"),
    ("HEAD", "/third", b""),
    ("GET", "/fourth", b""),
    ("DELETE", "/last", b""),
]
REFUSED = PIPELINE.replace(b"3 ;q\r\nllo", b"g\r\nllo")


def same(one: Outcome, other: Outcome) -> None:
    assert without_ids(one.said) == without_ids(other.said)
    assert one.seen == other.seen
    assert one.ended == other.ended


def test_what_the_whole_pipeline_comes_to() -> None:
    whole = converse([PIPELINE])
    assert whole.seen == SEEN
    assert whole.said.count(b"HTTP/1.1 200 OK") == len(SEEN)
    assert whole.ended
    assert converse([REFUSED]).seen == SEEN[:1]


@pytest.mark.parametrize("raw", [PIPELINE, REFUSED], ids=["well-formed", "a bad chunk in the middle"])
@pytest.mark.parametrize("patient", [True, False], ids=["patient", "at once"])
def test_two_packets_cut_at_every_byte(raw: bytes, patient: bool) -> None:
    whole = converse([raw])
    for place in range(1, len(raw)):
        same(converse([raw[:place], raw[place:]], patient=patient), whole)


@pytest.mark.parametrize("raw", [PIPELINE, REFUSED], ids=["well-formed", "a bad chunk in the middle"])
def test_one_byte_a_packet(raw: bytes) -> None:
    same(converse([bytes([octet]) for octet in raw]), converse([raw]))


@settings(max_examples=400, deadline=None)
@given(streams, places, st.booleans())
def test_well_formed_streams_do_not_depend_on_packets(raw: bytes, cuts: list[int], patient: bool) -> None:
    whole = converse([raw])
    assert whole.said.count(b"HTTP/1.1 200 OK") == len(whole.seen) > 0
    same(converse(cut(raw, cuts), patient=patient), whole)


@settings(max_examples=1_000, deadline=None)
@given(mutated(streams), places, st.booleans())
@example(b"\r\n" * 5 + PIPELINE, [1, 2, 3, 4, 5], True)  # empty lines were counted by packet once
@example(
    b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 4062 + b"\r\n\r\n", [4093], True
)  # the limit of a head, to the byte
@example(
    b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: b\r\n" * 1500 + b"\r\n", [1500], True
)
def test_broken_streams_do_not_depend_on_packets_and_leave_nothing(raw: bytes, cuts: list[int], patient: bool) -> None:
    same(converse(cut(raw, cuts), patient=patient), converse([raw]))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), places)
def test_noise_is_refused_or_waits(raw: bytes, cuts: list[int]) -> None:
    outcome = converse(cut(raw, cuts))
    assert outcome.seen == []
    assert b" 200 " not in outcome.said
