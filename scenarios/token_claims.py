"""Tokens with a perfect signature that are not for us, or not for now."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from gateway.cli.wire import send
from scenarios.lab import tap
from scenarios.lab.issuing import Issuer
from scenarios.lab.model import Control, Outcome, Rewrite, Scenario, WrongFix
from scenarios.lab.target import Target

ROUTES = ("orders-read", "profiles-read")
HOUR = 3_600


def signature_only(document: dict[str, Any], lab: Target) -> None:
    """Two routes believe what anybody in the house has signed."""
    ring = {"type": "LabSignatureOnly", "keys": keys_of_the_house(lab)}
    for route in document["routes"]:
        if route["name"] in ROUTES:
            route["filters"] = [ring if one["type"] == "JWT" else one for one in route["filters"]]


def keys_of_the_house(lab: Target) -> list[dict[str, str]]:
    """Identity's and the gateway's own, as both publish them."""
    sets = (lab.client.base_url, "/auth/jwks.json"), (lab.internal_url, "/.well-known/gateway-jwks.json")
    return [key for url, path in sets for key in send(url, "GET", path).json()["keys"]]


def found(lab: Target) -> Iterator[tuple[str, str, str]]:
    """What lay about: what it is, the token, and where it is tried. All of them are genuine."""
    issuer, now = Issuer(lab), time.time()
    yield "expired an hour ago", issuer.sign(iat=now - 2 * HOUR, exp=int(now) - HOUR), "/orders/1001"
    yield "without an end", issuer.sign(without="exp"), "/orders/1001"
    yield "good from tomorrow", issuer.sign(nbf=int(now) + 24 * HOUR, exp=int(now) + 25 * HOUR), "/orders/1001"
    yield "for payroll", issuer.sign(aud="payroll"), "/orders/1001"
    yield "for nobody in particular", issuer.sign(without="aud"), "/orders/1001"
    yield "of the test environment", issuer.sign(iss="https://identity.test.example"), "/orders/1001"
    yield "of nobody", issuer.sign(without="iss"), "/orders/1001"
    with tap.on_the_way_to(lab, "orders") as wire:
        assert lab.call("alice", "GET", "/orders/1001").status == 200
    for token in wire.tokens[:1]:  # in a mesh a tap sees none
        yield "made for orders, used at profiles", token, "/profiles/alice"


def attack(lab: Target) -> Outcome:
    """Try each of Alice's tokens that was found somewhere."""
    through, tried = [], 0
    for what, token, target in found(lab):
        tried += 1
        bearer = [("Authorization", f"Bearer {token}")]
        answer = lab.call(f"a token {what}", "GET", target, headers=bearer, signed_in=False)
        if answer.status not in (401, 503):  # 403: believed, and only the scope was another
            through.append(what)
    got = f"believed as Alice, by tokens: {', '.join(through)}" if through else "nothing: each was refused, and why"
    return Outcome(bool(through), got, {"tokens believed": f"{len(through)} of {tried}"})


def benign(lab: Target) -> bool:
    """Alice reads her order and her profile with the token that is meant for that."""
    return all(lab.call("alice", "GET", target).status == 200 for target in ("/orders/1001", "/profiles/alice"))


SCENARIO = Scenario(
    id="token-claims",
    title="Genuine tokens, for others and for other times",
    story=(
        "No forger this time. In a backup lies a token of Alice's from last year, in the payroll application's log one "
        "that identity issued for payroll, on the wire one that the gateway made for orders. All signatures are "
        "perfect: the same house has signed. The question is who reads what stands above the signature."
    ),
    references=("OWASP API2:2023", "RFC 8725 sections 3.8 and 3.9", "RFC 7519 section 4.1", "CWE-613", "CWE-863"),
    claims=("C3", "C17"),
    difficulty=2,
    minutes=8,
    weaknesses=(Rewrite(signature_only, "two routes verify signatures and read no claims (LabSignatureOnly)"),),
    control=Control(
        name="issuer, audience and times are required, and compared",
        where="gateway",
        lines=(
            "providers:\n  - {name: shop, issuer: https://identity.shop.example, audiences: [shop], jwks: {…}}\n"
            "…\n- {type: JWT, provider: shop}    # iss, aud, exp and sub must be there; leeway 30 s"
        ),
        elsewhere=(
            "# Envoy: issuer and audiences are compared only where they are given, exp only where the token has one\n"
            "envoy.filters.http.jwt_authn:\n"
            "  providers: {shop: {issuer: …, audiences: [shop], require_expiration: true, remote_jwks: {…}}}\n"
            "# Istio\nkind: RequestAuthentication\n"
            "spec: {jwtRules: [{issuer: …, audiences: [shop], jwksUri: …}]}"
        ),
    ),
    attack=attack,
    benign=benign,
    hints=(
        "gatehouse token alice shows what a good token says. Which of its claims decide whether it is for you?",
        "gatehouse lab attack token-claims: each refusal has a reason of its own.",
        "A token that was made for orders arrives at profiles. Who issued it, and for whom?",
    ),
    wrong_fixes=(
        WrongFix("rotate the keys", "They stop the tokens of last year, and nothing that is signed today for others."),
        WrongFix("check exp", "One of eight, and the one without exp still passes unless it is *required*."),
        WrongFix("one audience for all applications", "Then payroll's tokens are yours, and yours are payroll's."),
    ),
    questions=(
        (
            "Why is a token without exp worse than an expired one?",
            "It is good for ever. A library that checks exp if it is there checks nothing here.",
        ),
        (
            "What stops orders from using the token it got, at profiles?",
            "Its audience: InternalToken makes one for each service, and each service compares it again.",
        ),
        (
            "Where did the lab get the genuine tokens?",
            "It signed them with identity's key, as the owner of this machine. An attacker finds such tokens.",
        ),
    ),
)
