"""A new version that fails, for three visitors in ten."""

from __future__ import annotations

import time
from typing import Any

from scenarios.cascade import part
from scenarios.lab.crowd import failing
from scenarios.lab.model import Control, Outcome, Rewrite, Scenario, WrongFix
from scenarios.lab.target import Target

PATIENCE, LAST = 4.0, 60


def canary(document: dict[str, Any], _: Target) -> None:
    """Version 2 of orders gets 30 % of the catalogue's requests; windows are short, for a class room."""
    document["clusters"].append({"name": "orders-v2", "endpoints": ["127.0.0.1:9"]})
    part(document, "routes", "products-read")["canary"] = {
        "cluster": "orders-v2",
        "weight": 30,
        "rollback": {"errorRatio": 0.05, "minRequests": 20, "window": "10s"},
    }


def for_good(document: dict[str, Any], _: Target) -> None:
    """Somebody has to notice, and somebody has to come."""
    part(document, "routes", "products-read")["canary"]["rollback"]["errorRatio"] = 1.0


def attack(lab: Target) -> Outcome:
    """No attacker: version 2 answers 500, and visitors come."""
    with failing(lab, "orders-v2", status=500, after=0.0):
        failed, began = [], time.monotonic()
        while time.monotonic() < began + PATIENCE and not rolled_back(lab):
            failed += [visit(lab, number) for number in range(20)]
        last = [visit(lab, number) for number in range(LAST)]
    still = sum(last)
    return Outcome(
        breached=still > 0,
        got="a version that fails, until somebody comes" if still else "a version that was taken back",
        measures={
            "failed at first": f"{sum(failed)} of {len(failed)}",
            "failed in the end": f"{still} of {LAST}",
            "the canary is": "rolled back" if rolled_back(lab) else "running",
        },
    )


def visit(lab: Target, number: int) -> bool:
    """Whether a visitor got an error."""
    return lab.call("nobody", "GET", "/products?limit=1", source=f"127.0.2.{number + 1}").status >= 500


def rolled_back(lab: Target) -> bool:
    """Whether the gateway has taken it back."""
    return any(one["state"] == "rolled_back" for one in lab.instance.admin("GET", "/canaries")["canaries"])


def benign(lab: Target) -> bool:
    """Other routes of the same service were never touched."""
    return lab.call("alice", "GET", "/orders").status == 200


SCENARIO = Scenario(
    id="bad-canary",
    title="A new version fails for three visitors in ten",
    story=(
        "Version 2 of orders passed all its tests. With real visitors it fails. It got a share of them only, which was "
        "wise; but it is Friday evening, the share is 30 %, and the one who reads the dashboard has left."
    ),
    references=("CWE-1053", "ISO/IEC 25010 recoverability"),
    claims=("C9", "C11"),
    difficulty=2,
    minutes=8,
    weaknesses=(Rewrite(for_good, "the canary may fail as often as it likes", staged=True),),
    control=Control(
        name="a canary that rolls back by itself",
        where="gateway",
        lines="rollback: {errorRatio: 0.05, minRequests: 20, window: 10s}",
        elsewhere="# Flagger\nanalysis:\n  threshold: 1\n  metrics: [{name: request-success-rate, …}]",
    ),
    attack=attack,
    benign=benign,
    hints=(
        "gatehouse canary shows how both sides do.",
        "Compared with what is it bad? The old version fails now and then, too.",
        "How many requests must fail before one may judge?",
    ),
    wrong_fixes=(
        WrongFix("a smaller weight", "Fewer see it, for longer."),
        WrongFix("retries", "They hide that it fails, until all of it does."),
        WrongFix("an alert", "Good, and somebody has to wake up. What goes down by itself is safe."),
    ),
    stage=(Rewrite(canary, "30 % of the catalogue's requests go to version 2 of orders"),),
)
