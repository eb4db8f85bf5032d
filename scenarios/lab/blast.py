"""Blast radius: from each foothold, in each architecture, what the same attacker's program reaches. For real.

The problem: "a compromised service affects only itself" is a hope. The rule: somebody stands there, the program looks
around, and what it reached is counted; then people do what people do, and what still works is counted, too. Where a
part is lost instead of taken over, only the second count has something to say: those rows are the counter-cases, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from scenarios.lab import spy, tap
from scenarios.lab.foothold import databases
from scenarios.lab.journeys import JOURNEYS, People
from scenarios.lab.model import Option, Plant, Rewrite, Scenario
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
"""The same services, as strangers reach them."""
MONOLITH: Final = "monolith"
SLOW_S: Final = 9.0
"""Seconds that a slow service takes: more than people have."""

Found = dict[str, Any]
Foothold = Callable[[Target], Any]


@dataclass(frozen=True)
class Cell:
    """One foothold in one architecture."""

    foothold: str
    architecture: str
    services: int
    """Others, whose own code was reached."""
    operations: int
    """Of others, that can be used with what is at hand."""
    seen: int
    """Records that passed by there while people worked."""
    records: int
    """Of others, that can be read with what is at hand: by their APIs, or as rows of a database that was opened."""
    own: int
    """Rows of the foothold's own: lost with it."""
    secrets: int
    """Tokens of users, and passwords and keys that the process was given."""
    databases: int
    """Opened as files."""
    journeys: int
    """Of `len(JOURNEYS)`, that still work."""
    reached: tuple[str, ...]
    broken: tuple[str, ...]
    """The journeys that do not."""


def radius(lab: Target, footholds: tuple[str, ...] | None = None) -> Iterator[Cell]:
    """All footholds of the architecture that runs, one after the other; afterwards everything is as it was."""
    people = People(lab)
    for name in footholds or tuple(FOOTHOLDS):
        with FOOTHOLDS[name](lab) as found:
            works = people.works()
            yield Cell(
                foothold=name,
                architecture=lab.architecture,
                services=len({one.split()[0] for one in found["opened"]}),
                operations=len(found["opened"]),
                seen=found["seen"],
                records=sum(found["records"].values()),
                own=found["own"],
                secrets=found["tokens"] + len(found["secrets_held"]),
                databases=len(found["databases"]),
                journeys=sum(works.values()),
                reached=tuple(found["opened"]),
                broken=tuple(journey for journey, good in works.items() if not good),
            )


def view(cell: Cell) -> dict[str, Any]:
    """As JSON."""
    return asdict(cell)


# -- footholds: where somebody stands ------------------------------------------------------------------------------

NOTHING: Final[Found] = {
    "opened": [], "records": {}, "own": 0, "databases": [], "tokens": 0, "secrets_held": [], "seen": 0,
}  # fmt: skip
TABLES: Final = {
    "orders": {"product", "purchase", "purchase_item", "payment", "webhook", "idempotency_key", "outbox"},
    "profiles": {"profiles", "credential_resets"},
    "storefront": {"review"},
    "reports": {"sale", "sale_item", "event", "rebuilt"},
}
"""Which of a monolith's tables is whose."""


@contextmanager
def stolen_token(lab: Target) -> Iterator[Found]:
    """Bob's token, anywhere in the world: there is only the public address."""
    bases = {name: [lab.instance.public_url] for name in spy.SERVICES}
    yield NOTHING | spy.beside(lab, bases=bases, operations=OUTSIDE, tokens=[lab.token("bob")], state="/nowhere")


@contextmanager
def compromised_edge(lab: Target) -> Iterator[Found]:
    """Whoever reads what the edge sends on, and stands beside the services."""
    with ExitStack() as stack:
        if lab.architecture == MONOLITH:  # the edge is what stands before it: a proxy that ends TLS, say
            edge = tap.Tap(lab.instance.public_url.removeprefix("http://"))
            stack.callback(edge.close)
            _work(lab, f"http://{edge.address}")
        else:
            edge = stack.enter_context(tap.on_the_way_to(lab, "storefront"))
            _work(lab)
    found = spy.beside(lab, tokens=edge.tokens, state="/nowhere")
    yield NOTHING | found | {"seen": edge.seen.count(b'"total"') + edge.seen.count(b'"email"')}


def _work(lab: Target, base_url: str = "") -> None:
    """Two people use the shop."""
    body = b'{"query": "{ me { profile { email } orders { id total } } }"}'
    for who in ("alice", "bob"):
        headers = [("Content-Type", "application/json")]
        lab.call(who, "POST", "/graphql", headers=headers, body=body, base_url=base_url)
        lab.call(who, "GET", "/orders", base_url=base_url)
        lab.call(who, "GET", f"/profiles/{who}", base_url=base_url)


