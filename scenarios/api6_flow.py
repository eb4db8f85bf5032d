"""A bot buys all of a limited edition (unrestricted access to a sensitive business flow)."""

from __future__ import annotations

from typing import Any

from scenarios.lab.model import Control, Outcome, Plant, Scenario, WrongFix
from scenarios.lab.target import Target

MODEL = 15
"""The gatehouse model, scale 1 to 50: there are 35."""
AT_ONCE = 5
BOT, HONEST = "ronda", "heidi"


def attack(lab: Target) -> Outcome:
    """A customer's program orders five at a time until there are none, all in order by itself."""
    lab.become(BOT)
    before, placed = _stock(lab), []
    while (answer := _order(lab, BOT, min(AT_ONCE, max(1, _stock(lab))))).status == 201:
        placed.append(answer.json()["id"])
    left = _stock(lab)
    for number in placed:
        lab.tidy(BOT, "POST", f"/orders/{number}/cancel")
    return Outcome(
        breached=left == 0,
        got=f"{before - left} of {before} pieces",
        measures={"left for everybody else": f"{left} of {before}", "orders of the bot": str(len(placed))},
    )


def benign(lab: Target) -> bool:
    """Heidi buys one, and thinks better of it."""
    lab.become(HONEST)
    answer = _order(lab, HONEST, 1)
    if answer.status == 201:
        lab.tidy(HONEST, "POST", f"/orders/{answer.json()['id']}/cancel")
    return bool(answer.status == 201)


def _order(lab: Target, who: str, quantity: int) -> Any:
    return lab.call(who, "POST", "/orders", json={"items": [{"product_id": MODEL, "quantity": quantity}]})


def _stock(lab: Target) -> int:
    return int(lab.tidy("nobody", "GET", f"/products/{MODEL}").json()["stock"])


SCENARIO = Scenario(
    id="api6-flow",
    title="A bot buys all of a limited edition",
    story=(
        "There are 35 models. A program orders them all within a second, to sell them dearer elsewhere. It has an "
        "account, pays, stays below every limit of requests; no rule was broken, because nobody had written one."
    ),
    references=("OWASP API6:2023", "CWE-837", "CWE-799"),
    claims=("C17",),
    difficulty=3,
    minutes=8,
    weaknesses=(Plant("orders", "no-fair-share"),),
    control=Control(
        name="each customer's share of what is scarce",
        where="service",
        lines="fairness.check(connection, wish.customer, wanted, stamp.now)",
    ),
    attack=attack,
    benign=benign,
    hints=(
        "How many requests does it take to buy 35 pieces? What would a limit of requests have to be?",
        "What is scarce is not requests but pieces. Who knows how many somebody has?",
        "Count in the transaction that takes the stock, over all of the customer's orders of a day.",
    ),
    wrong_fixes=(
        WrongFix("a limit of requests at the gateway", "One order may name all 35 pieces: pieces are in the body."),
        WrongFix("a bound on the quantity of an order", "Then it is seven orders. It must count over all of them."),
        WrongFix("count first, order afterwards", "Two requests at once both see four pieces. Count where you take."),
    ),
    questions=(
        (
            "The bot has seven accounts. What now?",
            "This rule alone makes it dearer, not impossible: what an account costs (a verified card, an age), "
            "a draw instead of first come, and a look at addresses that buy for many.",
        ),
        ("Why is this no matter of the gateway?", "It would have to know orders, customers and stock: the service's."),
    ),
)
