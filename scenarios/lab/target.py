"""The system that is attacked: a running instance, and how it is weakened and restored.

The problem: a lab that edits people's files, or leaves a weakness behind, does harm. The rule: the configuration file
is never touched; a changed copy stands in for it in the control process alone, until it is taken away or that process
ends. A service is started again with the weakness named in its settings, and started again without it. What was done
is written down before it is done, so that an interrupted run can be taken back (`gatehouse lab reset`).
"""

from __future__ import annotations

import copy
import hmac
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import yaml

from gateway.cli.console import Failure
from gateway.cli.instance import Instance, private_json, problem_text
from gateway.cli.tokens import token_for
from gateway.cli.wire import Answer, send
from gateway.control.supervisor.state_dir import write_private
from gateway.mesh.identity import identity_of
from scenarios.lab.client import Client, as_json
from scenarios.lab.model import (
    ARCHITECTURES,
    Architecture,
    ConfigFile,
    Open,
    Option,
    Plant,
    Remove,
    Rewrite,
    Scenario,
    Weakness,
)

HEAD = """\
# A copy of the configuration, weakened for the scenario {id}. Mend it here, then: gatehouse lab check {id}
"""
COPIES: Mapping[ConfigFile, str] = {"gateway": "config.yaml", "mesh": "mesh.yaml"}
OVERRIDES: Mapping[ConfigFile, str] = {"gateway": "/override", "mesh": "/mesh/override"}
"""Where the control process is asked to let a copy stand in for a file."""
NOTES = "lab.json"
"""In the state directory: what the lab has weakened."""


READY_WITHIN_S = 45.0
"""After the supervisor's own patience."""


