"""A canary that turns bad under load, in real processes: taken back, for good, by all workers, unnoticed by others."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import gatehouse

pytestmark = pytest.mark.whole_system

CONFIG = """
listeners:
  - name: public
    port: ${{GATEHOUSE_PUBLIC_PORT}}
workers: 2
clusters:
  - {{name: v1, endpoints: ["127.0.0.1:{v1}"]}}
  - {{name: v2, endpoints: ["127.0.0.1:{v2}"]}}
routes:
  - name: shop
    public: true
    matches: [{{path: {{value: /shop}}}}]
    backendRefs: [{{cluster: v1}}]
    canary:
      cluster: v2
      weight: 20
      header: {{name: x-canary}}
      rollback: {{errorRatio: 0.05, minRequests: 20, window: 5s}}
  - name: other
    public: true
    matches: [{{path: {{value: /other}}}}]
    backendRefs: [{{cluster: v1}}]
"""
Until = Callable[..., Any]


class Service:
    """One version: counts its requests, and fails when it is told to."""

    def __init__(self) -> None:
        self.asked = self.failed = 0
        self.failing = False
        self._lock = threading.Lock()
        one = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.send_response(one.status())
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """The counters say enough."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])

    def status(self) -> int:
        with self._lock:
            self.asked += 1
            self.failed += self.failing
            return 500 if self.failing else 200


class Running:
    """The gateway in front of two versions."""

    def __init__(self, state: Path, v1: Service, v2: Service) -> None:
        self.state, self.v1, self.v2 = state, v1, v2
        self.instance: dict[str, Any] = json.loads((state / "instance.json").read_text())
        self.url = str(self.instance["public_url"])

    def gatehouse(self, *words: str) -> str:
        return gatehouse(*words, "--state-dir", str(self.state))

    def canary(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.instance['admin_url']}/canaries", timeout=5) as answer:
            (one,) = json.load(answer)["canaries"]
        return dict(one)

    def pids(self) -> dict[str, int]:
        return {one["name"]: one["pid"] for one in json.loads(self.gatehouse("ps", "--json")) if one["pid"]}

    def ask(self, times: int, **headers: str) -> None:
        """Each on a connection of its own, so that both workers are asked."""
        for _ in range(times):
            with urllib.request.urlopen(urllib.request.Request(f"{self.url}/shop", headers=headers), timeout=5) as got:
                assert got.status == 200

    def metrics(self) -> str:
        with urllib.request.urlopen(f"{self.instance['admin_url']}/metrics", timeout=5) as answer:
            return str(answer.read().decode())


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    root, v1, v2 = tmp_path_factory.mktemp("canary"), Service(), Service()
    config = root / "canary.yaml"
    config.write_text(CONFIG.format(v1=v1.port, v2=v2.port))
    words = ("--config", str(config), "--detach", "--port-base", "0", "--state-dir", str(root / "s"))
    gatehouse("run", *words)
    try:
        yield Running(root / "s", v1, v2)
    finally:
        gatehouse("down", "--state-dir", str(root / "s"))
        for service in (v1, v2):
            service.server.shutdown()
            service.server.server_close()


@pytest.fixture
def taken_back(running: Running) -> Running:
    """With a canary that was taken back."""
    running.v2.failing = False
    running.gatehouse("canary", "shop", "--rollback")
    asked = running.v2.asked
    running.ask(20)
    assert running.v2.asked == asked
    return running


async def test_it_is_taken_back_under_load(running: Running, hammering: Any, until: Until) -> None:
    def good() -> bool:
        one = running.canary()
        return bool(one["canary"]["requests"] >= 20 and one["stable"]["requests"] >= 20)

    async with hammering(f"{running.url}/shop", pause=0.01) as seen, hammering(f"{running.url}/other") as others:
        await asyncio.to_thread(until, good)
        assert running.canary()["state"] == "running"
        running.v2.failing = True
        told = await asyncio.to_thread(until, lambda: (one := running.canary())["state"] == "rolled_back" and one)
        at_the_end = running.v2.asked
        before = seen["200"]
        await asyncio.to_thread(until, lambda: seen["200"] > before + 100)
    assert running.v2.asked - at_the_end <= 3  # what was on its way when the decision came
    assert seen.keys() == {"200", "500"}
    assert seen["500"] == running.v2.failed  # each failed once, at one client; nobody else was hit
    assert others.keys() == {"200"}
    assert running.v2.failed < 1000, f"{seen['500']} of {seen.total()} requests failed: {told['why']}"
    assert 'gateway_canary_rollbacks_total{cause="error_ratio",http_route="shop"} 1.0' in running.metrics()
    listed = running.gatehouse("canary")
    assert "rolled_back" in listed
    assert told["why"] in " ".join(listed.split())


def test_a_killed_worker_comes_back_with_the_decision(taken_back: Running, until: Until) -> None:
    known, asked = taken_back.pids(), taken_back.v2.asked
    os.kill(known["gateway-1"], signal.SIGKILL)
    until(lambda: taken_back.pids().get("gateway-1") not in (None, known["gateway-1"]))
    until(lambda: taken_back.metrics().count('gateway_config_worker_version{worker="gateway-') == 2)
    taken_back.ask(60)
    taken_back.ask(10, **{"X-Canary": "always"})
    assert taken_back.v2.asked == asked


def test_a_killed_control_process_remembers(taken_back: Running, until: Until) -> None:
    before, asked = taken_back.canary(), taken_back.v2.asked
    os.kill(taken_back.pids()["control"], signal.SIGKILL)
    taken_back.ask(20)

    def again() -> dict[str, Any] | None:
        try:
            return taken_back.canary()
        except OSError:
            return None

    after = until(again)
    assert {name: after[name] for name in ("state", "weight", "why", "since")} == {
        name: before[name] for name in ("state", "weight", "why", "since")
    }
    taken_back.ask(60)
    assert taken_back.v2.asked == asked


def test_a_worker_that_starts_while_control_is_away_keeps_it_too(taken_back: Running, until: Until) -> None:
    known, asked = taken_back.pids(), taken_back.v2.asked
    taken_back.gatehouse("stop", "control")
    for name in ("gateway-1", "gateway-2"):
        os.kill(known[name], signal.SIGKILL)
    until(lambda: not {known["gateway-1"], known["gateway-2"]} & set(taken_back.pids().values()))
    until(lambda: {"gateway-1", "gateway-2"} <= taken_back.pids().keys())
    taken_back.ask(60, **{"X-Canary": "always"})
    taken_back.ask(60)
    assert taken_back.v2.asked == asked
    taken_back.gatehouse("start", "control")


def test_a_person_gives_it_another_chance_and_then_everything(taken_back: Running, until: Until) -> None:
    taken_back.v2.failing = False
    asked = taken_back.v2.asked
    assert "running" in taken_back.gatehouse("canary", "shop", "--resume")

    def drawn() -> bool:
        taken_back.ask(5)
        return taken_back.v2.asked > asked

    until(drawn)
    assert "100 %" in taken_back.gatehouse("canary", "shop", "--promote")

    def everything() -> bool:
        before = taken_back.v1.asked
        taken_back.ask(20)
        return taken_back.v1.asked == before

    until(everything)
    stable = taken_back.v1.asked
    taken_back.ask(3, **{"X-Canary": "never"})
    assert taken_back.v1.asked == stable + 3
