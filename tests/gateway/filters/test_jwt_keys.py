"""An issuer's keys: fetched, refreshed, refused."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.filters.provider import BadKeySet, Provider, read_keys
from tests.gateway.filters.tokens import (
    ALGORITHMS,
    ED,
    JWKS,
    OTHER,
    RSA,
    SMALL_RSA,
    jwk,
    token,
)


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
        pytest.param(jwk(RSA, "misfit", "RS256", alg="EdDSA"), id="another kind's algorithm"),
        pytest.param(jwk(ED, "misfit", "EdDSA", alg="RS256"), id="the other way round"),
        pytest.param(jwk(ED, "misfit", "EdDSA", crv="X25519"), id="a curve for something else"),
        pytest.param(jwk(RSA, "misfit", "RS256", kty="EC"), id="another kind"),
        pytest.param(jwk(RSA, "misfit", "RS256", n="AQ"), id="too short"),
        pytest.param(jwk(RSA, "misfit", "RS256", n=7), id="a number for text"),
        pytest.param(jwk(RSA, "misfit", "RS256", key_ops="verify"), id="text for a list"),
        pytest.param(jwk(RSA, "misfit", "RS256", alg=["RS256"]), id="a list for text"),
        pytest.param(jwk(RSA, "misfit", "RS256") | {"kid": 7}, id="a number for a name"),
    ],
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
