"""Somebody listens on the wire between the gateway and orders."""

from __future__ import annotations

import json

from scenarios.lab import tap
from scenarios.lab.model import Control, Instead, Outcome, Scenario, WrongFix
from scenarios.lab.target import Target


def attack(lab: Target) -> Outcome:
    """A tap between the gateway and orders, while Alice reads her orders; then what it saw is used."""
    with tap.on_the_way_to(lab, "orders") as wire:
        assert lab.call("alice", "GET", "/orders?limit=100").status == 200
        assert wire.seen
    stolen = 0
    for token in wire.tokens:
        again = lab.call(
            "nobody", "GET", "/orders?limit=100",
            headers=[("Authorization", f"Bearer {token}")], base_url=lab.service_url("orders"),
        )  # fmt: skip
        stolen += len(json.loads(again.body)["orders"]) if again.status == 200 else 0
    readable = wire.seen.count(b'"customer"')
    return Outcome(
        breached=bool(wire.tokens or readable),
        got=f"a token, and {stolen} orders with it" if wire.tokens else "bytes that say nothing",
        measures={
            "recorded": f"{len(wire.seen)} bytes",
            "orders readable in it": str(readable),
            "tokens found in it": str(len(wire.tokens)),
            "orders read with them": str(stolen),
        },
    )


def benign(lab: Target) -> bool:
    """Alice reads her orders."""
    return lab.call("alice", "GET", "/orders").status == 200


SCENARIO = Scenario(
    id="eavesdropping",
    title="A tap between the gateway and orders",
    story=(
        "TLS ends at the edge, as it does in many places: behind it is the inside, and the inside is trusted. Somebody "
        "sits there all the same, with a mirrored port or a sniffing neighbour, and writes down what passes: orders, "
        "addresses, and the tokens that open them."
    ),
    references=("CWE-319", "RFC 8446", "RFC 6750 section 5.3"),
    claims=("C3", "C13"),
    difficulty=2,
    minutes=8,
    weaknesses=(Instead("gateway"),),
    control=Control(
        name="mutual TLS 1.3 on every way between services",
        where="mesh",
        lines="gatehouse up --mesh",
        elsewhere="# Istio\nkind: PeerAuthentication\nspec:\n  mtls: {mode: STRICT}",
    ),
    attack=attack,
    benign=benign,
    hints=(
        "Where does TLS end, and what comes after that?",
        "What does the header Authorization look like between the gateway and orders?",
        "In the mesh the tap stands in the same place. What does it record there?",
    ),
    wrong_fixes=(
        WrongFix("short tokens", "The one that was seen is good for a minute, and another one passes every second."),
        WrongFix("an inside that is trusted", "That is what was here. The tap was inside."),
        WrongFix("TLS without looking who is there", "A tap that ends TLS itself sees everything again."),
    ),
    questions=(
        (
            "The tap could answer the gateway itself. Why not in the mesh?",
            "It has no certificate of orders'.",
        ),
        (
            "Where is still plain HTTP in the mesh?",
            "Between a service and its own sidecar, on loopback; who reads that has the machine already.",
        ),
    ),
    architecture="mesh",
)
