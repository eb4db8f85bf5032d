"""A third party turns hostile, and its answer is believed (unsafe consumption of APIs)."""

from __future__ import annotations

from typing import Any

from scenarios.lab.model import Control, Option, Outcome, Plant, Remove, Scenario, WrongFix
from scenarios.lab.target import Target

ITEM = {"items": [{"product_id": 4, "quantity": 1}]}


def attack(lab: Target) -> Outcome:
    """Nobody attacks us: Alice wants to pay, and the provider's answer has a script where the address should be."""
    order = lab.call("alice", "POST", "/orders", json=ITEM).json()["id"]
    answer = lab.call("alice", "POST", f"/orders/{order}/pay")
    told: dict[str, Any] = answer.json() or {}
    script = str(told.get("pay_url", "")).startswith("javascript:")
    again = lab.call("alice", "POST", f"/orders/{order}/pay").status
    _cancel(lab, order)
    return Outcome(
        breached=script,
        got="a script in Alice's browser, from our database" if script else "a refusal, and nothing stored",
        measures={"Alice is sent to": str(told.get("pay_url", "nowhere")), "stored, and shown again": _stored(again)},
        shows=f"POST /orders/{order}/pay",
    )


def _stored(again: int) -> str:
    return "yes" if again == 200 else "no"


def _cancel(lab: Target, order: int) -> None:
    lab.tidy("alice", "POST", f"/orders/{order}/cancel")


def benign(lab: Target) -> bool:
    """The provider is still hostile. What does not need it goes on: Alice orders, and looks at her order."""
    placed = lab.call("alice", "POST", "/orders", json=ITEM)
    if placed.status != 201:
        return False
    order = placed.json()["id"]
    seen = lab.call("alice", "GET", f"/orders/{order}").status == 200
    _cancel(lab, order)
    return seen


SCENARIO = Scenario(
    id="api10-unsafe-consumption",
    title="The provider turns hostile",
    story=(
        "Customers pay at a third party, which has been broken into. Its answers still come from the right address, "
        "with the right key, in good JSON. Where Alice should be sent to pay, there stands a script."
    ),
    references=("OWASP API10:2023", "CWE-20", "CWE-79"),
    claims=("C6", "C15"),
    difficulty=3,
    minutes=8,
    stage=(
        Option("payments", "misbehave", "inject", "the third party puts SQL and script into its answers"),
        Remove("ask-payments", "OpenApiValidation"),  # else the egress gateway lets no such answer in
    ),
    weaknesses=(Plant("orders", "trusts-the-provider"),),
    control=Control(
        name="answers are read as those of a stranger: form, values that we asked for, the one address, size and time",
        where="service",
        lines=(
            "made = _Made.model_validate_json(answer.expect(201).body)\n"
            "if made.pay_url != self._pages + made.id: raise PeerError(…)"
        ),
        elsewhere="# Envoy: what goes out can be bounded (timeouts, size by a buffer filter); values are the service's",
    ),
    attack=attack,
    benign=benign,
    hints=(
        "Which values of the answer end up in our database, and which in a browser?",
        "TLS and an API key prove who answers. Do they prove what?",
        "You know the order, the amount and where customers pay. Compare, before anything is stored.",
    ),
    wrong_fixes=(
        WrongFix("TLS with a pinned certificate", "It is the right company. It says the wrong things."),
        WrongFix("escape it in the page", "A link to javascript: needs no angle brackets; and the next page forgets."),
        WrongFix("check that it is JSON", "It is. The schema says what may be in it, and we know what must be."),
    ),
    questions=(
        ("What do customers see with the control?", "502 peer_error: ordering works, paying does not, for a while."),
        (
            "Which other modes does this third party have?",
            "redirect, huge, slow, lie: see gatehouse up --set.",
        ),
    ),
)
