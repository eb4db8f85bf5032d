"""A header says who the client is, and the limit believes it."""

from __future__ import annotations

from typing import Any

from scenarios.api2_broken_auth import GUESSES, PASSWORD, VICTIM
from scenarios.lab.model import Control, Outcome, Rewrite, Scenario, WrongFix
from scenarios.lab.target import Target

ATTACKER = "127.0.0.67"


def believe(document: dict[str, Any], _: Target) -> None:
    """As if a load balancer of ours stood in front: it is not there, and everybody may say what it would."""
    next(one for one in document["listeners"] if one["name"] == "public")["trustedHops"] = 1


def attack(lab: Target) -> Outcome:
    """Guess passwords; each guess says that it comes from somewhere else."""
    lab.have_user(VICTIM, PASSWORD)
    looked_at, number, found = 0, 0, False
    while not found and number < len(GUESSES):
        body = {"username": VICTIM, "password": GUESSES[number]}
        claimed = ("X-Forwarded-For", f"198.51.100.{number + 1}")
        answer = lab.call("nobody", "POST", "/auth/login", json=body, headers=[claimed], source=ATTACKER)
        looked_at += answer.status in (200, 401)
        found, number = answer.status == 200, number + 1
    return Outcome(
        breached=found,
        got=f"{VICTIM}'s account, as {number} different clients" if found else "no password: it is one client",
        measures={"guesses that were looked at": f"{looked_at} of {number}"},
    )


def benign(lab: Target) -> bool:
    """A customer behind a proxy of their company: the header is there, and nobody minds."""
    proxied = [("X-Forwarded-For", "203.0.113.7")]
    return lab.call("alice", "GET", "/orders/1001", headers=proxied).status == 200


SCENARIO = Scenario(
    id="header-spoofing",
    title="A header says who the client is",
    story=(
        "The login has its limit per address. Somebody let the gateway believe X-Forwarded-For, as one does "
        "behind a load balancer. There is no load balancer: the attacker writes the header, another one each time."
    ),
    references=("CWE-290", "CWE-348", "RFC 7239 section 8", "OWASP API2:2023"),
    claims=("C17",),
    difficulty=2,
    minutes=5,
    weaknesses=(Rewrite(believe, "X-Forwarded-For of anybody is believed (trustedHops: 1)"),),
    control=Control(
        name="as many proxies are believed as are there: none",
        where="gateway",
        lines="listeners:\n  - {name: public, …, trustedHops: 0}   # the default",
        elsewhere="# Envoy, in the HttpConnectionManager\nuse_remote_address: true\nxff_num_trusted_hops: 0",
    ),
    attack=attack,
    benign=benign,
    hints=(
        "Which address does the access log show for a request with X-Forwarded-For?",
        "Who wrote the rightmost entry of that header? Who could have written the others?",
        "Count the proxies that are yours: that many entries, from the right, are worth something.",
    ),
    wrong_fixes=(
        WrongFix("take the leftmost entry", "That is the one that the client wrote."),
        WrongFix("refuse requests that bring the header", "Honest people behind proxies bring it, and are kept out."),
        WrongFix("a list of trusted addresses with 10.0.0.0/8", "Whoever is inside, by any hole, may then be anybody."),
    ),
    questions=(
        ("With one balancer in front, what is right?", "trustedHops: 1, and nobody may reach the gateway past it."),
        (
            "What of X-User, X-Role and their like?",
            "The same: what services believe must be set by the gateway, and taken off what comes from outside.",
        ),
    ),
)
