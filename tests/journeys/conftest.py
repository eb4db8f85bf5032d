"""The shop in each architecture, in real processes: each is started once for all tests of this folder."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from gateway.cli.instance import Instance, find
from gateway.cli.journeys import settings, travel
from gateway.control.supervisor import launch
from gateway.control.supervisor.architecture import ARCHITECTURES
from gateway.control.supervisor.options import Options, default_manifest, default_mesh


class Shop:
    """A running shop of one architecture."""

    def __init__(self, state: Path, architecture: str) -> None:
        self.architecture = architecture
        options = Options(
            state_dir=str(state),
            manifest=str(default_manifest()),
            port_base=0,
            architecture=architecture,
            mesh=str(default_mesh()) if architecture == "mesh" else None,
        )
        self.launched = launch.start(options, detach=False)
        self.launched.until_up(lambda event: None)
        self.state = state
        self.instance: Instance = find(state)

    def ask(self, **question: Any) -> dict[str, Any]:
        """What the supervisor answers."""
        return self.instance.supervisor(question)

    def processes(self) -> dict[str, dict[str, Any]]:
        """What there is, by name."""
        return {row["name"]: row for row in self.ask(do="ps")["processes"]}

    def journeys(self, *only: str) -> dict[str, dict[str, Any]]:
        """One round, by the name of the journey."""
        return self.rounds(1, *only)[0]

    def rounds(self, number: int, *only: str) -> list[dict[str, dict[str, Any]]]:
        """Several rounds, one after the other."""
        told: list[dict[str, dict[str, Any]]] = [{}]
        for line in travel(settings(self.instance) | {"only": only, "rounds": number}):
            if "journey" in line:
                told[-1][line["journey"]] = line
            else:
                told.append({})
        return told[:-1]

    def admin(self, path: str) -> Any:
        """A document of the admin API."""
        with urlopen(self.instance.admin_url + path, timeout=10) as answer:
            return json.load(answer)

    def listens(self, name: str) -> bool:
        """Whether somebody can connect to that process's port."""
        with socket.socket() as connection:
            return connection.connect_ex(("127.0.0.1", self.instance.ports[name])) == 0

    def tracebacks(self) -> list[str]:
        """Lines of any log with an exception."""
        return [
            f"{path.name}: {line[:2000]}"
            for path in sorted((self.state / "logs").iterdir())
            for line in path.read_text().splitlines()
            if "Traceback (most recent call last)" in line
        ]


@pytest.fixture(scope="module", params=list(ARCHITECTURES))
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Each architecture in turn; afterwards no log holds an exception."""
    shop = Shop(tmp_path_factory.mktemp(request.param), request.param)
    try:
        yield shop
    finally:
        shop.ask(do="down")
        shop.launched.close()
        shop.launched.process.wait(30)
    assert shop.tracebacks() == []
