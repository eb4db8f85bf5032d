"""Explanations come from the filters that traffic runs, and cost nothing."""

from __future__ import annotations

from typing import Any

from gateway.roles.explain import explain

CONFIG = """
listeners: [{name: public, port: 0}]
clusters: [{name: shop, endpoints: ["127.0.0.1:9"]}]
providers: [{name: id, issuer: "https://id.test", audiences: [shop], jwks: {cluster: shop, path: /jwks}}]
filters:
  - {type: RateLimit, name: address, requests: 3}
routes:
  - name: read
    matches: [{path: {value: /orders}, method: GET}]
    filters:
      - {type: JWT, provider: id}
      - {type: Authorize, scopes: ["orders:read"]}
    backendRefs: [{cluster: shop}]
  - name: old
    public: true
    matches: [{path: {value: /old}}]
    filters: [{type: RequestRedirect, path: {type: ReplaceFullPath, value: /orders}}]
"""


async def asked(edge: Any, method: str, target: str, **more: Any) -> dict[str, Any]:
    return await explain(edge.worker.snapshot, {"method": method, "target": target, **more})


async def test_a_request_that_would_pass(gateway: Any) -> None:
    edge = await gateway(CONFIG)
    claims = {"sub": "bob", "scope": "orders:read"}
    for _ in range(10):  # no quota is spent: the limit is 3
        told = await asked(edge, "GET", "/orders/1001", claims=claims)
    assert told["outcome"] == "forward"
    assert (told["route"]["name"], told["route"]["where"]) == ("read", "test.yaml:8")
    assert [(step["filter"], step["verdict"], step["where"]) for step in told["steps"]] == [
        ("RateLimit", "pass", "test.yaml:6"),
        ("JWT", "pass", "test.yaml:11"),
        ("Authorize", "pass", "test.yaml:12"),
    ]
    assert told["steps"][0]["detail"] == "3 of 3 left for address 127.0.0.1"
    assert told["cluster"] == {"name": "shop", "healthy": 1, "total": 1}
    assert "caller's own" in told["not_decided_here"][0]


async def test_endpoints_that_are_not_well_are_named(gateway: Any) -> None:
    edge = await gateway(CONFIG)
    (endpoint,) = edge.worker.snapshot.clusters["shop"].endpoints
    endpoint.failures = 2
    told = await asked(edge, "GET", "/orders/1001", claims={"sub": "bob", "scope": "orders:read"})
    assert told["cluster"] == {
        "name": "shop",
        "healthy": 0,
        "total": 1,
        "unhealthy": [f"{endpoint.address} unreachable: 2 attempts to connect failed"],
        "panicking": False,
    }


async def test_a_denied_request_stops_at_the_line_that_decides(gateway: Any) -> None:
    edge = await gateway(CONFIG)
    told = await asked(edge, "GET", "/orders/1001", claims={"sub": "bob", "scope": "other"})
    assert (told["outcome"], told["status"], told["reason"]) == ("deny", 403, "insufficient_scope")
    assert told["steps"][-1]["detail"] == "wants orders:read; the token has scope other"
    without = await asked(edge, "GET", "/orders/1001")
    assert (without["outcome"], without["reason"]) == ("deny", "token_missing")


async def test_other_outcomes(gateway: Any) -> None:
    edge = await gateway(CONFIG)
    redirect = await asked(edge, "GET", "/old")
    assert (redirect["outcome"], redirect["status"]) == ("local_reply", 302)
    nowhere = await asked(edge, "POST", "/orders/1")
    assert (nowhere["outcome"], nowhere["reason"]) == ("no_route", "no_route")
    assert nowhere["candidates"][0]["text"] == "matched the path but wants method GET"
    refused = await asked(edge, "GET", "/orders/%2e%2e/admin")
    assert (refused["outcome"], refused["reason"]) == ("deny", "path_dot_segment")
    forged = await asked(edge, "GET", "/orders", headers=[["X", "a\r\nHost: b"]])
    assert (forged["outcome"], forged["reason"]) == ("deny", "repeated_host")


PREFLIGHT = """
listeners: [{name: public, port: 0}]
clusters: [{name: shop, endpoints: ["127.0.0.1:9"]}]
routes:
  - name: write
    public: true
    matches: [{path: {value: /orders}, method: PUT}]
    filters: [{type: CORS, allowOrigins: ["https://shop.example"], allowMethods: [PUT]}]
    backendRefs: [{cluster: shop}]
"""


async def test_a_preflight_is_answered_by_the_route_that_it_asks_about(gateway: Any) -> None:
    edge = await gateway(PREFLIGHT)
    headers = [["Origin", "https://shop.example"], ["Access-Control-Request-Method", "PUT"]]
    told = await asked(edge, "OPTIONS", "/orders", headers=headers)
    assert (told["outcome"], told["status"], told["reason"]) == ("local_reply", 204, "cors_preflight")
    assert (told["route"]["name"], told["steps"][0]["verdict"]) == ("write", "answer")
    headers[0][1] = "https://evil.example"
    told = await asked(edge, "OPTIONS", "/orders", headers=headers)
    assert (told["outcome"], told["reason"], told["steps"][0]["verdict"]) == ("deny", "cors_origin", "deny")


PEERS = """
listeners: [{name: public, port: 0}]
clusters: [{name: shop, endpoints: ["127.0.0.1:9"]}]
routes:
  - name: peers
    public: true
    filters:
      - {type: IpAccess, deny: [192.0.2.0/24]}
      - type: AuthorizationPolicy
        deny: [{name: others, methods: [GET], unless: {when: "'spiffe://a/b' in principals"}}]
    backendRefs: [{cluster: shop}]
"""


async def test_who_connects_can_be_said(gateway: Any) -> None:
    edge = await gateway(PEERS)
    assert (await asked(edge, "GET", "/"))["reason"] == "policy_denied"
    assert (await asked(edge, "GET", "/", principals=["spiffe://a/b"]))["outcome"] == "forward"
    assert (await asked(edge, "GET", "/", client="192.0.2.7"))["reason"] == "address_denied"
