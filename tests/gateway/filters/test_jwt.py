"""Tokens, good and forged, against the JWT filter with real keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.filters.provider import Provider
from tests.gateway.filters.tokens import (
    ED,
    OTHER,
    confused,
    jwk,
    raw,
    token,
    unsigned,
)


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


async def test_a_token_that_is_verified_again_counts_once(check: Any, provider: Provider) -> None:
    authorization = f"Bearer {token()}"
    for _ in range(5):
        assert (await check(authorization))[0] is None
        provider.generation += 1
    assert check.filter._cached_bytes == len(authorization)
