"""Tokens that were taken back: the list by itself, the filter with it, and the list's way from a real Redis."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.filters.jwt import JwtFilter
from gateway.filters.provider import Provider
from gateway.filters.revocable_jwt import RevocableJwtFilter
from gateway.filters.revocations import BATCH, Entry, Revocations, Revoked, read_entry
from gateway.observability.metrics import Metrics
from gateway.spec.identity import Jwt
from gateway.spec.models import JwksSource, JwtProvider, Revocation
from gateway.spec.models import Store as StoreSpec
from gateway.upstream.redis_account import Account
from gateway.upstream.store import Store
from tests.gateway.filters.tokens import JWKS, make_provider, token
from tests.gateway.redis_process import RedisProcess
from tests.waiting import until

NOW = 1_000_000.0
CLAIMS = {"sub": "alice", "jti": "t1", "sid": "s1", "iat": NOW - 10}


def taken_back(claim: str, value: str, before: float = math.inf, expires: float = NOW + 600) -> Entry:
    return Entry(claim, value, before, expires, NOW)


def revoked(*entries: Entry, room: int = 100) -> Revoked:
    known = Revoked(room)
    for entry in entries:
        known.note(entry, NOW)
    return known


@pytest.mark.parametrize(
    ("entry", "refused"),
    [
        (taken_back("jti", "t1"), True),
        (taken_back("jti", "t2"), False),
        (taken_back("jti", "s1"), False),  # a session's name is no token's
        (taken_back("sid", "s1"), True),
        (taken_back("sub", "alice", before=NOW), True),
        (taken_back("sub", "alice", before=NOW - 10), True),  # in the same moment: it was there when it was said
        (taken_back("sub", "alice", before=NOW - 10.001), False),
        (taken_back("sub", "bob", before=NOW), False),
        (taken_back("jti", "t1", expires=NOW), False),  # no such token can be left
    ],
)
def test_what_a_token_is_refused_for(entry: Entry, refused: bool) -> None:
    assert revoked(entry).holds(CLAIMS) is refused


def test_a_token_that_does_not_say_when_it_was_issued_is_older_than_any_log_out() -> None:
    assert revoked(taken_back("sub", "alice", before=1.0)).holds({"sub": "alice"})


def test_the_later_log_out_counts_whatever_order_they_come_in() -> None:
    early, late = (taken_back("sub", "alice", before=at) for at in (NOW - 100, NOW))
    assert revoked(early, late).holds(CLAIMS)
    assert revoked(late, early).holds(CLAIMS)


def test_what_has_no_room_makes_the_list_incomplete_and_drives_nothing_out() -> None:
    known = revoked(taken_back("jti", "t1"), taken_back("jti", "t2", expires=NOW + 700), room=1)
    assert known.holds(CLAIMS)
    assert not known.holds({"sub": "alice", "jti": "t2"})
    assert known.incomplete_until == NOW + 700
    known.note(taken_back("jti", "t3", expires=NOW + 900), NOW + 600)  # the first has ended: there is room again
    assert (len(known), known.incomplete_until) == (1, NOW + 700)


ENTRIES = st.lists(
    st.builds(
        Entry,
        st.sampled_from(["jti", "sid", "sub"]),
        st.sampled_from("abcd"),
        st.floats(0, 2_000),
        st.floats(0, 2_000),
        st.just(0.0),
    ),
    max_size=40,
)


@given(ENTRIES, st.lists(st.floats(0, 2_000), max_size=40), st.floats(0, 2_000), st.sampled_from("abcd"))
def test_forgetting_changes_no_answer_while_it_matters(
    entries: list[Entry], moments: list[float], issued: float, name: str
) -> None:
    """Against a list that never forgets, asked about a token that outlives every entry's word."""
    known, now = Revoked(1_000), 0.0
    moments.sort()
    for entry, moment in zip(entries, moments, strict=False):
        now = moment
        known.note(entry, now)
        known.forget(now)
    claims = {"sub": name, "jti": name, "sid": name, "iat": issued}
    alive = [one for one in entries[: len(moments)] if one.value == name and one.expires > now]
    if any(one.claim != "sub" or issued <= one.before for one in alive):
        assert known.holds(claims)


GOOD = {b"claim": b"sub", b"value": b"alice", b"exp": b"9", b"at": b"1.5", b"before": b"2"}


def words(fields: dict[bytes, bytes]) -> list[bytes]:
    return [word for pair in fields.items() for word in pair]


