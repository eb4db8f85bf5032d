"""Quotas in one worker: windows of the calendar, plans, what the client is told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.filters.base import Build
from gateway.filters.limit_terms import QuotaTerms, limit_lines
from gateway.filters.quota import QuotaFilter, Windows
from gateway.filters.rate_limit import RateLimitFilter
from gateway.http.messages import Reply, Request
from gateway.observability.metrics import Metrics
from gateway.spec.filters import Plan, Quota, RateLimit, RateLimitKey

DAY = 86_400.0


def make(build: Any, **fields: Any) -> QuotaFilter:
    return QuotaFilter(Quota(**{"requests": 3, **fields}), build())


def passes(limit: Any, request: Request) -> bool:
    if limit.decide(request) is not None:
        return False
    limit.commit(request)
    return True


def test_a_day_ends_at_midnight_utc(build: Any, clock: Any, ask: Any) -> None:
    clock.now = 20_000 * DAY + 23 * 3_600
    limit, request = make(build), ask()
    assert [passes(limit, request) for _ in range(4)] == [True, True, True, False]
    clock.now += 3_599
    assert not passes(limit, request)
    clock.now += 1
    assert [passes(limit, request) for _ in range(4)] == [True, True, True, False]


def test_what_the_client_is_told(build: Any, clock: Any, ask: Any) -> None:
    clock.now = 20_000 * DAY + DAY - 60.5
    limit, request = make(build, name="daily"), ask()
    assert passes(limit, request)
    told = b'ratelimit-policy: "daily";q=3;w=86400\r\nratelimit: "daily";r=2;t=61\r\n'
    assert limit_lines(request.limits) == told
    passes(limit, request)
    passes(limit, request)
    reply = limit.decide(request)
    assert isinstance(reply, Reply)
    assert (reply.status, reply.reason, reply.headers) == (429, "quota_exhausted", ((b"retry-after", b"61"),))
    assert "3 per 1 d" in reply.detail


def test_the_plan_in_the_token_decides(build: Any, ask: Any) -> None:
    limit = make(build, requests=1, plans={"gold": Plan(requests=3), "hourly": Plan(requests=2, per=3_600.0)})

    def many(who: str, **claims: Any) -> int:
        request = ask()
        request.address, request.claims = who, claims
        return sum(passes(limit, request) for _ in range(5))

    assert many("a", plan="gold") == 3
    assert many("b", plan="hourly") == 2
    assert many("c", plan="platinum") == 1
    assert many("d") == 1
    assert many("e", plan=["gold"]) == 1  # only text names a plan


def test_the_claim_may_have_another_name(build: Any, ask: Any) -> None:
    limit, request = make(build, requests=1, plan_claim="tier", plans={"gold": Plan(requests=2)}), ask()
    request.claims = {"tier": "gold", "plan": "none"}
    assert [passes(limit, request) for _ in range(3)] == [True, True, False]


def test_a_request_may_cost_more(build: Any, ask: Any) -> None:
    limit, request = make(build, requests=5), ask()
    request.cost = 3
    assert [passes(limit, request) for _ in range(2)] == [True, False]
    request.cost = 2
    assert passes(limit, request)
    request.cost = 6
    reply = limit.decide(request)
    assert isinstance(reply, Reply)
    assert reply.headers == ()


def test_shadow_mode_counts_and_never_refuses(build: Any, ask: Any) -> None:
    limit, request = make(build, requests=1, enforced=False), ask()
    assert [passes(limit, request) for _ in range(3)] == [True, True, True]
    assert limit._shadowed.values == {("Quota", "quota_exhausted"): 2}
    assert request.limits == ()


def test_explaining_spends_nothing(build: Any, ask: Any) -> None:
    limit, request = make(build), ask()
    passes(limit, request)
    for _ in range(5):
        assert limit.preview(request) is None
        assert limit.explain(request, None) == "2 of 3 per 1 d left for address 192.0.2.1"


def test_a_request_without_key_is_refused(build: Any, ask: Any) -> None:
    limit = make(build, key=RateLimitKey(type="Claim", name="sub"))
    reply = limit.decide(ask())
    assert isinstance(reply, Reply)
    assert reply.reason == "no_limit_key"
    assert limit.explain(ask(), reply) == "no claim to count by"


def test_keys_are_bounded() -> None:
    windows, terms = Windows(100), QuotaTerms("daily", 1, DAY)
    for number in range(1_000):
        windows.spend(f"key {number}", 1, DAY, terms)
    assert len(windows.counts) == 100


def test_several_limits_are_members_of_one_list_each(build: Any, ask: Any) -> None:
    """RFC 9651 allows a list on several lines as well; one line is what simple clients can read."""
    bucket = RateLimitFilter(RateLimit(name="burst", requests=3, per=3.0), build())
    quota, request = make(build, name="daily", per=DAY), ask()
    assert passes(bucket, request)
    assert passes(quota, request)
    policy, left, _ = limit_lines(request.limits).split(b"\r\n")
    assert policy == b'ratelimit-policy: "burst";q=3;w=3, "daily";q=3;w=86400'
    assert left.startswith(b'ratelimit: "burst";r=2;t=1, "daily";r=2;t=')


@pytest.mark.parametrize("cost", [0, 1, 2])
def test_a_rate_charges_the_cost_of_a_request(build: Any, ask: Any, cost: int) -> None:
    bucket, request = RateLimitFilter(RateLimit(requests=4, per=4.0), build()), ask()
    request.cost = cost
    passes(bucket, request)
    assert limit_lines(request.limits).endswith(b'ratelimit: "default";r=%d;t=%d\r\n' % (4 - cost, cost))


@given(
    most=st.integers(1, 6),
    per=st.sampled_from([1.0, 5.0, DAY]),
    steps=st.lists(st.tuples(st.floats(0, 5), st.integers(1, 3), st.booleans()), max_size=80),
)
def test_never_more_than_the_plan_allows_in_a_window(
    most: int, per: float, steps: list[tuple[float, int, bool]]
) -> None:
    now = 20_000 * DAY - 3.0  # some steps cross midnight
    spec = Quota(requests=most, per=per, plans={"gold": Plan(requests=2 * most)})
    limit = QuotaFilter(spec, Build({}, Metrics(), lambda: now, lambda: now))
    used: dict[tuple[bool, int], int] = {}
    for gap, cost, gold in steps:
        now += gap
        request = Request("GET", "/", "", [], {}, "")
        request.address, request.claims, request.cost = str(gold), {"plan": "gold" if gold else "none"}, cost
        window = (gold, int(now // per))
        allowed = passes(limit, request)
        assert allowed is (used.get(window, 0) + cost <= (2 * most if gold else most))
        used[window] = used.get(window, 0) + (cost if allowed else 0)
