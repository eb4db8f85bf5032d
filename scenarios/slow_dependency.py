"""Orders is slow, and the page of the shop waits for it."""

from __future__ import annotations

from typing import Any

from scenarios.lab.crowd import timed
from scenarios.lab.model import Control, Outcome, Rewrite, Scenario, WrongFix
from scenarios.lab.target import Target

SLOW, PATIENCE = "3s", 2.0


def call_to_orders(mesh: dict[str, Any]) -> dict[str, Any]:
    """How the storefront calls orders, in the mesh's file."""
    storefront = next(one for one in mesh["services"] if one["name"] == "storefront")
    call: dict[str, Any] = next(one for one in storefront["calls"] if one["to"] == "orders")
    return call


def slow(mesh: dict[str, Any], _: Target) -> None:
    """Each answer of orders comes late; the time-out is short, so that a class need not wait."""
    call_to_orders(mesh).update(
        faults={"delay": {"percent": 100, "duration": SLOW}}, timeouts={"request": "500ms", "propagate": True}
    )


def patient(mesh: dict[str, Any], _: Target) -> None:
    """Nobody says how long the storefront waits."""
    call_to_orders(mesh)["timeouts"] = {"request": "0s", "backendRequest": "0s"}


def attack(lab: Target) -> Outcome:
    """Somebody opens the shop's page."""
    page, seconds = timed(lab, "nobody", "/")
    late = seconds > PATIENCE or page.status != 200
    return Outcome(
        breached=late,
        got="a page that hangs" if late else "a page that says what is missing",
        measures={
            "the page came after": f"{seconds:.1f} s",
            "status": str(page.status),
            "reviews on it": "yes" if b"\xe2\x98\x85" in page.body else "no",
        },
    )


def benign(lab: Target) -> bool:
    """Who needs nothing of orders notices nothing."""
    reviews = lab.graphql("nobody", "{ reviews(first: 2) { stars } }").json()
    return bool(reviews["data"]["reviews"]) and lab.call("alice", "GET", "/profiles/alice").status == 200


SCENARIO = Scenario(
    id="slow-dependency",
    title="One slow service, and everybody waits",
    story=(
        "Orders is not down. It is worse: it is slow. The page of the shop asks it for products, and waits. A visitor "
        "holds a connection meanwhile, and presses reload. The reviews are the storefront's own. They are ready, and "
        "nobody sees them."
    ),
    references=("CWE-400", "CWE-1088"),
    claims=("C5", "C12"),
    difficulty=2,
    minutes=8,
    weaknesses=(Rewrite(patient, "no time-out for what the storefront asks of orders", file="mesh"),),
    control=Control(
        name="a time-out for each call, and a page that does without",
        where="mesh",
        lines="- name: storefront\n  calls:\n    - {to: orders, timeouts: {request: 500ms, propagate: true}}",
        elsewhere="# Istio\nkind: VirtualService\nspec:\n  hosts: [orders]\n  http: [{timeout: 0.5s, …}]",
    ),
    attack=attack,
    benign=benign,
    hints=(
        "How long is a visitor willing to wait? How long does the storefront wait?",
        "gatehouse trace of the page shows where the time goes.",
        "A time-out needs an answer to the question: and then? The page has one.",
    ),
    wrong_fixes=(
        WrongFix("retry", "It is slow because it has too much to do; now it has more."),
        WrongFix("a long time-out, to be safe", "Connections pile up for as long; the storefront hangs with orders."),
        WrongFix("503 for the whole page", "Then a load balancer takes the healthy storefront out as well."),
    ),
    questions=(
        (
            "What does propagate add?",
            "Orders learns how long somebody waits, and does not begin what nobody will read.",
        ),
    ),
    architecture="mesh",
    stage=(Rewrite(slow, f"each answer of orders to the storefront comes {SLOW} late", file="mesh"),),
)
