"""What is refused at once, and what the exchange is told."""

from __future__ import annotations

import math
from typing import Any

import pytest

from gateway.filters.size_limit import SizeLimitFilter
from gateway.http.messages import CHUNKED, BodyLimits, Bound, Reply
from gateway.spec.filters import SizeLimit


def make(build: Any, **fields: Any) -> SizeLimitFilter:
    return SizeLimitFilter(SizeLimit(**fields), build())


def test_a_stated_length_is_judged_at_once(build: Any, ask: Any) -> None:
    limit, request = make(build, max_request_bytes=10), ask()
    request.length = 10
    assert limit.decide(request) is None
    request.length = 11
    reply = limit.decide(request)
    assert isinstance(reply, Reply)
    assert (reply.status, reply.reason) == (413, "body_too_large")


def test_the_rest_is_for_the_exchange_to_count(build: Any, ask: Any) -> None:
    request = ask()
    request.length = CHUNKED
    assert make(build, max_request_bytes=10, where="x:1").decide(request) is None
    assert request.body_limits == BodyLimits(Bound(10, "x:1"), Bound(math.inf, "x:1"))


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        ({"max_request_bytes": 5}, BodyLimits(Bound(5, "x:2"), Bound(100, "x:1"))),
        ({"max_request_bytes": 50}, BodyLimits(Bound(10, "x:1"), Bound(100, "x:1"))),
        ({"max_response_bytes": 50}, BodyLimits(Bound(10, "x:1"), Bound(50, "x:2"))),
    ],
)
def test_where_several_apply_all_hold(build: Any, ask: Any, second: Any, expected: BodyLimits) -> None:
    request = ask()
    make(build, max_request_bytes=10, max_response_bytes=100, where="x:1").decide(request)
    make(build, **second, where="x:2").decide(request)
    assert request.body_limits == expected


def test_it_explains_what_holds(build: Any, ask: Any) -> None:
    limit = make(build, max_request_bytes=10, max_response_bytes=100)
    assert limit.explain(ask(), None) == "request at most 10 bytes, answer at most 100 bytes"
