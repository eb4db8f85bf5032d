"""The real shop: every program that `gatehouse up` runs, under the supervisor."""

import json
import os
import shutil
import signal
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.control.supervisor import launch
from gateway.control.supervisor.options import Options, default_manifest
from gateway.control.supervisor.ports import is_free

pytestmark = pytest.mark.whole_system
SERVICES = {"identity", "orders", "profiles", "storefront", "alerts", "reports", "recommendations", "payments"}
SERVICES |= {"shipping"} if shutil.which("node") else set()


class Shop:
    """A running shop."""

    def __init__(self, state: Path) -> None:
        self.state = state
        options = Options(state_dir=str(state), manifest=str(default_manifest()), port_base=0)
        self.launched = launch.start(options, detach=False)
        self.instance = self.launched.until_up(lambda event: None)

    def ask(self, **question: Any) -> dict[str, Any]:
        question["secret"] = json.loads((self.state / "instance.json").read_text())["admin_secret"]
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(str(self.state / "supervisor.sock"))
            connection.sendall(json.dumps(question).encode() + b"\n")
            answer = json.loads(connection.makefile().readline())
        assert isinstance(answer, dict)
        return answer

    def processes(self) -> dict[str, dict[str, Any]]:
        return {row["name"]: row for row in self.ask(do="ps")["processes"]}

    def taken_over(self) -> bool:
        try:
            return bool(self.processes()["supervisor"]["restarts"])
        except OSError:  # not yet
            return False

    def get(self, path: str) -> int:
        with urllib.request.urlopen(self.instance["public_url"] + path, timeout=10) as answer:
            return int(answer.status)


@pytest.fixture
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    shop = Shop(tmp_path_factory.mktemp("shop"))
    yield shop
    shop.launched.close()
    shop.launched.process.wait(30)


def healed(shop: Shop, before: dict[str, dict[str, Any]], killed: set[str]) -> bool:
    now = shop.processes()
    return all(now[name]["state"] == "running" and now[name]["pid"] != before[name]["pid"] for name in killed)


def test_the_shop_serves_heals_and_leaves_nothing(shop: Shop, alive: Callable[[int], bool]) -> None:
    assert shop.get("/products") == 200
    before = shop.processes()
    children = {name for name, row in before.items() if row["pid"] and row["kind"] != "supervisor"}
    assert children == {*SERVICES, "redis", "control", "gateway-1", "gateway-2", "egress"}

    for name in children:
        os.kill(before[name]["pid"], signal.SIGKILL)
    end = time.monotonic() + 30
    while not healed(shop, before, children):
        assert time.monotonic() < end, shop.processes()
        time.sleep(0.1)
    assert shop.get("/products") == 200

    running = {name: row["pid"] for name, row in shop.processes().items() if name in children}
    os.kill(shop.processes()["supervisor"]["pid"], signal.SIGKILL)
    end = time.monotonic() + 15
    while not shop.taken_over():
        assert shop.get("/products") == 200  # nobody notices
        assert time.monotonic() < end
    assert {name: row["pid"] for name, row in shop.processes().items() if name in children} == running

    assert shop.ask(do="start", name="traffic")["state"] == "running"
    pids = {row["pid"]: row["name"] for row in shop.processes().values() if row["pid"]}
    shop.ask(do="down")
    assert shop.launched.follow(lambda event: None) == 0
    assert [name for pid, name in pids.items() if alive(pid)] == []
    assert all(is_free(port) for port in shop.instance["ports"].values())
    assert not {"instance.json", "supervisor.sock", "control.sock"} & {path.name for path in shop.state.iterdir()}


def test_memory_is_told_and_within_its_bound(shop: Shop) -> None:
    assert shop.instance["pss_mib"] is None or 50 < shop.instance["pss_mib"] <= 600
