"""What a route says of its tokens: several issuers, audiences, claims, and headers made of claims."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.filters.jwt import JwtFilter
from gateway.filters.provider import Provider
from gateway.spec.filters import ClaimToHeader, Jwt
from tests.gateway.filters.tokens import (
    ED,
    JWKS,
    OTHER,
    RSA,
    checking,
    jwk,
    make_provider,
    raw,
    token,
    unsigned,
)

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
