"""A new configuration while the shop serves: a good one takes effect, a bad one changes nothing, nobody notices."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.whole_system
Until = Callable[..., Any]
SCOPE = 'Authorize, scopes: ["orders:read"]'


@pytest.fixture
def edit(shop: Any) -> Iterator[Callable[[str, str], None]]:
    """edit(old, new): as an editor would save it; afterwards all is as it was."""
    before = shop.config.read_text()

    def save(old: str, new: str) -> None:
        text = shop.config.read_text()
        assert text.count(old) == 1, old
        fresh = shop.config.with_suffix(".new")
        fresh.write_text(text.replace(old, new))
        fresh.replace(shop.config)

    yield save
    shop.config.write_text(before)
    assert shop.admin("POST", "/reload").json()["result"] in ("accepted", "unchanged")


def history(shop: Any) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = shop.admin("GET", "/config").json()["history"]
    return results


def test_a_saved_change_takes_effect(shop: Any, alice: str, edit: Any, until: Until) -> None:
    version = shop.admin("GET", "/config").json()["version"]
    edit(SCOPE, 'Authorize, scopes: ["orders:inspect"]')
    refused = until(lambda: (answer := shop.send("GET", "/orders/1001", token=alice)).status == 403 and answer)
    assert refused.json()["reason"] == "insufficient_scope"
    newest = until(lambda: (first := history(shop)[0])["version"] > version and first)
    assert (newest["result"], newest["trigger"], newest["version"]) == ("accepted", "file", version + 1)
    assert {worker["accepted"] for worker in newest["workers"]} == {True}
    assert len(newest["workers"]) == 3  # two, and the egress gateway
    assert shop.metric("gateway_config_version") == version + 1


def test_a_broken_change_is_refused_with_its_line_and_the_old_one_serves_on(
    shop: Any, alice: str, edit: Any, until: Until
) -> None:
    known = len(history(shop))
    version = shop.admin("GET", "/config").json()["version"]
    rejected = shop.metric("gateway_config_reloads_total", result="rejected")
    line = next(n for n, text in enumerate(shop.config.read_text().splitlines(), 1) if SCOPE in text)
    edit(SCOPE, 'Authorize, scopez: ["orders:read"]')

    def refused() -> dict[str, Any] | None:  # what the test before put back may be noticed only now
        found = history(shop)
        return next((one for one in found[: len(found) - known] if one["result"] == "rejected"), None)

    newest = until(refused)
    assert (newest["trigger"], newest["version"]) == ("file", version)
    assert f"shop.yaml:{line}" in "\n".join(newest["errors"])
    assert "scopez" in "\n".join(newest["errors"])
    assert shop.metric("gateway_config_reloads_total", result="rejected") == rejected + 1
    assert shop.metric("gateway_config_last_reload_success") == 0
    assert shop.send("GET", "/orders/1001", token=alice).status == 200
    assert any(one["message"] == "configuration rejected" and one["level"] == "error" for one in shop.log("control"))
    on_command = shop.admin("POST", "/reload")
    assert (on_command.status, on_command.json()["reason"]) == (422, "config_rejected")
    assert "scopez" in shop.gatehouse("reload", code=2)


async def test_twenty_reloads_are_noticed_by_nobody(shop: Any, alice: str, edit: Any, hammering: Any) -> None:
    def reload(number: int) -> dict[str, Any]:
        text = shop.config.read_text()
        shop.config.write_text(re.sub(r"owner: (orders-team|team-\d+)", f"owner: team-{number}", text))
        answer: dict[str, Any] = shop.admin("POST", "/reload").json()
        return answer

    async with hammering(f"{shop.url}/products/1") as seen, hammering(f"{shop.url}/orders/1001", alice, 0.2) as own:
        results = [await asyncio.to_thread(reload, number) for number in range(20)]
    assert [result["result"] for result in results] == ["accepted"] * 20
    assert len({result["version"] for result in results}) == 20
    assert seen.keys() == own.keys() == {"200"}
    assert seen["200"] > 200
    assert own["200"] > 5


async def test_a_rolling_restart_of_the_workers_is_noticed_by_nobody(shop: Any, hammering: Any) -> None:
    """Idle kept connections are not closed under a request: they may bring one more, whose answer says goodbye."""

    def workers() -> set[int]:
        listed = json.loads(shop.gatehouse("ps", "--json"))
        processes = listed["processes"] if isinstance(listed, dict) else listed
        return {one["pid"] for one in processes if one["kind"] == "worker"}

    before = workers()
    async with hammering(f"{shop.url}/products/1") as seen, hammering(f"{shop.url}/products/2", "", 0.05) as calm:
        for _ in range(2):
            await asyncio.to_thread(shop.gatehouse, "restart", "gateway")
    assert workers().isdisjoint(before)
    assert seen.keys() == calm.keys() == {"200"}
    assert seen["200"] > 200
