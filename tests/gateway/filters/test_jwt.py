"""Tokens, good and forged, against the JWT filter with real keys."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm

from gateway.filters.jwt import JwtFilter
from gateway.filters.provider import BadKeySet, Provider, read_keys
from gateway.http.messages import Reply
from gateway.observability.metrics import Metrics
from gateway.spec.filters import ClaimToHeader, Jwt
from gateway.spec.models import Cluster as ClusterSpec
from gateway.spec.models import JwksSource, JwtProvider
from gateway.upstream.cluster import Cluster

ALGORITHMS = ("RS256", "EdDSA")
RSA = rsa.generate_private_key(65537, 2048)
SMALL_RSA = rsa.generate_private_key(65537, 1024)
ED = ed25519.Ed25519PrivateKey.generate()
OTHER = rsa.generate_private_key(65537, 2048)


def jwk(key: Any, kid: str, algorithm: str, **members: Any) -> dict[str, Any]:
    maker = RSAAlgorithm if algorithm.startswith(("RS", "PS")) else OKPAlgorithm
    return {**json.loads(maker.to_jwk(key.public_key())), "kid": kid, "alg": algorithm, "use": "sig", **members}


JWKS = {"keys": [jwk(RSA, "rsa-1", "RS256"), jwk(ED, "ed-1", "EdDSA")]}


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(key: Any = RSA, algorithm: str = "RS256", headers: dict[str, Any] | None = None, **changes: Any) -> str:
    claims = {"iss": "https://id.test", "aud": "shop", "sub": "alice", "exp": 1_000_600, **changes}
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key, algorithm, headers={"kid": "rsa-1", "typ": "at+jwt", **(headers or {})})


def unsigned(header: dict[str, Any], signature: bytes = b"") -> str:
    payload = {"iss": "https://id.test", "aud": "shop", "sub": "admin", "exp": 1_000_600}
    return f"{b64(json.dumps(header).encode())}.{b64(json.dumps(payload).encode())}.{b64(signature)}"


def raw(payload: bytes | dict[str, Any]) -> str:
    """A payload that is signed as it is, whatever it says."""
    if isinstance(payload, dict):
        good = {"iss": "https://id.test", "aud": "shop", "sub": "alice", "exp": 1_000_600}
        payload = json.dumps({**good, **payload}).encode()
    signed = f"{b64(json.dumps({'alg': 'RS256', 'kid': 'rsa-1'}).encode())}.{b64(payload)}"
    return f"{signed}.{b64(RSA.sign(signed.encode(), PKCS1v15(), SHA256()))}"


def confused() -> str:
    """RS256 → HS256: the public key used as an HMAC secret."""
    pem = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head, payload, _ = unsigned({"alg": "HS256", "kid": "rsa-1"}).split(".")
    return f"{head}.{payload}.{b64(hmac.digest(pem, f'{head}.{payload}'.encode(), hashlib.sha256))}"


def make_provider(clock: Any, name: str, issuer: str, keys: dict[str, Any], algorithms: Any = ALGORITHMS) -> Provider:
    spec = JwtProvider(
        name=name,
        issuer=issuer,
        audiences=("shop",),
        algorithms=algorithms,
        jwks=JwksSource(cluster="identity", path="/jwks.json"),
        cache_entries=3,
    )
    from random import Random

    cluster = Cluster(ClusterSpec(name="identity", endpoints=("127.0.0.1:1",)), ["127.0.0.1:1"], clock, Random(1))
    made = Provider(spec, cluster, Metrics(), clock)
    made.keys = read_keys(json.dumps(keys).encode(), algorithms)
    made.generation = 1
    made._last_fetch = clock()
    return made


@pytest.fixture
def provider(clock: Any) -> Provider:
    return make_provider(clock, "shop", "https://id.test", JWKS)


def checking(filter_: JwtFilter, ask: Any) -> Callable[..., Any]:
    async def run(authorization: str, *fields: str) -> Any:
        request = ask("/", *([f"Authorization: {authorization}"] if authorization else []), *fields)
        decision = filter_.decide(request)
        reply = decision if decision is None or isinstance(decision, Reply) else await decision
        return reply, request

    run.filter = filter_  # type: ignore[attr-defined]
    return run


@pytest.fixture
def check(provider: Provider, build: Any, ask: Any) -> Callable[[str], Any]:
    return checking(JwtFilter(Jwt(provider="shop"), build(shop=provider)), ask)


@pytest.mark.parametrize("made", [lambda: token(), lambda: token(ED, "EdDSA", {"kid": "ed-1"})])
async def test_a_good_token_passes(check: Any, made: Callable[[], str]) -> None:
    for _ in range(2):  # the second time from the cache
        reply, request = await check(f"Bearer {made()}")
        assert reply is None
        assert request.subject == "alice"
        assert request.claims["aud"] == "shop"


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda: "", "token_missing"),
        (lambda: "Basic abc", "token_scheme"),
        (lambda: "Bearer abc", "jwt_malformed"),
        (lambda: f"Bearer {token()}=", "jwt_malformed"),
        *[
            (lambda name=name: f"Bearer {unsigned({'alg': name, 'kid': 'rsa-1'}, b'x')}", "jwt_algorithm")
            for name in ("none", "None", "NONE", "nOnE", "", None, "HS256", "RS512")
        ],
        (lambda: f"Bearer {unsigned({'alg': 'RS256', 'kid': 'rsa-1'})}", "jwt_malformed"),
        (lambda: f"Bearer {unsigned({'alg': 'RS256', 'kid': 'rsa-1'}, b'signed')}", "jwt_signature"),
        (lambda: f"Bearer {confused()}", "jwt_algorithm"),
        (lambda: f"Bearer {token(OTHER)}", "jwt_signature"),
        (lambda: f"Bearer {token(headers={'kid': '../../etc/passwd'})}", "jwt_key_unknown"),
        (lambda: f"Bearer {token(headers={'kid': 'ed-1'})}", "jwt_signature"),
        (lambda: f"Bearer {token(headers={'jwk': jwk(OTHER, 'own', 'RS256')})}", "jwt_key_in_header"),
        (lambda: f"Bearer {token(headers={'jku': 'https://evil.test/jwks'})}", "jwt_key_in_header"),
        (lambda: f"Bearer {token(headers={'x5u': 'https://evil.test/x'})}", "jwt_key_in_header"),
        (lambda: f"Bearer {token(headers={'crit': ['exp']})}", "jwt_crit"),
        (lambda: f"Bearer {token(headers={'typ': 'id+jwt'})}", "jwt_type"),
        (lambda: f"Bearer {token(exp=999_000)}", "jwt_expired"),
        (lambda: f"Bearer {token(exp=None)}", "jwt_claim_missing"),
        (lambda: f"Bearer {token(nbf=1_001_000)}", "jwt_not_yet_valid"),
        (lambda: f"Bearer {token(aud='bank')}", "jwt_audience"),
        (lambda: f"Bearer {token(aud=None)}", "jwt_claim_missing"),
        (lambda: f"Bearer {token(iss='https://evil.test')}", "jwt_issuer"),
        (lambda: f"Bearer {token(sub=None)}", "jwt_claim_missing"),
        (lambda: f"Bearer {raw({'sub': 7})}", "jwt_invalid"),
        (lambda: f"Bearer {raw({'sub': ''})}", "jwt_invalid"),
        (lambda: f"Bearer {raw({'exp': '1000600'})}", "jwt_invalid"),
        (lambda: f"Bearer {raw({'exp': True})}", "jwt_invalid"),
        (lambda: f"Bearer {raw({'nbf': 'soon'})}", "jwt_invalid"),
        (lambda: f"Bearer {raw({'iat': 1_001_000})}", "jwt_not_yet_valid"),
        (lambda: f"Bearer {raw({'aud': [7, {}]})}", "jwt_audience"),
        (lambda: f"Bearer {raw({'aud': {'shop': 1}})}", "jwt_audience"),
        (lambda: f"Bearer {raw(b'[1]')}", "jwt_malformed"),
        (lambda: "Bearer " + raw(b'{"exp": Infinity}'), "jwt_malformed"),
        (lambda: "Bearer " + raw(b'{"sub": "a", "sub": "b"}'), "jwt_malformed"),
        (lambda: f"Bearer {raw(b'[' * 3_000)}", "jwt_malformed"),
    ],
)
async def test_refused_with_the_reason(check: Any, made: Callable[[], str], reason: str) -> None:
    reply, request = await check(made())
    assert (reply.status, reply.reason) == (401, reason)
    assert request.claims is None
    assert dict(reply.headers)[b"www-authenticate"].startswith(b"Bearer")


async def test_the_last_bits_of_a_signature_have_one_spelling(check: Any) -> None:
    """Base64url that decodes to the same bytes must not be a second, uncached name for a token."""
    good = token()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = good[:-1] + alphabet[alphabet.index(good[-1]) + 1]
    reply, _ = await check(f"Bearer {twin}")
    assert reply.reason == "jwt_malformed"


async def test_an_audience_may_be_a_list(check: Any) -> None:
    assert (await check(f"Bearer {raw({'aud': ['bank', 'shop']})}"))[0] is None


async def test_a_cached_token_dies_with_its_time(check: Any, clock: Any) -> None:
    authorization = f"Bearer {token()}"
    assert (await check(authorization))[0] is None
    clock.now += 629
    assert (await check(authorization))[0] is None
    clock.now += 2
    assert (await check(authorization))[0].reason == "jwt_expired"


async def test_a_cached_token_dies_with_its_key(check: Any, provider: Provider) -> None:
    authorization = f"Bearer {token()}"
    assert (await check(authorization))[0] is None
    provider.keys = {"ed-1": provider.keys["ed-1"]}
    provider.generation += 1
    assert (await check(authorization))[0].reason == "jwt_key_unknown"


async def test_the_cache_is_bounded(check: Any) -> None:
    for number in range(10):
        assert (await check(f"Bearer {token(jti=str(number))}"))[0] is None
    assert len(check.filter._cache) == 3


async def test_unknown_keys_fetch_once_per_cooldown(check: Any, provider: Provider, clock: Any) -> None:
    fetches = 0

    async def get() -> bytes:
        nonlocal fetches
        fetches += 1
        return json.dumps(JWKS).encode()

    provider._get = get  # type: ignore[method-assign]
    for number in range(100):
        assert (await check(f"Bearer {token(headers={'kid': f'made up {number}'})}"))[0].reason == "jwt_key_unknown"
    assert fetches == 0  # the keys were fetched just now
    clock.now += 31
    for number in range(100):
        await check(f"Bearer {token(headers={'kid': f'made up {number}'})}")
    assert fetches == 1


async def test_without_keys_the_answer_is_503(check: Any, provider: Provider) -> None:
    provider.keys = {}
    reply, _ = await check(f"Bearer {token()}")
    assert (reply.status, reply.reason) == (503, "jwks_unavailable")


async def test_the_issuer_going_away_changes_nothing(provider: Provider) -> None:
    before = dict(provider.keys)
    assert await provider.fetch() is False
    assert provider.keys == before


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("nonsense", "not a key set"),
        ("[]", "not a key set"),
        ('{"keys": [1]}', "not a key set"),
        ('{"keys": []}', "no key fits"),
        (json.dumps({"keys": [jwk(RSA, "a", "RS256"), jwk(OTHER, "a", "RS256")]}), "same kid"),
        (json.dumps({"keys": [jwk(SMALL_RSA, "a", "RS256")]}), "no key fits"),
        (json.dumps({"keys": [jwk(RSA, "a", "RS256", use="enc")]}), "no key fits"),
        (json.dumps({"keys": [jwk(RSA, "a", "RS256", key_ops=["sign"])]}), "no key fits"),
        (json.dumps({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "a", "alg": "HS256"}]}), "no key fits"),
    ],
)
def test_key_sets_that_are_refused(document: str, reason: str) -> None:
    with pytest.raises(BadKeySet, match=reason):
        read_keys(document.encode(), ALGORITHMS)


@pytest.mark.parametrize(
    "misfit",
    [
        jwk(RSA, "misfit", "RS256", alg="EdDSA"),
        jwk(ED, "misfit", "EdDSA", alg="RS256"),
        jwk(ED, "misfit", "EdDSA", crv="X25519"),
        jwk(RSA, "misfit", "RS256", kty="EC"),
        jwk(RSA, "misfit", "RS256", n="AQ"),
        jwk(RSA, "misfit", "RS256", n=7),
        jwk(RSA, "misfit", "RS256", key_ops="verify"),
        jwk(RSA, "misfit", "RS256", alg=["RS256"]),
        jwk(RSA, "misfit", "RS256") | {"kid": 7},
    ],
    ids=str,
)
def test_a_key_that_does_not_fit_takes_no_other_down(misfit: dict[str, Any]) -> None:
    keys = read_keys(json.dumps({"keys": [misfit, *JWKS["keys"]]}).encode(), ALGORITHMS)
    assert list(keys) == ["rsa-1", "ed-1"]


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}),
        web.Response(body=b" " * 100_000),
        web.Response(status=500),
        web.Response(
            body=gzip.compress(json.dumps({"keys": [jwk(RSA, "a", "RS256")]}).encode()),
            headers={"Content-Encoding": "gzip"},
        ),
    ],
    ids=["redirect", "too large", "error", "compressed"],
)
async def test_a_bad_answer_of_the_issuer(provider: Provider, cluster: Any, answer: web.Response) -> None:
    app = web.Application()
    served = []

    async def serve(request: web.Request) -> web.Response:
        served.append(request.headers["Accept-Encoding"])
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)

    app.router.add_get("/jwks.json", serve)
    async with TestServer(app) as server:
        provider.cluster = cluster(f"127.0.0.1:{server.port}")
        assert await provider.fetch() is False
    assert served == ["identity"]
    assert set(provider.keys) == {"rsa-1", "ed-1"}


STAFF = {"keys": [jwk(OTHER, "rsa-1", "RS256")]}
"""The same kid as the shop's, another key."""