def test_an_entry_is_read() -> None:
    assert read_entry(words(GOOD)) == Entry("sub", "alice", 2.0, 9.0, 1.5)
    assert read_entry(words({**GOOD, b"claim": b"sid"})).before == math.inf
    with pytest.raises(ValueError, match="names no token"):
        read_entry([])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"claim", b"iss"),
        (b"value", b""),
        (b"value", b"x" * 257),
        (b"value", b"\xff"),
        (b"exp", b"nan"),
        (b"exp", b"soon"),
        (b"at", b"inf"),
        (b"before", b""),
    ],
)
def test_one_that_says_something_else_is_refused(name: bytes, value: bytes) -> None:
    with pytest.raises(ValueError, match=r"names no|is no time|could not convert|can't decode"):
        read_entry(words({**GOOD, name: value}))


# -- the filter


def with_list(clock: Any, choice: Any, room: int = 100, heard: bool = True) -> Provider:
    plain = make_provider(clock, "id", "https://id.test", JWKS)
    told = Revocation(store="s", on_store_failure=choice, max_staleness=30.0, max_entries=room)
    spec = plain.spec.model_copy(update={"revocation": told})
    store = Store(StoreSpec(name="s", address="127.0.0.1:1"), Account("127.0.0.1:1"), Metrics(), clock)
    made = Provider(spec, plain.cluster, Metrics(), clock, Revocations(spec, store, Metrics(), clock, clock))
    made.keys, made.generation = plain.keys, 1
    if heard:
        list_of(made)._know_all()
    return made


def list_of(provider: Provider) -> Revocations:
    assert provider.revocations is not None
    return provider.revocations


def filter_of(provider: Provider, build: Any) -> JwtFilter:
    return JwtFilter.make(Jwt(provider="id"), build(id=provider))


def check(filter_: JwtFilter, ask: Any, **claims: Any) -> Any:
    request = ask("/", f"Authorization: Bearer {token(**claims)}")
    return filter_.decide(request)


def test_a_provider_without_a_list_has_the_plain_filter(build: Any, clock: Any) -> None:
    assert type(filter_of(make_provider(clock, "id", "https://id.test", JWKS), build)) is JwtFilter
    assert type(filter_of(with_list(clock, "fail_open"), build)) is RevocableJwtFilter


@pytest.mark.parametrize("before", [0, 1, 2], ids=["never seen", "seen once", "remembered"])
def test_what_was_verified_and_remembered_shields_nothing(build: Any, clock: Any, ask: Any, before: int) -> None:
    provider = with_list(clock, "fail_open")
    one = filter_of(provider, build)
    for _ in range(before):
        assert check(one, ask, jti="t1") is None
    list_of(provider).revoked.note(taken_back("jti", "t1"), clock())
    refused = check(one, ask, jti="t1")
    assert (refused.status, refused.reason) == (401, "token_revoked")
    assert b'error="invalid_token"' in refused.headers[0][1]
    assert check(one, ask, jti="t2") is None


@pytest.mark.parametrize(("choice", "status"), [("fail_open", None), ("fail_closed", 503)])
def test_a_list_that_may_lack_something(build: Any, clock: Any, ask: Any, choice: str, status: int | None) -> None:
    provider = with_list(clock, choice, room=1)
    one, known = filter_of(provider, build), list_of(provider)
    known._tried.set()
    known.revoked.note(taken_back("jti", "t1"), clock())
    clock.now += 30
    assert check(one, ask, jti="t2") is None  # as old as it may be
    clock.now += 0.1
    stale = check(one, ask, jti="t2")
    assert (stale and stale.status) == status
    assert check(one, ask, jti="t1").reason == "token_revoked"  # what is known counts in any case
    assert one._undecided.values == {("JWT", "s", choice): 1}
    known._know_all()
    assert check(one, ask, jti="t2") is None
    known.revoked.note(taken_back("jti", "t3"), clock())  # no room
    full = check(one, ask, jti="t2")
    assert (full and full.status) == status
    clock.now += 600
    known._know_all()
    assert check(one, ask, jti="t2", exp=int(clock.now) + 60) is None  # what is missing matters to nobody any more


async def test_a_worker_that_has_just_begun_reads_first(build: Any, clock: Any, ask: Any) -> None:
    provider = with_list(clock, "fail_open", heard=False)
    one, known = filter_of(provider, build), list_of(provider)
    waiting = [asyncio.create_task(check(one, ask, jti=name)) for name in ("t1", "t2")]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    known.revoked.note(taken_back("jti", "t1"), clock())
    known._know_all()
    refused, passed = await asyncio.gather(*waiting)
    assert (refused.reason, passed) == ("token_revoked", None)


