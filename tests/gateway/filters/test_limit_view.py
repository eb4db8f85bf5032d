"""What of a limit may be looked at, and how much of it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.filters.limit_seen import Said, Seen
from gateway.filters.limit_terms import AnyTerms, QuotaTerms, RateTerms
from gateway.filters.limit_view import LOOKED_AT, TOLD
from gateway.filters.quota import QuotaFilter
from gateway.filters.rate_limit import RateLimitFilter
from gateway.filters.redirect import RequestRedirectFilter
from gateway.spec.filters import Plan, Quota, RateLimit, RateLimitKey, RequestRedirect


def spend(limit: Any, request: Any, times: int = 1) -> None:
    for _ in range(times):
        assert limit.decide(request) is None
        limit.commit(request)


def test_the_most_used_keys_come_first(build: Any, ask: Any, clock: Any) -> None:
    limit = RateLimitFilter(RateLimit(name="burst", requests=10, per=10.0, where="x:1"), build())
    for last in range(40):
        request = ask()
        request.address = f"192.0.2.{last}"
        spend(limit, request, times=1 + last % 5)
    view = limit.view()
    assert (view["name"], view["type"], view["where"], view["keys"]) == ("burst", "RateLimit", "x:1", 40)
    assert view["terms"] == "10 per 10 s, bursts of 10"
    assert len(view["top"]) == TOLD
    assert view["top"][0] == {"key": "192.0.2.39", "left": 5, "size": 10, "reset_seconds": 5.0}
    assert view["top"][-1]["left"] == 7
    clock.now += 100.0
    assert limit.view()["top"] == []  # all have flowed back


def test_values_of_headers_are_never_shown(build: Any, ask: Any) -> None:
    limit = RateLimitFilter(RateLimit(requests=3, key=RateLimitKey(type="Header", name="X-Key")), build())
    request = ask("/", "X-Key: s3cret")
    spend(limit, request)
    view = limit.view()
    assert view["key"] == "Header X-Key"
    assert view["top"][0]["key"].startswith("sha256:")
    assert "s3cret" not in repr(view) + limit.explain(request, None)


def test_a_quota_is_shown_by_its_keys_own_plan(build: Any, ask: Any, clock: Any) -> None:
    clock.now = 86_400.0 * 20_000 + 86_300
    limit = QuotaFilter(Quota(requests=2, plans={"gold": Plan(requests=4)}), build())
    for who, plan, times in (("a", "gold", 1), ("b", "free", 1)):
        request = ask()
        request.address, request.claims = who, {"plan": plan}
        spend(limit, request, times)
    assert limit.view()["top"] == [
        {"key": "b", "left": 1, "size": 2, "reset_seconds": 100.0},
        {"key": "a", "left": 3, "size": 4, "reset_seconds": 100.0},
    ]


def test_looking_is_bounded(build: Any) -> None:
    limit = RateLimitFilter(RateLimit(requests=1, per=3_600.0), build())
    limit.gcra.spend("first", limit._clock())
    for number in range(LOOKED_AT):
        limit.gcra.spend(f"key {number}", limit._clock())
    assert sum(1 for _ in limit.gcra.latest(LOOKED_AT)) == LOOKED_AT
    assert "first" not in set(limit.gcra.latest(LOOKED_AT))
    assert limit.view()["keys"] == LOOKED_AT + 1


def test_other_filters_have_nothing_to_show(build: Any) -> None:
    assert RequestRedirectFilter(RequestRedirect(), build()).view() is None


@pytest.mark.parametrize("kind", ["rate", "quota"])
def test_a_shared_limit_shows_what_was_last_heard(kind: str) -> None:
    terms: AnyTerms = RateTerms("a", 10, 10.0, 10) if kind == "rate" else QuotaTerms("a", 10, 60.0)
    seen = Seen(10, 60.0)
    assert seen.admit("k", 0.0) == "k"
    seen.note("k", Said(terms, 4.0, 30.0, 0.0))
    (use,) = seen.uses(1.0)
    assert (use.used, use.ends) == ((3.0, 0.0) if kind == "rate" else (4.0, 29.0))
    (later,) = seen.uses(31.0)
    assert later.used <= 0