def staff(key: Any = OTHER, **changes: Any) -> str:
    return token(key, **{"iss": "https://staff.test", "sub": "eve", **changes})


@pytest.fixture
def two(provider: Provider, clock: Any, build: Any, ask: Any) -> Callable[[str], Any]:
    second = make_provider(clock, "staff", "https://staff.test", STAFF, ("RS256",))
    third = make_provider(clock, "unlisted", "https://unlisted.test", JWKS)
    made = build(shop=provider, staff=second, unlisted=third)
    return checking(JwtFilter(Jwt(providers=("shop", "staff")), made), ask)


async def test_the_issuer_chooses_among_those_listed(two: Any) -> None:
    for _ in range(2):  # the second time from the cache
        reply, request = await two(f"Bearer {token()}")
        assert (reply, request.subject) == (None, "alice")
        reply, request = await two(f"Bearer {staff()}")
        assert (reply, request.subject) == (None, "eve")


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda: token(iss="https://unlisted.test"), "jwt_issuer"),
        (lambda: token(iss="https://staff.test"), "jwt_signature"),  # signed by the shop, says it comes from staff
        (lambda: staff(RSA), "jwt_signature"),
        (lambda: token(OTHER), "jwt_signature"),
        (lambda: token(iss=None), "jwt_claim_missing"),
        (lambda: raw({"iss": 7}), "jwt_claim_missing"),
        (lambda: raw({"iss": ["https://id.test"]}), "jwt_claim_missing"),
        (lambda: raw(b"[]"), "jwt_malformed"),
        (lambda: raw(b'{"iss": "https://id.test", "iss": "https://staff.test"}'), "jwt_malformed"),
        (lambda: "a.b", "jwt_malformed"),
        (lambda: token(ED, "EdDSA", {"kid": "rsa-1"}, iss="https://staff.test"), "jwt_algorithm"),
        (lambda: unsigned({"alg": "none", "kid": "rsa-1"}, b"x"), "jwt_algorithm"),
    ],
)
async def test_no_issuer_vouches_for_another(two: Any, made: Callable[[], str], reason: str) -> None:
    reply, request = await two(f"Bearer {made()}")
    assert (reply.status, reply.reason) == (401, reason)
    assert request.claims is None


