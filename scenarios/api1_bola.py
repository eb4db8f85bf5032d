"""Bob reads Alice's order (broken object level authorization)."""

from __future__ import annotations

from scenarios.lab.model import Control, Outcome, Plant, Scenario, WrongFix
from scenarios.lab.target import Target

ORDERS = range(1_001, 1_021)
BOBS = 1_002


def attack(lab: Target) -> Outcome:
    """Bob is logged in, and counts: order ids are numbers."""
    foreign = 0
    for number in ORDERS:
        answer = lab.call("bob", "GET", f"/orders/{number}")
        told = answer.json() if answer.status == 200 else {}
        foreign += told.get("customer", "bob") != "bob"
    got = f"{foreign} orders of other people" if foreign else "nothing but his own orders"
    return Outcome(breached=foreign > 0, got=got, measures={"foreign orders read": f"{foreign} of {len(ORDERS)} asked"})


def benign(lab: Target) -> bool:
    """Bob reads his own order."""
    return lab.call("bob", "GET", f"/orders/{BOBS}").status == 200


SCENARIO = Scenario(
    id="api1-bola",
    title="Bob reads Alice's order",
    story=(
        "Bob has an account, a good token and the right scope. Order ids are numbers, so he asks for the next one, and "
        "the one after that. The gateway lets him: he may read orders. Whose order it is, stands in no token."
    ),
    references=("OWASP API1:2023", "CWE-639"),
    claims=("C3", "C17"),
    difficulty=1,
    minutes=5,
    weaknesses=(Plant("orders", "no-owner-check"),),
    control=Control(
        name="owner check",
        where="service",
        lines="order = await self._db.read(store.read_order, order_id)\ndomain.check_reader(order.customer, caller)",
    ),
    attack=attack,
    benign=benign,
    hints=(
        "What does the gateway know of order 1001, and what only the service?",
        "gatehouse explain GET /orders/1001 --as bob says what is not decided there.",
        "The owner is in the record: compare it with the token's subject after reading it.",
    ),
    wrong_fixes=(
        WrongFix("random ids instead of numbers", "An id that leaks (a link, a log, a referer) still answers 200."),
        WrongFix("a narrower scope at the gateway", "Alice and Bob have the same scope; it says what, not whose."),
        WrongFix("a lower rate limit", "It slows the thief down; each order that he reads is still Alice's."),
    ),
    questions=(
        (
            "Why can the gateway not fix this?",
            "Token and path say who asks and for which id; the owner is in the record.",
        ),
        ("404 or 403?", "404 tells the thief less; 403 tells the honest caller more. Here: 403 not_owner."),
    ),
)