async def test_where_nobody_answers_it_waits_once_and_then_decides_as_declared(
    build: Any, clock: Any, ask: Any
) -> None:
    provider = with_list(clock, "fail_closed", heard=False)
    one, known = filter_of(provider, build), list_of(provider)
    known.start()  # nobody listens at its address
    assert (await check(one, ask)).reason == "revocation_unavailable"
    assert check(one, ask).reason == "revocation_unavailable"
    await known.close()


def test_it_says_whether_the_list_is_known(build: Any, clock: Any, ask: Any) -> None:
    provider = with_list(clock, "fail_closed")
    one = filter_of(provider, build)
    request = ask("/", f"Authorization: Bearer {token()}")
    assert one.decide(request) is None
    assert one.explain(request, None) == "sub=alice, expires in 10 min, not revoked"
    clock.now += 40
    assert one.explain(request, None).endswith(", revocations unknown: fail_closed")
    request = ask("/")
    request.claims = {"sub": "alice"}
    assert one.decide(request) is None
    assert one.explain(request, None) == "sub=alice, claims as given (no token checked)"


# -- from a real Redis


@pytest.fixture
async def follow(redis: RedisProcess) -> AsyncIterator[Callable[[], Revocations]]:
    opened: list[Revocations] = []

    def start() -> Revocations:
        told = Revocation(store="s", on_store_failure="fail_closed", name="shop")
        spec = JwtProvider(
            name="id",
            issuer="https://id.test",
            audiences=("shop",),
            jwks=JwksSource(cluster="c", path="/"),
            revocation=told,
        )
        store = Store(StoreSpec(name="s", address=redis.address), Account(redis.address), Metrics(), time.monotonic)
        opened.append(Revocations(spec, store, Metrics(), time.monotonic, time.time))
        opened[-1].start()
        return opened[-1]

    yield start
    for one in opened:
        await one.close()


def publish(redis: RedisProcess, value: str, **fields: Any) -> None:
    told = {"claim": "jti", "value": value, "exp": time.time() + 600, "at": time.time(), **fields}
    redis.command("XADD", "revocations:shop", "*", *(word for pair in told.items() for word in pair))


def knows(known: Revocations, value: str) -> bool:
    return known.revoked.holds({"sub": "x", "jti": value})


async def test_all_of_it_is_read_first_and_then_what_comes(follow: Any, redis: RedisProcess) -> None:
    with redis.client() as client, client.pipeline(transaction=False) as pipe:
        for number in range(2 * BATCH + 1):
            fields = {"claim": "jti", "value": f"old {number}", "exp": time.time() + 600, "at": 1.0}
            pipe.xadd("revocations:shop", fields)
        pipe.execute()
    known = follow()
    await known.read_once()
    assert len(known.revoked) == 2 * BATCH + 1
    assert known.complete
    assert known._metrics.revocation_delays.children == {}  # what is late because we began late is no delay
    publish(redis, "new")
    await until(lambda: knows(known, "new"))
    (delays,) = known._metrics.revocation_delays.children.values()
    assert sum(delays[:-1]) == 1


async def test_what_cannot_be_understood_is_counted_and_stops_nothing(follow: Any, redis: RedisProcess) -> None:
    known = follow()
    await known.read_once()
    publish(redis, "bad", exp="soon")
    publish(redis, "good")
    await until(lambda: knows(known, "good"))
    assert known._metrics.revocations_unreadable.values == {("id",): 1}


async def test_killed_and_started_again_it_knows_what_came_in_between(follow: Any, redis: RedisProcess) -> None:
    known = follow()
    publish(redis, "before")
    await until(lambda: knows(known, "before"))
    redis.kill()
    await until(lambda: known._task is not None and known.staleness > 1.1)  # longer than a heartbeat
    redis.start()  # with nothing in it: this one keeps no file
    publish(redis, "between")
    await until(lambda: knows(known, "between"))
    assert knows(known, "before")
    await until(lambda: known.staleness < 1)


async def test_a_silent_redis_is_given_up(follow: Any, redis: RedisProcess, caplog: Any) -> None:
    known = follow()
    await known.read_once()
    redis.freeze()
    await until(lambda: "revocations:shop is not followed" in caplog.text)
    assert known.staleness > 1
    redis.thaw()
    publish(redis, "after")
    await until(lambda: knows(known, "after") and known.staleness < 1)