async def test_each_issuer_has_its_own_generation_of_keys(two: Any, provider: Provider) -> None:
    for made in (token(), staff()):
        assert (await two(f"Bearer {made}"))[0] is None
    provider.keys = {"ed-1": provider.keys["ed-1"]}
    provider.generation += 1
    assert (await two(f"Bearer {token()}"))[0].reason == "jwt_key_unknown"
    assert (await two(f"Bearer {staff()}"))[0] is None


async def test_a_token_that_is_verified_again_counts_once(check: Any, provider: Provider) -> None:
    authorization = f"Bearer {token()}"
    for _ in range(5):
        assert (await check(authorization))[0] is None
        provider.generation += 1
    assert check.filter._cached_bytes == len(authorization)


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"aud": "reports", "tenant": "acme"}, None),
        ({"aud": "reports", "tenant": False}, None),
        ({"aud": "shop", "tenant": "acme"}, "jwt_audience"),
        ({"aud": "reports"}, "jwt_claim_missing"),
        ({"aud": "reports", "tenant": None}, "jwt_claim_missing"),
    ],
)
async def test_a_route_has_its_own_audience_and_claims(
    provider: Provider, build: Any, ask: Any, claims: dict[str, Any], reason: str | None
) -> None:
    spec = Jwt(provider="shop", audiences=("reports",), required_claims=("tenant",))
    reply, _ = await checking(JwtFilter(spec, build(shop=provider)), ask)(f"Bearer {raw(claims)}")
    assert (reply.reason if reply else None) == reason