def inside(service: str) -> Foothold:
    """The attacker's program in a service's own process; a monolith's is everybody's."""

    @contextmanager
    def there(lab: Target) -> Iterator[Found]:
        stage: tuple[Plant | Rewrite, ...] = (*spy.debug_endpoint(service), spy.let_in(service))
        url = ""
        if lab.architecture == MONOLITH:  # no gateway leads there; identity is a process of its own there, too
            where = service if service in lab.instance.ports else MONOLITH
            stage, url = (Plant(where, "debug-endpoint"),), lab.service_url(where)
        with lab.staged(_staging(*stage)):
            _work(lab)
            lab.call("bob", "GET", "/orders")
            found = spy.inside(lab, service, url)
            own, foreign = rows(found["tables"], service)
            opened = [one for one in found["opened"] if one.split()[0] != service]
            yield NOTHING | found | {"opened": opened, "own": own, "records": found["records"] | {"rows": foreign}}

    return there


def rows(databases: Mapping[str, Mapping[str, int]], service: str) -> tuple[int, int]:
    """Of what was opened: the service's own rows, and those of others."""
    own = foreign = 0
    for database, tables in databases.items():
        for table, count in tables.items():
            if database == service or (database == MONOLITH and table in TABLES.get(service, ())):
                own += count
            else:
                foreign += count
    return own, foreign


@contextmanager
def third_party(lab: Target) -> Iterator[Found]:
    """Inside the payment provider's process: another company's, on the same machine."""
    plant = _staging(Plant("payments", "debug-endpoint"))
    with lab.staged(plant):
        found = spy.inside(lab, "payments", lab.service_url("payments"))
        yield NOTHING | found


@contextmanager
def database_credential(lab: Target) -> Iterator[Found]:
    """The database in which orders stand, and what stands in it besides."""
    name = "orders" if "orders" in lab.instance.ports else MONOLITH
    tables = databases(str(lab.instance.state_dir), [name])
    own, foreign = rows(tables, "orders")
    credential = {"databases": list(tables), "secrets_held": ["the credential itself"]}
    yield NOTHING | credential | {"own": own, "records": {"rows": foreign}}


def down(service: str) -> Foothold:
    """A process is gone; where it is a module, the whole with it."""

    @contextmanager
    def there(lab: Target) -> Iterator[Found]:
        name = service if service in {*lab.instance.ports, "redis"} else MONOLITH
        _work(lab)  # what they know of each other they know, as on any day
        with lab.for_now({"do": "stop", "name": name}, {"do": "start", "name": name}):
            yield NOTHING

    return there


@contextmanager
def slow_orders(lab: Target) -> Iterator[Found]:
    """Orders answers, after longer than people wait: who asks it waits with it."""
    name = "orders" if "orders" in lab.instance.ports else MONOLITH
    slow = {"planted": {"delay": SLOW_S}}
    undo = {"do": "reconfigure", "name": name, "settings": {"planted": {}}}
    with lab.for_now({"do": "reconfigure", "name": name, "settings": slow}, undo):
        yield NOTHING


@contextmanager
def broken_contract(lab: Target) -> Iterator[Found]:
    """Orders calls a field otherwise since today; every process is healthy."""
    with lab.staged(_staging(Plant("orders", "renamed-field"), Plant(MONOLITH, "renamed-field"))):
        yield NOTHING


def _staging(*stage: Plant | Option | Rewrite) -> Scenario:
    from scenarios.compromised_service import SCENARIO

    return replace(SCENARIO, id="blast-radius", stage=stage)


FOOTHOLDS: Final[dict[str, Foothold]] = {
    "a stolen token": stolen_token,
    "the edge": compromised_edge,
    "inside storefront": inside("storefront"),
    "inside orders": inside("orders"),
    "inside profiles": inside("profiles"),
    "inside identity": inside("identity"),
    "inside reports": inside("reports"),
    "inside recommendations": inside("recommendations"),
    "database of orders": database_credential,
    "the third party": third_party,
    "orders crashed": down("orders"),
    "orders slow": slow_orders,
    "a broken contract": broken_contract,
    "identity down": down("identity"),
    "Redis down": down("redis"),
}
LOST: Final = ("orders crashed", "orders slow", "a broken contract", "identity down", "Redis down")
"""Of these, where nobody has taken anything over: what counts is what people can still do."""
__all__ = ["FOOTHOLDS", "JOURNEYS", "LOST", "Cell", "radius", "view"]
