"""A token that is taken back is refused by every worker, with whatever is killed in between."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from typing import Any

import pytest

from tests.integration.conftest import PASSWORD, Shop, Until

pytestmark = pytest.mark.whole_system


def login(shop: Shop, name: str) -> dict[str, str]:
    tokens: dict[str, str] = shop.send("POST", "/auth/login", json={"username": name, "password": PASSWORD}).json()
    return tokens


def revoke(shop: Shop, token: str) -> None:
    """Straight to identity: how many of them a minute has is not the matter here."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = shop.send("POST", "/revoke", body=f"token={token}".encode(), headers=form, port=shop.ports["identity"])
    assert answer.status == 200


@pytest.fixture
def workers(shop: Shop) -> Iterator[list[HTTPConnection]]:
    """Kept connections, so many that each worker has some."""
    with ExitStack() as stack:
        yield [stack.enter_context(shop.connect()) for _ in range(8)]


def reasons(shop: Shop, token: str, connections: list[HTTPConnection]) -> set[str]:
    """What they say, all of them; "" for an answer of the service."""
    answers = [shop.send("GET", "/orders", token=token, on=one) for one in connections]
    return {answer.json()["reason"] if answer.status >= 400 else "" for answer in answers}


def kill(shop: Shop, name: str) -> int:
    pid: int = shop.processes()[name]["pid"]
    os.kill(pid, signal.SIGKILL)
    return pid


def back(shop: Shop, name: str, before: int) -> bool:
    row = shop.processes()[name]
    return bool(row["state"] == "running" and row["pid"] != before)


def test_a_revoked_token_is_refused_by_all_workers(shop: Shop, workers: Any, until: Until) -> None:
    name = shop.new_user()
    revoked, other = login(shop, name)["access_token"], login(shop, name)["access_token"]
    assert reasons(shop, revoked, workers) == {""}  # all of them have verified and remembered it
    revoke(shop, revoked)
    until(lambda: reasons(shop, revoked, workers) == {"token_revoked"})
    assert reasons(shop, other, workers) == {""}
    until(lambda: shop.metric("gateway_revocation_entries") >= 2)  # one in each worker; told once a second


def test_logging_out_everywhere_ends_all_tokens_and_not_the_next_one(shop: Shop, workers: Any, until: Until) -> None:
    name = shop.new_user()
    sessions = [login(shop, name) for _ in range(2)]
    end = shop.send("DELETE", "/users/me/sessions", token=sessions[0]["access_token"], port=shop.ports["identity"])
    assert end.json() == {"sessions_ended": 2}
    fresh = login(shop, name)["access_token"]  # at once
    for one in sessions:
        until(lambda one=one: reasons(shop, one["access_token"], workers) == {"token_revoked"})
    assert reasons(shop, fresh, workers) == {""}


def test_a_refresh_token_that_is_used_twice_ends_the_access_tokens_too(shop: Shop, workers: Any, until: Until) -> None:
    tokens = login(shop, shop.new_user())
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    body = f"grant_type=refresh_token&refresh_token={tokens['refresh_token']}".encode()
    first, second = (shop.send("POST", "/auth/token", body=body, headers=form) for _ in range(2))
    assert (first.status, second.status) == (200, 400)
    for token in (tokens["access_token"], first.json()["access_token"]):
        until(lambda token=token: reasons(shop, token, workers) == {"token_revoked"})


@pytest.fixture
def without_alerts(shop: Shop) -> Iterator[None]:
    """It lives by Redis alone, and says so at length when that goes."""
    shop.gatehouse("stop", "alerts")
    yield
    shop.gatehouse("start", "alerts")


@pytest.mark.usefixtures("without_alerts")
def test_a_killed_redis_delays_and_loses_nothing(shop: Shop, workers: Any, until: Until) -> None:
    name = shop.new_user()
    before, during = login(shop, name)["access_token"], login(shop, name)["access_token"]
    revoke(shop, before)
    until(lambda: reasons(shop, before, workers) == {"token_revoked"})
    pid = kill(shop, "redis")
    revoke(shop, during)
    assert reasons(shop, before, workers) == {"token_revoked"}  # what is known stays known
    until(lambda: reasons(shop, during, workers) == {"token_revoked"})
    until(lambda: back(shop, "redis", pid))
    until(lambda: shop.metric("gateway_revocation_staleness_seconds") < 3)  # the sum of two workers
    until(lambda: shop.metric("gateway_revocation_delay_seconds_count") >= 4)


def test_a_worker_that_has_just_begun_knows_what_was_taken_back_before(shop: Shop, until: Until) -> None:
    token = login(shop, shop.new_user())["access_token"]
    revoke(shop, token)
    pids = {name: kill(shop, name) for name, row in shop.processes().items() if row["kind"] == "worker"}
    assert len(pids) == 2
    for name, pid in pids.items():
        until(lambda name=name, pid=pid: back(shop, name, pid))
    with ExitStack() as stack:
        fresh = [stack.enter_context(shop.connect()) for _ in range(8)]
        assert reasons(shop, token, fresh) == {"token_revoked"}
