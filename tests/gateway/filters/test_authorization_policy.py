"""Rules that deny and allow, in Istio's order, and conditions that cannot be computed."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.filters.authorization_policy import AuthorizationPolicyFilter
from gateway.http.identity import ClientCertificate
from gateway.http.messages import Reply, Request
from gateway.spec.authorization import AuthorizationPolicy

ORDERS = "spiffe://gatehouse.local/ns/shop/sa/orders"


def policy(build: Any, **lists: Any) -> AuthorizationPolicyFilter:
    return AuthorizationPolicyFilter(AuthorizationPolicy.model_validate(lists, by_alias=True), build())


def reason(one: AuthorizationPolicyFilter, request: Request) -> str | None:
    reply = one.decide(request)
    assert reply is None or isinstance(reply, Reply)
    assert reply is None or reply.status == 403
    return reply.reason if reply else None


def certificate(*names: tuple[str, str]) -> ClientCertificate:
    return ClientCertificate((("commonName", "spiffe://gatehouse.local/ns/shop/sa/orders"),), names, "1")


GET = {"name": "get", "methods": ["GET"]}
ORDERS_PATH = {"name": "orders", "paths": ["/orders/{**}"]}


@pytest.mark.parametrize(
    ("deny", "allow", "expected"),
    [
        ([], [GET], None),
        ([], [{"name": "post", "methods": ["POST"]}], "policy_not_allowed"),
        ([], [{"name": "post", "methods": ["POST"]}, GET], None),
        ([GET], [], "policy_denied"),
        ([{"name": "post", "methods": ["POST"]}], [], None),
        ([ORDERS_PATH], [GET], "policy_denied"),
        ([{"name": "post", "methods": ["POST"]}], [GET], None),
        ([{"name": "both", "methods": ["GET"], "paths": ["/other"]}], [], None),
        ([{"name": "except", "methods": ["GET"], "unless": {"paths": ["/orders/{*}"]}}], [], None),
        ([{"name": "except", "methods": ["GET"], "unless": {"paths": ["/orders"]}}], [], "policy_denied"),
        ([], [{"name": "except", "methods": ["GET"], "unless": {"paths": ["/orders/1"]}}], "policy_not_allowed"),
    ],
)
def test_the_order_is_deny_then_allow(build: Any, ask: Any, deny: Any, allow: Any, expected: str | None) -> None:
    assert reason(policy(build, deny=deny, allow=allow), ask("/orders/1")) == expected


@pytest.mark.parametrize(
    ("template", "path", "matches"),
    [
        ("/orders", "/orders", True),
        ("/orders", "/orders/", False),
        ("/orders", "/ordersx", False),
        ("/a.b", "/axb", False),
        ("/orders/{*}", "/orders/1", True),
        ("/orders/{*}", "/orders/", False),
        ("/orders/{*}", "/orders/1/items", False),
        ("/orders/{id}/items", "/orders/1/items", True),
        ("/orders/{**}", "/orders", True),
        ("/orders/{**}", "/orders/", True),
        ("/orders/{**}", "/orders/1/items", True),
        ("/orders/{**}", "/ordersx", False),
        ("/{**}", "/", True),
        ("/", "/", True),
    ],
)
def test_paths(build: Any, ask: Any, template: str, path: str, matches: bool) -> None:
    one = policy(build, allow=[{"name": "path", "paths": [template]}])
    assert reason(one, ask(path)) == (None if matches else "policy_not_allowed")


@pytest.mark.parametrize(
    ("client", "inside"),
    [
        ("10.1.2.3", True),
        ("11.1.2.3", False),
        ("::ffff:10.1.2.3", True),
        ("fd00::1", True),
        ("fe80::1", False),
        ("not an address", False),
    ],
)
def test_addresses(build: Any, ask: Any, client: str, inside: bool) -> None:
    one = policy(build, allow=[{"name": "office", "addresses": ["10.0.0.0/8", "fd00::/8"]}])
    request = ask()
    request.client = client
    assert reason(one, request) == (None if inside else "policy_not_allowed")


@pytest.mark.parametrize(
    ("wanted", "names", "known"),
    [
        (ORDERS, [("URI", ORDERS)], True),
        (ORDERS, [("URI", ORDERS + "2")], False),
        (ORDERS, [("DNS", ORDERS)], False),
        ("spiffe://gatehouse.local/ns/shop/sa/*", [("URI", ORDERS)], True),
        ("spiffe://gatehouse.local/ns/shop/sa/*", [("URI", "spiffe://gatehouse.local/ns/shop/saver")], False),
        ("partner.example", [("DNS", "partner.example")], True),
        ("partner.example", [("URI", "partner.example")], False),
        ("partner.example", [("email", "partner.example")], False),
        ("*", [("DNS", "anybody.example")], True),
        ("*", [], False),
        (ORDERS, None, False),
    ],
)
def test_principals_come_from_a_verified_certificate(
    build: Any, ask: Any, wanted: str, names: list[tuple[str, str]] | None, known: bool
) -> None:
    one = policy(build, allow=[{"name": "peers", "principals": [wanted]}])
    request = ask()
    request.client_certificate = None if names is None else certificate(*names)
    assert reason(one, request) == (None if known else "policy_not_allowed")


@pytest.mark.parametrize(
    ("claims", "allowed"),
    [
        ({"scope": "orders:read orders:write", "roles": ["buyer"]}, True),
        ({"scope": "orders:read", "roles": ["buyer"]}, False),
        ({"scope": "orders:read orders:write", "roles": "buyers"}, False),
        ({"scope": ["orders:read", "orders:write"], "roles": ["buyer"]}, False),
        ({"roles": ["buyer"]}, False),
        ({}, False),
        (None, False),
    ],
)
def test_scopes_and_claims(build: Any, ask: Any, claims: Any, allowed: bool) -> None:
    rule = {"name": "buyers", "scopes": ["orders:read", "orders:write"], "claims": {"roles": ["admin", "buyer"]}}
    request = ask()
    request.claims = claims
    assert reason(policy(build, allow=[rule]), request) == (None if allowed else "policy_not_allowed")


TENANT = {"name": "own", "paths": ["/tenants/{tenant}/{**}"], "when": "claims.tenant == path.tenant"}


@pytest.mark.parametrize(
    ("path", "claims", "expected"),
    [
        ("/tenants/acme/orders", {"tenant": "acme"}, None),
        ("/tenants/acme", {"tenant": "acme"}, None),
        ("/tenants/caf%c3%a9/orders", {"tenant": "café"}, None),
        ("/tenants/acme;x/orders", {"tenant": "acme"}, "policy_not_allowed"),
        ("/tenants/rival/orders", {"tenant": "acme"}, "policy_not_allowed"),
        ("/tenants/1/orders", {"tenant": 1}, "policy_not_allowed"),
        ("/tenants/acme/orders", {"tenant": ["acme"]}, "policy_not_allowed"),
        ("/tenants/acme/orders", {}, "policy_undecided"),
        ("/tenants/acme/orders", None, "policy_undecided"),
        ("/tenants/%ff/orders", {"tenant": "acme"}, "policy_undecided"),
        ("/tenants/acme/orders", {"tenant": 2**70}, "policy_undecided"),
        ("/tenants/acme/orders", {"tenant": "\ud800"}, "policy_undecided"),
    ],
)
def test_a_condition_that_cannot_be_computed_allows_nothing(
    build: Any, ask: Any, path: str, claims: Any, expected: str | None
) -> None:
    request = ask(path)
    request.claims = claims
    assert reason(policy(build, allow=[TENANT]), request) == expected


@pytest.mark.parametrize(
    ("claims", "expected"),
    [({"tenant": "acme"}, None), ({"tenant": "rival"}, "policy_denied"), ({}, "policy_undecided")],
)
def test_a_condition_that_cannot_be_computed_denies(build: Any, ask: Any, claims: Any, expected: str | None) -> None:
    rule = {"name": "others", "paths": TENANT["paths"], "unless": {"when": TENANT["when"]}}
    request = ask("/tenants/acme/orders")
    request.claims = claims
    assert reason(policy(build, deny=[rule]), request) == expected


def test_another_rule_may_allow_what_one_cannot_decide(build: Any, ask: Any) -> None:
    request = ask("/tenants/acme/orders")
    request.claims = {"scope": "admin"}
    assert reason(policy(build, allow=[TENANT, {"name": "admins", "scopes": ["admin"]}]), request) is None


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("request.method == 'GET' && request.path == '/orders/1' && request.query == 'page=2'", True),
        ("request.host == 'shop.test' && request.scheme == 'http' && request.address == '192.0.2.1'", True),
        ("request.headers['x-trial'] == 'a, b'", True),
        ("'x-absent' in request.headers", False),
        ("'spiffe://gatehouse.local/ns/shop/sa/orders' in principals", True),
        ("claims.exp > 5 && claims.roles.exists(role, role.startsWith('ad'))", True),
        ("request.path.matches('^/orders/[0-9]+$')", True),
    ],
)
def test_what_conditions_can_speak_of(build: Any, ask: Any, condition: str, holds: bool) -> None:
    request = ask("/orders/1?page=2", "X-Trial: a", "x-trial: b")
    request.claims = {"exp": 10, "roles": ["admin"]}
    request.client_certificate = certificate(("URI", ORDERS))
    one = policy(build, allow=[{"name": "condition", "when": condition}])
    assert reason(one, request) == (None if holds else "policy_not_allowed")


def test_a_condition_ends_after_so_many_steps(build: Any, ask: Any) -> None:
    request = ask()
    request.claims = {"list": list(range(200))}
    one = policy(build, allow=[{"name": "long", "when": "claims.list.all(a, claims.list.all(b, a + b >= 0))"}])
    assert reason(one, request) == "policy_undecided"


def test_shadow_mode_counts_and_lets_pass(build: Any, ask: Any) -> None:
    made = build()
    one = AuthorizationPolicyFilter(
        AuthorizationPolicy.model_validate({"deny": [GET], "enforced": False}, by_alias=True), made
    )
    request = ask()
    assert one.decide(request) is None
    assert made.metrics.shadowed.values == {("AuthorizationPolicy", "policy_denied"): 1}
    assert one.explain(request, None) == "shadow mode, would deny; DENY get: applies"


def test_an_explanation_tells_for_each_rule_what_it_wanted_and_saw(build: Any, ask: Any) -> None:
    rules = [{"name": "admins", "scopes": ["admin"]}, TENANT, {"name": "post", "methods": ["POST", "PUT"]}]
    one = policy(
        build, deny=[{"name": "far", "unless": {"addresses": ["10.0.0.0/8"]}, "methods": ["PUT"]}], allow=rules
    )
    request = ask("/tenants/rival/orders")
    request.claims = {"tenant": "acme", "scope": "read"}
    assert one.explain(request, one.decide(request)) == (  # type: ignore[arg-type]
        "DENY far: wants method PUT, saw GET; "
        "ALLOW admins: wants scopes admin, saw ['read']; "
        "ALLOW own: wants when claims.tenant == path.tenant, saw false; "
        "ALLOW post: wants method one of POST, PUT, saw GET"
    )
    request.claims = {}
    assert 'saw undecided: Key not found in map : "tenant"' in one.explain(request, None)


@pytest.mark.parametrize(
    ("lists", "proves"),
    [
        ({"allow": [{"name": "peers", "principals": [ORDERS]}]}, True),
        ({"allow": [{"name": "peers", "principals": [ORDERS]}, GET]}, False),
        ({"allow": [{"name": "peers", "principals": [ORDERS]}], "enforced": False}, False),
        ({"deny": [{"name": "peers", "principals": [ORDERS]}]}, False),
    ],
)
def test_only_rules_that_all_name_principals_prove_who_it_is(lists: Any, proves: bool) -> None:
    assert AuthorizationPolicy.model_validate(lists, by_alias=True).proves_identity is proves
