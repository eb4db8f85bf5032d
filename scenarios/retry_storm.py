"""Orders fails under load, and retries give it four times the load."""

from __future__ import annotations

from typing import Any

from scenarios.cascade import part
from scenarios.lab.crowd import failing, together
from scenarios.lab.model import Control, Outcome, Rewrite, Scenario, WrongFix
from scenarios.lab.target import Target

CLIENTS, EACH, TOO_MANY = 30, 4, 2.0


def retries(document: dict[str, Any], _: Target) -> None:
    """The catalogue is asked again when orders fails: up to three times."""
    part(document, "routes", "products-read")["retry"] = {"attempts": 3, "codes": [503], "backoff": "10ms"}


def no_budget(document: dict[str, Any], _: Target) -> None:
    """Every request may be repeated, however many there are."""
    part(document, "clusters", "orders")["retryBudget"] = {"percent": 100, "minimum": 1024}


def attack(lab: Target) -> Outcome:
    """No attacker: orders has failed, and thirty clients go on asking."""
    with failing(lab, "orders", after=0.05) as orders:
        answers = together(lab, CLIENTS, EACH, "GET", "/products")
    share = orders.hits / len(answers)
    storm = share > TOO_MANY
    return Outcome(
        breached=storm,
        got="several times the load, on a service that fails already" if storm else "hardly more than was asked",
        measures={"requests of clients": str(len(answers)), "tries for each": f"{share:.1f}"},
    )


def benign(lab: Target) -> bool:
    """When orders is back, the catalogue is."""
    return lab.call("nobody", "GET", "/products").status == 200


SCENARIO = Scenario(
    id="retry-storm",
    title="Retries that keep a service down",
    story=(
        "Three retries make an application sturdy: a lost packet, a restart, and nobody notices. Then orders is over "
        "its limit and fails everything. Each request becomes four. What orders can still do it does for repetitions, "
        "and it does not come back for as long as somebody asks."
    ),
    references=("CWE-400", "RFC 9110 section 9.2.2"),
    claims=("C5", "C12"),
    difficulty=3,
    minutes=8,
    weaknesses=(Rewrite(no_budget, "cluster orders: every request may be repeated"),),
    control=Control(
        name="a budget for retries",
        where="gateway",
        lines="- {name: orders, service: orders, retryBudget: {percent: 20, minimum: 3}}   # the default",
        elsewhere="# Envoy\ncircuit_breakers:\n  thresholds:\n    - retry_budget: {budget_percent: {value: 20}}",
    ),
    attack=attack,
    benign=benign,
    hints=(
        "How many requests does orders see for each that a client sends?",
        "A retry helps when one of many fails. What if all do?",
        "gateway_upstream_retries_total counts them, also those that the budget refused.",
    ),
    wrong_fixes=(
        WrongFix("more attempts", "Five make six out of one."),
        WrongFix("a longer wait between them", "The storm comes later, and is the same."),
        WrongFix("no retries at all", "Then each restart of one endpoint is an error for somebody."),
    ),
    stage=(Rewrite(retries, "the catalogue is asked again up to three times"),),
)
