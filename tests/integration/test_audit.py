"""The audit of the running shop: nothing open in its configuration, its documents read, its traffic judged."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

Until = Callable[..., Any]


def test_the_running_shop(shop: Any, until: Until, alice: str) -> None:
    shop.send("GET", "/orders/1001", token=alice)
    until(lambda: any(one.get("route") == "orders-read" for one in latest(shop)))
    report = json.loads(shop.gatehouse("audit", "--json", "--fail-on", "low"))
    # Other tests of this folder ask for what nobody serves; that is for information.
    assert {one["severity"] for one in report["findings"] if not one["accepted"]} <= {"info"}
    assert not any("orders" in note or "profiles" in note for note in report["notes"] if "no OpenAPI" in note)
    accepted = {(one["check"], one["subject"]) for one in report["findings"] if one["accepted"]}
    assert ("not-in-openapi", "route profiles-soap") in accepted
    read = next(one for one in report["inventory"] if one["route"] == "orders-read")
    assert (read["owner"], read["callers"]) == ("orders-team", "JWT of shop and orders:read")
    assert read["latest_requests"] >= 1


def latest(shop: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = shop.admin("GET", "/requests").json()["requests"]
    return found
