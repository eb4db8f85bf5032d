"""One service changes in real processes, under load: nobody else notices, and no request fails."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import ROOT, Shop, gatehouse, widened

pytestmark = pytest.mark.whole_system
Until = Callable[..., Any]
in_one_architecture = pytest.mark.parametrize("changing", ["gateway"], indirect=True)
OTHERS = ("redis", "control", "gateway-1", "gateway-2", "identity", "profiles", "storefront", "alerts")


RETRIED = """
  - name: retried
    listeners: [public]
    matches: [{path: {type: Exact, value: /retried}, method: GET}]
    public: true
    filters: [{type: URLRewrite, path: {type: ReplaceFullPath, value: /openapi.json}}]
    backendRefs: [{cluster: orders}]
    retry: {on: [connect-failure, reset], codes: [503]}
"""
"""One route with retries: there a copy may be killed. All others show each request that is lost."""


def retrying(text: str) -> str:
    """The shop with that route; the last thing in its file is a route, too."""
    cluster = "  - {name: orders, service: orders"
    assert text.count(cluster) == 1, "config/shop.yaml writes its clusters in another way now"
    return text.replace(cluster, f"{cluster}, retryBudget: {{minimum: 100}}") + RETRIED


def start(root: Path, *words: str) -> Shop:
    shutil.copytree(ROOT / "config", root / "config")  # the shop's file names others beside it
    config = root / "config" / "shop.yaml"
    config.write_text(widened(retrying(config.read_text())).replace("1200, per", "120000, per"))
    state = root / "s"
    gatehouse("up", "--detach", "--port-base", "0", "--state-dir", str(state), "--config", str(config), *words)
    return Shop(state, config)


@pytest.fixture(scope="module", params=["gateway", "mesh"])
def changing(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop of its own, in both architectures."""
    root = tmp_path_factory.mktemp("scaling")
    shop = start(root, *(["--mesh"] if request.param == "mesh" else []))
    try:
        yield shop
    finally:
        gatehouse("down", "--state-dir", str(shop.state))
    left = [
        f"{path.name}: {line[:1500]}"
        for path in sorted((shop.state / "logs").iterdir())
        for line in path.read_text().splitlines()
        if "Traceback (most recent call last)" in line
    ]
    assert not left, "\n".join(left)


@pytest.fixture
def plain(changing: Shop) -> Iterator[Shop]:
    """With one copy of orders before and after each test, of its first version."""
    yield changing
    wanted = {row["name"]: row["version"] for row in processes(changing).values() if row.get("service") == "orders"}
    if wanted != {"orders": "v1"}:
        changing.gatehouse("scale", "orders", "1")


