"""Proofs, good and forged, for tokens that are bound to a key (RFC 9449)."""

from __future__ import annotations

import asyncio
import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from gateway.filters.chain import AnyFilter, Chain, Stopped
from gateway.filters.dpop import DpopFilter
from gateway.filters.jwt import JwtFilter
from gateway.filters.proof import thumbprint
from gateway.http.messages import Reply, Request
from gateway.observability.metrics import Metrics
from gateway.spec.filters import Dpop, Jwt
from gateway.spec.models import Store as StoreSpec
from gateway.upstream.redis_account import Account
from gateway.upstream.store import Store
from tests.gateway.filters.tokens import JWKS, make_provider, token
from tests.gateway.redis_process import RedisProcess

NOW = 1_000_000
KEYS: dict[str, Any] = {
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    "RS256": rsa.generate_private_key(65537, 2048),
    "PS256": rsa.generate_private_key(65537, 2048),
}
MAKERS: dict[str, Any] = {"ES256": ECAlgorithm, "EdDSA": OKPAlgorithm, "RS256": RSAAlgorithm, "PS256": RSAAlgorithm}
OTHER = ec.generate_private_key(ec.SECP256R1())


def public(algorithm: str, key: Any = None) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(MAKERS[algorithm].to_jwk((key or KEYS[algorithm]).public_key()))
    return made


def bound(algorithm: str = "ES256", **claims: Any) -> str:
    return token(cnf={"jkt": thumbprint(public(algorithm))}, **claims)


def proof(of: str, algorithm: str = "ES256", key: Any = None, header: Any = None, **changes: Any) -> str:
    said = {"jti": "1", "htm": "GET", "htu": "http://shop.test/orders/1", "iat": NOW, "ath": ath(of), **changes}
    said = {name: value for name, value in said.items() if value is not None}
    headers = {"typ": "dpop+jwt", "jwk": public(algorithm), **(header or {})}
    return jwt.encode(said, key or KEYS[algorithm], algorithm, headers=headers)


def ath(of: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(of.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture
def chain(clock: Any, build: Any) -> Callable[..., Chain]:
    def make(**spec: Any) -> Chain:
        made = build(shop=make_provider(clock, "shop", "https://id.test", JWKS))
        filters: list[AnyFilter] = [
            JwtFilter(Jwt(provider="shop", dpop=True), made),
            DpopFilter(Dpop.model_validate(spec), made),
        ]
        return Chain(filters, Metrics())

    return make


@pytest.fixture
def send(ask: Any) -> Callable[..., str | None]:
    def run(one: Chain, of: str, *proofs: str, scheme: str = "DPoP", path: str = "/orders/1?x=1") -> str | None:
        request: Request = ask(path, f"Authorization: {scheme} {of}", *(f"DPoP: {sent}" for sent in proofs))
        stopped = one.run(request)
        assert stopped is None or isinstance(stopped, Stopped)
        return stopped.reply.reason if stopped else None

    return run


@pytest.mark.parametrize("algorithm", sorted(KEYS))
def test_a_proof_is_good_once(chain: Any, send: Any, algorithm: str) -> None:
    one, of = chain(), bound(algorithm)
    for jti in ("1", "2"):  # the second time the token comes from the cache
        assert send(one, of, proof(of, algorithm, jti=jti)) is None
        assert send(one, of, proof(of, algorithm, jti=jti)) == "dpop_replayed"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"htm": "POST"}, "dpop_request"),
        ({"htm": "get"}, "dpop_request"),
        ({"htu": "http://shop.test/orders/2"}, "dpop_request"),
        ({"htu": "https://shop.test/orders/1"}, "dpop_request"),
        ({"htu": "http://evil.test/orders/1"}, "dpop_request"),
        ({"htu": "http://shop.test:81/orders/1"}, "dpop_request"),
        ({"htu": "http://shop.test/a/../orders/1"}, "dpop_request"),
        ({"htu": "/orders/1"}, "dpop_request"),
        ({"htu": 7}, "dpop_request"),
        ({"htu": "http://[/orders/1"}, "dpop_request"),
        ({"htu": None}, "dpop_request"),
        ({"ath": ath("another")}, "dpop_request"),
        ({"ath": None}, "dpop_request"),
        ({"jti": None}, "dpop_invalid"),
        ({"jti": ""}, "dpop_invalid"),
        ({"jti": "x" * 257}, "dpop_invalid"),
        ({"iat": NOW - 61}, "dpop_time"),
        ({"iat": NOW + 11}, "dpop_time"),
        ({"iat": None}, "dpop_time"),
        ({"htu": "HTTP://SHOP.test:80/%6frders/1?y=2#z"}, None),
        ({"iat": NOW - 60}, None),
        ({"iat": NOW + 10}, None),
        ({"jti": "\ud800"}, None),
    ],
    ids=str,
)
def test_a_proof_is_for_this_request(chain: Any, send: Any, changes: Any, reason: str | None) -> None:
    of = bound()
    assert send(chain(), of, proof(of, **changes)) == reason


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda of: proof(of, key=OTHER), "dpop_invalid"),
        (lambda of: proof(of, key=OTHER, header={"jwk": public("ES256", OTHER)}), "dpop_invalid"),
        (lambda of: proof(of, header={"jwk": {**public("ES256"), "d": "AA"}}), "dpop_invalid"),
        (lambda of: proof(of, header={"jwk": {"kty": "oct", "k": "c2VjcmV0"}}), "dpop_invalid"),
        (lambda of: proof(of, header={"jwk": 7}), "dpop_invalid"),
        (lambda of: proof(of, header={"jwk": {"kty": []}}), "dpop_invalid"),
        (lambda of: proof(of, header={"jwk": None}), "dpop_invalid"),
        (lambda of: proof(of, header={"typ": "jwt"}), "dpop_invalid"),
        (lambda of: proof(of, header={"crit": ["exp"]}), "dpop_invalid"),
        (lambda of: proof(of, "RS256"), "dpop_invalid"),
        (lambda of: proof(of)[:-4] + "AAAA", "dpop_invalid"),
        (lambda of: proof(of) + "=", "dpop_invalid"),
        (lambda of: of, "dpop_invalid"),
        (lambda of: "x", "dpop_invalid"),
    ],
)
def test_a_proof_is_made_with_the_tokens_key(chain: Any, send: Any, made: Callable[[str], str], reason: str) -> None:
    of = bound()
    assert send(chain(), of, made(of)) == reason


