"""What people do in the shop, to count how much of it still works; all at the same time, and each within its time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import Any, Final

from gateway.cli.console import Failure
from gateway.cli.instance import private_json
from gateway.cli.wire import Answer, send
from scenarios.lab.target import Target

PATIENCE_S: Final = 4.0
"""After so long people have gone."""
ADDRESS: Final = "127.0.2.7"
"""From which people log in: the limit on logins is not what is measured here."""


class People:
    """Their tokens are asked for beforehand: what needs a new login is one of the journeys, and not all of them."""

    def __init__(self, lab: Target) -> None:
        self._lab = lab
        self._alice = ("Authorization", f"Bearer {lab.token('alice')}")
        self._password = private_json(lab.instance.state_dir / "installation.json")["users"]["alice"]

    def works(self) -> dict[str, bool]:
        """Every journey at the same time; whether it came to its end in time, with what it was about."""
        with ThreadPoolExecutor(len(JOURNEYS)) as pool:
            return dict(zip(JOURNEYS, pool.map(self._try, JOURNEYS.values()), strict=True))

    def _try(self, journey: Callable[[People], bool]) -> bool:
        try:
            return journey(self)
        except (Failure, KeyError, TypeError):  # no answer in time, or one without what was asked for
            return False

    def get(self, target: str, *, signed_in: bool = False) -> Answer:
        """A page or a record."""
        return self._send("GET", target, [self._alice] if signed_in else [])

    def ask(self, query: str, *, signed_in: bool = False) -> Any:
        """What GraphQL answers."""
        fields = [self._alice] if signed_in else []
        return self._post("/graphql", {"query": query}, fields).json()["data"]

    def log_in(self) -> Answer:
        """A password for a token."""
        return self._post("/auth/login", {"username": "alice", "password": self._password}, [])

    def _post(self, target: str, body: dict[str, Any], fields: list[tuple[str, str]]) -> Answer:
        from scenarios.lab.client import as_json

        return self._send("POST", target, [*fields, ("Content-Type", "application/json")], as_json(body))

    def _send(self, method: str, target: str, fields: list[tuple[str, str]], body: bytes = b"") -> Answer:
        url = self._lab.instance.public_url
        return send(url, method, target, headers=fields, body=body, within=PATIENCE_S, source=ADDRESS)


JOURNEYS: Final[Mapping[str, Callable[[People], bool]]] = MappingProxyType({
    "open the page": lambda people: people.get("/").status == 200,
    "browse": lambda people: bool(people.get("/products").json()["products"]),
    "own orders": lambda people: bool(people.get("/orders", signed_in=True).json()["orders"]),
    "own profile": lambda people: people.get("/profiles/alice", signed_in=True).json()["username"] == "alice",
    "everything on one screen": lambda people: bool(
        (me := people.ask("{ me { profile { email } orders { id total } } }", signed_in=True)["me"])["profile"]
        and me["orders"]
    ),
    "read reviews": lambda people: bool(people.ask("{ reviews(first: 1) { stars } }")["reviews"]),
    "log in": lambda people: "access_token" in people.log_in().json(),
})  # fmt: skip
"""By name. The one screen needs orders, profiles and the storefront: a chain of calls."""
