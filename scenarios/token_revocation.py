"""A stolen token after Alice has logged out everywhere."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlencode

from gateway.cli.instance import private_json
from gateway.cli.tokens import token_for
from scenarios.lab.model import Control, Outcome, Rewrite, Scenario, WrongFix
from scenarios.lab.target import Target

PATIENCE = 2.0
"""Seconds that the thief is given."""


def no_list(document: dict[str, object], _: Target) -> None:
    """The gateway does not ask what was taken back."""
    providers = document["providers"]
    assert isinstance(providers, list)
    for one in providers:
        one.pop("revocation", None)


def revoke(lab: Target, token: str) -> None:
    """What the shop's client does when somebody reports a theft (RFC 7009)."""
    secrets: dict[str, Any] = private_json(lab.instance.state_dir / "installation.json")
    form = {"token": token, "client_id": "partner", "client_secret": secrets["clients"]["partner"]}
    headers = [("Content-Type", "application/x-www-form-urlencoded")]
    answer = lab.call("nobody", "POST", "/auth/revoke", headers=headers, body=urlencode(form).encode())
    assert answer.status == 200, answer.body


def attack(lab: Target) -> Outcome:
    """The partner's token was stolen, and is taken back; the thief goes on using it."""
    stolen = token_for(lab.instance, "partner", fresh=True)
    bearer = [("Authorization", f"Bearer {stolen}")]
    assert lab.call("nobody", "GET", "/orders", headers=bearer).status == 200  # it works before
    revoke(lab, stolen)
    began, used = time.monotonic(), 0
    while time.monotonic() < began + PATIENCE:
        if lab.call("nobody", "GET", "/orders", headers=bearer).status == 401:
            took = 1_000 * (time.monotonic() - began)
            measures = {"used after it was taken back": f"{used} times", "good for": f"{took:.0f} ms"}
            return Outcome(False, "refused", measures)
        used += 1
        time.sleep(0.1)  # a patient thief stays below the limits
    measures = {"used after it was taken back": f"{used} times", "good for": "until it expires: up to 10 min"}
    return Outcome(True, "everything that the partner may do", measures)


def benign(lab: Target) -> bool:
    """The partner gets a new token, and works on."""
    fresh = token_for(lab.instance, "partner", fresh=True)
    return lab.call("nobody", "GET", "/orders", headers=[("Authorization", f"Bearer {fresh}")]).status == 200


SCENARIO = Scenario(
    id="token-revocation",
    title="A stolen token that was taken back",
    story=(
        "A token was stolen. Its owner notices, and has it taken back at the issuer within the minute. The gateway "
        "verifies signatures, and the signature is as good as before: nobody has told it."
    ),
    references=("OWASP API2:2023", "RFC 7009", "CWE-613"),
    claims=("C3", "C17"),
    difficulty=2,
    minutes=6,
    weaknesses=(Rewrite(no_list, "the provider names no list of what was taken back"),),
    control=Control(
        name="the issuer's list of what was taken back",
        where="gateway",
        lines="revocation: {store: shared, onStoreFailure: fail_open}",
    ),
    attack=attack,
    benign=benign,
    hints=(
        "When does a token end? Look at its exp.",
        "gatehouse explain --trace ID says since when a token is revoked.",
        "The provider can name a store in which the issuer publishes what it takes back.",
    ),
    wrong_fixes=(
        WrongFix("delete the user's session", "The session ends; the token that was made of it does not know that."),
        WrongFix("tokens of one minute", "Better, and never zero; and every client logs in every minute."),
    ),
    questions=(("What if Redis is away?", "What is declared: fail_open believes, fail_closed refuses. Both show."),),
)
