"""Real child processes for the supervisor's tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from gateway.control.supervisor.ports import bind
from gateway.control.supervisor.program import ProcessPlan, python_module
from gateway.control.supervisor.readiness import HttpProbe
from tests.gateway.control.supervisor.instance import Shop
from tests.waiting import until

CHILDREN = Path(__file__).parent / "children"
MakePlan = Callable[..., ProcessPlan]


def alive(pid: int) -> bool:
    """A process that still does something; a zombie waits only for its parent to read its exit code."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(name="alive")
def alive_fixture() -> Callable[[int], bool]:
    return alive


@pytest.fixture(name="until")
def until_fixture() -> Callable[..., Awaitable[None]]:
    return until


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment in which `tiny_service` can be imported; also set for this process."""
    monkeypatch.setenv("PYTHONPATH", str(CHILDREN))
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHILDREN)}


@pytest.fixture
def free_port() -> int:
    probe = bind("127.0.0.1", 0)
    port = int(probe.getsockname()[1])
    probe.close()
    return port


@pytest.fixture
def tiny_plan(tmp_path: Path) -> MakePlan:
    """A plan that runs tiny_service; with a port it is a probed service."""

    def make(name: str = "orders", port: int | None = None, **changes: Any) -> ProcessPlan:
        facts: dict[str, Any] = {
            "name": name,
            "kind": "service",
            "argv": python_module("tiny_service"),
            "cwd": tmp_path / name,
            "log": tmp_path / f"{name}.log",
            "settings": {"service": name, "host": "127.0.0.1", "port": port},
            "port": port,
            "settle": 0.1,
            "probe": HttpProbe("127.0.0.1", port, "/readyz") if port else None,
        }
        return ProcessPlan(**{**facts, **changes})

    return make


@pytest.fixture
def python() -> str:
    return sys.executable


@pytest.fixture
def shop(tmp_path_factory: pytest.TempPathFactory, environ: dict[str, str]) -> Iterator[Shop]:
    shop = Shop(tmp_path_factory.mktemp("up"))
    yield shop
    for launched in shop.launched:
        launched.close()
        if launched.process.poll() is None:
            launched.stop()
            launched.process.wait(20)
