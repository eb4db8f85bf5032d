"""Tokens: what a verifier takes, and why it refuses the rest."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import jwt
import pytest
from aiohttp.test_utils import make_mocked_request
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm
from multidict import CIMultiDict

from sample_services.kit.auth import TokenVerifier, Trusted
from sample_services.kit.keys import COOLDOWN_S, REFRESH_S, KeySet, parse_keys
from sample_services.kit.problems import Problem

NOW = 1_700_000_000.0
RSA = generate_private_key(public_exponent=65_537, key_size=2_048)
WEAK = generate_private_key(public_exponent=65_537, key_size=1_024)
ED = Ed25519PrivateKey.generate()
ISSUER, AUDIENCE = "https://identity.shop.example", "shop"


def jwk(key: Any, kid: str, algorithm: str, **more: Any) -> dict[str, Any]:
    public = json.loads((RSAAlgorithm if algorithm == "RS256" else OKPAlgorithm).to_jwk(key.public_key()))
    return {**public, "kid": kid, "alg": algorithm, "use": "sig", **more}


JWKS = {"keys": [jwk(RSA, "rsa", "RS256"), jwk(ED, "ed", "EdDSA")]}


class Source:
    """A key set document that can be changed or away; counts how often it is asked."""

    def __init__(self) -> None:
        self.document: Mapping[str, Any] | None = JWKS
        self.asked = 0

    async def __call__(self) -> Mapping[str, Any]:
        self.asked += 1
        if self.document is None:
            raise Problem(503, "peer_unavailable")
        return self.document


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def clock() -> Clock:
    return Clock(0.0)


@pytest.fixture
def verifier(source: Source, clock: Clock) -> TokenVerifier:
    return TokenVerifier(ISSUER, AUDIENCE, KeySet(source, clock))


def token(
    kid: str = "rsa",
    *,
    key: Any = None,
    algorithm: str | None = None,
    header: Mapping[str, Any] | None = None,
    without: str = "",
    **claims: Any,
) -> str:
    now = int(time.time())
    payload = {
        "iss": ISSUER,
        "sub": "alice",
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + 600,
        "client_id": "shop",
        "scope": "orders:read orders:write",
        "roles": ["customer"],
        **claims,
    }
    payload.pop(without, None)
    key, algorithm = key or (ED if kid == "ed" else RSA), algorithm or ("EdDSA" if kid == "ed" else "RS256")
    return jwt.encode(payload, key, algorithm, {"kid": kid, "typ": "at+jwt", **(header or {})})


@pytest.mark.parametrize("kid", ["rsa", "ed"])
async def test_takes_good_tokens(verifier: TokenVerifier, kid: str) -> None:
    claims = await verifier.verify(token(kid))
    assert (claims.subject, claims.client_id) == ("alice", "shop")
    assert claims.scopes == {"orders:read", "orders:write"}
    assert claims.roles == {"customer"}
    assert claims.token not in repr(claims)


def unsigned() -> str:
    head = {"alg": "none", "kid": "rsa", "typ": "at+jwt"}
    body = jwt.decode(token(), options={"verify_signature": False})
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (head, body))
    return ".".join([*parts, ""])


def confused() -> str:
    """HS256 with the public RSA key as its secret (RFC 8725 section 2.1)."""
    import hashlib
    import hmac

    pem = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    body = jwt.decode(token(), options={"verify_signature": False})
    head = {"alg": "HS256", "kid": "rsa", "typ": "at+jwt"}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (head, body)]
    signature = hmac.new(pem, b".".join(parts), hashlib.sha256).digest()
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


def respelled() -> str:
    """The same bytes: the last character of an RS256 signature has 4 bits that decoding drops."""
    text = token()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + alphabet[alphabet.index(text[-1]) + 1]


# Made when their test runs: what is made when the file is read has expired when a long run gets here.
REFUSED: dict[str, tuple[Callable[[], str], str]] = {
    "not a token": (lambda: "x", "jwt_malformed"),
    "too long": (lambda: "x" * 9_000, "jwt_invalid"),
    "none": (unsigned, "jwt_bad_algorithm"),
    "RS/HS confusion": (confused, "jwt_bad_algorithm"),
    "other key's algorithm": (lambda: token("ed", key=RSA, algorithm="RS256"), "jwt_bad_algorithm"),
    "forged": (lambda: token(key=generate_private_key(65_537, 2_048)), "jwt_bad_signature"),
    "unknown key": (lambda: token("other", key=RSA), "jwt_unknown_key"),
    "brings a key": (lambda: token(header={"jwk": JWKS["keys"][0]}), "jwt_bad_header"),
    "names a key's address": (lambda: token(header={"jku": "http://127.0.0.1/"}), "jwt_bad_header"),
    "critical extension": (lambda: token(header={"crit": ["exp"]}), "jwt_malformed"),
    "written in another way": (respelled, "jwt_malformed"),
    "an id token": (lambda: token(header={"typ": "JWT"}), "jwt_wrong_type"),
    "expired": (lambda: token(exp=1_600_000_000), "jwt_expired"),
    "not yet valid": (lambda: token(nbf=4_000_000_000), "jwt_invalid"),
    "other issuer": (lambda: token(iss="https://evil.example"), "jwt_wrong_issuer"),
    "other audience": (lambda: token(aud="bank"), "jwt_wrong_audience"),
    "no expiry": (lambda: token(without="exp"), "jwt_invalid"),
    "no client": (lambda: token(without="client_id"), "jwt_invalid"),
    "scopes in a list": (lambda: token(scope=["orders:read"]), "jwt_invalid"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_refuses_with_a_reason(verifier: TokenVerifier, name: str) -> None:
    made, reason = REFUSED[name]
    text = made()
    with pytest.raises(Problem) as caught:
        await verifier.verify(text)
    assert (caught.value.status, caught.value.reason) == (401, reason)
    assert caught.value.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')


async def test_a_verified_token_is_remembered_until_it_expires(source: Source) -> None:
    now = Clock(time.time())
    verifier = TokenVerifier(ISSUER, AUDIENCE, KeySet(source, Clock(0.0)), now)
    text = token()
    first = await verifier.verify(text)
    assert await verifier.verify(text) is first
    now.now += 601
    assert await verifier.verify(text) is not first


async def test_a_verified_token_dies_with_its_key(verifier: TokenVerifier, source: Source, clock: Clock) -> None:
    text = token()
    await verifier.verify(text)
    source.document = {"keys": [JWKS["keys"][1]]}
    clock.now += REFRESH_S + 1
    with pytest.raises(Problem, match="jwt_unknown_key"):
        await verifier.verify(text)


def request(*authorization: str) -> Any:
    return make_mocked_request("GET", "/", CIMultiDict([("Authorization", value) for value in authorization]))


async def test_require_checks_scopes(verifier: TokenVerifier) -> None:
    claims = await verifier.require(request(f"Bearer {token()}"), "orders:read")
    assert claims.subject == "alice"
    with pytest.raises(Problem) as caught:
        await verifier.require(request(f"bearer {token()}"), "orders:read", "keys:rotate")
    assert (caught.value.status, caught.value.reason) == (403, "insufficient_scope")
    assert 'scope="orders:read keys:rotate"' in caught.value.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("values", "status", "reason"),
    [
        ((), 401, "token_missing"),
        (("Basic abc",), 401, "token_missing"),
        (("Bearer ",), 401, "token_missing"),
        (("Bearer a", "Bearer b"), 400, "repeated_authorization"),
    ],
)
async def test_require_needs_one_bearer_token(
    verifier: TokenVerifier, values: tuple[str, ...], status: int, reason: str
) -> None:
    with pytest.raises(Problem) as caught:
        await verifier.require(request(*values))
    assert (caught.value.status, caught.value.reason) == (status, reason)


async def test_a_flood_of_unknown_keys_fetches_once_per_cooldown(source: Source, clock: Clock) -> None:
    keys = KeySet(source, clock)
    for number in range(100):
        assert await keys.get(f"random-{number}") is None
    assert source.asked == 1
    clock.now += COOLDOWN_S
    assert await keys.get("random") is None
    assert source.asked == 2


async def test_a_new_key_is_found_after_the_cooldown(source: Source, clock: Clock) -> None:
    keys = KeySet(source, clock)
    await keys.get("rsa")
    source.document = {"keys": [jwk(ED, "new", "EdDSA")]}
    clock.now += COOLDOWN_S
    assert await keys.get("new") is not None
    assert await keys.get("rsa") is None


async def test_keys_serve_on_while_the_issuer_is_away(source: Source, clock: Clock) -> None:
    keys = KeySet(source, clock)
    await keys.get("rsa")
    source.document = None
    clock.now += REFRESH_S * 10
    assert await keys.get("rsa") is not None
    assert source.asked == 2


async def test_without_any_keys_it_says_so_and_tries_again_soon(source: Source, clock: Clock) -> None:
    source.document = None
    keys = KeySet(source, clock)
    for _ in range(3):
        with pytest.raises(Problem) as caught:
            await keys.get("rsa")
        assert (caught.value.status, caught.value.reason) == (503, "keys_unavailable")
    assert source.asked == 1
    source.document = JWKS
    clock.now += 1.0
    assert await keys.get("rsa") is not None


@pytest.mark.parametrize(
    "entries",
    [
        [jwk(RSA, "k", "RS256"), jwk(ED, "k", "EdDSA")],
        [jwk(WEAK, "k", "RS256")],
        [jwk(RSA, "k", "RS256", use="enc")],
        [jwk(RSA, "k", "RS256", alg="HS256")],
        [jwk(RSA, "k", "RS256", alg="EdDSA")],
        [{"kid": "k", "alg": "RS256", "kty": "RSA"}],
        [{"kid": 7}],
        ["k"],
    ],
)
def test_unfit_keys_are_left_out(entries: list[Any]) -> None:
    good = jwk(ED, "good", "EdDSA")
    assert set(parse_keys({"keys": [*entries, good]})) == {"good"}


# -- a second issuer


GATEWAY = "urn:gatehouse:gateway"


@pytest.fixture
def both(source: Source, clock: Clock) -> TokenVerifier:
    """Believes identity for the whole shop, and the gateway, whose keys are others, for this service."""

    async def gateways() -> Mapping[str, Any]:
        return {"keys": [jwk(GATEWAY_KEY, "gw", "EdDSA")]}

    also = Trusted(GATEWAY, "orders", KeySet(gateways, clock))
    return TokenVerifier(ISSUER, AUDIENCE, KeySet(source, clock), also=[also])


GATEWAY_KEY = Ed25519PrivateKey.generate()


async def refusal(verifier: TokenVerifier, text: str) -> str:
    try:
        await verifier.verify(text)
    except Problem as problem:
        return problem.reason
    return ""


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda: token(), ""),
        (lambda: token("gw", key=GATEWAY_KEY, algorithm="EdDSA", iss=GATEWAY, aud="orders"), ""),
        (lambda: token("gw", key=GATEWAY_KEY, algorithm="EdDSA", iss=GATEWAY, aud=["storefront", "orders"]), ""),
        (lambda: token("gw", key=GATEWAY_KEY, algorithm="EdDSA", iss=GATEWAY, aud="profiles"), "jwt_wrong_audience"),
        # Neither issuer's audience, nor its keys, are good for the other's tokens.
        (lambda: token("gw", key=GATEWAY_KEY, algorithm="EdDSA", iss=GATEWAY, aud="shop"), "jwt_wrong_audience"),
        (lambda: token(aud="orders"), "jwt_wrong_audience"),
        (lambda: token("rsa", iss=GATEWAY, aud="orders"), "jwt_unknown_key"),
        (lambda: token("gw", key=GATEWAY_KEY, algorithm="EdDSA"), "jwt_unknown_key"),
        (lambda: token("gw", key=ED, algorithm="EdDSA", iss=GATEWAY, aud="orders"), "jwt_bad_signature"),
        (lambda: token(iss="https://another.example"), "jwt_wrong_issuer"),
    ],
)
async def test_each_issuer_is_believed_by_its_own_keys_and_for_its_own_audience(
    both: TokenVerifier, made: Any, reason: str
) -> None:
    for _ in range(2):  # the second time from memory
        assert await refusal(both, made()) == reason
