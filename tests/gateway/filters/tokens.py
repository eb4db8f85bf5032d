"""Keys, tokens and providers for tests of the JWT filter and of those beside it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm

from gateway.filters.jwt import JwtFilter
from gateway.filters.provider import Provider, read_keys
from gateway.http.messages import Reply
from gateway.observability.metrics import Metrics
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


def checking(filter_: JwtFilter, ask: Any) -> Callable[..., Any]:
    async def run(authorization: str, *fields: str) -> Any:
        request = ask("/", *([f"Authorization: {authorization}"] if authorization else []), *fields)
        decision = filter_.decide(request)
        reply = decision if decision is None or isinstance(decision, Reply) else await decision
        return reply, request

    run.filter = filter_  # type: ignore[attr-defined]
    return run
