"""Blast radius: from each foothold, in each architecture, what the same attacker's program reaches. For real.

The problem: "a compromised service affects only itself" is a hope. The rule: somebody stands there, the program looks
around, and what it reached is counted; then people do what people do, and what still works is counted, too.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final

from scenarios.lab import spy, tap
from scenarios.lab.model import Scenario
from scenarios.lab.target import Target

OUTSIDE: Final = (
    ("orders", "GET", "/products"),
    ("orders", "GET", "/orders"),
    ("orders", "POST", "/orders"),
    ("orders", "GET", "/orders/openapi.json"),
    ("profiles", "GET", "/profiles"),
    ("profiles", "GET", "/profiles/bob"),
    ("profiles", "POST", "/profiles"),
    ("profiles", "POST", "/profiles/soap"),
    ("identity", "POST", "/auth/login"),
    ("identity", "POST", "/auth/token"),
    ("identity", "GET", "/auth/jwks.json"),
    ("identity", "GET", "/users"),
    ("identity", "POST", "/keys/rotate"),
    ("storefront", "GET", "/"),
    ("storefront", "POST", "/graphql"),
    ("storefront", "GET", "/schema.graphql"),
)
"""The same services, as the gateway offers them."""


@dataclass(frozen=True)
class Cell:
    """One foothold in one architecture."""

    foothold: str
    architecture: str
    services: int
    """Others, whose own code was reached."""
    operations: int
    """Of others, that can be used with what is at hand."""
    records: int
    """Orders, profiles, users, and rows of databases, that can be read."""
    databases: int
    """Opened as files."""
    journeys: int
    """Of `len(JOURNEYS)`, that still work."""
    reached: tuple[str, ...]


def radius(lab: Target, footholds: tuple[str, ...] | None = None) -> Iterator[Cell]:
    """All footholds of the architecture that runs, one after the other; afterwards everything is as it was."""
    for name in footholds or tuple(FOOTHOLDS):
        with FOOTHOLDS[name](lab) as found:
            yield Cell(
                foothold=name,
                architecture=lab.architecture,
                services=len({one.split()[0] for one in found["opened"]}),
                operations=len(found["opened"]),
                records=sum(found["records"].values()),
                databases=len(found["databases"]),
                journeys=sum(works(lab) for works in JOURNEYS),
                reached=tuple(found["opened"]),
            )


def view(cell: Cell) -> dict[str, Any]:
    """As JSON."""
    return asdict(cell)


# -- footholds: where somebody stands ------------------------------------------------------------------------------

NOTHING: Final[dict[str, Any]] = {"opened": [], "records": {}, "databases": []}


@contextmanager
def stolen_token(lab: Target) -> Iterator[dict[str, Any]]:
    """Bob's token, anywhere in the world: there is only the gateway."""
    bases = {name: [lab.instance.public_url] for name in spy.SERVICES}
    yield spy.beside(lab, bases=bases, operations=OUTSIDE, tokens=[lab.token("bob")], state="/nowhere")


@contextmanager
def seen_at_the_edge(lab: Target) -> Iterator[dict[str, Any]]:
    """Whoever reads what the gateway sends on, and stands beside the services."""
    with tap.on_the_way_to(lab, "storefront") as edge:
        lab.graphql("alice", "{ me { username } }")
        lab.graphql("bob", "{ me { username } }")
    yield spy.beside(lab, tokens=edge.tokens, state="/nowhere")


def inside(service: str) -> Callable[[Target], Any]:
    """The attacker's program in a service's own process."""

    @contextmanager
    def there(lab: Target) -> Iterator[dict[str, Any]]:
        stage = Scenario(**{**vars(_any_scenario()), "id": "blast-radius", "stage": spy.debug_endpoint(service)})
        try:
            lab.defend(stage)
            lab.graphql("alice", "{ me { profile { email } orders { id } } }")
            lab.call("bob", "GET", "/orders")
            lab.call("bob", "GET", "/profiles/bob")
            found = spy.inside(lab, service)
            yield {**found, "opened": [one for one in found["opened"] if not one.startswith(service)]}
        finally:
            lab.restore(stage)

    return there


@contextmanager
def database_credential(lab: Target) -> Iterator[dict[str, Any]]:
    """The database of orders, and what stands in it."""
    path = lab.instance.state_dir / "data" / "orders" / "orders.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as one:
        names = [name for (name,) in one.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        rows = {name: one.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}  # noqa: S608
    yield {**NOTHING, "records": rows, "databases": ["orders"]}


@contextmanager
def crash(lab: Target) -> Iterator[dict[str, Any]]:
    """Orders is gone."""
    with lab.for_now({"do": "stop", "name": "orders"}, {"do": "start", "name": "orders"}):
        yield NOTHING


def _any_scenario() -> Scenario:
    from scenarios.compromised_service import SCENARIO

    return SCENARIO


FOOTHOLDS: Final[dict[str, Callable[[Target], Any]]] = {
    "a stolen token": stolen_token,
    "what the edge sends on": seen_at_the_edge,
    "inside storefront": inside("storefront"),
    "inside orders": inside("orders"),
    "inside profiles": inside("profiles"),
    "inside identity": inside("identity"),
    "database of orders": database_credential,
    "orders crashed": crash,
}

# -- journeys: what people do --------------------------------------------------------------------------------------

JOURNEYS: Final[tuple[Callable[[Target], bool], ...]] = (
    lambda lab: lab.call("nobody", "GET", "/").status == 200,
    lambda lab: lab.call("nobody", "GET", "/products").status == 200,
    lambda lab: lab.call("alice", "GET", "/orders").status == 200,
    lambda lab: lab.call("alice", "GET", "/profiles/alice").status == 200,
    lambda lab: bool(lab.graphql("nobody", "{ reviews(first: 1) { stars } }").json()["data"]["reviews"]),
    lambda lab: lab.call("nobody", "GET", "/auth/jwks.json").status == 200,
)
"""The page, the catalogue, one's orders, one's profile, reviews, and the keys without which nobody is known."""