@pytest.fixture
def telling(provider: Provider, build: Any, ask: Any) -> Callable[..., Any]:
    told = [("sub", "X-Subject"), ("tenant", "x-tenant"), ("roles", "x-roles")]
    spec = Jwt(
        provider="shop", claims_to_headers=tuple(ClaimToHeader(claim=claim, header=header) for claim, header in told)
    )
    return checking(JwtFilter(spec, build(shop=provider)), ask)


async def test_claims_become_headers_that_no_client_can_write(telling: Any) -> None:
    forged = ["X-Subject: admin", "x-subject: root", "x_subject: admin", "X-Tenant: rival", "x-other: stays"]
    for _ in range(2):  # the second time from the cache
        reply, request = await telling(f"Bearer {token(roles=['a', 'b'])}", *forged)
        assert reply is None
        names = ("x-subject", "x_subject", "x-tenant", "x-roles", "x-other")
        assert [(name, request.all(name.encode())) for name in names] == [
            ("x-subject", [b"alice"]),
            ("x_subject", []),
            ("x-tenant", []),
            ("x-roles", [b'["a","b"]']),
            ("x-other", [b"stays"]),
        ]
        assert b"x-tenant" not in request.fields


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("acme", b"acme"),
        ('a b, c; d="e"', b'a b, c; d="e"'),
        ("acme\r\nx-admin: 1", b"acme%0D%0Ax-admin: 1"),
        (" acme", b"%20acme"),
        ("50%", b"50%25"),
        ("café\x00", b"caf%C3%A9%00"),
        ("\ud800", b"%ED%A0%80"),
        (7, b"7"),
        (True, b"true"),
        ({"a": "\u2028"}, b'{"a":"\\u2028"}'),
    ],
)
async def test_values_are_made_harmless(telling: Any, claim: Any, value: bytes) -> None:
    reply, request = await telling(f"Bearer {raw({'tenant': claim})}")
    assert reply is None
    assert request.fields[b"x-tenant"] == value


async def test_a_claim_too_long_for_a_header_is_refused(telling: Any) -> None:
    reply, _ = await telling(f"Bearer {raw({'tenant': 'é' * 800})}")
    assert reply.reason == "jwt_invalid"
