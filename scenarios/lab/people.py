"""What people do at an instance of the shop, honest or not: log in, ask, and look where a trainer would look."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Any

from gateway.cli.instance import Instance
from gateway.cli.tokens import token_for
from gateway.cli.wire import Answer
from scenarios.lab.client import Client, as_json
from scenarios.lab.model import ARCHITECTURES, Architecture


class People:
    """Everybody who sends requests to one instance."""

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


def _names(instance: Instance) -> dict[str, str]:
    """Whom each address of the instance belongs to."""
    services = {f"http://127.0.0.1:{port}": name for name, port in instance.ports.items()}
    return services | {instance.public_url: "gateway"}
