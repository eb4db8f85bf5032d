"""Limits in a store: several gateways on one real Redis, against a slow reference; and a Redis that is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from gateway.filters.base import Build
from gateway.filters.chain import Chain, Stopped, Waiting
from gateway.filters.limit_seen import OVERFLOW, Said, Seen
from gateway.filters.limit_terms import limit_lines
from gateway.filters.quota import QuotaFilter, SharedQuota
from gateway.filters.rate_limit import RateLimitFilter, SharedRateLimit
from gateway.filters.shared_limit import LimitGroup, SharedLimit
from gateway.http.messages import Reply, Request
from gateway.observability.metrics import Metrics
from gateway.spec.filters import Quota, RateLimit, RateLimitKey
from gateway.spec.models import Store as StoreSpec
from gateway.upstream.redis_account import Account
from gateway.upstream.store import Store
from tests.gateway.redis_process import RedisProcess

DAY = 86_400.0
MIDNIGHT = 1_800_000_000.0 - 1_800_000_000.0 % DAY

Gateways = Callable[[int], list[Build]]


@pytest.fixture
async def gateways(redis: RedisProcess, clock: Any) -> AsyncIterator[Gateways]:
    """What the filters of several gateways are built with: a store each, on one Redis."""
    stores: list[Store] = []

    def make(number: int) -> list[Build]:
        builds = []
        for _ in range(number):
            spec, metrics = StoreSpec(name="shared", address=redis.address, timeout=5.0), Metrics()
            stores.append(Store(spec, Account(redis.address), metrics, clock))
            builds.append(Build({}, metrics, clock, clock, {"shared": stores[-1]}, "orders"))
        return builds

    yield make
    for store in stores:
        await store.close()


def rate(build: Build, clock: Any = None, **fields: Any) -> SharedRateLimit:
    spec = {"requests": 3, "per": 3.0, "store": "shared", "on_store_failure": "fail_closed", **fields}
    one = RateLimitFilter.make(RateLimit(**spec), build)
    assert isinstance(one, SharedRateLimit)
    if clock is not None:
        one.now = clock
    return one


def quota(build: Build, clock: Any = None, **fields: Any) -> SharedQuota:
    spec = {"requests": 3, "store": "shared", "on_store_failure": "fail_closed", **fields}
    one = QuotaFilter.make(Quota(**spec), build)
    assert isinstance(one, SharedQuota)
    if clock is not None:
        one.now = clock
    return one


async def decided(decision: Any) -> Any:
    return decision if decision is None or isinstance(decision, Reply) else await decision


async def passes(limit: SharedLimit[Any], request: Request) -> bool:
    request.limits = ()
    return await decided(limit.decide(request)) is None


async def test_two_gateways_spend_from_one_bucket(gateways: Gateways, clock: Any, ask: Any) -> None:
    here, there = (rate(build, clock) for build in gateways(2))
    request = ask()
    assert [await passes(one, request) for one in (here, there, here, there, here)] == [True] * 3 + [False] * 2
    clock.now += 1.0
    assert [await passes(one, request) for one in (there, here)] == [True, False]


async def test_on_redis_own_clock_exactly_as_many_pass_however_many_come_at_once(gateways: Gateways, ask: Any) -> None:
    limits = [rate(build, requests=50, per=36_000.0) for build in gateways(3)]
    results = await asyncio.gather(*(passes(limit, ask()) for limit in limits for _ in range(60)))
    assert sum(results) == 50


async def test_what_the_client_is_told(gateways: Gateways, clock: Any, ask: Any) -> None:
    limit, request = rate(gateways(1)[0], clock, name="burst"), ask()
    assert await passes(limit, request)
    assert limit_lines(request.limits) == b'ratelimit-policy: "burst";q=3;w=3\r\nratelimit: "burst";r=2;t=1\r\n'
    await passes(limit, request)
    await passes(limit, request)
    request.limits = ()
    reply = await decided(limit.decide(request))
    assert (reply.status, reply.reason, reply.headers) == (429, "rate_limited", ((b"retry-after", b"1"),))
    assert limit_lines(request.limits).endswith(b'ratelimit: "burst";r=0;t=3\r\n')


async def test_a_preview_spends_nothing(gateways: Gateways, clock: Any, ask: Any) -> None:
    limit, request = rate(gateways(1)[0], clock), ask()
    await passes(limit, request)
    for _ in range(10):
        assert await decided(limit.preview(request)) is None
        assert limit.explain(request, None) == "2 of 3 left for address 192.0.2.1 in store shared"


async def test_a_request_may_cost_more(gateways: Gateways, clock: Any, ask: Any) -> None:
    limit, request = rate(gateways(1)[0], clock, requests=10, per=10.0), ask()
    request.cost = 4
    assert [await passes(limit, request) for _ in range(3)] == [True, True, False]
    request.cost = 11
    reply = await decided(limit.decide(request))
    assert "more than it ever allows" in reply.detail
    assert reply.headers == ()


async def test_shadow_mode_counts_and_never_refuses(gateways: Gateways, clock: Any, ask: Any) -> None:
    limit, request = rate(gateways(1)[0], clock, requests=1, enforced=False), ask()
    assert [await passes(limit, request) for _ in range(3)] == [True, True, True]
    assert limit.metrics.shadowed.values == {("RateLimit", "rate_limited"): 2}
    assert request.limits == ()


async def test_secrets_and_long_keys_stand_in_redis_as_fingerprints(
    gateways: Gateways, redis: RedisProcess, ask: Any
) -> None:
    limit = rate(gateways(1)[0], key=RateLimitKey(type="Header", name="X-Key"))
    assert await passes(limit, ask("/", "X-Key: s3cret"))
    (key,) = redis.command("KEYS", "*")
    assert key.startswith(b"limits:orders:default:sha256:")
    assert 0 < redis.command("PTTL", key) <= 1_000  # it lives as long as its bucket is not full
    assert "s3cret" not in limit.explain(ask("/", "X-Key: s3cret"), None)


async def test_more_keys_than_allowed_share_one_bucket(gateways: Gateways, redis: RedisProcess, ask: Any) -> None:
    limit = rate(gateways(1)[0], requests=2, per=3_600.0, max_keys=5)
    for number in range(20):
        request = ask()
        request.address = f"192.0.2.{number}"
        assert await passes(limit, request) is (number < 5 + 2)
    assert len(redis.command("KEYS", "*")) == 6
    assert len(limit.seen) <= 10


def test_what_is_remembered_is_bounded_and_forgotten_in_time() -> None:
    seen = Seen(2, 10.0)
    assert [seen.admit(key, 0.0) for key in "abca"] == ["a", "b", OVERFLOW, "a"]
    assert [seen.admit(key, 11.0) for key in "cdefab"] == ["c", "d", OVERFLOW, OVERFLOW, "a", "b"]  # a and b are known
    assert len(seen) == 4
    assert [seen.admit(key, 22.0) for key in "ge"] == ["g", "e"]
    assert [use.key for use in seen.uses(22.0)] == []


def test_what_is_in_use_flows_back_without_asking() -> None:
    terms = RateLimitFilter(RateLimit(requests=3, per=3.0), Build({}, Metrics(), float, float)).terms
    assert Said(terms, 2.0, 0.0, 100.0).use("a", 101.5).used == 0.5


async def test_a_group_asks_once_and_spends_everywhere_or_nowhere(gateways: Gateways, clock: Any, ask: Any) -> None:
    (build,) = gateways(1)
    wide, narrow = (
        rate(build, clock, name="wide", where="x:1"),
        quota(build, clock, name="narrow", requests=1, where="x:2"),
    )
    chain, request = Chain([wide, narrow], build.metrics), ask()
    store = build.stores["shared"]

    async def run() -> Stopped | None:
        request.limits = ()
        outcome = chain.run(request)
        assert isinstance(outcome, Waiting)
        end = await chain.resume(outcome, request)
        assert end is None or isinstance(end, Stopped)
        return end

    assert len(chain.steps) == 1
    assert await decided(chain.steps[0][2].preview(ask())) is None
    assert await run() is None
    assert store.pipelines == 2
    policy, left, _ = limit_lines(request.limits).split(b"\r\n")
    assert policy == b'ratelimit-policy: "wide";q=3;w=3, "narrow";q=1;w=86400'
    assert left == b'ratelimit: "wide";r=2;t=1, "narrow";r=0;t=%d' % (DAY - clock.now % DAY)
    for _ in range(5):  # the quota refuses, so the bucket is not touched
        stopped = await run()
        assert stopped is not None
        assert (stopped.reply.reason, stopped.reply.policy) == ("quota_exhausted", "x:2")
    assert b'ratelimit: "wide";r=2' in limit_lines(request.limits)


async def test_of_two_that_refuse_the_first_is_told_and_a_shadow_stops_nobody_from_spending(
    gateways: Gateways, clock: Any, ask: Any
) -> None:
    (build,) = gateways(1)
    shadow = rate(build, clock, name="shadow", requests=1, enforced=False)
    first, second = (rate(build, clock, name=name, requests=2, per=20.0, where=name) for name in ("first", "second"))
    group = LimitGroup([shadow, first, second])
    replies = [await decided(group.decide(ask())) for _ in range(4)]
    assert [reply and reply.policy for reply in replies] == [None, None, "first", "first"]
    assert build.metrics.shadowed.values == {("RateLimit", "rate_limited"): 3}


async def test_limits_that_do_not_stand_next_to_each_other_are_asked_one_by_one(gateways: Gateways) -> None:
    (build,) = gateways(1)
    local = RateLimitFilter(RateLimit(requests=1), build)
    chain = Chain([rate(build, name="a"), local, rate(build, name="b")], build.metrics)
    assert [type(step[2]) for step in chain.steps] == [SharedRateLimit, RateLimitFilter, SharedRateLimit]
    assert isinstance(Chain([rate(build), rate(build, name="b")], build.metrics).steps[0][2], LimitGroup)


async def test_a_missing_key_is_refused_and_costs_nothing(gateways: Gateways, redis: RedisProcess, ask: Any) -> None:
    (build,) = gateways(1)
    tenant = rate(build, name="tenant", key=RateLimitKey(type="Claim", name="tenant"))
    reply = Chain([rate(build), tenant], build.metrics).run(ask())
    assert isinstance(reply, Stopped)
    assert reply.reply.reason == "no_limit_key"
    assert redis.command("KEYS", "*") == []


# -- when Redis is away ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("choice", "status"), [("fail_open", None), ("fail_closed", 503)])
async def test_a_store_that_is_away_opens_or_closes_as_declared_and_is_counted(
    gateways: Gateways, redis: RedisProcess, clock: Any, ask: Any, choice: Any, status: int | None
) -> None:
    (build,) = gateways(1)
    limit = rate(build, on_store_failure=choice, where="x:9")
    assert await passes(limit, ask())
    redis.kill()
    for _ in range(5):
        reply = await decided(limit.decide(ask()))
        assert (reply.status if reply else None) == status
    assert build.metrics.undecided.values == {("RateLimit", "shared", choice): 5}
    if reply:
        assert (reply.reason, reply.policy) == ("limit_store_unavailable", "x:9")
    assert limit.explain(ask(), None) == f"store shared is away: {choice}"
    redis.start()
    clock.now += 1.0
    assert await passes(limit, ask())


async def test_one_limit_that_closes_is_enough_and_a_shadow_never_closes(
    gateways: Gateways, redis: RedisProcess, ask: Any
) -> None:
    (build,) = gateways(1)
    opens, closes = rate(build, name="a", on_store_failure="fail_open"), rate(build, name="b")
    shadow = rate(build, name="c", enforced=False)
    redis.kill()
    assert (await decided(LimitGroup([opens, closes]).decide(ask()))).status == 503
    assert await decided(LimitGroup([opens, shadow]).decide(ask())) is None


async def test_a_killed_redis_under_load_lets_nobody_hang(gateways: Gateways, redis: RedisProcess, ask: Any) -> None:
    builds = gateways(2)
    open_, closed = rate(builds[0], requests=10_000, on_store_failure="fail_open"), rate(builds[1], requests=10_000)
    results: dict[SharedLimit[Any], list[bool]] = {open_: [], closed: []}

    async def load(limit: SharedLimit[Any]) -> None:
        for _ in range(200):
            results[limit].append(await passes(limit, ask()))
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(load(limit)) for limit in (open_, closed) for _ in range(8)]
    while len(results[closed]) < 400:
        await asyncio.sleep(0)
    redis.kill()
    await asyncio.wait_for(asyncio.gather(*tasks), 20)
    assert all(results[open_])
    assert len(results[closed]) == 1_600
    assert 0 < sum(results[closed]) < 1_600
    for limit, choice in ((open_, "fail_open"), (closed, "fail_closed")):
        decisions = limit.metrics.undecided.values[("RateLimit", "shared", choice)]
        answered = limit.metrics.store_questions.values[("shared", "answered")]
        assert decisions + answered == 1_600
    assert builds[1].metrics.undecided.values[("RateLimit", "shared", "fail_closed")] == results[closed].count(False)
