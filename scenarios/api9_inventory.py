"""A version that everybody has forgotten still answers (improper inventory management)."""

from __future__ import annotations

from typing import Any

from scenarios.lab.model import Control, Outcome, Plant, Rewrite, Scenario, WrongFix
from scenarios.lab.target import Target

ORDERS = range(1_001, 1_011)


def open_v1(document: dict[str, Any], _: Target) -> None:
    """The route that was to stay for a month, years ago."""
    document["routes"].append(
        {
            "name": "orders-v1",
            "listeners": ["public"],
            "matches": [{"path": {"value": "/v1"}}],
            "public": True,
            "backendRefs": [{"cluster": "orders"}],
        }
    )


def attack(lab: Target) -> Outcome:
    """A stranger tries old addresses, as scanners do."""
    found = [lab.call("nobody", "GET", f"/v1/orders/{number}") for number in ORDERS]
    seen = sum(answer.status == 200 for answer in found)
    return Outcome(
        breached=seen > 0,
        got=f"{seen} orders, without a login" if seen else "nothing: the gateway knows no /v1",
        measures={"orders seen": f"{seen} of {len(ORDERS)} asked"},
    )


def benign(lab: Target) -> bool:
    """Alice reads her order at the address of today."""
    return lab.call("alice", "GET", "/orders/1001").status == 200


SCENARIO = Scenario(
    id="api9-inventory",
    title="The version that was forgotten",
    story=(
        "Before there were accounts, orders were open: /v1 of the service never asked for a token. Its clients are "
        "long gone; the code still runs. A route that forwards whatever begins with /v1 keeps the door open."
    ),
    references=("OWASP API9:2023", "CWE-1059"),
    claims=("C13", "C14", "C15"),
    difficulty=2,
    minutes=5,
    stage=(Plant("orders", "serves-v1"),),
    weaknesses=(Rewrite(open_v1, "a route for /v1, public, leads to orders"),),
    control=Control(
        name="only what the inventory names is reachable: each route has an owner and a version",
        where="gateway",
        lines="# no route, no way in (gatehouse routes)\n- {name: orders-read, owner: orders-team, version: v1, …}",
        elsewhere=(
            "# Istio: name paths, and let nothing else through\nkind: AuthorizationPolicy\n"
            "spec: {action: ALLOW, rules: [{to: [{operation: {paths: [/orders, /orders/*]}}]}]}"
        ),
    ),
    attack=attack,
    benign=benign,
    hints=(
        "gatehouse routes --json: which routes have no owner?",
        "gatehouse audit compares routes with the services' OpenAPI documents.",
        "The service still serves /v1. Who decides that nobody gets there?",
    ),
    wrong_fixes=(
        WrongFix("take it out of the documentation", "Scanners do not read it: they try /v1, /beta, /old, /internal."),
        WrongFix("a route for /v1 that asks for a token", "The old code asks for none: any token reads any order."),
        WrongFix("Sunset and Deprecation headers", "They inform honest clients, and close nothing (RFC 8594)."),
    ),
    questions=(
        (
            "Is closing the route enough?",
            "It is the first step, done in a minute. The code goes next.",
        ),
        ("How do you know that nobody needs it?", "From the route's metrics: requests by version, for weeks."),
    ),
)
