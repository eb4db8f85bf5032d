"""The storefront has rights of its own, and uses them for anybody who asks."""

from __future__ import annotations

from scenarios.lab.model import Control, Outcome, Plant, Scenario, WrongFix
from scenarios.lab.target import Target

ORDERS = range(1_001, 1_021)


def attack(lab: Target) -> Outcome:
    """Carol of support has looked at an order. Bob asks the storefront for orders that orders itself refuses him."""
    lab.graphql("carol", "{ order(id: 1001) { id } }")
    own = {str(one["id"]) for one in lab.call("bob", "GET", "/orders?limit=100").json()["orders"]}
    told = [order_of(lab, number) for number in ORDERS]
    foreign = [one for one in told if one and one not in own]
    direct = lab.call("bob", "GET", "/orders/1001").status
    return Outcome(
        breached=bool(foreign),
        got=f"{len(foreign)} orders of other people" if foreign else "his own orders",
        measures={
            "foreign orders by the storefront": f"{len(foreign)} of {len(ORDERS)} asked",
            "asked directly": f"orders answers {direct}",
        },
    )


def order_of(lab: Target, number: int) -> str | None:
    """The order's id, if the storefront tells Bob about it."""
    found = lab.graphql("bob", f"{{ order(id: {number}) {{ id }} }}").json()["data"]["order"]
    return found["id"] if found else None


def benign(lab: Target) -> bool:
    """Alice sees her order by the storefront."""
    found = lab.graphql("alice", "{ order(id: 1001) { id } }").json()
    return bool(found["data"]["order"] == {"id": "1001"})


SCENARIO = Scenario(
    id="confused-deputy",
    title="The storefront asks with its own rights, for anybody",
    story=(
        "Asking orders costs a token each time, so somebody gave the storefront one client for all its calls, and that "
        "one has the rights of support. Orders sees a caller whom it may tell everything. It cannot know that Bob is "
        "behind it: the deputy is honest, and confused."
    ),
    references=("CWE-441", "OWASP API1:2023", "RFC 8693 section 1.1"),
    claims=("C2", "C6", "C17"),
    difficulty=3,
    minutes=8,
    weaknesses=(Plant("storefront", "one-token-for-all"),),
    control=Control(
        name="calls in the caller's name",
        where="service",
        lines=(
            "self.orders = OrdersApi(service.http, claims.token)   # storefront\n"
            "- {type: InternalToken, audiences: [storefront], onward: […], …}   # gateway, route graphql"
        ),
    ),
    attack=attack,
    benign=benign,
    hints=(
        "Ask for order 1001 as bob, directly and by the storefront. Who refuses, and why does the other one not?",
        "Which token does orders see when Bob asks the storefront?",
        "A service in the middle needs no rights of its own to do what its caller may do.",
    ),
    wrong_fixes=(
        WrongFix("check the owner in the storefront", "Each of its queries must then; the next one forgets it."),
        WrongFix("a header X-User beside the service's token", "Whoever reaches orders can write any name into it."),
        WrongFix("the mesh", "It knows that the storefront calls, which is true. For whom, it does not know."),
    ),
    questions=(
        (
            "When does a service need rights of its own?",
            "For work that nobody waits for: reports at night, messages from a queue. Few ones.",
        ),
    ),
)
