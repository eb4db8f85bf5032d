"""The store against a real Redis: batching, time-outs, and what happens when it goes and comes back."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.observability.metrics import Metrics
from gateway.spec.models import Store as StoreSpec
from gateway.upstream.redis_account import Account, Script
from gateway.upstream.store import Store
from tests.gateway.redis_process import RedisProcess

FAILED = "failed"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def open_store(redis: RedisProcess, clock: Clock) -> AsyncIterator[Callable[..., Store]]:
    opened: list[Store] = []

    def make(account: Account | None = None, timeout: float = 5.0) -> Store:
        spec = StoreSpec(name="shared", address=redis.address, timeout=timeout, cooldown=1.0)
        opened.append(Store(spec, account or Account(redis.address), Metrics(), clock))
        return opened[-1]

    yield make
    for store in opened:
        await store.close()


async def ask(store: Store, *command: Any) -> Any:
    result = store.ask(command, lambda answer: answer, lambda: FAILED)
    return await result if isinstance(result, asyncio.Future) else result


def counted(store: Store) -> dict[str, float]:
    return {result: value for (_, result), value in store._counts.values.items()}


async def test_questions_of_one_moment_share_one_connection_and_get_their_own_answers(open_store: Any) -> None:
    store = open_store()
    answers = await asyncio.gather(*(ask(store, "ECHO", f"question {number}") for number in range(100)))
    assert answers == [f"question {number}".encode() for number in range(100)]
    assert store.connections_made == store.pipelines == 1
    assert counted(store) == {"answered": 100}


async def test_questions_that_come_while_others_are_under_way_go_together_afterwards(open_store: Any) -> None:
    store = open_store()
    first = asyncio.create_task(ask(store, "ECHO", "first"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # its pipeline is on the way
    later = [asyncio.create_task(ask(store, "ECHO", f"later {number}")) for number in range(10)]
    assert await first == b"first"
    assert await asyncio.gather(*later) == [f"later {number}".encode() for number in range(10)]
    assert store.pipelines == 2


async def test_a_script_is_taught_to_a_redis_that_does_not_know_it(open_store: Any, redis: RedisProcess) -> None:
    store, script = open_store(), Script("return {KEYS[1], ARGV[1]}")
    for _ in range(2):
        answer: Any = store.run(script, ["k"], ["v"], lambda answer: answer, lambda: FAILED)
        assert await answer == [b"k", b"v"]
        redis.command("SCRIPT", "FLUSH")
    assert not store.down


async def test_one_whose_client_has_left_is_nobodys_trouble(open_store: Any) -> None:
    store = open_store()
    left: Any = store.ask(("ECHO", "a"), lambda answer: answer, lambda: FAILED)
    left.cancel()
    assert await ask(store, "ECHO", "b") == b"b"


async def test_an_error_in_the_askers_own_code_is_the_askers_alone(open_store: Any) -> None:
    store = open_store()
    broken: Any = store.ask(("ECHO", "a"), lambda answer: answer["no such"], lambda: FAILED)
    good: Any = store.ask(("ECHO", "b"), lambda answer: answer, lambda: FAILED)
    with pytest.raises(TypeError):
        await broken
    assert await good == b"b"


async def test_a_fault_of_ours_is_a_failure_and_the_store_goes_on(
    open_store: Any, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    store = open_store()
    assert await ask(store, "ECHO", "\ud800") == FAILED  # no UTF-8 for it
    assert counted(store) == {"answered": 0, "failed": 1, "fault": 1}
    assert "UnicodeEncodeError" in caplog.text
    clock.now += 1.0
    assert await ask(store, "ECHO", "a") == b"a"


async def test_a_redis_that_refuses_is_a_failure_and_the_other_answers_count(open_store: Any) -> None:
    store = open_store()
    commands = (("ECHO", "a"), ("NO-SUCH-COMMAND",), ("ECHO", "b"))
    assert await asyncio.gather(*(ask(store, *one) for one in commands)) == [b"a", FAILED, b"b"]
    assert store.down
    assert counted(store) == {"answered": 2, "failed": 1, "refused": 1}


async def test_a_dead_redis_costs_one_question_per_cooldown(open_store: Any, redis: RedisProcess, clock: Clock) -> None:
    store = open_store()
    assert await ask(store, "PING") == b"PONG"
    redis.kill()
    assert await ask(store, "PING") == FAILED
    assert store.down
    for _ in range(10):
        assert store.ask(("PING",), lambda answer: answer, lambda: FAILED) == FAILED  # at once, nothing to wait for
    assert counted(store) == {"answered": 1, "failed": 1, "unreachable": 1, "skipped": 10}
    clock.now += 1.0
    assert await ask(store, "PING") == FAILED  # asked again, still away
    redis.start()
    clock.now += 1.0
    assert await ask(store, "PING") == b"PONG"
    assert not store.down


async def test_a_connection_that_was_closed_while_idle_is_no_failure(open_store: Any, redis: RedisProcess) -> None:
    store = open_store()
    assert await ask(store, "ECHO", "a") == b"a"
    redis.command("CLIENT", "KILL", "TYPE", "normal")
    assert await ask(store, "ECHO", "b") == b"b"
    assert store.connections_made == 2
    assert counted(store) == {"answered": 2}


async def test_a_silent_redis_is_given_up_in_time_and_its_late_answer_is_nobodys(
    open_store: Any, redis: RedisProcess, clock: Clock
) -> None:
    store = open_store(timeout=0.05)
    assert await ask(store, "ECHO", "before") == b"before"
    redis.freeze()
    started = time.monotonic()
    first: Any = store.ask(("ECHO", "late"), lambda answer: answer, lambda: FAILED)
    await asyncio.sleep(0)
    second: Any = store.ask(("ECHO", "later"), lambda answer: answer, lambda: FAILED)
    assert [await first, await second] == [FAILED, FAILED]
    assert time.monotonic() - started < 20.0  # without the time-out it would be for ever
    redis.thaw()
    clock.now += 1.0
    assert await ask(store, "ECHO", "after") == b"after"
    assert store.connections_made == 2


async def test_user_and_password_from_a_file_that_may_change(
    open_store: Any, redis: RedisProcess, clock: Clock, tmp_path: Path
) -> None:
    redis.command("ACL", "SETUSER", "gateway", "on", ">first", "~limits:*", "+ping", "+echo")
    file = tmp_path / "password"
    file.write_text("wrong\n")
    store = open_store(Account(redis.address, "gateway", password_file=str(file)))
    assert await ask(store, "PING") == FAILED
    file.write_text("first\n")
    clock.now += 1.0
    assert await ask(store, "PING") == b"PONG"


async def test_closing_fails_what_waits(open_store: Any, redis: RedisProcess) -> None:
    store = open_store()
    await ask(store, "PING")
    redis.freeze()
    waiting: Any = store.ask(("PING",), lambda answer: answer, lambda: FAILED)
    await asyncio.sleep(0)
    await store.close()
    assert await waiting == FAILED
    redis.thaw()


def test_a_secret_is_in_no_representation() -> None:
    account = Account("127.0.0.1:1", "gateway", "s3cret")
    spec = StoreSpec(name="shared", address="127.0.0.1:1", user="gateway", password="s3cret")
    store = Store(spec, account, Metrics(), Clock())
    assert "s3cret" not in repr(account) + repr(spec) + repr(store)


@pytest.fixture
async def encrypted(redis: RedisProcess, authority: Any) -> AsyncIterator[tuple[str, Any]]:
    """The address of a relay that speaks TLS for Redis, and the authority behind its certificate."""
    made = authority()
    files = made.issue("redis", ["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.cert, files.key)
    tasks: set[asyncio.Task[None]] = set()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_redis = await asyncio.open_connection("127.0.0.1", redis.port)
        tasks.update(
            {asyncio.ensure_future(copy(reader, to_redis[1])), asyncio.ensure_future(copy(to_redis[0], writer))}
        )

    server = await asyncio.start_server(relay, "127.0.0.1", 0, ssl=context)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", made
    server.close()
    await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)


async def test_a_redis_behind_tls_is_verified(open_store: Any, encrypted: tuple[str, Any], authority: Any) -> None:
    address, right = encrypted
    trusting = open_store(Account(address, tls=True, ca=str(right.file)))
    assert await ask(trusting, "ECHO", "a") == b"a"
    for wrong in (Account(address, tls=True, ca=str(authority("other").file)), Account(address, tls=True)):
        store = open_store(wrong)
        assert await ask(store, "ECHO", "a") == FAILED
        assert counted(store)["unreachable"] == 1
    other_name = open_store(Account(address.replace("127.0.0.1", "localhost"), tls=True, ca=str(right.file)))
    assert await ask(other_name, "ECHO", "a") == FAILED
    await trusting.close()
