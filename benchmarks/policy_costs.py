"""What each policy costs, alone and in the chain: whole requests without sockets, with the policy and without it.

The problem: a filter that decides in a microsecond may still cost three, by headers that it makes anew or by an answer
that it wants to see. The rule: the same request goes through the same worker twice, once on a route with the policy
and once on one without; the difference is what the policy costs. "Alone" the route has nothing else; "in the chain"
it stands with JWT, Authorize and RateLimit. Policies that ask somebody over the network are left out: the network is
their cost.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from benchmarks.micro_steps import Taker
from benchmarks.work import Work
from gateway.compile.load import load_text
from gateway.filters.provider import read_keys
from gateway.http.client import ClientConnection
from gateway.http.server import ServerConnection
from gateway.roles.listener import Listener
from gateway.roles.worker import Worker
from gateway.spec.api_keys import digest

KEY = "ghk_0a1b2c3d4e5f_" + "A" * 43
BODY = b'{"id": 1001, "state": "open"}'
ANSWER = (
    b"HTTP/1.1 200 OK\r\nDate: Fri, 20 Nov 2026 12:00:00 GMT\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
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
POLICIES: dict[str, tuple[str, str]] = {
    # What it is: its filter, and what must stand before it.
    "SecurityHeaders": ("{type: SecurityHeaders}", ""),
    "CORS": ("{type: CORS, allowOrigins: ['https://shop.example']}", ""),
    "IpAccess": ("{type: IpAccess, deny: [192.0.2.0/24], allow: [127.0.0.0/8]}", ""),
    "RateLimit by address": ("{type: RateLimit, requests: 1000000000, per: 1s}", ""),
    "Quota by address": ("{type: Quota, requests: 1000000000}", ""),
    "ConcurrencyLimit": ("{type: ConcurrencyLimit, requests: 1000}", ""),
    "SizeLimit": ("{type: SizeLimit, maxRequestBytes: 100000, maxResponseBytes: 100000}", ""),
    "ApiKey": ("{type: ApiKey, keys: keys.json}", ""),
    "JWT, a remembered token": (BEFORE, ""),
    "Authorize, one scope": ("{type: Authorize, scopes: [orders:read]}", BEFORE),
    "AuthorizationPolicy, DENY and ALLOW": (
        "{type: AuthorizationPolicy, deny: [{name: a, methods: [DELETE]}], "
        "allow: [{name: b, methods: [GET], scopes: [orders:read], paths: ['/orders/{id}']}]}",
        BEFORE,
    ),
    "AuthorizationPolicy, a CEL condition": (
        "{type: AuthorizationPolicy, allow: [{name: a, paths: ['/orders/{id}'], when: claims.sub != path.id}]}",
        BEFORE,
    ),
    "CSRF": ("{type: CSRF, cookies: [session]}", ""),
    "InternalToken, a remembered one": ("{type: InternalToken, audiences: [orders]}", BEFORE),
    "RequestHeaderModifier": ("{type: RequestHeaderModifier, set: [{name: x-a, value: b}]}", ""),
    "ResponseHeaderModifier": ("{type: ResponseHeaderModifier, set: [{name: x-a, value: b}]}", ""),
    "URLRewrite": ("{type: URLRewrite, path: {type: ReplacePrefixMatch, value: /v2}}", ""),
    "OpenApiValidation, both directions": (
        "{type: OpenApiValidation, document: orders.json, response: {mode: enforce}}",
        "",
    ),
    "Compression of a small answer": ("{type: Compression, types: [application/json], minBytes: 1}", ""),
}


@dataclass(frozen=True)
class Cost:
    """Microseconds of CPU."""

    policy: str
    alone: float
    in_chain: float | None
    """None for a policy that is a part of the chain itself."""


class Side:
    """A worker with one route, one client's and one upstream's connection."""

    def __init__(self, work: Work, filters: str) -> None:
        public = "" if "JWT" in filters or "ApiKey" in filters else "public: true, "
        text = (
            "listeners: [{name: public, port: 8088}, {name: internal, port: 8089}]\n"
            'clusters: [{name: b, endpoints: ["127.0.0.1:9"]}]\n'
            "providers: [{name: p, issuer: 'https://id.local', audiences: [gw], algorithms: [RS256], "
            "jwks: {cluster: b, path: /jwks.json}}]\n"
            "routes:\n"
            "  - {name: keys, listeners: [internal], public: true, filters: [{type: Jwks}]}\n"
            f"  - {{name: all, listeners: [public], {public}filters: [{filters}], backendRefs: [{{cluster: b}}]}}\n"
        )
        worker = Worker("micro", time.monotonic, Random(1), None)
        worker.apply(load_text(text, "micro.yaml", {}, work.directory), {}, 1)
        for provider in worker.snapshot.providers.values():
            provider.keys, provider.generation = read_keys(work.jwks.encode(), ("RS256",)), 1
        self.worker = worker
        listener = Listener(worker.snapshot.spec.listeners[0], worker)
        self.client, self.to_client = ServerConnection(listener), Taker()
        self.client.connection_made(self.to_client)
        endpoint = worker.snapshot.clusters["b"].endpoints[0]
        self.upstream = ClientConnection(endpoint)
        self.upstream.connection_made(Taker())
        endpoint.open += 1
        endpoint.idle.append(self.upstream)
        self.head = (
            "GET /orders/1 HTTP/1.1\r\nHost: 127.0.0.1:8088\r\nOrigin: https://shop.example\r\n"
            f"Sec-Fetch-Site: same-origin\r\nCookie: session=1\r\nX-API-Key: {KEY}\r\nAccept-Encoding: gzip\r\n"
            f"Authorization: Bearer {work.token}\r\n\r\n"
        ).encode()

    async def close(self) -> None:
        """End what asks for keys."""
        for provider in self.worker.snapshot.providers.values():
            await provider.close()

    def once(self) -> None:
        """One request and its answer."""
        self.client.data_received(self.head)
        self.upstream.data_received(ANSWER)

    def check(self, what: str) -> None:
        """Make sure that the policy lets it pass.

        Raises:
            RuntimeError: it does not.
        """
        self.once()
        if not self.to_client.last.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"this is not what shall be measured: {what}: {self.to_client.last[:500]!r}")


async def policy_costs(work: Work, measure: Callable[[Callable[[], object], int], float], count: int) -> list[Cost]:
    """Each policy's cost; `measure` gives the microseconds of one call."""
    stored = {"id": KEY.split("_")[1], "sha256": digest(KEY.encode()), "owner": "a", "created": "2026-01-01T00:00:00Z"}
    (work.directory / "orders.json").write_text(json.dumps(DOCUMENT))
    (work.directory / "keys.json").write_text(json.dumps({"keys": [stored]}))

    async def whole(*filters: str) -> float:
        side = Side(work, ", ".join(one for one in filters if one))
        side.check(filters[-1] if filters else "nothing")
        took = measure(side.once, count)
        await side.close()
        return took

    bases = {"": await whole(), BEFORE: await whole(BEFORE)}
    chain = await whole(CHAIN)
    costs = []
    for name, (policy, before) in POLICIES.items():
        alone = await whole(before, policy) - bases[before]
        part_of_it = policy in CHAIN or "ApiKey" in policy  # a caller has one proof
        together = (CHAIN, policy) if before else (policy, CHAIN)  # some must stand in front of the token's check
        costs.append(Cost(name, alone, None if part_of_it else await whole(*together) - chain))
    return costs


def as_lines(costs: Sequence[Cost]) -> list[str]:
    """A table."""
    head = f"  {'µs of CPU for a request that passes':44}{'alone':>8}{'in the chain':>14}"
    return [head, *(_line(one) for one in costs)]


def _line(one: Cost) -> str:
    chain = "–" if one.in_chain is None else f"{one.in_chain:.1f}"
    return f"  {one.policy:44}{one.alone:>8.1f}{chain:>14}"