class Target:
    """One instance under attack."""

    def __init__(self, instance: Instance, *, via: str | None = None, seed: int | None = None) -> None:
        """`seed` decides what attackers make up, so that two runs send the same."""
        self.instance = instance
        self.random = Random(seed)  # noqa: S311 (names of keys and messages, no secrets)
        self.client = Client(instance.public_url, via, _names(instance))
        self._tokens: dict[str, str] = {}

    @property
    def architecture(self) -> Architecture:
        """What runs."""
        return next(one for one in ARCHITECTURES if one == self.instance.architecture)

    def has(self, weakness: Weakness) -> bool:
        """Whether there is such a place in this architecture: a process of that name, or a gateway."""
        if isinstance(weakness, Plant | Option):
            return weakness.service in self.instance.ports
        return not isinstance(weakness, Remove | Rewrite) or self.architecture != "monolith"

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
        source: str = "",
        signed_in: bool = True,
    ) -> Answer:
        """A request of a user of the shop (`alice`, `bob`, `carol`, `admin`, `partner`), or of `nobody`.

        Not `signed_in`: the headers are all that is sent, and `who` is no more than a name in the evidence.
        """
        sent = [] if who == "nobody" or not signed_in else [("Authorization", f"Bearer {self.token(who)}")]
        if json is not None:
            sent.append(("Content-Type", "application/json"))
            body = as_json(json)
        return self.client.send(
            who, method, target, headers=[*sent, *headers], body=body, base_url=base_url, source=source
        )

    def token(self, who: str) -> str:
        """An access token of a user."""
        return self._tokens.get(who) or token_for(self.instance, who)

    def login(self, username: str, password: str, source: str = "") -> Answer:
        """A login with a password; who succeeds is known to `call` from then on."""
        asked = {"username": username, "password": password}
        answer = self.call("nobody", "POST", "/auth/login", json=asked, source=source)
        if answer.status == 200:
            self._tokens[username] = answer.json()["access_token"]
        return answer

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

    def tidy(self, who: str, method: str, target: str, **options: Any) -> Answer:
        """As `call`, for what puts things back after an attack: it is no evidence."""
        client = self.client
        seen, sent, watcher = list(client.seen), client.sent, client.watcher
        client.watcher = None
        answer = self.call(who, method, target, **options)
        client.seen, client.sent, client.watcher = seen, sent, watcher
        return answer

    def graphql(self, who: str, query: str, **variables: Any) -> Answer:
        """A GraphQL operation."""
        return self.call(who, "POST", "/graphql", json={"query": query, "variables": variables})

    def service_url(self, service: str) -> str:
        """Where a service listens, past the gateway."""
        return f"http://127.0.0.1:{self.instance.ports[service]}"

    @property
    def internal_url(self) -> str:
        """The gateway's listener for services."""
        listeners = self.instance.admin("GET", "/config")["spec"]["listeners"]
        return next(f"http://{one['address']}:{one['port']}" for one in listeners if one["name"] == "internal")

    def address_of(self, service: str) -> str:
        """Where the gateway finds a service: its sidecar's address in the mesh, else its own."""
        endpoints: list[str] = self.instance.admin("GET", "/config")["endpoints"][service]
        return endpoints[0]

    def log(self, service: str) -> str:
        """What a service has written to its log. Trainers look there; attackers cannot."""
        return (self.instance.state_dir / "logs" / f"{service}.log").read_text("utf-8", "replace")

    # -- what the lab does -----------------------------------------------------------------------------------

    def weaken(self, scenario: Scenario) -> None:
        """Take the control away."""
        self._enforce(scenario, (*scenario.stage, *scenario.weaknesses), broken=True)
        self._shut_out(scenario, False)

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
            notes = self._notes()
            if shut and one not in notes.shut:
                self._note(replace(notes, shut=_with(notes.shut, one, True), touched=scenario.id))
                self.instance.admin("POST", f"/egress/{one}", {"do": "quarantine", "why": f"the lab: {scenario.id}"})
            elif one in notes.shut and not shut:
                self.instance.admin("POST", f"/egress/{one}", {"do": "release"})
                self._note(replace(notes, shut=_with(notes.shut, one, False)))

    def _enforce(self, scenario: Scenario, force: Sequence[Weakness], *, broken: bool) -> None:
        """Have exactly these changes in force, of all that the scenario may make; noted before they are made."""
        notes, every = self._notes(), [one for one in (*scenario.stage, *scenario.weaknesses) if self.has(one)]
        force = [one for one in force if self.has(one)]
        self._note(replace(notes, broken=_with(notes.broken, scenario.id, broken), touched=scenario.id))
        for file in sorted({file_of(one) for one in every if isinstance(one, Remove | Rewrite)}):
            config = [one for one in force if isinstance(one, Remove | Rewrite) and file_of(one) == file]
            if config:
                self._override(config, scenario.id, file)
            else:
                self.instance.admin("DELETE", OVERRIDES[file])
                self.copy_of(file).unlink(missing_ok=True)
        for service in sorted({one.service for one in every if isinstance(one, Plant | Option)}):
            self._settle(service, force, options=any(isinstance(one, Option) for one in every))
        if not force:
            self._note(replace(self._notes(), touched=""))

    def broken(self) -> list[str]:
        """The scenarios whose weaknesses are in force."""
        return self._notes().broken

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
        notes = self._notes()
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
        notes = self._notes()
        if notes.planted.get(service, []) == wanted:
            return
        self._note(replace(notes, planted={**notes.planted, service: wanted}))
        settings = {"weaknesses": names} | ({"options": chosen} if options else {})
        self._supervise({"do": "reconfigure", "name": service, "settings": settings})

    @contextmanager
    def for_now(self, do: dict[str, Any], undo: dict[str, Any]) -> Iterator[None]:
        """Something that the supervisor does and takes back; noted before it is done, for `lab reset`."""
        self._note(replace(self._notes(), undo=undo))
        try:
            self._supervise(do)
            yield
        finally:
            self._undo()

    def _undo(self) -> None:
        if undo := self._notes().undo:
            self._supervise(undo)
            self._note(replace(self._notes(), undo={}))

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
    def _reconfigured(self, change: Callable[[dict[str, Any]], None], why: str) -> Iterator[None]:
        """One more change of what the gateway is configured with now; noted before it is made."""
        document = yaml.safe_load(self.copy.read_text()) if self.copy.exists() else self.configuration()
        change(document)
        self._note(replace(self._notes(), rerouted=True))
        try:
            self._put("gateway", yaml.safe_dump(document), why)
            yield
        finally:
            self._route_back()

    def _route_back(self) -> None:
        if self.copy.exists():
            self._load("gateway", "weakened before")
        else:
            self.instance.admin("DELETE", OVERRIDES["gateway"])
        self._note(replace(self._notes(), rerouted=False))

    def _override(self, weaknesses: Sequence[Remove | Rewrite], why: str, file: ConfigFile) -> None:
        document = copy.deepcopy(self.configuration(file))
        for one in weaknesses:
            if isinstance(one, Remove):
                remove(document, one)
            else:
                one.change(document, self)
        self.copy_of(file).parent.mkdir(mode=0o700, exist_ok=True)
        self.copy_of(file).write_text(HEAD.format(id=why) + yaml.safe_dump(document, sort_keys=False, width=200))
        self._load(file, why)

    def load_copies(self, why: str) -> None:
        """Put the copies in force as they are now: weakened, or mended by a learner.

        Raises:
            Failure: one is rejected, with every mistake and its line.
        """
        for file in OVERRIDES:
            if self.copy_of(file).exists():
                self._load(file, why)

    def _load(self, file: ConfigFile, why: str) -> None:
        self._put(file, self.copy_of(file).read_text(), why)

    def _put(self, file: ConfigFile, text: str, why: str) -> None:
        answer = self.instance.admin_answer("PUT", OVERRIDES[file], {"text": text, "why": why})
        if not answer.ok:
            raise Failure(f"The changed configuration was rejected: {problem_text(answer)}")

    def copy_of(self, file: ConfigFile) -> Path:
        """The changed copy of a configuration."""
        return self.instance.state_dir / "lab" / COPIES[file]

    @property
    def copy(self) -> Path:
        """The changed copy of the gateway's configuration."""
        return self.copy_of("gateway")

    def in_force(self) -> dict[str, Any]:
        """The gateway's configuration that a scenario has changed, as plain data."""
        document: dict[str, Any] = yaml.safe_load(self.copy.read_text())
        return document

    def configuration(self, file: ConfigFile = "gateway") -> dict[str, Any]:
        """A file that the instance runs, as plain data."""
        document: dict[str, Any] = yaml.safe_load(Path(self.file_of(file)).read_text())
        return document

    def file_of(self, file: ConfigFile) -> str:
        """Where it is."""
        return str(self.instance.config if file == "gateway" else self.instance.admin("GET", "/mesh")["file"])

    def _notes(self) -> Notes:
        path = self.instance.state_dir / NOTES
        return Notes(**json.loads(path.read_text())) if path.exists() else Notes()

    def _note(self, notes: Notes) -> None:
        write_private(self.instance.state_dir / NOTES, asdict(notes))


