"""The system that is attacked: a running instance, and how it is weakened and restored.

The problem: a lab that edits people's files, or leaves a weakness behind, does harm. The rule: the configuration file
is never touched; a changed copy stands in for it in the control process alone, until it is taken away or that process
ends. A service is started again with the weakness named in its settings, and started again without it. What was done
is written down before it is done, so that an interrupted run can be taken back (`gatehouse lab reset`).
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

from gateway.cli.console import Failure
from gateway.cli.instance import Instance, private_json, problem_text
from gateway.cli.wire import send
from gateway.mesh.identity import identity_of
from scenarios.lab.client import as_json
from scenarios.lab.copies import Change, Copies, file_of, remove
from scenarios.lab.model import ConfigFile, Open, Option, Plant, Remove, Rewrite, Scenario, Weakness
from scenarios.lab.notes import Notebook, having
from scenarios.lab.people import People

READY_WITHIN_S = 45.0
"""After the supervisor's own patience."""


class Target(People):
    """One instance under attack: what people do there, and what the lab does to it."""

    def __init__(self, instance: Instance, *, via: str | None = None, seed: int | None = None) -> None:
        """`seed` decides what attackers make up, so that two runs send the same."""
        super().__init__(instance, via=via, seed=seed)
        self.copies = Copies(instance)
        self._notebook = Notebook(instance.state_dir)

    def has(self, weakness: Weakness) -> bool:
        """Whether there is such a place in this architecture: a process of that name, a mesh, or a gateway."""
        if isinstance(weakness, Plant | Option):
            return weakness.service in self.instance.ports
        if isinstance(weakness, Rewrite) and weakness.file == "mesh":
            return self.architecture == "mesh"
        return not isinstance(weakness, Remove | Rewrite) or self.architecture != "monolith"

    def become(self, username: str) -> None:
        """Log a customer of the lab's own in, so that `call` knows them.

        Raises:
            Failure: identity or the gateway refuses.
        """
        if username in self._tokens:
            return
        password = self._password_of(username)
        self.have_user(username, password)
        if self.login(username, password).status != 200:
            raise Failure(f"The lab's user {username} could not log in.", "Too many logins? Wait a minute.")

    def _password_of(self, username: str) -> str:
        """Of an account of the lab's own: this installation's, and nobody else's."""
        secret = private_json(self.instance.state_dir / "installation.json")["users"]["admin"]
        return hmac.digest(secret.encode(), f"lab: {username}".encode(), "sha256").hex()

    def have_user(self, username: str, password: str) -> None:
        """A customer of the lab's own, who may lose everything. Made past the gateway, by the administrator; in a mesh
        nobody comes past it, so for that moment there is a route inside.

        Raises:
            Failure: identity refuses.
        """
        asked = {"username": username, "password": password}
        headers = [("Authorization", f"Bearer {self.token('admin')}"), ("Content-Type", "application/json")]
        known = {one.stem for one in (self.instance.state_dir / "lab" / "users").glob("*")}
        if self.architecture != "mesh":
            made = send(self.service_url("identity"), "POST", "/users", headers=headers, body=as_json(asked))
        elif username in known:
            return
        else:
            with self._reconfigured(_add_users_route, "a route to make a user"):
                made = send(self.internal_url, "POST", "/users", headers=headers, body=as_json(asked))
            (self.instance.state_dir / "lab" / "users").mkdir(mode=0o700, parents=True, exist_ok=True)
            (self.instance.state_dir / "lab" / "users" / username).touch()
        if made.status not in (201, 409):  # 409: there since an earlier run
            raise Failure(f"The lab's user {username} was not made: {problem_text(made)}")

    # -- what the lab does -----------------------------------------------------------------------------------

    def weaken(self, scenario: Scenario) -> None:
        """Take the control away."""
        self._enforce(scenario, (*scenario.stage, *scenario.weaknesses), broken=True)
        self._shut_out(scenario, False)

    def lack(self, scenario: Scenario, missing: Weakness, of: Scenario) -> None:
        """All that stops this scenario's attack is there, and one control `of` another, or its own, is missing."""
        changed = replace(scenario, id=of.id, weaknesses=(missing,))
        self._enforce(changed, (*scenario.stage, missing), broken=True)
        self._shut_out(scenario, missing not in scenario.weaknesses)

    def defend(self, scenario: Scenario) -> None:
        """Put the control back, and leave there what the scenario needs both times."""
        self._enforce(scenario, scenario.stage, broken=False)
        self._shut_out(scenario, True)

    def restore(self, scenario: Scenario) -> None:
        """Put the control back, and take away whatever was there for the lesson."""
        self._shut_out(scenario, False)
        self._enforce(scenario, (), broken=False)

    def _shut_out(self, scenario: Scenario, shut: bool) -> None:
        """Have its third parties in quarantine, or let go of those that the lab has put there."""
        for one in (one.third_party for one in scenario.weaknesses if isinstance(one, Open)):
            already = self._notebook.read().shut
            if shut and one not in already:
                self._notebook.note(shut=having(already, one, True), touched=scenario.id)
                self.instance.admin("POST", f"/egress/{one}", {"do": "quarantine", "why": f"the lab: {scenario.id}"})
            elif one in already and not shut:
                self.instance.admin("POST", f"/egress/{one}", {"do": "release"})
                self._notebook.note(shut=having(already, one, False))

    def _enforce(self, scenario: Scenario, force: Sequence[Weakness], *, broken: bool) -> None:
        """Have exactly these changes in force, of all that the scenario may make; noted before they are made."""
        every = [one for one in (*scenario.stage, *scenario.weaknesses) if self.has(one)]
        force = [one for one in force if self.has(one)]
        self._notebook.note(broken=having(self.broken(), scenario.id, broken), touched=scenario.id)
        for file in sorted({file_of(one) for one in every if isinstance(one, Remove | Rewrite)}):
            self._configure(scenario, file, force)
        for service in sorted({one.service for one in every if isinstance(one, Plant | Option)}):
            self._settle(service, force, options=any(isinstance(one, Option) for one in every))
        if not force:
            self._notebook.note(touched="")

    def _configure(self, scenario: Scenario, file: ConfigFile, force: Sequence[Weakness]) -> None:
        """Have these changes of a configuration in force, and no others."""
        wanted = [one for one in force if isinstance(one, Remove | Rewrite) and file_of(one) == file]
        if wanted:
            self.copies.stand_in(file, [self._change_of(one) for one in wanted], scenario.id)
        else:
            self.copies.take_away(file)

    def _change_of(self, weakness: Remove | Rewrite) -> Change:
        if isinstance(weakness, Remove):
            return partial(remove, weakness=weakness)
        return lambda document: weakness.change(document, self)

    def broken(self) -> list[str]:
        """The scenarios whose weaknesses are in force."""
        return self._notebook.read().broken

    def is_weak(self, scenario: str) -> bool:
        """Whether a scenario's weaknesses are in force."""
        return scenario in self.broken()

    @contextmanager
    def staged(self, scenario: Scenario) -> Iterator[None]:
        """What a scenario stages is there inside."""
        try:
            self.defend(scenario)
            yield
        finally:
            self.restore(scenario)

    def restore_all(self, catalogue: Mapping[str, Scenario]) -> list[str]:
        """Take back whatever the lab has weakened or staged; what that was."""
        notes = self._notebook.read()
        self._undo()
        if notes.rerouted:
            self._route_back()
        broken = sorted({*notes.broken, *filter(None, [notes.touched])})
        for name in broken:
            if name in catalogue:
                self.restore(catalogue[name])
        return broken

    def forget_data(self, services: Sequence[str]) -> None:
        """Let services begin again with the data that they are seeded with."""
        self.instance.supervisor({"do": "forget", "names": list(services)})
        for kept in (self.instance.state_dir / "tokens").glob("*.json"):
            kept.unlink()

    def _settle(self, service: str, force: Sequence[Weakness], *, options: bool) -> None:
        """Start a service again with what is planted there, unless it runs with just that."""
        names = sorted(one.name for one in force if isinstance(one, Plant) and one.service == service)
        chosen = {one.name: one.value for one in force if isinstance(one, Option) and one.service == service}
        wanted = [*names, *(f"{name}={value}" for name, value in sorted(chosen.items()))]
        planted = self._notebook.read().planted
        if planted.get(service, []) == wanted:
            return
        self._notebook.note(planted={**planted, service: wanted})
        settings = {"weaknesses": names} | ({"options": chosen} if options else {})
        self._supervise({"do": "reconfigure", "name": service, "settings": settings})

    @contextmanager
    def for_now(self, do: dict[str, Any], undo: dict[str, Any]) -> Iterator[None]:
        """Something that the supervisor does and takes back; noted before it is done, for `lab reset`."""
        self._notebook.note(undo=undo)
        try:
            self._supervise(do)
            yield
        finally:
            self._undo()

    def _undo(self) -> None:
        if undo := self._notebook.read().undo:
            self._supervise(undo)
            self._notebook.note(undo={})

    def _supervise(self, question: dict[str, Any]) -> None:
        """Ask the supervisor. What it has given up waiting for may still come, on a machine that has other work.

        Raises:
            Failure: it refuses, and the process does not become ready.
        """
        try:
            self.instance.supervisor(question)
        except Failure:
            if question["do"] == "stop" or not self._becomes_ready(str(question["name"])):
                raise

    def _becomes_ready(self, service: str) -> bool:
        end = time.monotonic() + READY_WITHIN_S
        while service in self.instance.ports and time.monotonic() < end:
            with suppress(Failure):
                if send(self.service_url(service), "GET", "/readyz").status == 200:
                    return True
            time.sleep(0.1)
        return False

    @contextmanager
    def rerouted(self, cluster: str, address: str) -> Iterator[None]:
        """The gateway finds a cluster somewhere else, as it is configured now otherwise; in the mesh it still wants
        the service's identity there. Noted before it is done, for `lab reset`."""

        def change(document: dict[str, Any]) -> None:
            one = next(one for one in document["clusters"] if one["name"] == cluster)
            one["endpoints"] = [address]
            if (service := one.pop("service", None)) and self.architecture == "mesh":
                one["tls"] = {"identity": identity_of(service)}

        with self._reconfigured(change, f"a tap on the way to {cluster}"):
            yield

    @contextmanager
    def _reconfigured(self, change: Change, why: str) -> Iterator[None]:
        """One more change of what the gateway is configured with now; noted before it is made."""
        self._notebook.note(rerouted=True)
        try:
            self.copies.change_once(change, why)
            yield
        finally:
            self._route_back()

    def _route_back(self) -> None:
        self.copies.change_back()
        self._notebook.note(rerouted=False)


def _add_users_route(document: dict[str, Any]) -> None:
    document["routes"].append({
        "name": "lab-users",
        "listeners": ["internal"],
        "matches": [{"path": {"type": "Exact", "value": "/users"}, "method": "POST"}],
        "filters": [{"type": "JWT", "provider": "shop"}, {"type": "Authorize", "scopes": ["keys:rotate"]}],
        "backendRefs": [{"cluster": "identity"}],
    })  # fmt: skip
