"""What identity takes back reaches a real Redis, by a user that may do no more than that, whatever happens to Redis."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from redis import Redis
from redis.exceptions import RedisError

from sample_services.identity import revocation_outbox as outbox
from sample_services.identity import sessions
from sample_services.identity.revocation_relay import STREAM
from sample_services.identity.sessions import Session
from tests.sample_services.identity.test_identity import SECRETS, Identity

ROOT = Path(__file__).parents[3]
NOW = 1_000_000.0


# -- the table


def rows(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    return [(one.claim, one.value) for one in outbox.waiting(connection, NOW, 100)]


def test_whoever_ends_a_session_tells(connection: sqlite3.Connection) -> None:
    sessions.open_session(connection, Session("s1", "alice", "shop", ""), "r1", NOW)
    sessions.open_session(connection, Session("s2", "alice", "shop", ""), "r2", NOW)
    assert rows(connection) == []
    sessions.end_session(connection, "s1", "revoked", NOW)
    sessions.rotate(connection, "r2", "r3", "shop", NOW + 1)
    sessions.rotate(connection, "r2", "r4", "shop", NOW + 2)  # used again: stolen
    sessions.end_all(connection, "alice", "by alice", NOW + 3)
    assert rows(connection) == [("sid", "s1"), ("sid", "s2"), ("sub", "alice")]


def test_marked_is_what_was_sent_and_not_what_has_come_since(connection: sqlite3.Connection) -> None:
    outbox.add(connection, "sub", "alice", NOW)
    (first,) = outbox.waiting(connection, NOW, 100)
    outbox.add(connection, "sub", "alice", NOW + 1)  # while the first is on its way
    outbox.mark_published(connection, [(first, "1-0")])
    (second,) = outbox.waiting(connection, NOW, 100)
    assert second.fields()["before"] == repr(NOW + 1)
    outbox.mark_published(connection, [(second, "2-0")])
    assert outbox.waiting(connection, NOW, 100) == []
    assert outbox.latest_published(connection, NOW) == "2-0"
    assert outbox.publish_again(connection) == 1
    assert outbox.backlog(connection, NOW) == outbox.Backlog(1, NOW + 1)


def test_it_is_kept_as_long_as_such_a_token_can_be_left(connection: sqlite3.Connection) -> None:
    outbox.add(connection, "jti", "t1", NOW, expires=NOW + 5)
    outbox.add(connection, "sid", "s1", NOW)
    outbox.forget_old(connection, NOW + 65)
    assert len(rows(connection)) == 2
    outbox.forget_old(connection, NOW + 65.1)
    assert rows(connection) == [("sid", "s1")]
    outbox.forget_old(connection, NOW + 660.1)
    assert rows(connection) == []


# -- the service


@pytest.fixture
def user(redis_server: Any) -> Any:
    """As the manifest says."""
    manifest = yaml.safe_load((ROOT / "sample_services/manifest.yaml").read_text())
    (entry,) = (one for one in manifest["services"] if one["name"] == "identity")
    return redis_server.add_user("identity", "resetkeys", "resetchannels", "-@all", *entry["redis"])


@pytest.fixture
def identity(start_service: Any, user: Any) -> Identity:
    return Identity(start_service("identity", "sample_services.identity", secrets=SECRETS, redis=user))


def entries(server: Any) -> list[dict[str, str]]:
    how = {"username": server.admin["username"], "password": server.admin["password"], "decode_responses": True}
    try:
        with Redis.from_url(server.url, **how) as redis:
            return [fields for _, fields in redis.xrange(STREAM)]
    except RedisError:
        return []


def until(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 15
    while not (seen := look()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return seen


def test_each_way_to_take_tokens_back_is_told(identity: Identity, redis_server: Any) -> None:
    alice = identity.login("alice")
    claims = identity.verify(alice["access_token"])
    identity.form("/revoke", token=alice["access_token"])
    (told,) = until(lambda: entries(redis_server))
    assert (told["claim"], told["value"]) == ("jti", claims["jti"])
    assert float(told["exp"]) == claims["exp"] + 60
    assert claims["iat"] < float(told["at"]) <= time.time()
    identity.form("/revoke", token=alice["refresh_token"])
    assert until(lambda: entries(redis_server)[1:])[0]["value"] == claims["sid"]
    again = identity.login("alice")
    identity.call("DELETE", "/users/me/sessions", token=again["access_token"])
    told = until(lambda: entries(redis_server)[2:])[0]
    assert (told["claim"], told["value"]) == ("sub", "alice")
    assert identity.verify(again["access_token"])["iat"] < float(told["before"])
    assert identity.verify(identity.login("alice")["access_token"])["iat"] > float(told["before"])


def test_its_user_in_redis_may_do_no_more(user: Any) -> None:
    with Redis.from_url(user["url"], username="identity", password=user["password"]) as redis:
        for command in (
            ["SET", "limits:x", "1"],
            ["XADD", "events:orders", "*", "a", "b"],
            ["KEYS", "*"],
            ["FLUSHALL"],
        ):
            with pytest.raises(RedisError, match="permission"):
                redis.execute_command(*command)


def test_redis_away_delays_and_loses_nothing(identity: Identity, redis_server: Any) -> None:
    before = identity.login("alice")
    identity.form("/revoke", token=before["access_token"])
    until(lambda: entries(redis_server))
    redis_server.process.send_signal(signal.SIGSTOP)
    during = identity.login("bob")
    assert identity.form("/revoke", token=during["access_token"]).status == 200  # identity itself waits for nobody
    redis_server.process.send_signal(signal.SIGCONT)
    jtis = [identity.verify(one["access_token"])["jti"] for one in (before, during)]
    until(lambda: [one["value"] for one in entries(redis_server)] == jtis)


def test_what_redis_has_lost_goes_out_again(identity: Identity, redis_server: Any) -> None:
    token = identity.login("alice")["access_token"]
    identity.form("/revoke", token=token)
    until(lambda: entries(redis_server))
    until(lambda: metric(identity, "identity_revocations_published_total") == 1)
    how = {"username": redis_server.admin["username"], "password": redis_server.admin["password"]}
    with Redis.from_url(redis_server.url, **how) as redis:
        redis.delete(STREAM)
    assert until(lambda: entries(redis_server))[0]["value"] == identity.verify(token)["jti"]
    assert metric(identity, "identity_revocations_repeated_total") == 1


def metric(identity: Identity, name: str) -> float:
    for line in identity.send("GET", "/metrics").body.decode().splitlines():
        if line.startswith(f"{name} "):
            return float(line.split()[1])
    return 0.0
