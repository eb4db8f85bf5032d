"""One slow route takes all connections, and the others starve."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from scenarios.lab.crowd import timed, together
from scenarios.lab.model import Control, Outcome, Rewrite, Scenario, WrongFix
from scenarios.lab.target import Target

CLIENTS, PATIENCE = 10, 0.8


def part(document: dict[str, Any], kind: str, name: str) -> dict[str, Any]:
    """A route or a cluster of the configuration."""
    found: dict[str, Any] = next(one for one in document[kind] if one["name"] == name)
    return found


def slow(document: dict[str, Any], _: Target) -> None:
    """The catalogue is late; orders has connections for a class room; the bulkhead stands."""
    part(document, "clusters", "orders")["maxConnections"] = 2
    route = part(document, "routes", "products-read")
    route["faults"] = {"delay": {"percent": 100, "duration": "1200ms"}}
    route.setdefault("filters", []).append({"type": "ConcurrencyLimit", "key": {"type": "Route"}, "requests": 1})


def no_bulkhead(document: dict[str, Any], _: Target) -> None:
    """The slow route may have all connections."""
    route = part(document, "routes", "products-read")
    route["filters"] = [one for one in route["filters"] if one["type"] != "ConcurrencyLimit"]


def attack(lab: Target) -> Outcome:
    """A crowd asks for the catalogue, which is slow today; Alice only wants her orders."""
    lab.token("alice")
    with ThreadPoolExecutor(1) as pool:
        crowd = pool.submit(together, lab, CLIENTS, 1, "GET", "/products")
        waited = 0.0
        while not crowd.done() and waited <= PATIENCE:
            time.sleep(0.1)
            answer, seconds = timed(lab, "alice", "/orders?limit=1")
            assert answer.status == 200
            waited = max(waited, seconds)
        refused = sum(answer.status == 503 for answer in crowd.result())
    starved = waited > PATIENCE
    return Outcome(
        breached=starved,
        got="Alice waits behind the crowd" if starved else "a slow catalogue, and nothing else",
        measures={"Alice waited at most": f"{waited:.1f} s", "of the crowd refused at once": f"{refused} of {CLIENTS}"},
    )


def benign(lab: Target) -> bool:
    """The catalogue comes, slowly, and Alice's profile at once."""
    slowly = lab.call("nobody", "GET", "/products").status == 200
    return slowly and lab.call("alice", "GET", "/profiles/alice").status == 200


SCENARIO = Scenario(
    id="cascade",
    title="A slow catalogue takes Alice's orders down",
    story=(
        "The catalogue is slow today, and people reload it. Each request holds a connection to orders for a second. "
        "Alice's own orders come from the same service by another route, and are quick. But no connection is left "
        "for them: a fault in one place has become an outage in another."
    ),
    references=("CWE-400", "CWE-770", "OWASP API4:2023"),
    claims=("C5",),
    difficulty=3,
    minutes=8,
    weaknesses=(Rewrite(no_bulkhead, "route products-read may hold every connection to orders"),),
    control=Control(
        name="a bulkhead: so many of this route at one time",
        where="gateway",
        lines="- {type: ConcurrencyLimit, key: {type: Route}, requests: 1}   # on products-read, in each worker",
        elsewhere="# Envoy, Istio: a cluster of its own for the route\nconnectionPool: {http: {http2MaxRequests: 1}}",
    ),
    attack=attack,
    benign=benign,
    hints=(
        "What do the two routes share?",
        "gatehouse clusters shows how many connections to orders are in use, and by gatehouse routes who has them.",
        "A bulkhead refuses some at once, so that all others are served.",
    ),
    wrong_fixes=(
        WrongFix("more connections", "The crowd takes those, too, and orders has more to do at one time."),
        WrongFix("a rate limit", "It counts how often, not how long. Ten slow requests are a small rate."),
        WrongFix("let them wait in a queue", "That is what happened: the queue was Alice's, too."),
    ),
    stage=(Rewrite(slow, "the catalogue is 1.2 s late, and orders has two connections for each worker"),),
)
