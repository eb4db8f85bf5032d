"""Orders are guarded at their own address; the batch behind GraphQL is another door to them."""

from __future__ import annotations

from scenarios.lab.model import Control, Outcome, Plant, Scenario, WrongFix
from scenarios.lab.target import Target

NUMBERS = range(1_001, 1_011)
BOBS = 1_002


def attack(lab: Target) -> Outcome:
    """Bob is refused at the front door, and goes round: ten orders with what is in them, in one query."""
    front = lab.call("bob", "GET", "/orders/1001").status
    fields = " ".join(f"o{n}: order(id: {n}) {{ id total items {{ quantity product {{ name }} }} }}" for n in NUMBERS)
    told = (lab.graphql("bob", f"{{ {fields} }}").json() or {}).get("data") or {}
    seen = [one for one in told.values() if one]
    own = {one["id"] for one in lab.tidy("bob", "GET", "/orders?limit=100").json()["orders"]}
    foreign = sum(int(one["id"]) not in own for one in seen)
    return Outcome(
        breached=foreign > 0,
        got=f"{foreign} orders of other people" if foreign else "nothing but his own orders",
        measures={"GET /orders/1001": str(front), "foreign orders by GraphQL": f"{foreign} of {len(NUMBERS)} asked"},
        shows="POST /graphql",
    )


def benign(lab: Target) -> bool:
    """Bob's app shows his orders, and one of them."""
    told = lab.graphql("bob", f"{{ me {{ orders(first: 3) {{ id }} }} order(id: {BOBS}) {{ id total }} }}").json()
    return bool(told and "errors" not in told and told["data"]["me"]["orders"] and told["data"]["order"])


SCENARIO = Scenario(
    id="graphql-nested-bola",
    title="The back door behind GraphQL",
    story=(
        "GET /orders/1001 is refused to Bob: it is Alice's. The storefront fetches orders by the dozen from an address "
        "made for that, and whoever wrote it thought of speed. GraphQL leads Bob there."
    ),
    references=("OWASP API1:2023", "CWE-639", "OWASP GraphQL Cheat Sheet"),
    claims=("C3", "C7", "C17"),
    difficulty=3,
    minutes=8,
    weaknesses=(Plant("orders", "no-owner-check-in-lists"),),
    control=Control(
        name="the owner check stands at every way to the record",
        where="service",
        lines="mine = [order for order in found if domain.may_read(order.customer, caller)]",
    ),
    attack=attack,
    benign=benign,
    hints=(
        "Look at the trace of the query: which request does the storefront send to orders?",
        "GET /orders/1001 and GET /orders?ids=1001 are answered by two functions.",
        "Filter what was found by its owner, before it leaves the service that knows the owner.",
    ),
    wrong_fixes=(
        WrongFix("check the owner in the storefront's resolver", "GET /orders?ids=1001 is open to Bob, too."),
        WrongFix("allow fewer aliases", "It takes more requests then. Each order that he reads is still Alice's."),
        WrongFix("give the storefront rights of its own", "Then it reads everything for everybody: a confused deputy."),
    ),
    questions=(
        (
            "How does orders know that it is Bob who asks, behind the storefront?",
            "The caller's identity is passed on in a token, which each service verifies again.",
        ),
        (
            "Where would the rule hold for a third way to the record, too?",
            "Below all of them: at the read.",
        ),
    ),
)
