"""A whole instance in real processes, for tests: control, workers and services are tiny stand-ins, Redis is real."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from gateway.control.supervisor import launch
from gateway.control.supervisor.launch import Launch
from gateway.control.supervisor.options import Options
from gateway.control.supervisor.ports import is_free

MANIFEST = """
users: [alice]
services:
  - {name: orders, module: tiny_service, redis: ["~events:orders", "+xadd", "+ping"]}
  - {name: traffic, module: tiny_service, autostart: false, port: false}
"""
CONFIG = """
listeners:
  - name: public
    port: ${GATEHOUSE_PUBLIC_PORT}
workers: 2
"""


def ask(state: Path, **question: Any) -> dict[str, Any]:
    question["secret"] = json.loads((state / "instance.json").read_text())["admin_secret"]
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(15)
        connection.connect(str(state / "supervisor.sock"))
        connection.sendall(json.dumps(question).encode() + b"\n")
        answer = json.loads(connection.makefile().readline())
    assert isinstance(answer, dict)
    return answer


def family(pid: int) -> set[int]:
    return {pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))}


class Shop:
    """Starts supervisors on one state directory and remembers what they said."""

    def __init__(self, root: Path) -> None:
        self.state = root / "s"
        self.config = root / "gateway.yaml"
        self.config.write_text(CONFIG)
        self.manifest = root / "manifest.yaml"
        self.manifest.write_text(MANIFEST)
        self.events: list[dict[str, Any]] = []
        self.launched: list[Launch] = []

    def start(self, *, detach: bool = False, **changes: Any) -> Launch:
        facts: dict[str, Any] = {
            "state_dir": str(self.state), "config": str(self.config), "manifest": str(self.manifest),
            "port_base": 0, "control_module": "tiny_service", "worker_module": "tiny_service",
        }  # fmt: skip
        self.launched.append(launch.start(Options(**{**facts, **changes}), detach=detach))
        return self.launched[-1]

    def up(self, **changes: Any) -> tuple[Launch, dict[str, Any]]:
        launched = self.start(**changes)
        return launched, launched.until_up(self.events.append)

    def processes(self) -> dict[str, dict[str, Any]]:
        return {row["name"]: row for row in ask(self.state, do="ps")["processes"]}


def nothing_left(shop: Shop, pids: set[int], instance: dict[str, Any], alive: Callable[[int], bool]) -> None:
    assert [pid for pid in pids if alive(pid)] == []
    assert all(is_free(port) for port in instance["ports"].values())
    left = {path.name for path in shop.state.iterdir()}
    assert not left & {"instance.json", "supervisor.sock", "control.sock"}
