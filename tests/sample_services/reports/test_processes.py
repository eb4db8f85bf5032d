"""identity, orders and reports as real processes: a wrong report is found, and repaired in one service alone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import yaml

from sample_services.kit.contract import read_contract
from tests.sample_services.contracts import check_answer

SECRETS = {
    "users": {"alice": "a-password-of-alice", "carol": "a-password-of-carol", "admin": "a-password-of-admin"},
    "clients": {"reports": "a-secret-of-reports"},
}


def rights(service: str) -> list[str]:
    """The ACL rules of the manifest, unfolded as for Redis 6.2."""
    manifest = yaml.safe_load(files("sample_services").joinpath("manifest.yaml").read_text("utf-8"))
    (rules,) = [one["redis"] for one in manifest["services"] if one["name"] == service]
    return [part for rule in rules for part in rule.strip("()").split()]


def send(method: str, url: str, token: str | None = None, body: Any = None) -> tuple[int, str, Any]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    try:
        with urlopen(Request(url, data, headers, method=method), timeout=10) as answer:
            return answer.status, answer.headers.get_content_type(), json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, error.headers.get_content_type(), json.load(error)


def wait_for(is_so: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@dataclass
class Shop:
    start: Callable[..., Any]
    identity: Any
    orders: Any
    reports: Any
    options: dict[str, Any]

    def token(self, user: str) -> str:
        login = {"username": user, "password": SECRETS["users"][user]}
        return str(send("POST", f"{self.identity.url}/login", body=login)[2]["access_token"])

    def ask(self, path: str, user: str | None = "carol", method: str = "GET") -> tuple[int, Any]:
        status, media_type, body = send(method, self.reports.url + path, self.token(user) if user else None)
        check_answer(read_contract("reports"), method, path.partition("?")[0], status, media_type, body)
        return status, body

    def redeploy(self, version: str) -> None:
        self.reports.stop()
        self.reports = self.start(options={"version": version}, **self.options)


@pytest.fixture
def shop(start_service: Any, redis_server: Any, tmp_path: Path) -> Shop:
    identity = start_service("identity", "sample_services.identity", secrets=SECRETS)
    peers = {"identity": identity.url}
    user = redis_server.add_user("orders", *rights("orders"))
    orders = start_service("orders", "sample_services.orders", peers=peers, redis=user)
    options = {
        "name": "reports",
        "module": "sample_services.reports",
        "peers": {**peers, "orders": orders.url},
        "redis": redis_server.add_user("reports", *rights("reports")),
        "secrets": {"client_secret": SECRETS["clients"]["reports"]},
    }
    shop = Shop(start_service, identity, orders, start_service(**options), options)
    wait_for(lambda: bool(shop.reports.log_lines("rebuilt from orders")))
    return shop


def test_the_faulty_report(shop: Shop) -> None:
    before = shop.ask("/reports/check")[1]
    assert before["agrees"]
    assert before["reports"]["orders"] == 43  # of the 60 seeded ones, 17 are cancelled

    token = shop.token("alice")
    order = {"items": [{"product_id": 1, "quantity": 1}, {"product_id": 3, "quantity": 2}]}
    placed = [send("POST", f"{shop.orders.url}/orders", token, order)[2] for _ in range(2)]
    send("POST", f"{shop.orders.url}/orders/{placed[1]['id']}/cancel", token)
    after = shop.ask("/reports/check")[1]  # it waits for the events itself
    assert after["agrees"]
    assert after["reports"]["revenue"] == before["reports"]["revenue"] + placed[0]["total"]

    others = [(one.process.pid, one.process.poll()) for one in (shop.identity, shop.orders)]
    shop.redeploy("v2")
    assert shop.ask("/version", None)[1] == {"service": "reports", "version": "v2", "planted_fault": True}
    wrong = shop.ask("/reports/check")[1]
    assert not wrong["agrees"]
    assert wrong["off_by"] > 0
    assert shop.ask("/reports/sales")[1]["total"]["orders"] == wrong["reports"]["orders"] == 62
    assert shop.reports.log_lines("reports are wrong")
    shop.redeploy("v3")
    assert shop.ask("/reports/check")[1] == after | {"version": "v3"}
    assert [(one.process.pid, one.process.poll()) for one in (shop.identity, shop.orders)] == others


def test_events_that_came_while_it_was_away_count_once_also_after_a_rebuild(shop: Shop) -> None:
    before = shop.ask("/reports/check")[1]
    shop.reports.kill()
    order = {"items": [{"product_id": 2, "quantity": 3}]}
    placed = send("POST", f"{shop.orders.url}/orders", shop.token("alice"), order)[2]
    shop.redeploy("v1")
    assert shop.ask("/reports/rebuild", "admin", "POST") == (200, {"orders": 61})
    after = shop.ask("/reports/check")[1]
    assert after["agrees"]
    assert after["reports"]["revenue"] == before["reports"]["revenue"] + placed["total"]
    today = placed["created"][:10]
    (row,) = shop.ask(f"/reports/sales?from={today}&to={today}")[1]["rows"]
    assert row == {"day": today, "orders": 1, "revenue": placed["total"]}


def test_who_may_ask(shop: Shop) -> None:
    assert shop.ask("/reports/sales", None)[0] == 401
    status, problem = shop.ask("/reports/sales", "alice")
    assert (status, problem["reason"]) == (403, "insufficient_scope")
    assert shop.ask("/reports/rebuild", "carol", "POST")[0] == 403
    status, problem = shop.ask("/reports/sales?from=yesterday")
    assert (status, problem["reason"], problem["parameters"]) == (400, "invalid_query", ["from"])
    assert shop.ask("/reports/products?limit=1&limit=2")[1]["parameters"] == ["limit"]
    assert shop.ask("/reports/products?limit=2")[1]["rows"][0]["name"] == "Garden gate"
    shop.orders.stop()
    status, problem = shop.ask("/reports/check")
    assert (status, problem["reason"]) == (503, "peer_unavailable")
    assert shop.ask("/reports/sales")[0] == 200  # what it owns, it can tell
