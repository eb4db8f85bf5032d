"""Blocks of fields are remembered by their exact bytes, within bounds, and never changed."""

import pytest

from gateway.http.blocks import LONGEST, REMEMBERED, Malformed, request_block, response_head
from gateway.http.heads import read_request, read_response
from gateway.http.hop import downstream_fields, upstream_head
from gateway.http.messages import Refused

BLOCK = b"Host: a\r\nX-One: 1\r\nConnection: X-Two\r\nX-Two: 2\r\n\r\n"


def test_the_same_bytes_are_read_once_and_others_anew() -> None:
    assert request_block(BLOCK, True) is request_block(bytes(bytearray(BLOCK)), True)
    assert request_block(BLOCK.replace(b"1", b"2"), True) is not request_block(BLOCK, True)
    answer = b"HTTP/1.1 200 OK\r\n" + BLOCK
    assert response_head(answer) is response_head(bytes(bytearray(answer)))


def test_the_version_is_part_of_what_is_remembered() -> None:
    block = b"Host: a\r\n\r\n"
    assert request_block(block, True).keep_alive
    assert not request_block(block, False).keep_alive
    with pytest.raises(Refused, match="coding_on_http10"):
        request_block(b"Transfer-Encoding: chunked\r\n\r\n", False)


def test_a_long_block_is_not_remembered() -> None:
    long = b"Host: a\r\nX: %b\r\n\r\n" % (b"x" * LONGEST)
    before = request_block.cache_info().currsize, response_head.cache_info().currsize
    assert read_request(b"GET / HTTP/1.1\r\n" + long).host == "a"
    assert read_response(b"HTTP/1.1 200 OK\r\n" + long, "GET") is not None
    assert (request_block.cache_info().currsize, response_head.cache_info().currsize) == before


def test_what_is_refused_is_refused_each_time() -> None:
    for _ in range(2):
        with pytest.raises(Refused, match="repeated_host"):
            request_block(b"Host: a\r\nHost: b\r\n\r\n", True)
        with pytest.raises(Malformed):
            request_block(b"Host: a\r\n folded\r\n\r\n", True)


def test_the_memory_is_bounded() -> None:
    first = request_block(b"Host: first\r\n\r\n", True)
    for number in range(REMEMBERED):
        request_block(b"Host: a\r\nX: %d\r\n\r\n" % number, True)
    assert request_block(b"Host: first\r\n\r\n", True) is not first


def test_fields_that_a_filter_changed_are_what_goes_on() -> None:
    head = b"GET / HTTP/1.1\r\n" + BLOCK
    request = read_request(head)
    assert b"x-one: 1\r\n" in upstream_head(request, "a", b"")
    request.replace_headers([(b"x-one", b"changed")])
    assert b"x-one: changed\r\n" in upstream_head(request, "a", b"")
    assert b"x-one: 1\r\n" in upstream_head(read_request(head), "a", b"")


def test_fields_of_an_answer_that_a_filter_changed_are_what_goes_on() -> None:
    found = read_response(b"HTTP/1.1 200 OK\r\n" + BLOCK, "GET")
    assert found is not None
    assert downstream_fields(found[0]) == b"host: a\r\nx-one: 1\r\n"
    found[0].headers = [(b"x-one", b"changed")]
    assert downstream_fields(found[0]) == b"x-one: changed\r\n"


def test_nobody_can_change_what_is_shared() -> None:
    assert isinstance(request_block(BLOCK, True).headers, tuple)
    assert isinstance(response_head(b"HTTP/1.1 200 OK\r\n" + BLOCK).headers, tuple)
