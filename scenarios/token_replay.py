"""A token is copied from a log, and used somewhere else."""

from __future__ import annotations

from typing import Any

from scenarios.lab.issuing import Issuer
from scenarios.lab.model import Control, Outcome, Rewrite, Scenario, WrongFix
from scenarios.lab.phone import Phone
from scenarios.lab.target import Target

ROUTE = "orders-read"
TARGET = "/orders/1001"
COPIES = 8
"""How often a whole request is sent again: every worker of the gateway is to see it."""
Fields = list[tuple[str, str]]


def bound(document: dict[str, Any], _: Target) -> None:
    """The route wants tokens that are bound to a key, and a proof with each request."""
    route = next(one for one in document["routes"] if one["name"] == ROUTE)
    verify = next(one for one in route["filters"] if one["type"] == "JWT")
    verify["dpop"] = True
    next(one for one in document["stores"] if one["name"] == "shared")["timeout"] = "2s"  # on a slow machine, too
    proof = {"type": "DPoP", "store": "shared", "onStoreFailure": "fail_closed"}
    route["filters"].insert(route["filters"].index(verify) + 1, proof)


def bearer(document: dict[str, Any], _: Target) -> None:
    """The same route for whoever has a token: as it was."""
    route = next(one for one in document["routes"] if one["name"] == ROUTE)
    route["filters"] = [one for one in route["filters"] if one["type"] != "DPoP"]
    next(one for one in route["filters"] if one["type"] == "JWT").pop("dpop")


class Alice:
    """Her app: it gets the token that this route wants, and sends it as the route wants it."""

    def __init__(self, lab: Target) -> None:
        self._lab, self._phone = lab, Phone()
        self.binds = not lab.is_weak("token-replay")
        issuer = Issuer(lab)
        self.token = issuer.sign(cnf={"jkt": self._phone.thumbprint}) if self.binds else issuer.sign()

    def request(self, target: str, age: float = 0.0) -> Fields:
        """The headers of a request of hers."""
        if not self.binds:
            return [("Authorization", f"Bearer {self.token}")]
        return self._phone.fields(self.token, "GET", f"{self._lab.client.base_url}{target}", age=age)


def attack(lab: Target) -> Outcome:
    """Alice reads her order, and somebody reads the log: her whole request stands there. Now use it."""
    alice = Alice(lab)
    copied = alice.request(TARGET)
    lab.call("alice's app", "GET", TARGET, headers=copied, signed_in=False)
    thief = Phone()
    url = f"{lab.client.base_url}{TARGET}"
    tries: list[tuple[str, Fields]] = [
        ("the token alone", [("Authorization", f"Bearer {alice.token}")]),
        ("the token, called DPoP", [("Authorization", f"DPoP {alice.token}")]),
        *[("the whole request again", copied)] * COPIES,
        ("her proof for another address", alice.request("/orders")),
        ("her proof of an hour ago", alice.request(TARGET, age=3_600)),
        ("a proof by the thief's key", thief.fields(alice.token, "GET", url)),
    ]
    sent = [lab.call(f"thief: {way}", "GET", TARGET, headers=fields, signed_in=False) for way, fields in tries]
    through = [one for one in sent if one.status == 200]
    got = "Alice's order: the token alone is enough" if through else "a token that works in no other hand"
    return Outcome(bool(through), got, {"requests of the thief that worked": f"{len(through)} of {len(tries)}"})


def benign(lab: Target) -> bool:
    """Alice's app reads her orders, twice: each time with a proof of its own."""
    alice = Alice(lab)
    read = [
        lab.call("alice's app", "GET", target, headers=alice.request(target), signed_in=False)
        for target in (TARGET, TARGET, "/orders")
    ]
    return all(one.status == 200 for one in read)


SCENARIO = Scenario(
    id="token-replay",
    title="A copied token, in other hands",
    story=(
        "Alice's token stood in a debug log, in a crash report, in the history of a proxy. It is genuine, it is fresh, "
        "and it says Alice. Whoever bears it is believed: that is what a bearer token is. Hers can be bound to a key "
        "that never leaves her phone; then what was copied is a lock without its key."
    ),
    references=("OWASP API2:2023", "RFC 9449", "RFC 9700 section 2.2.1", "CWE-294"),
    claims=("C3", "C17"),
    difficulty=4,
    minutes=10,
    stage=(Rewrite(bound, "route orders-read asks for a proof with each token (DPoP)"),),
    weaknesses=(Rewrite(bearer, "route orders-read takes a token from whoever bears it", staged=True),),
    control=Control(
        name="tokens bound to a key, and a proof for each request that is good once",
        where="gateway",
        lines=(
            "- {type: JWT, provider: shop, dpop: true}\n"
            "- {type: DPoP, store: shared, onStoreFailure: fail_closed}   # one memory of used proofs for all workers"
        ),
        elsewhere=(
            "# Envoy and Istio: no DPoP; an external authorizer (ext_authz) can do it. What they do have:\n"
            "# certificate-bound tokens (RFC 8705), checked by hand\n"
            "kind: AuthorizationPolicy\n"
            "spec: {rules: [{when: [{key: 'request.auth.claims[cnf][x5t#S256]', values: […]}]}]}"
        ),
    ),
    attack=attack,
    benign=benign,
    hints=(
        "What does the thief have, if he has the whole request? What does he not have?",
        "gatehouse lab attack token-replay shows a reason for each try: token_scheme, dpop_missing, dpop_replayed, …",
        "Two workers serve the route. Who of them knows which proofs were used?",
    ),
    wrong_fixes=(
        WrongFix("shorter tokens", "Ten minutes, or one: the copy is used within a second, by a program."),
        WrongFix("bind the token to the address", "Phones change it on the way home; a thief in the same café has it."),
        WrongFix("check the proof's signature, remember nothing", "The proof was copied, too: it is sent once more."),
        WrongFix("each worker remembers for itself", "The copy goes to the other worker. One memory for all: a store."),
    ),
    questions=(
        (
            "What does a proof say, and what is each of it against?",
            "Method and address (not for another request), the token's hash (not for another token), time and id "
            "(not again), by the key that the token names (not by another).",
        ),
        (
            "What if the attacker is on the phone?",
            "Then the key is there, too. Binding is against copies, not against whoever sits at the source.",
        ),
        (
            "Who issued the bound token here?",
            "The lab, with identity's key: the shop's identity does not bind yet. RFC 9449 section 5 says how.",
        ),
    ),
)
