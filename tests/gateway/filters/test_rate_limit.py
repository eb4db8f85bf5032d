"""GCRA against a slow reference, and what the client is told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.filters.base import Build
from gateway.filters.limit_terms import limit_lines
from gateway.filters.rate_limit import Gcra, RateLimitFilter
from gateway.http.messages import Reply, Request
from gateway.observability.metrics import Metrics
from gateway.spec.filters import RateLimit, RateLimitKey


def passes(limit: RateLimitFilter, request: Request) -> bool:
    """One request as traffic sends it."""
    request.limits = ()
    if limit.decide(request) is not None:
        return False
    limit.commit(request)
    return True


def make(build: Any, **fields: Any) -> RateLimitFilter:
    return RateLimitFilter(RateLimit(**{"requests": 3, "per": 3.0, **fields}), build())


def test_a_burst_and_then_the_rate(build: Any, clock: Any, ask: Any) -> None:
    limit, request = make(build), ask()
    assert [passes(limit, request) for _ in range(5)] == [True, True, True, False, False]
    clock.now += 1.0
    assert [passes(limit, request) for _ in range(2)] == [True, False]
    clock.now += 100.0
    assert [passes(limit, request) for _ in range(4)] == [True, True, True, False]


def test_what_the_client_is_told(build: Any, clock: Any, ask: Any) -> None:
    limit, request = make(build, name="burst"), ask()
    assert passes(limit, request)
    assert limit_lines(request.limits) == b'ratelimit-policy: "burst";q=3;w=3\r\nratelimit: "burst";r=2;t=1\r\n'
    passes(limit, request)
    passes(limit, request)
    request.limits = ()
    reply = limit.decide(request)
    assert isinstance(reply, Reply)
    assert (reply.status, reply.reason, reply.headers) == (429, "rate_limited", ((b"retry-after", b"1"),))
    assert limit_lines(request.limits).endswith(b'ratelimit: "burst";r=0;t=3\r\n')


def test_keys_have_buckets_of_their_own(build: Any, ask: Any) -> None:
    limit, one, other = make(build, requests=1), ask(), ask()
    other.address = "192.0.2.2"
    assert passes(limit, one)
    assert not passes(limit, one)
    assert passes(limit, other)


def test_claims_come_from_the_verified_token_only(build: Any, ask: Any) -> None:
    limit = make(build, requests=1, key=RateLimitKey(type="Claim", name="tenant"))
    without = ask("/", "Tenant: a")
    assert isinstance(limit.decide(without), Reply)
    verified = ask()
    verified.claims = {"tenant": "a"}
    assert passes(limit, verified)
    assert not passes(limit, verified)


def test_shadow_mode_counts_and_never_refuses(build: Any, ask: Any) -> None:
    limit, request = make(build, requests=1, enforced=False), ask()
    assert [passes(limit, request) for _ in range(3)] == [True, True, True]
    assert limit._shadowed.values == {("RateLimit", "rate_limited"): 2}
    assert request.limits == ()


def test_shadow_mode_counts_what_enforcing_would_refuse(build: Any, clock: Any, ask: Any) -> None:
    """What would be refused costs nothing there either: a shadow that went on spending would refuse for ever."""
    shadow, enforced = make(build, enforced=False), make(build)
    refused = 0
    for _ in range(50):
        clock.now += 0.4
        assert passes(shadow, ask())
        refused += not passes(enforced, ask())
    assert shadow._shadowed.values == {("RateLimit", "rate_limited"): refused}


def test_explaining_spends_nothing(build: Any, ask: Any) -> None:
    limit, request = make(build), ask()
    passes(limit, request)
    for _ in range(10):
        assert limit.decide(request) is None
        assert limit.explain(request, None) == "2 of 3 left for address 192.0.2.1"


def test_keys_are_bounded() -> None:
    gcra = Gcra(1, 1000.0, 1, max_keys=100)
    for number in range(10_000):
        gcra.spend(f"key {number}", 0.0)
    assert len(gcra) <= 200


def test_a_key_of_both_generations_is_listed_once() -> None:
    gcra = Gcra(1, 1.0, 1, max_keys=100)
    gcra.spend("a", 0.0)
    gcra.spend("b", 0.0)
    gcra.spend("a", 5.0)  # a new generation
    assert list(gcra.latest(10)) == ["a", "b"]


def test_forgotten_buckets_were_full() -> None:
    gcra = Gcra(10, 10.0, 10, max_keys=100)
    gcra.spend("a", 0.0)
    gcra.spend("b", 20.0)
    gcra.spend("c", 31.0)
    assert len(gcra) == 2
    assert gcra.used("a", 31.0) == 0.0


@given(
    requests=st.integers(1, 20),
    per=st.sampled_from([0.5, 1.0, 7.0, 60.0]),
    burst=st.integers(1, 20),
    gaps=st.lists(st.floats(0, 5), min_size=1, max_size=120),
)
def test_never_more_than_allowed_in_any_window(requests: int, per: float, burst: int, gaps: list[float]) -> None:
    """In any window of length w at most burst + w / interval requests pass; and none is refused for nothing."""
    now = 0.0
    limit = RateLimitFilter(
        RateLimit(requests=requests, per=per, burst=burst, name="x"), Build({}, Metrics(), lambda: now, lambda: now)
    )
    request = Request("GET", "/", "", [], {}, "")
    request.address = "a"
    passed: list[float] = []
    tokens, last = float(burst), 0.0
    interval = per / requests
    for gap in gaps:
        now += gap
        tokens, last = min(burst, tokens + (now - last) / interval), now
        allowed = passes(limit, request)
        if abs(tokens - 1) > 1e-3:  # the reference is a real token bucket; ties are a matter of rounding
            assert allowed is (tokens >= 1)
        if allowed:
            tokens -= 1
            passed.append(now)
    for first, start in enumerate(passed):
        for count, end in enumerate(passed[first:], 1):
            assert count <= burst + (end - start) / interval + 1e-3


@pytest.mark.parametrize(("kind", "name"), [("Address", None), ("Route", None), ("Header", "X-Key"), ("Claim", "sub")])
def test_every_key_type_explains_itself(build: Any, ask: Any, kind: Any, name: str | None) -> None:
    limit = make(build, key=RateLimitKey(type=kind, name=name))
    request = ask("/", "X-Key: k")
    request.subject = "alice"
    assert "of 3 left" in limit.explain(request, None)
