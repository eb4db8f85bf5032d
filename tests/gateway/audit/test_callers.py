"""Who may call a route, by each kind of filter that finds out who somebody is: as the loader judges it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.audit.inventory import callers
from gateway.audit.model import System
from gateway.compile.load import load_text
from gateway.compile.table import answering_types, authenticating_types
from gateway.importing.openapi_config import Wishes, configuration
from gateway.importing.openapi_file import read_openapi

CONFIG = """
listeners:
  - name: public
    port: 8443
    tls: {{certificates: [{{cert: gateway.pem, key: gateway.key}}], clientCertificates: {{ca: clients.pem}}}}
providers:
  - {{name: id, issuer: "https://id.test", audiences: [shop], jwks: {{cluster: shop, path: /jwks}}}}
clusters: [{{name: shop, endpoints: ["127.0.0.1:9"]}}, {{name: rules, endpoints: ["127.0.0.1:8"]}}]
routes:
  - name: one
    matches: [{{method: POST}}]
    public: {public}
    filters: [{filters}]
    backendRefs: [{{cluster: shop}}]
"""
INTROSPECT = "type: TokenIntrospection, cluster: shop, path: /i, clientId: g, clientSecret: secret"
PARTNER = "spiffe://gatehouse.local/ns/shop/sa/partner"


@pytest.fixture
def at(authority: Any) -> Any:
    ca = authority("clients")
    folder = Path(ca.issue("gateway", ["localhost"]).cert).parent
    (folder / "keys.json").write_text('{"keys": []}')
    (folder / "secret").write_text("x")
    (folder / "secret").chmod(0o600)

    def make(filters: str, public: str) -> System:
        text = CONFIG.format(filters=filters, public=public)
        return System(load_text(text, "test.yaml", {}, folder), authenticating_types(), answering_types())

    return make


@pytest.mark.parametrize(
    ("filters", "who"),
    [
        ("{type: JWT, provider: id}", "JWT of id"),
        ("{type: JWT, provider: id, certificateBound: true}", "JWT of id, bound to a certificate"),
        ("{type: JWT, provider: id, dpop: true}, {type: DPoP}", "JWT of id and a proof of the token's key"),
        ("{type: JWT, provider: id, dpop: true}, {type: DPoP, required: false}", "JWT of id"),
        ("{type: ApiKey, keys: keys.json}", "ApiKey"),
        ("{" + INTROSPECT + "}", "TokenIntrospection of shop"),
        ("{type: ExternalAuthorization, cluster: rules}", "ExternalAuthorization of rules"),
        (
            "{type: AuthorizationPolicy, allow: [{name: a, principals: ['" + PARTNER + "']}]}",
            f"a certificate of {PARTNER}",
        ),
    ],
)
def test_known_callers(at: Any, look: Any, filters: str, who: str) -> None:
    system = at(filters, "false")
    assert callers(system, system.spec.routes[0]) == who
    assert look("public-write", system) == []


@pytest.mark.parametrize(
    "filters",
    [
        "",
        "{type: ExternalAuthorization, cluster: rules, failureModeAllow: true}",
        "{type: AuthorizationPolicy, deny: [{name: a, methods: [POST], paths: [/x]}]}",
        "{type: AuthorizationPolicy, deny: [{name: a, methods: [PUT]}]}",
        "{type: AuthorizationPolicy, enforced: false, deny: [{name: a, methods: [POST]}]}",
    ],
    ids=["none", "fail-open", "a-path", "another-method", "shadow"],
)
def test_everybody(at: Any, look: Any, filters: str) -> None:
    system = at(filters, "true")
    assert callers(system, system.spec.routes[0]) == "everybody"
    assert len(look("public-write", system)) == 1


def test_nobody(at: Any, look: Any) -> None:
    system = at("{type: AuthorizationPolicy, deny: [{name: a, methods: [POST]}]}", "true")
    assert callers(system, system.spec.routes[0]) == "nobody"
    assert look("public-write", system) == []


def test_any_token_is_about_those_that_ask_who_and_not_what(at: Any, look: Any) -> None:
    for filters in ("{type: JWT, provider: id}", "{type: ApiKey, keys: keys.json}", "{" + INTROSPECT + "}"):
        assert len(look("any-token", at(filters, "false"))) == 1
    assert look("any-token", at("{type: ExternalAuthorization, cluster: rules}", "false")) == []


def test_what_was_imported_and_is_closed_is_no_public_write(tmp_path: Path, look: Any) -> None:
    file = tmp_path / "doc.yaml"
    file.write_text(
        "openapi: 3.1.0\npaths: {/a: {post: {security: [{b: []}]}}}\n"
        "components: {securitySchemes: {b: {type: http, scheme: basic}}}\n"
    )
    text = configuration(read_openapi(file), Wishes()).text
    system = System(load_text(text, "made.yaml", {}), authenticating_types(), answering_types())
    assert callers(system, system.spec.routes[0]) == "nobody"
    assert look("public-write", system) == []
