"""Limits in a store against a slow reference: never more than allowed, whichever gateway is asked."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.filters.base import Build
from gateway.filters.shared_limit import SharedLimit
from gateway.http.messages import Request
from gateway.observability.metrics import Metrics
from gateway.spec.filters import Plan, RateLimitKey
from gateway.spec.models import Store as StoreSpec
from gateway.upstream.redis_account import Account
from gateway.upstream.store import Store
from tests.gateway.filters.test_shared_limit import DAY, MIDNIGHT, passes, quota, rate
from tests.gateway.redis_process import RedisProcess

NUMBERS = itertools.count()


class Manual:
    """Hypothesis runs many examples in one test; each gets limits of its own names on one Redis and one loop."""

    def __init__(self, address: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.now = MIDNIGHT
        spec = StoreSpec(name="shared", address=address, timeout=5.0)
        self.builds = [
            Build({}, metrics, self, self, {"shared": Store(spec, Account(address), metrics, self)}, "orders")
            for metrics in (Metrics(), Metrics(), Metrics())
        ]

    def __call__(self) -> float:
        return self.now

    def asked(self, limit: SharedLimit[Any], request: Request) -> bool:
        return self.loop.run_until_complete(passes(limit, request))

    def close(self) -> None:
        for build in self.builds:
            self.loop.run_until_complete(build.stores["shared"].close())
        self.loop.close()


@pytest.fixture(scope="module")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    one = RedisProcess(Path(tmp_path_factory.mktemp("redis")))
    one.start()
    yield one
    one.kill()


@pytest.fixture
def manual(shared_redis: RedisProcess) -> Iterator[Manual]:
    one = Manual(shared_redis.address)
    yield one
    one.close()


def somebody(**claims: str) -> Request:
    request = Request("GET", "/", "", [], {}, "")
    request.address, request.claims = "192.0.2.1", claims
    return request


Steps = st.lists(st.tuples(st.floats(0, 5), st.integers(0, 2), st.integers(1, 3)), min_size=1, max_size=40)
"""Seconds since the one before, which gateway, and what the request costs."""
ONE_REDIS = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


@ONE_REDIS
@given(requests=st.integers(1, 20), per=st.sampled_from([0.5, 7.0, 60.0]), burst=st.integers(1, 20), steps=Steps)
def test_rate_never_more_than_allowed_in_any_window_whichever_gateway_is_asked(
    manual: Manual, requests: int, per: float, burst: int, steps: Any
) -> None:
    """In any window of length w at most burst + w / interval pass; and none is refused for nothing."""
    fields = {"name": f"rate-{next(NUMBERS)}", "requests": requests, "per": per, "burst": burst}
    limits = [rate(build, manual, **fields) for build in manual.builds]
    tokens, interval, last = float(burst), per / requests, manual.now
    passed: list[tuple[float, int]] = []
    for gap, which, cost in steps:
        manual.now += gap
        tokens, last = min(burst, tokens + (manual.now - last) / interval), manual.now
        request = somebody()
        request.cost = cost
        allowed = manual.asked(limits[which], request)
        if abs(tokens - cost) > 1e-3:  # the reference is a real token bucket; ties are a matter of rounding
            assert allowed is (tokens >= cost)
        if allowed:
            tokens -= cost
            passed.append((manual.now, cost))
    for first, (start, _) in enumerate(passed):
        total = 0
        for end, cost in passed[first:]:
            total += cost
            assert total <= burst + (end - start) / interval + 1e-2


@ONE_REDIS
@given(requests=st.integers(1, 6), per=st.sampled_from([1.0, 5.0, DAY]), steps=Steps, plans=st.randoms())
def test_quota_never_more_than_the_plan_allows_in_a_window_whichever_gateway_is_asked(
    manual: Manual, requests: int, per: float, steps: Any, plans: Random
) -> None:
    name = f"quota-{next(NUMBERS)}"
    fields = {"key": RateLimitKey(type="Claim", name="sub"), "plans": {"gold": Plan(requests=2 * requests)}}
    limits = [quota(build, manual, name=name, requests=requests, per=per, **fields) for build in manual.builds]
    plan = {"alice": "gold", "bob": "none of these"}
    used: dict[tuple[str, int], int] = {}
    for gap, which, cost in steps:
        manual.now += gap
        who = plans.choice(["alice", "bob"])
        request = somebody(sub=who, plan=plan[who])
        request.subject, request.cost = who, cost
        window = (who, int(manual.now // per))
        most = 2 * requests if who == "alice" else requests
        allowed = manual.asked(limits[which], request)
        assert allowed is (used.get(window, 0) + cost <= most)
        used[window] = used.get(window, 0) + (cost if allowed else 0)


def test_a_clock_that_is_set_back_empties_a_bucket_and_no_more(manual: Manual) -> None:
    limit = rate(manual.builds[0], manual, name=f"rate-{next(NUMBERS)}")
    manual.now += 10_000
    assert manual.asked(limit, somebody())
    manual.now -= 9_000
    assert not manual.asked(limit, somebody())
    manual.now += 1.5
    assert [manual.asked(limit, somebody()) for _ in range(2)] == [True, False]


def test_a_quota_begins_anew_when_the_clock_is_set_back_or_its_window_became_shorter(manual: Manual) -> None:
    fields = {"name": f"quota-{next(NUMBERS)}", "requests": 1}
    day, hour = quota(manual.builds[0], manual, **fields), quota(manual.builds[1], manual, per=3_600.0, **fields)
    assert [manual.asked(day, somebody()) for _ in range(2)] == [True, False]
    assert [manual.asked(hour, somebody()) for _ in range(2)] == [True, False]
