"""The token that a service gets in place of the caller's: what it says, how long it serves, who can verify it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.filters.internal_token import InternalTokenFilter
from gateway.filters.jwks import JwksFilter
from gateway.filters.jwt import JwtFilter
from gateway.filters.provider import read_keys
from gateway.filters.signing import PERIOD, SigningKeys
from gateway.http.messages import Reply, Request
from gateway.spec.identity import InternalToken, Jwks, Jwt
from tests.gateway.filters.tokens import JWKS, make_provider, token

CLAIMS = {
    "iss": "https://id.test", "aud": "shop", "sub": "alice", "exp": 1_000_600.0, "jti": "outside", "sid": "session",
    "client_id": "app", "scope": "orders:read orders:write", "roles": ["customer"], "email": "a@b.test",
    "cnf": {"jkt": "k"},
}  # fmt: skip


@pytest.fixture
def make(build: Any) -> Callable[..., InternalTokenFilter]:
    def make(**spec: Any) -> InternalTokenFilter:
        return InternalTokenFilter(InternalToken(**{"audiences": ("orders",), **spec}), build())

    return make


def sent(one: InternalTokenFilter, ask: Any, claims: Any = CLAIMS, *fields: str) -> Request:
    request: Request = ask("/", "Authorization: Bearer outside", *fields)
    request.claims = claims
    assert one.decide(request) is None
    return request


def inside(request: Request) -> str:
    (field,) = request.all(b"authorization")
    assert request.fields[b"authorization"] == field
    return field.decode().removeprefix("Bearer ")


def read(text: str, keys: SigningKeys, now: float) -> dict[str, Any]:
    """As a service would, with any JWT library."""
    kid = jwt.get_unverified_header(text)["kid"]
    (key,) = (one for one in json.loads(keys.published(now))["keys"] if one["kid"] == kid)
    found: dict[str, Any] = jwt.decode(
        text, jwt.PyJWK(key), ["EdDSA"], audience="orders", options={"verify_exp": False, "verify_iat": False}
    )
    return found


def test_it_says_what_is_meant_for_the_service_and_nothing_else(make: Any, ask: Any, clock: Any) -> None:
    one = make(scopes=("orders:read", "admin"), claims=("roles", "tenant"))
    said = read(inside(sent(one, ask)), one._keys, clock.now)
    assert len(said.pop("jti")) >= 16
    assert said == {
        "iss": "urn:gatehouse:gateway",
        "sub": "alice",
        "aud": "orders",
        "client_id": "app",
        "scope": "orders:read",  # what the route means, and no scope that the caller did not have
        "roles": ["customer"],
        "iat": 1_000_000,
        "exp": 1_000_060,
    }
    assert jwt.get_unverified_header(inside(sent(one, ask)))["typ"] == "at+jwt"


def test_the_callers_token_and_its_proof_do_not_reach_the_service(make: Any, ask: Any) -> None:
    request = sent(make(), ask, CLAIMS, "DPoP: proof", "X-Other: stays")
    assert b"dpop" not in request.fields
    assert request.fields[b"x-other"] == b"stays"
    assert b"outside" not in b"".join(value for _, value in request.headers)


@pytest.mark.parametrize(
    ("claims", "told"),
    [
        ({"client_id": None}, {"client_id": "alice"}),
        ({"client_id": None, "azp": "web"}, {"client_id": "web"}),
        ({"act": {"sub": "urn:x"}}, {"act": {"sub": "urn:x"}}),
        ({"scope": None}, {"scope": ""}),
        ({"scope": ["orders:read"]}, {"scope": ""}),
        ({"exp": 1_000_020}, {"exp": 1_000_020}),  # never longer than the caller's
        ({"exp": 999_990}, {"exp": 1_000_005}),  # which the leeway let in
    ],
)
def test_what_the_callers_token_lacks_or_has(make: Any, ask: Any, clock: Any, claims: Any, told: Any) -> None:
    outside = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not None}
    one = make()
    said = read(inside(sent(one, ask, outside)), one._keys, clock.now)
    assert {name: said[name] for name in told} == told


def test_without_scopes_all_stay_and_with_none_none(make: Any, ask: Any, clock: Any) -> None:
    for scopes, told in ((None, "orders:read orders:write"), ((), "")):
        one = make(scopes=scopes)
        assert read(inside(sent(one, ask)), one._keys, clock.now)["scope"] == told


def test_one_is_made_for_each_caller_and_serves_for_half_of_its_time(make: Any, ask: Any, clock: Any) -> None:
    one = make(cache_entries=2)
    first = inside(sent(one, ask))
    clock.now += 29
    assert inside(sent(one, ask)) == first
    other = dict(CLAIMS)
    assert inside(sent(one, ask, other)) != first  # equal, and another token all the same
    clock.now += 1
    renewed = inside(sent(one, ask))
    assert renewed != first
    for _ in range(5):
        sent(one, ask, dict(CLAIMS))
    assert len(one._made) == 2


async def test_with_the_jwt_filter_before_it(build: Any, ask: Any, clock: Any) -> None:
    provider = make_provider(clock, "id", "https://id.test", JWKS)
    both = build(id=provider)
    chain = (JwtFilter.make(Jwt(provider="id"), both), InternalTokenFilter(InternalToken(audiences=("orders",)), both))
    seen = []
    for user in ("alice", "bob", "alice"):
        request = ask("/", f"Authorization: Bearer {token(sub=user)}")
        assert [one.decide(request) for one in chain] == [None, None]
        seen.append(inside(request))
    assert seen[0] == seen[2] != seen[1]
    assert read(seen[1], both.signing, clock.now)["sub"] == "bob"
    # What is inside is no token for outside.
    again = ask("/", f"Authorization: Bearer {seen[0]}")
    refused: Any = chain[0].decide(again)
    refused = refused if isinstance(refused, Reply) else await refused
    assert refused.status == 401


def test_nobody_gets_a_token_in_nobodys_name(make: Any, ask: Any) -> None:
    request = ask("/")
    assert make().decide(request).reason == "not_authenticated"


def test_it_says_what_the_service_gets(make: Any, ask: Any) -> None:
    one = make(scopes=("orders:read",))
    assert one.explain(sent(one, ask), None) == "new token for orders: scope orders:read, 60 s"


@pytest.mark.parametrize("name", ["sub", "scope", "cnf", "exp"])
def test_claims_that_are_ours_are_mistakes(name: str) -> None:
    ((place, message),) = InternalToken(audiences=("a",), claims=("roles", name)).mistakes()
    assert (place, name in message) == (("claims", 1), True)


@pytest.mark.parametrize(
    ("onward", "place"),
    [
        ([{"audience": "orders"}], ("onward", 0, "audience")),
        ([{"audience": "a"}, {"audience": "a"}], ("onward", 1, "audience")),
        ([{"audience": "a", "scopes": ["orders:read", "admin"]}], ("onward", 0, "scopes", 1)),
    ],
)
def test_others_are_named_once_and_get_no_more_than_there_is(onward: Any, place: tuple[str | int, ...]) -> None:
    ((found, _),) = InternalToken(audiences=("orders",), scopes=("orders:read",), onward=onward).mistakes()
    assert found == place


# -- the keys


def test_all_workers_of_an_instance_have_the_same_keys_and_another_instance_has_others(clock: Any) -> None:
    one, other, stranger = SigningKeys(b"s" * 32), SigningKeys(b"s" * 32), SigningKeys(b"t" * 32)
    assert one.published(clock.now) == other.published(clock.now)
    assert read(one.sign({"aud": "orders"}, clock.now).decode(), other, clock.now) == {"aud": "orders"}
    kids = {key["kid"] for each in (one, stranger) for key in json.loads(each.published(clock.now))["keys"]}
    assert len(kids) == 6


@given(st.floats(0, 4e9), st.floats(0, 600), st.floats(0, 600))
def test_who_looks_every_ten_minutes_always_has_the_key(signed: float, before: float, after: float) -> None:
    keys = SigningKeys(b"s" * 32)
    known = read_keys(keys.published(max(0.0, signed + after - before)), ("EdDSA",))
    assert keys.current(signed).kid in known


def test_keys_change_every_day_and_old_ones_are_let_go() -> None:
    keys = SigningKeys(b"s" * 32)
    assert len({keys.current(day * PERIOD).kid for day in range(10)}) == 10
    assert len(keys._made) <= 3


def test_private_halves_are_not_published_nor_shown(clock: Any) -> None:
    keys = SigningKeys(b"s" * 32)
    for key in json.loads(keys.published(clock.now))["keys"]:
        assert set(key) == {"kty", "crv", "x", "kid", "alg", "use"}
    assert "private" not in repr(keys.current(clock.now))


def test_the_key_set_is_an_answer_of_the_gateway(build: Any, ask: Any) -> None:
    shared = replace(build(), signing=SigningKeys(b"s" * 32))
    one = JwksFilter(Jwks(), shared)
    reply = one.decide(ask("/.well-known/gateway-jwks.json"))
    assert isinstance(reply, Reply)
    assert (reply.status, dict(reply.headers)[b"content-type"]) == (200, b"application/json")
    assert len(read_keys(reply.body or b"", ("EdDSA",))) == 3
    assert one.explain(ask("/"), reply).endswith(" signs now")
