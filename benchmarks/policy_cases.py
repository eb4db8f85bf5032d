"""The policies whose cost is measured, each with its filter and a request that passes it (benchmarks.policy_costs)."""

from __future__ import annotations

import json
from dataclasses import dataclass

from benchmarks.policy_requests import (
    CONFIG,
    FRONT,
    PROFILE,
    SECRET,
    Ask,
    answer,
    graphql,
    proved,
    reading,
    soap,
    unproved,
    webhook,
)

DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Orders", "version": "1"},
    "paths": {
        "/orders/{id}": {
            "get": {
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
                "responses": {"200": {"description": "An order.", "content": {"application/json": {"schema": {
                    "type": "object",
                    "properties": {"id": {"type": "integer"}, "state": {"type": "string"}},
                    "required": ["id", "state"],
                }}}}},
            }
        }
    },
}  # fmt: skip
CHAIN = (
    "{type: JWT, provider: p}, {type: Authorize, scopes: [orders:read]}, "
    "{type: RateLimit, name: chain, key: {type: Claim, name: sub}, requests: 1000000000, per: 1s}"
)
BEFORE = "{type: JWT, provider: p}"
ORDER = answer('{"id": 1001, "state": "open"}')
BROWSING = reading("/orders/1")
BOUND = "{type: JWT, provider: p, dpop: true}"


@dataclass(frozen=True)
class Case:
    """A policy, and a request that it lets pass."""

    policy: str
    before: str = ""
    """What must stand before it."""
    asks: Ask = BROWSING
    without: Ask | None = None
    """What is asked where the policy is not; none: the same."""
    answer: bytes = ORDER
    chained: bool = True
    """Whether it can stand in the chain: not what is a part of it, nor another proof of who calls."""
    rare: int = 1
    """It is measured so many times less often, since it takes as much longer."""


def _files() -> dict[str, Case]:
    """Policies that read a body by a schema, or write another one."""
    wsdl, schema = CONFIG / "profiles.wsdl", CONFIG / "storefront.graphql"
    person = "{name: ReadProfile, method: GET, path: '/people/{username}', select: profile}"
    front = f"{{method: GET, path: /front, query: {CONFIG / 'front.graphql'}, operation: Front, select: products}}"
    profile, products = answer(PROFILE, "text/xml"), answer(json.dumps(FRONT))
    people, home = reading("/people/alice"), reading("/front?first=10")
    known, new = "{type: GraphQLGuard}", f"{{type: GraphQLGuard, cacheEntries: 0, schemaFile: {schema}}}"
    to_soap = f"{{type: SoapToRest, wsdl: {wsdl}, endpoint: /soap, operations: [{person}]}}"
    to_graphql = f"{{type: GraphQLToRest, schemaFile: {schema}, endpoint: /graphql, queries: [{front}]}}"
    return {
        "GraphQLGuard, an operation seen before": Case(known, asks=graphql, rare=5),
        "GraphQLGuard, a new one, with the schema": Case(new, asks=graphql, rare=200),
        "SoapGuard, with the contract": Case(f"{{type: SoapGuard, wsdl: {wsdl}}}", asks=soap, rare=20),
        "SoapToRest, request and answer": Case(to_soap, asks=people, answer=profile, rare=20),
        "GraphQLToRest, request and answer": Case(to_graphql, asks=home, answer=products, rare=20),
    }


POLICIES: dict[str, Case] = {
    "SecurityHeaders": Case("{type: SecurityHeaders}"),
    "CORS": Case("{type: CORS, allowOrigins: ['https://shop.example']}"),
    "IpAccess": Case("{type: IpAccess, deny: [192.0.2.0/24], allow: [127.0.0.0/8]}"),
    "RateLimit by address": Case("{type: RateLimit, requests: 1000000000, per: 1s}"),
    "Quota by address": Case("{type: Quota, requests: 1000000000}"),
    "ConcurrencyLimit": Case("{type: ConcurrencyLimit, requests: 1000}"),
    "SizeLimit": Case("{type: SizeLimit, maxRequestBytes: 100000, maxResponseBytes: 100000}"),
    "ApiKey": Case("{type: ApiKey, keys: keys.json}", chained=False),
    "JWT, a remembered token": Case(BEFORE, chained=False),
    "DPoP, a new proof (ES256)": Case("{type: DPoP}", BOUND, proved, unproved, rare=20),
    "Authorize, one scope": Case("{type: Authorize, scopes: [orders:read]}", BEFORE, chained=False),
    "AuthorizationPolicy, DENY and ALLOW": Case(
        "{type: AuthorizationPolicy, deny: [{name: a, methods: [DELETE]}], "
        "allow: [{name: b, methods: [GET], scopes: [orders:read], paths: ['/orders/{id}']}]}",
        BEFORE,
    ),
    "AuthorizationPolicy, a CEL condition": Case(
        "{type: AuthorizationPolicy, allow: [{name: a, paths: ['/orders/{id}'], when: claims.sub != path.id}]}",
        BEFORE,
    ),
    "CSRF": Case("{type: CSRF, cookies: [session]}"),
    "WebhookSignature": Case(
        f"{{type: WebhookSignature, sender: s, secrets: [whsec_{SECRET}]}}", asks=webhook, chained=False, rare=20
    ),
    "InternalToken, a remembered one": Case("{type: InternalToken, audiences: [orders]}", BEFORE),
    "RequestHeaderModifier": Case("{type: RequestHeaderModifier, set: [{name: x-a, value: b}]}"),
    "ResponseHeaderModifier": Case("{type: ResponseHeaderModifier, set: [{name: x-a, value: b}]}"),
    "URLRewrite": Case("{type: URLRewrite, path: {type: ReplacePrefixMatch, value: /v2}}"),
    "OpenApiValidation, both directions": Case(
        "{type: OpenApiValidation, document: orders.json, response: {mode: enforce}}", rare=5
    ),
    "Cache, an answer that is not kept": Case("{type: Cache, cache: main}", BEFORE),
    "Compression of a small answer": Case("{type: Compression, types: [application/json], minBytes: 1}"),
    **_files(),
}
