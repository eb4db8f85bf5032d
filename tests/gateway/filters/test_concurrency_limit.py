"""What is under way is counted, and released once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.filters.base import Build
from gateway.filters.chain import Chain, Stopped
from gateway.filters.concurrency_limit import ConcurrencyLimitFilter
from gateway.http.messages import Reply, Request
from gateway.observability.metrics import Metrics
from gateway.spec.filters import ConcurrencyLimit, RateLimitKey


def make(build: Any, **fields: Any) -> ConcurrencyLimitFilter:
    return ConcurrencyLimitFilter(ConcurrencyLimit(**{"requests": 2, **fields}), build())


def begins(limit: ConcurrencyLimitFilter, request: Request) -> bool:
    if limit.decide(request) is not None:
        return False
    limit.commit(request)
    return True


def test_one_more_than_allowed_waits_for_none_and_is_refused(build: Any, ask: Any) -> None:
    limit, requests = make(build), [ask() for _ in range(4)]
    assert [begins(limit, request) for request in requests] == [True, True, False, False]
    limit.on_end(requests[0])
    assert begins(limit, requests[2])
    assert not begins(limit, requests[3])


def test_keys_count_by_themselves_and_are_forgotten(build: Any, ask: Any) -> None:
    limit, one, other = make(build, requests=1), ask(), ask()
    other.address = "192.0.2.2"
    assert begins(limit, one)
    assert begins(limit, other)
    for request in (one, other, one):  # a second end changes nothing
        limit.on_end(request)
    assert limit.under_way == {}
    assert limit._held == {}


def test_who_was_refused_releases_nothing(build: Any, ask: Any) -> None:
    limit, first, second = make(build, requests=1), ask(), ask()
    assert begins(limit, first)
    assert not begins(limit, second)
    limit.on_end(second)
    assert not begins(limit, ask())


@pytest.mark.parametrize(("kind", "status"), [("Address", 429), ("Route", 503)])
def test_whose_count_is_full_decides_the_status(build: Any, ask: Any, kind: Any, status: int) -> None:
    limit = make(build, requests=1, key=RateLimitKey(type=kind))
    begins(limit, ask())
    reply = limit.decide(ask())
    assert isinstance(reply, Reply)
    assert (reply.status, reply.reason, reply.headers) == (status, "concurrency_limited", ((b"retry-after", b"1"),))


def test_shadow_mode_counts_and_never_refuses(build: Any, ask: Any) -> None:
    limit = make(build, requests=1, enforced=False)
    assert [begins(limit, ask()) for _ in range(3)] == [True, True, True]
    assert limit._shadowed.values == {("ConcurrencyLimit", "concurrency_limited"): 2}


def test_explaining_counts_nothing(build: Any, ask: Any) -> None:
    limit = make(build)
    begins(limit, ask())
    for _ in range(5):
        assert limit.preview(ask()) is None
        assert limit.explain(ask(), None) == "1 of 2 under way for address 192.0.2.1"
    keyless = make(build, key=RateLimitKey(type="Claim", name="sub"))
    assert keyless.explain(ask(), None) == "no claim to count by"


def test_the_chain_tells_the_end_only_to_who_wants_to_know(build: Any, ask: Any) -> None:
    limit, request = make(build, requests=1), ask()
    chain = Chain([limit], build().metrics)
    assert chain.run(request) is None
    assert isinstance(chain.run(ask()), Stopped)
    chain.end(request)
    assert chain.run(ask()) is None
    assert Chain([], build().metrics).enders == ()


def test_an_error_at_the_end_is_counted_and_the_others_are_told(build: Any, ask: Any) -> None:
    class Broken(ConcurrencyLimitFilter):
        def on_end(self, request: Request) -> None:
            raise ZeroDivisionError

    metrics, limit, request = Metrics(), make(build), ask()
    chain = Chain([Broken(ConcurrencyLimit(requests=1), build()), limit], metrics)
    assert chain.run(request) is None
    chain.end(request)
    assert limit.under_way == {}
    assert metrics.filter_errors.values == {("ConcurrencyLimit",): 1}


@given(most=st.integers(1, 5), steps=st.lists(st.tuples(st.booleans(), st.integers(0, 2)), max_size=200))
def test_never_more_than_allowed_under_way(most: int, steps: list[tuple[bool, int]]) -> None:
    limit = ConcurrencyLimitFilter(ConcurrencyLimit(requests=most), Build({}, Metrics(), float, float))
    open_: dict[int, list[Request]] = {0: [], 1: [], 2: []}
    for begin, who in steps:
        request = Request("GET", "/", "", [], {}, "")
        request.address = str(who)
        if begin:
            assert begins(limit, request) is (len(open_[who]) < most)
            if request in limit._held:
                open_[who].append(request)
        elif open_[who]:
            limit.on_end(open_[who].pop())
        assert limit.under_way == {str(who): len(some) for who, some in open_.items() if some}
