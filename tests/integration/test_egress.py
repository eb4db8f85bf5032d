"""The way out to the third party, in real processes: what goes, what does not, and who is shut out while all runs."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from gateway.cli.instance import find
from gateway.mesh.isolation import landlock
from sample_services.kit.webhooks import sign_webhook

STRANGE = [("GET", "/payments", 404), ("POST", "/deliveries", 404), ("GET", "/about", 404)]


def until(look: Callable[[], Any], seconds: float = 30.0) -> Any:
    end = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
    return seen


def pay(shop: Any, token: str, order: int) -> Any:
    return shop.send("POST", f"/orders/{order}/pay", token=token)


def status(shop: Any) -> Any:
    (one,) = json.loads(shop.gatehouse("egress", "status", "--json"))["third_parties"]
    return one


def hook(shop: Any, message: str) -> Any:
    raw = json.dumps({"type": "payment.paid", "data": {}}).encode()
    headers = sign_webhook(message, raw, [shop.secrets["webhooks"]["payments"]], time.time())
    return shop.send("POST", "/hooks/payments", body=raw, headers={"Content-Type": "application/json", **headers})


def test_orders_is_paid_through_the_way_out_and_nothing_else_goes(shop: Any) -> None:
    user = shop.token(shop.new_user())
    before = status(shop)
    paid = pay(shop, user, shop.order(user, (4, 1))["id"])
    assert paid.status == 201, paid.body
    port = shop.ports["to-payments"]
    for method, path, expected in STRANGE:
        assert shop.send(method, path, port=port, token="sk", json={}).status == expected
    inside = shop.send("POST", "/payments", port=port, token=user, json={"reference": "order-1"})
    assert inside.status in (400, 403)  # the body is judged first; a token of the house has no way past either
    until(lambda: status(shop)["calls"] >= before["calls"] + 2)
    until(lambda: sum(status(shop)["refused"].values()) > sum(before["refused"].values()))


def test_the_egress_process_has_no_secrets_and_is_held(shop: Any) -> None:
    kept = (shop.state / "data" / "egress" / "last-good.json").read_text()
    secrets = [one for kind in ("webhooks", "redis", "clients", "users") for one in shop.secrets[kind].values()]
    assert len(secrets) > 8
    assert not [one for one in secrets if one in kept]
    if landlock.version() >= 6:
        assert shop.processes()["egress"]["isolation"].startswith("enforced")


def test_a_quarantine_is_live_and_holds_when_the_gateway_to_the_outside_was_killed(shop: Any) -> None:
    user = shop.token(shop.new_user())
    order = shop.order(user, (4, 1))["id"]
    running = {name: row["pid"] for name, row in shop.processes().items() if name != "egress"}
    shop.gatehouse("egress", "quarantine", "payments", "--why", "odd answers")
    try:
        refused = pay(shop, user, order)
        assert (refused.status, refused.json()["reason"]) == (503, "payment_unavailable")
        assert "order stands" in refused.json()["detail"]
        assert hook(shop, "msg_quarantine").json()["reason"] == "egress_quarantined"
        assert "odd answers" in shop.gatehouse("egress", "status")
        victim = shop.processes()["egress"]["pid"]
        os.kill(victim, signal.SIGKILL)
        until(lambda: (row := shop.processes()["egress"])["state"] == "running" and row["pid"] not in (None, victim))
        assert pay(shop, user, order).status == 503
        seen = shop.send("GET", f"/orders/{order}", token=user)
        assert (seen.status, seen.json()["payment"]) == (200, "unpaid")
        assert not shop.rows("orders", "SELECT 1 FROM payment WHERE purchase_id = ?", order)
    finally:
        shop.gatehouse("egress", "release", "payments")
    assert pay(shop, user, order).status == 201
    assert hook(shop, "msg_released").json()["reason"] != "egress_quarantined"
    now = {name: row["pid"] for name, row in shop.processes().items() if name != "egress"}
    assert now == running


@pytest.mark.parametrize(("mode", "reason"), [("inject", "answer_invalid"), ("huge", "answer_too_large_to_inspect")])
def test_a_hostile_answer_comes_no_further_than_the_egress_gateway(shop: Any, mode: str, reason: str) -> None:
    user = shop.token(shop.new_user())
    order = shop.order(user, (4, 1))["id"]
    before = status(shop)["refused"].get(reason, 0)
    misbehave(shop, mode)
    try:
        refused = pay(shop, user, order)
        assert (refused.status, refused.json()["reason"]) == (503, "payment_unavailable")
        until(lambda: status(shop)["refused"].get(reason, 0) == before + 1)
        assert not shop.rows("orders", "SELECT 1 FROM payment WHERE purchase_id = ?", order)
    finally:
        misbehave(shop, "none")
    assert pay(shop, user, order).status == 201


def misbehave(shop: Any, mode: str) -> None:
    """Another payments.example: it starts anew, and is ready when this returns."""
    told = {"do": "reconfigure", "name": "payments", "settings": {"options": {"misbehave": mode}}}
    assert find(shop.state).supervisor(told)["ok"]
