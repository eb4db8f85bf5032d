"""The system that is attacked: a running instance, and how it is weakened and restored.

The problem: a lab that edits people's files, or leaves a weakness behind, does harm. The rule: the configuration file
is never touched; a changed copy stands in for it in the control process alone, until it is taken away or that process
ends. A service is started again with the weakness named in its settings, and started again without it. What was done
is written down before it is done, so that an interrupted run can be taken back (`gatehouse lab reset`).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from gateway.cli.console import Failure
from gateway.cli.instance import Instance, problem_text
from gateway.cli.tokens import token_for
from gateway.cli.wire import Answer
from gateway.control.supervisor.state_dir import write_private
from scenarios.lab.client import Client, as_json
from scenarios.lab.model import Plant, Remove, Rewrite, Scenario, Weakness

HEAD = """\
# A copy of the configuration, weakened for the scenario {id}. Mend it here, then: gatehouse lab check {id}
"""
NOTES = "lab.json"
"""In the state directory: what the lab has weakened."""


class Target:
    """One instance under attack."""

    def __init__(self, instance: Instance, *, via: str | None = None) -> None:
        self.instance = instance
        self.client = Client(instance.public_url, via)

    # -- what people do --------------------------------------------------------------------------------------

    def call(
        self,
        who: str,
        method: str,
        target: str,
        *,
        json: Any = None,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        base_url: str = "",
    ) -> Answer:
        """A request of a user of the shop (`alice`, `bob`, `carol`, `admin`, `partner`), or of `nobody`."""
        sent = [] if who == "nobody" else [("Authorization", f"Bearer {self.token(who)}")]
        if json is not None:
            sent.append(("Content-Type", "application/json"))
            body = as_json(json)
        return self.client.send(who, method, target, headers=[*sent, *headers], body=body, base_url=base_url)

    def token(self, who: str) -> str:
        """An access token of a user."""
        return token_for(self.instance, who)

    def graphql(self, who: str, query: str, **variables: Any) -> Answer:
        """A GraphQL operation."""
        return self.call(who, "POST", "/graphql", json={"query": query, "variables": variables})

    def service_url(self, service: str) -> str:
        """Where a service listens, past the gateway."""
        return f"http://127.0.0.1:{self.instance.ports[service]}"

    # -- what the lab does -----------------------------------------------------------------------------------

    def weaken(self, scenario: Scenario) -> None:
        """Take the control away."""
        self._note([*self.broken(), scenario.id])
        config = [one for one in scenario.weaknesses if not isinstance(one, Plant)]
        planted = [one for one in scenario.weaknesses if isinstance(one, Plant)]
        if config:
            self._override(config, scenario.id)
        for service in sorted({one.service for one in planted}):
            self._plant(service, [one.name for one in planted if one.service == service])

    def restore(self, scenario: Scenario) -> None:
        """Put the control back."""
        if any(not isinstance(one, Plant) for one in scenario.weaknesses):
            self.instance.admin("DELETE", "/override")
        for service in sorted({one.service for one in scenario.weaknesses if isinstance(one, Plant)}):
            self._plant(service, [])
        self._note([one for one in self.broken() if one != scenario.id])

    def broken(self) -> list[str]:
        """The scenarios whose weaknesses are in force."""
        path = self._notes
        return list(json.loads(path.read_text())["broken"]) if path.exists() else []

    def restore_all(self, catalogue: Mapping[str, Scenario]) -> list[str]:
        """Take back whatever the lab has weakened; what that was."""
        broken = self.broken()
        for name in broken:
            if name in catalogue:
                self.restore(catalogue[name])
        return broken

    def forget_data(self, services: Sequence[str]) -> None:
        """Let services begin again with the data that they are seeded with."""
        self.instance.supervisor({"do": "forget", "names": list(services)})
        for kept in (self.instance.state_dir / "tokens").glob("*.json"):
            kept.unlink()

    def _plant(self, service: str, names: list[str]) -> None:
        self.instance.supervisor({"do": "reconfigure", "name": service, "settings": {"weaknesses": names}})

    def _override(self, weaknesses: Sequence[Weakness], why: str) -> None:
        document = copy.deepcopy(self.configuration())
        for one in weaknesses:
            if isinstance(one, Remove):
                remove(document, one)
            elif isinstance(one, Rewrite):
                one.change(document, self)
        self.copy.parent.mkdir(mode=0o700, exist_ok=True)
        self.copy.write_text(HEAD.format(id=why) + yaml.safe_dump(document, sort_keys=False, width=200))
        self.load_copy(why)

    def load_copy(self, why: str) -> None:
        """Put the copy in force as it is now: weakened, or mended by a learner.

        Raises:
            Failure: it is rejected, with every mistake and its line.
        """
        answer = self.instance.admin_answer("PUT", "/override", {"text": self.copy.read_text(), "why": why})
        if not answer.ok:
            raise Failure(f"The changed configuration was rejected: {problem_text(answer)}")

    @property
    def copy(self) -> Path:
        """The changed copy of the configuration."""
        return self.instance.state_dir / "lab" / "config.yaml"

    def configuration(self) -> dict[str, Any]:
        """The file that the instance runs, as plain data."""
        document: dict[str, Any] = yaml.safe_load(Path(self.instance.config).read_text())
        return document

    @property
    def _notes(self) -> Path:
        return self.instance.state_dir / NOTES

    def _note(self, broken: list[str]) -> None:
        write_private(self._notes, {"broken": sorted(set(broken))})


def remove(document: dict[str, Any], weakness: Remove) -> None:
    """Take filters off a route.

    Raises:
        Failure: there is nothing to take away: the scenario and the configuration do not fit together.
    """
    one = _route(document, weakness.route) if weakness.route else document
    kept = [item for item in one.get("filters", []) if item["type"] != weakness.filter]
    if len(kept) == len(one.get("filters", [])):
        raise Failure(f"Route {weakness.route or '(all)'} has no {weakness.filter}: this is not the shop's file.")
    one["filters"] = kept


def _route(document: dict[str, Any], name: str) -> dict[str, Any]:
    for route in document["routes"]:
        if route["name"] == name:
            found: dict[str, Any] = route
            return found
    raise Failure(f"There is no route {name!r}: this is not the shop's file.")
