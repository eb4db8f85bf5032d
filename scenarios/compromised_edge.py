"""What somebody harvests who sees all that the gateway sends on."""

from __future__ import annotations

import time

from gateway.cli.tokens import claims_of
from scenarios.lab import tap
from scenarios.lab.model import Control, Outcome, Remove, Scenario, WrongFix
from scenarios.lab.target import Target


def attack(lab: Target) -> Outcome:
    """The edge's log of what it forwards is read; each token in it is tried wherever tokens are good."""
    with tap.on_the_way_to(lab, "orders") as edge:
        assert lab.call("alice", "GET", "/orders").status == 200
    if not edge.tokens:  # in the mesh
        return Outcome(False, "bytes that say nothing")
    seen = edge.seen.count(b'"customer"')
    bearer = [("Authorization", f"Bearer {edge.tokens[0]}")]
    me = b'{"query": "{ me { username profile { email } } }"}'
    as_json = [*bearer, ("Content-Type", "application/json")]
    tries = {
        "orders at the gateway": lab.call("nobody", "GET", "/orders", headers=bearer),
        "placing one": lab.call("nobody", "POST", "/orders", headers=as_json, body=b"{}"),
        "the profile": lab.call("nobody", "GET", "/profiles/alice", headers=bearer),
        "the storefront": lab.call("nobody", "POST", "/graphql", headers=as_json, body=me),
        "profiles, past the gateway": lab.call(
            "nobody", "GET", "/profiles/alice", headers=bearer, base_url=lab.service_url("profiles")
        ),
    }
    opened = [name for name, answer in tries.items() if answer.status not in (401, 403)]
    lives = claims_of(edge.tokens[0])["exp"] - time.time()
    return Outcome(
        breached=bool(opened),
        got=f"a token that opens {len(opened)} more doors" if opened else "a token that is good for orders alone",
        measures={
            "orders seen as they passed": str(seen),
            "doors that its token opens": f"{len(opened)} of {len(tries)}",
            "good for": f"{'minutes' if lives > 60 else 'less than a minute'}",
        },
    )


def benign(lab: Target) -> bool:
    """Alice reads her orders, and her profile."""
    orders = lab.call("alice", "GET", "/orders")
    return orders.status == 200 and lab.call("alice", "GET", "/profiles/alice").status == 200


SCENARIO = Scenario(
    id="compromised-edge",
    title="Somebody reads what the gateway sends on",
    story=(
        "All requests pass the edge, so whoever sees what it sends on sees all of them: in a debug log that nobody "
        "switched off, a tracing tool, a service behind it. What passes meanwhile is seen, and nothing changes that. "
        "The question is what the tokens are good for that were seen, and where, and how long."
    ),
    references=("CWE-522", "RFC 8693", "RFC 9700 section 4.9"),
    claims=("C3", "C13"),
    difficulty=3,
    minutes=10,
    weaknesses=(Remove("orders-read", "InternalToken"),),
    control=Control(
        name="the caller's token ends at the gateway",
        where="gateway",
        lines='- {type: InternalToken, audiences: [orders], scopes: ["orders:read"], claims: [roles]}',
        elsewhere="# OAuth 2.0\nToken Exchange at the issuer (RFC 8693), once for each token.\n# Envoy: none.",
    ),
    attack=attack,
    benign=benign,
    hints=(
        "gatehouse explain GET /orders/1001 --as alice says which token the service gets.",
        "For whom is the token that was seen? See aud, with gatehouse token alice.",
        "A token for one service and one minute is worth less to a thief.",
    ),
    wrong_fixes=(
        WrongFix("redact tokens in the log", "Right, and the next place that sees them has none of it."),
        WrongFix("rotate keys each day", "What was stolen is good until it expires, as long as its key stands."),
        WrongFix(
            "InternalToken against code in the gateway's own process",
            "There are callers' own tokens, and the key of the others. It is about what leaves the gateway.",
        ),
    ),
    questions=(
        (
            "Seen and reachable are counted apart. Why?",
            "What passes is seen in any case; what can be fetched with it later is what the control takes away.",
        ),
    ),
)
