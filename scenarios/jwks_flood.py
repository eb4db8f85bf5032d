"""Made-up key ids: each cheap request makes the gateway ask identity for its keys."""

from __future__ import annotations

import re
from typing import Any

from gateway.cli.wire import send
from scenarios.lab.forgery import Forger
from scenarios.lab.model import Control, Outcome, Rewrite, Scenario, WrongFix
from scenarios.lab.target import Target

FLOOD = 120
ENOUGH = 0.1
"""Questions to identity for each request, from which it is an amplifier. Two workers ask once each with the control."""
STRANGERS = [f"127.0.0.{number}" for number in (66, 67, 68, 69)]
"""A limit per address counts each of them alone."""
ASKED = re.compile(
    r'^http_server_request_duration_seconds_count\{[^}]*http_route="/jwks\.json"[^}]*\} (\S+)', re.MULTILINE
)


def no_pause(document: dict[str, Any], _: Target) -> None:
    """Whatever key is unknown is asked for at once."""
    document["providers"][0]["jwks"]["cooldown"] = "0s"


def attack(lab: Target) -> Outcome:
    """Send tokens whose header names a key that nobody has: no two the same."""
    forger = Forger()
    token = forger.signed({"sub": "alice", "iss": "https://identity.shop.example", "aud": "shop", "exp": 9_999_999_999})
    _, payload, signature = token.split(".")
    before, answers = asked(lab), []
    for source in STRANGERS * (FLOOD // len(STRANGERS)):
        renamed = forger.header(kid=lab.random.randbytes(8).hex())
        bearer = [("Authorization", f"Bearer {renamed}.{payload}.{signature}")]
        answers.append(lab.call("nobody", "GET", "/orders", headers=bearer, source=source).status)
    questions = asked(lab) - before
    assert set(answers) == {401}, set(answers)
    return Outcome(
        breached=questions > ENOUGH * FLOOD,
        got=f"{questions} questions to identity for {FLOOD} requests",
        measures={"questions per request": f"{questions / FLOOD:.2f}", "tokens believed": "0"},
    )


def asked(lab: Target) -> int:
    """How often identity was asked for its keys, as it counts itself."""
    told = send(lab.service_url("identity"), "GET", "/metrics").body.decode()
    return sum(int(float(count)) for count in ASKED.findall(told))


def benign(lab: Target) -> bool:
    """Alice reads her orders."""
    return lab.call("alice", "GET", "/orders").status == 200


SCENARIO = Scenario(
    id="jwks-flood",
    title="A thousand keys that nobody has",
    story=(
        "Keys rotate, so a gateway that meets an unknown key id asks its issuer once more. A stranger invents a new "
        "id for every request. None of the tokens is believed, and each of them makes the gateway ask identity: where "
        "everybody logs in."
    ),
    references=("OWASP API4:2023", "RFC 8725 section 3.10", "CWE-405", "CWE-770"),
    claims=("C17",),
    difficulty=3,
    minutes=6,
    weaknesses=(Rewrite(no_pause, "the provider's keys are fetched for every unknown key id (cooldown: 0s)"),),
    control=Control(
        name="one fetch for an unknown key, then a pause",
        where="gateway",
        lines="jwks: {cluster: identity, path: /jwks.json, refresh: 300s, cooldown: 30s}",
        elsewhere=(
            "# Envoy asks on a timer only, and not for unknown keys: nothing to amplify, and a new key waits for it\n"
            "envoy.filters.http.jwt_authn:\n"
            "  providers: {shop: {remote_jwks: {cache_duration: 600s, async_fetch: {fast_listener: false}}}}\n"
            "# Istio: PILOT_JWKS_REFRESH_INTERVAL, likewise"
        ),
    ),
    attack=attack,
    benign=benign,
    hints=(
        "All these requests are refused with 401. What did each of them cost, and whom?",
        "curl the admin's /metrics: gateway_jwks_fetches_total. Then flood, and look again.",
        "An unknown key may be new. How often do keys become new?",
    ),
    wrong_fixes=(
        WrongFix("never ask for unknown keys", "After the next rotation everybody is refused until the timer asks."),
        WrongFix("remember which ids are unknown", "No two are the same: the list grows, and nothing is found in it."),
        WrongFix(
            "a limit per address", "It is there, and lets 1200 a minute pass from each address; there are others."
        ),
    ),
    questions=(
        (
            "A key is rotated and used within the pause. What happens to honest people?",
            "Identity publishes the next key long before it signs with it, so the timer has brought it.",
        ),
        ("What if identity does not answer?", "The keys that were known serve on; only unknown ones are refused."),
    ),
)