def test_one_proof_and_the_scheme_that_belongs_to_it(chain: Any, send: Any) -> None:
    one, of = chain(), bound()
    assert send(one, of) == "dpop_missing"
    assert send(one, of, proof(of), proof(of, jti="2")) == "dpop_missing"
    assert send(one, of, proof(of), scheme="Bearer") == "token_scheme"
    assert send(one, token(), proof(token())) == "token_scheme"
    assert send(one, token(), scheme="Bearer") == "token_not_bound"
    assert send(chain(required=False), token(), scheme="Bearer") is None


def test_a_token_bound_to_a_key_needs_a_filter_that_asks_for_the_proof(build: Any, clock: Any, send: Any) -> None:
    made = build(shop=make_provider(clock, "shop", "https://id.test", JWKS))
    one, of = Chain([JwtFilter(Jwt(provider="shop"), made)], Metrics()), bound()
    assert send(one, of, proof(of), scheme="Bearer") == "token_binding_unknown"
    assert send(one, of, proof(of)) == "token_scheme"


def test_what_clients_call_us(chain: Any, send: Any) -> None:
    one, of = chain(base_url="https://api.shop.example"), bound()
    assert send(one, of, proof(of)) == "dpop_request"
    assert send(one, of, proof(of, htu="https://api.shop.example/orders/1")) is None


def test_used_proofs_are_remembered_as_long_as_they_could_be_sent_and_no_longer(
    chain: Any, send: Any, clock: Any
) -> None:
    one, of = chain(max_proofs=3), bound()
    used = one.filters[1]._used
    early = proof(of, iat=NOW + 10)
    assert send(one, of, early) is None
    for jti in ("2", "3"):
        assert send(one, of, proof(of, jti=jti)) is None
    assert send(one, of, proof(of, jti="4")) == "dpop_overflow"
    assert send(one, of, early) == "dpop_replayed"
    clock.now += 70
    assert send(one, of, early) == "dpop_replayed"  # still young enough to be sent
    clock.now += 1
    assert send(one, of, early) == "dpop_time"
    assert send(one, of, proof(of, jti="4", iat=NOW + 71)) is None
    assert len(used) == len(used._ends) == 1


def test_deciding_uses_no_proof_up(chain: Any, ask: Any) -> None:
    one, of = chain(), bound()
    verify, prove = one.filters
    for _ in range(2):
        request = ask("/orders/1", f"Authorization: DPoP {of}", f"DPoP: {proof(of)}")
        assert verify.decide(request) is None
        assert prove.decide(request) is None
        assert prove.explain(request, None) == f"bound to key {thumbprint(public('ES256'))}"


# -- in a store


@pytest.fixture
async def workers(redis: RedisProcess, build: Any, clock: Any) -> AsyncIterator[Callable[..., DpopFilter]]:
    stores: list[Store] = []

    def make(choice: str = "fail_closed", address: str = redis.address) -> DpopFilter:
        store = Store(StoreSpec(name="s", address=address, timeout=5.0), Account(address), Metrics(), clock)
        stores.append(store)
        spec = Dpop.model_validate({"store": "s", "on_store_failure": choice})
        return DpopFilter(spec, replace(build(), stores={"s": store}))

    yield make
    for store in stores:
        await store.close()


async def sends(one: DpopFilter, request: Request) -> str:
    decision = one.decide(request)
    reply = decision if decision is None or isinstance(decision, Reply) else await decision
    if reply is None:
        one.commit(request)
    return reply.reason if reply else ""


def proven(ask: Any, of: str, jti: str) -> Request:
    request: Request = ask("/orders/1", f"Authorization: DPoP {of}", f"DPoP: {proof(of, jti=jti)}")
    request.claims = {"cnf": {"jkt": thumbprint(public("ES256"))}}
    return request


async def test_a_proof_is_good_once_in_all_workers_together(workers: Any, ask: Any) -> None:
    one, other, of = workers(), workers(), bound()
    copies = [proven(ask, of, "1") for _ in range(6)]
    said = await asyncio.gather(*(sends(each, copy) for each, copy in zip([one, other] * 3, copies, strict=True)))
    assert sorted(said) == [""] + ["dpop_replayed"] * 5
    assert one.preview(proven(ask, of, "2")) is None  # asked about, and not used up
    assert await sends(other, proven(ask, of, "2")) == ""


@pytest.mark.parametrize(("choice", "expected"), [("fail_open", ""), ("fail_closed", "dpop_store_unavailable")])
async def test_a_store_that_is_away_is_a_declared_choice(workers: Any, ask: Any, choice: str, expected: str) -> None:
    assert await sends(workers(choice, "127.0.0.1:1"), proven(ask, bound(), "1")) == expected