def processes(shop: Shop) -> dict[str, dict[str, Any]]:
    """As `gatehouse ps`, without starting it."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(shop.state / "supervisor.sock"))
        connection.sendall(json.dumps({"do": "ps", "secret": shop.instance["admin_secret"]}).encode() + b"\n")
        return {row["name"]: row for row in json.loads(connection.makefile().readline())["processes"]}


def taken_over(shop: Shop) -> bool:
    try:
        return bool(processes(shop)["supervisor"]["restarts"])
    except (OSError, ValueError):  # not yet
        return False


def doing(shop: Shop, *words: str) -> Callable[[], None]:
    """Run a command."""

    def run() -> None:
        shop.gatehouse(*words)

    return run


def nothing() -> None:
    """For a look without a change."""


def versions(shop: Shop) -> dict[str, str]:
    return {name: row["version"] for name, row in processes(shop).items() if row.get("service") == "orders"}


def others(shop: Shop) -> dict[str, tuple[int, int]]:
    """Who is not changed, with pids and restarts."""
    rows = processes(shop)
    known = [name for name in rows if name in OTHERS or (name.endswith("-sidecar") and not name.startswith("orders"))]
    return {name: (rows[name]["pid"], rows[name]["restarts"]) for name in (*known, "authority") if name in rows}


def served(shop: Shop, copy: str) -> int:
    """Requests that a copy has answered of those that `asked` sends, by its own log."""
    path = shop.state / "logs" / f"{copy}.log"
    return path.read_text().count('"route": "/openapi.json"') if path.exists() else 0


async def asked(shop: Shop, hammering: Any, change: Callable[[], None]) -> dict[str, dict[str, int]]:
    """Make a change while clients ask, at the gateway and, by the storefront, between services; what they saw."""
    before = others(shop)
    uptimes = {name: row["uptime_s"] for name, row in processes(shop).items() if name in before}
    without_retries = f"{shop.url}/orders/openapi.json"
    async with hammering(without_retries, clients=4) as seen, hammering(f"{shop.url}/", pause=0.02) as inside:
        await asyncio.to_thread(change)
        at_once = seen["200"]
        while seen["200"] < at_once + 50:
            await asyncio.sleep(0.01)
    assert others(shop) == before
    assert all(processes(shop)[name]["uptime_s"] >= uptime for name, uptime in uptimes.items())
    return {"gateway": dict(seen), "inside": dict(inside)}


def all_good(told: dict[str, dict[str, int]]) -> bool:
    return told["gateway"].keys() == {"200"} and told["inside"].keys() == {"200"}


async def test_scaled_up_and_down_no_request_fails(plain: Shop, hammering: Any) -> None:
    pid = processes(plain)["orders"]["pid"]
    up = await asked(plain, hammering, doing(plain, "scale", "orders", "3"))
    assert all_good(up), up
    assert versions(plain) == {"orders": "v1", "orders-2": "v1", "orders-3": "v1"}
    before = {copy: served(plain, copy) for copy in versions(plain)}
    again = await asked(plain, hammering, nothing)
    assert all_good(again), again
    assert all(served(plain, copy) > count for copy, count in before.items())  # each does its part
    down = await asked(plain, hammering, doing(plain, "scale", "orders", "1"))
    assert all_good(down), down
    assert versions(plain) == {"orders": "v1"}
    assert processes(plain)["orders"]["pid"] == pid


@in_one_architecture
async def test_restarting_copies_one_after_the_other_fails_no_request(plain: Shop, hammering: Any) -> None:
    plain.gatehouse("scale", "orders", "2")
    before = {name: processes(plain)[name]["pid"] for name in ("orders", "orders-2")}
    told = await asked(plain, hammering, doing(plain, "restart", "orders"))
    assert all_good(told), told
    assert not {processes(plain)[name]["pid"] for name in before} & set(before.values())


async def test_another_version_rolls_in_and_back(plain: Shop, hammering: Any) -> None:
    told = await asked(plain, hammering, doing(plain, "deploy", "orders", "--version", "v2"))
    assert all_good(told), told
    assert versions(plain) == {"orders": "v2"}
    port = processes(plain)["orders"]["port"]
    assert plain.send("GET", "/healthz", port=port).json()["version"] == "v2"
    assert 'version="v2"' in plain.send("GET", "/metrics", port=port).body.decode()
    back = await asked(plain, hammering, doing(plain, "rollback", "orders"))
    assert all_good(back), back
    assert versions(plain) == {"orders": "v1"}


@in_one_architecture
async def test_a_version_that_never_becomes_ready_is_taken_back(plain: Shop, hammering: Any) -> None:
    pid, said = processes(plain)["orders"]["pid"], ""

    def deploy() -> None:
        nonlocal said
        said = plain.gatehouse("deploy", "orders", "--version", "v2-stuck", code=1)

    told = await asked(plain, hammering, deploy)
    assert "never_ready" in said
    assert "Everything is as before." in said
    assert all_good(told), told
    assert versions(plain) == {"orders": "v1"}
    assert processes(plain)["orders"]["pid"] == pid  # it was never touched


async def test_a_canary_that_fails_is_taken_back_by_itself(plain: Shop, hammering: Any, until: Until) -> None:
    def deploy() -> None:
        plain.gatehouse(
            "deploy", "orders", "--version", "v2-faulty", "--canary", "20%", "--min-requests", "20", "--window", "5s"
        )
        assert versions(plain) == {"orders": "v1", "orders-2": "v2-faulty"}
        until(lambda: versions(plain) == {"orders": "v1"}, 30)

    told = await asked(plain, hammering, deploy)
    failed = told["gateway"].get("500", 0)
    assert told["gateway"].keys() == {"200", "500"}
    assert failed < 0.2 * sum(told["gateway"].values())
    rolled = plain.metric("gateway_canary_rollbacks_total", http_route="orders.v2-faulty", cause="error_ratio")
    assert rolled == 1
    again = await asked(plain, hammering, nothing)
    assert all_good(again), again


async def test_a_canary_gets_its_share_and_is_promoted(plain: Shop, hammering: Any) -> None:
    told = await asked(plain, hammering, doing(plain, "deploy", "orders", "--version", "v2", "--canary", "50%"))
    assert all_good(told), told
    assert versions(plain) == {"orders": "v1", "orders-2": "v2"}
    before = {copy: served(plain, copy) for copy in versions(plain)}
    told = await asked(plain, hammering, nothing)
    assert all(served(plain, copy) > count for copy, count in before.items())
    promoted = await asked(plain, hammering, doing(plain, "promote", "orders"))
    assert all_good(promoted), promoted
    assert versions(plain) == {"orders": "v2"}
    plain.gatehouse("rollback", "orders")
    assert versions(plain) == {"orders": "v1"}


async def test_a_killed_copy_costs_little(plain: Shop, hammering: Any, until: Until) -> None:
    plain.gatehouse("scale", "orders", "3")
    pid = processes(plain)["orders-2"]["pid"]
    retried = plain.metric("gateway_retries_total", http_route="retried")

    def kill() -> None:
        os.kill(pid, signal.SIGKILL)
        until(lambda: (row := processes(plain)["orders-2"])["pid"] != pid and row["state"] == "running")

    async with hammering(f"{plain.url}/retried", clients=4) as seen:
        await asyncio.to_thread(kill)
    assert seen.total() - seen["200"] <= 0.01 * seen.total(), dict(seen)
    until(lambda: plain.metric("gateway_retries_total", http_route="retried") > retried)


def lasting(shop: Shop) -> dict[str, Any]:
    """Pids of all that outlive a supervisor: not its guard, nor the nurseries."""
    rows = processes(shop).items()
    return {name: row["pid"] for name, row in rows if not name.startswith(("supervisor", "guard", "nursery"))}


async def test_a_killed_supervisor_goes_on_with_all_copies(plain: Shop, hammering: Any, until: Until) -> None:
    plain.gatehouse("scale", "orders", "3")
    before = lasting(plain)

    def kill() -> None:
        os.kill(processes(plain)["supervisor"]["pid"], signal.SIGKILL)
        until(lambda: taken_over(plain))

    async with hammering(f"{plain.url}/orders/openapi.json") as seen:
        await asyncio.to_thread(kill)
    assert seen.keys() == {"200"}
    assert lasting(plain) == before
    os.kill(before["orders-3"], signal.SIGKILL)
    until(lambda: (row := processes(plain)["orders-3"])["pid"] != before["orders-3"] and row["state"] == "running")
    told = await asked(plain, hammering, doing(plain, "scale", "orders", "1"))
    assert all_good(told), told


@in_one_architecture
def test_services_and_their_copies_are_told(plain: Shop) -> None:
    plain.gatehouse("scale", "orders", "2")
    targets = json.loads((plain.state / "prometheus" / "targets.json").read_text())
    assert {"orders-1", "orders-2"} <= {one["labels"]["instance"] for one in targets}
    services = {one["name"]: one for one in plain.admin("GET", "/services").json()["services"]}
    copies = services["orders"]["copies"]
    assert [(one["name"], one["version"], one["serving"]) for one in copies] == [
        ("orders", "v1", True), ("orders-2", "v1", True),
    ]  # fmt: skip
    assert [one["state"] for one in copies] == ["running", "running"]
    assert [one["name"] for one in services["identity"]["copies"]] == ["identity"]


@in_one_architecture
def test_the_admin_api_knows_the_versions_and_kills_a_copy(plain: Shop, until: Until) -> None:
    known = plain.admin("GET", "/services/versions").json()["services"]
    assert known["orders"]["known"][:2] == ["v1", "v2"]
    assert "traffic" not in known
    pid = processes(plain)["orders"]["pid"]
    assert plain.admin("POST", "/services/orders/crash", {}).json()["killed"] == [pid]
    until(lambda: (row := processes(plain)["orders"])["pid"] != pid and row["state"] == "running")


@in_one_architecture
@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("scale", "traffic", "2"), "serves nothing"),
        (("scale", "nobody", "2"), "no service"),
        (("deploy", "orders", "--version", "v9"), "there are: v1, v2"),
        (("deploy", "orders", "--version", "v1"), "already"),
        (("promote", "orders"), "no canary"),
    ],
)
def test_what_cannot_be_is_refused(plain: Shop, words: tuple[str, ...], why: str) -> None:
    assert why in plain.gatehouse(*words, code=1)


@in_one_architecture
def test_a_patched_copy_of_the_code_is_deployed(plain: Shop, tmp_path: Path) -> None:
    code = ROOT / "sample_services"
    shutil.copytree(code, tmp_path / "sample_services", ignore=shutil.ignore_patterns("__pycache__"))
    program = tmp_path / "sample_services" / "orders" / "__main__.py"
    patched = program.read_text().replace("COMPONENT.run()", 'print("patched", flush=True), COMPONENT.run()')
    assert patched != program.read_text()
    program.write_text(patched)
    plain.gatehouse("deploy", "orders", "--version", "mine", "--path", str(tmp_path))
    assert versions(plain) == {"orders": "mine"}
    assert "patched" in (plain.state / "logs" / "orders.log").read_text()
    assert plain.send("GET", "/products").status == 200
    plain.gatehouse("rollback", "orders")
    assert json.loads(plain.gatehouse("ps", "--json"))
    assert versions(plain) == {"orders": "v1"}