def _names(instance: Instance) -> dict[str, str]:
    """Whom each address of the instance belongs to."""
    services = {f"http://127.0.0.1:{port}": name for name, port in instance.ports.items()}
    return services | {instance.public_url: "gateway"}


@dataclass(frozen=True)
class Notes:
    """What the lab has done to an instance."""

    broken: list[str] = field(default_factory=list)
    touched: str = ""
    """The scenario that has changed something, staged things included."""
    planted: dict[str, list[str]] = field(default_factory=dict)
    undo: dict[str, Any] = field(default_factory=dict)
    """What the supervisor is asked, so that a process runs again."""
    shut: list[str] = field(default_factory=list)
    """Third parties that the lab has put in quarantine."""
    rerouted: bool = False
    """An attack has put something on a way; `Target.rerouted`."""


def _add_users_route(document: dict[str, Any]) -> None:
    document["routes"].append({
        "name": "lab-users",
        "listeners": ["internal"],
        "matches": [{"path": {"type": "Exact", "value": "/users"}, "method": "POST"}],
        "filters": [{"type": "JWT", "provider": "shop"}, {"type": "Authorize", "scopes": ["keys:rotate"]}],
        "backendRefs": [{"cluster": "identity"}],
    })  # fmt: skip


def _with(names: list[str], name: str, there: bool) -> list[str]:
    return sorted({*names, name} if there else {*names} - {name})


def file_of(weakness: Remove | Rewrite) -> ConfigFile:
    """Which configuration it changes."""
    return weakness.file if isinstance(weakness, Rewrite) else "gateway"


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
