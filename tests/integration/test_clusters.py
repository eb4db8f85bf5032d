"""The lesson of config/endpoints.yaml with real processes: one of three is killed under load, and comes back."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.whole_system
LESSON = Path(__file__).parents[2] / "config" / "endpoints.yaml"


class Service:
    """`python -m http.server` with one page that says its name."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder / name, name
        (self.folder / "carts").mkdir(parents=True)
        for page in ("index.html", "carts/index.html"):
            (self.folder / page).write_text(name)
        self.port = 0
        self.start()

    def start(self) -> None:
        """Serve, on the same port as before if there was one."""
        program = [sys.executable, "-u", "-m", "http.server", str(self.port), "--bind", "127.0.0.1"]
        self.process = subprocess.Popen(
            program, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.process.stdout is not None
        told = re.search(r"port (\d+)", self.process.stdout.readline())
        assert told is not None
        self.port = int(told[1])

    def kill(self) -> None:
        """End it as if the power had gone."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


class Running:
    """The gateway of the lesson, in front of three services."""

    def __init__(self, state: Path, services: list[Service]) -> None:
        self.state, self.services = state, services
        self.ports: dict[str, int] = json.loads((state / "instance.json").read_text())["ports"]

    def gatehouse(self, *words: str) -> str:
        program = [sys.executable, "-m", "gateway.cli.main", *words, "--state-dir", str(self.state)]
        return subprocess.run(program, capture_output=True, text=True, check=True).stdout

    def get(self, path: str = "/", port: str = "public", **headers: str) -> tuple[int, str, Any]:
        """One request on a connection of its own: any worker may get it."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.ports[port], timeout=20)) as connection:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), answer.headers

    def many(self, count: int) -> Counter[tuple[int, str]]:
        answers = (self.get()[:2] for _ in range(count))
        return Counter((status, body if status == 200 else json.loads(body)["reason"]) for status, body in answers)

    def endpoints(self) -> dict[str, dict[str, Any]]:
        """Of the cluster `shop`, by the name of the service."""
        (shop,) = json.loads(self.gatehouse("clusters", "shop", "--json"))
        names = {f"127.0.0.1:{one.port}": one.name for one in self.services}
        return {names[one["address"]]: one for one in shop["endpoints"]}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("clusters")
    services = [Service(folder, name) for name in "abc"]
    text = LESSON.read_text()
    for one, port in zip(services, ("8001", "8002", "8003"), strict=True):
        text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{one.port}")
    (folder / "lesson.yaml").write_text(text)
    options = ["--config", str(folder / "lesson.yaml"), "--detach", "--port-base", "0"]
    program = [sys.executable, "-m", "gateway.cli.main", "run", *options, "--state-dir", str(folder / "state")]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = Running(folder / "state", services)
    yield found
    found.gatehouse("down")
    for one in services:
        one.kill()


def checked_by_both(running: Running) -> bool:
    return bool(running.get("/metrics", "admin")[1].count("gateway_endpoint_healthy{") >= 6)


def test_weights_and_sessions_hold_in_all_workers(running: Running, until: Callable[..., Any]) -> None:
    until(lambda: checked_by_both(running))
    found = running.many(200)
    assert set(found) == {(200, "a"), (200, "b"), (200, "c")}
    assert 70 <= found[200, "c"] <= 130  # its weight is half of all
    _, name, headers = running.get()
    cookie = headers["Set-Cookie"].partition(";")[0]
    assert re.fullmatch(r"shop=[\w-]{22}", cookie)
    assert {running.get(Cookie=cookie)[1] for _ in range(30)} == {name}


def test_a_key_has_its_endpoint_in_all_workers(running: Running) -> None:
    found = [{running.get("/carts/", **{"X-Cart": f"cart-{key}"})[:2] for _ in range(6)} for key in range(12)]
    assert all(len(one) == 1 for one in found)
    assert set.union(*found) <= {(200, "a"), (200, "b"), (200, "c")}
    assert len(set.union(*found)) > 1


def test_one_is_killed_and_comes_back(running: Running, until: Callable[..., Any]) -> None:
    until(lambda: all(one["healthy"] for one in running.endpoints().values()))
    running.services[1].kill()
    found = running.many(150)
    failed = found.pop((503, "upstream_connect_failure"), 0)
    assert failed <= 10  # five in a row for each worker, then it was ejected or found unhealthy
    assert set(found) == {(200, "a"), (200, "c")}
    until(lambda: len(running.endpoints()["b"].get("states", ())) == 2)
    until(lambda: {one["state"] for one in running.endpoints()["b"]["states"]} == {"unhealthy"})
    assert "unhealthy in gateway-2: health check: no connection" in running.gatehouse("clusters")
    assert "2 of 3 endpoints healthy" in running.gatehouse("explain", "GET", "/")
    assert set(running.many(60)) == {(200, "a"), (200, "c")}
    running.services[1].start()
    until(lambda: running.endpoints()["b"]["healthy"])
    assert set(running.many(100)) == {(200, "a"), (200, "b"), (200, "c")}
