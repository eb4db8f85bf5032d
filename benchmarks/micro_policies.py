"""What each policy of identity and access costs by itself: one decision on a request that passes.

The rule: the filter is compiled from a configuration as a worker does it, and decides about the same request again
and again; keys and tokens are remembered after the first, as they are in traffic. Filters that ask somebody over HTTP
are left out: the network is their cost.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from gateway.compile.compiler import Runtime, compile_spec
from gateway.compile.load import load_text
from gateway.compile.snapshot import Snapshot
from gateway.filters.chain import AnyFilter
from gateway.http.heads import read_request
from gateway.http.messages import Request
from gateway.observability.metrics import Metrics
from gateway.spec.api_keys import digest

KEY = "ghk_0a1b2c3d4e5f_" + "A" * 43
HEAD = f"""POST /tenants/acme/orders?page=2 HTTP/1.1
Host: shop.example
Accept: application/json
User-Agent: benchmark
Origin: https://shop.example
Sec-Fetch-Site: same-origin
Cookie: session=1
X-API-Key: {KEY}

""".replace("\n", "\r\n").encode()
CLAIMS = {"iss": "https://id.test", "sub": "alice", "aud": "shop", "tenant": "acme", "scope": "read write", "exp": 2e9}

CONFIG = """
listeners: [{name: public, port: 0}]
clusters: [{name: shop, endpoints: ["127.0.0.1:9"]}]
providers: [{name: id, issuer: "https://id.test", audiences: [shop], jwks: {cluster: shop, path: /jwks}}]
routes:
  - {name: r, filters: [{type: JWT, provider: id}, %s], backendRefs: [{cluster: shop}]}
"""
POLICIES = {
    "Authorize, one scope": "{type: Authorize, scopes: [read]}",
    "AuthorizationPolicy, one DENY and one ALLOW rule": "{type: AuthorizationPolicy, "
    "deny: [{name: a, methods: [DELETE], unless: {addresses: [10.0.0.0/8]}}], "
    "allow: [{name: b, methods: [POST], scopes: [write], paths: ['/tenants/{tenant}/orders']}]}",
    "AuthorizationPolicy, one CEL condition": "{type: AuthorizationPolicy, allow: [{name: a, "
    "paths: ['/tenants/{tenant}/{**}'], when: claims.tenant == path.tenant}]}",
    "IpAccess": "{type: IpAccess, deny: [192.0.2.0/24], allow: [127.0.0.0/8]}",
    "CSRF": "{type: CSRF, cookies: [session]}",
    "SecurityHeaders": "{type: SecurityHeaders}",
}
ALONE = {
    "CORS": "{type: CORS, allowOrigins: ['https://shop.example']}",
    "ApiKey": "{type: ApiKey, keys: keys.json}",
}


def policy_steps(directory: Path) -> dict[str, Callable[[], object]]:
    """One step for each policy; `directory` takes a file of API keys."""
    stored = {"id": KEY.split("_")[1], "sha256": digest(KEY.encode()), "owner": "a", "created": "2026-01-01T00:00:00Z"}
    (directory / "keys.json").write_text(json.dumps({"keys": [stored]}))
    steps = {name: _step(CONFIG % item, directory, CLAIMS) for name, item in POLICIES.items()}
    for name, item in ALONE.items():
        text = CONFIG.replace("{type: JWT, provider: id}, ", "") % item
        public = text.replace("name: r,", "name: r, public: true,") if name == "CORS" else text
        steps[name] = _step(public, directory, None)
    return steps


def _step(text: str, directory: Path, claims: dict[str, object] | None) -> Callable[[], object]:
    spec = load_text(text, "micro.yaml", {}, directory)
    runtime = Runtime(Metrics(), time.monotonic, time.time, Random(1))
    last: AnyFilter = list(compile_spec(spec, {}, 1, runtime, Snapshot.empty()).filters.values())[-1]
    request = read_request(HEAD)
    request.client = request.address = "127.0.0.1"
    return _deciding(last, request, claims)


def _deciding(one: AnyFilter, request: Request, claims: dict[str, object] | None) -> Callable[[], object]:
    headers, fields = request.headers, request.fields

    def run() -> object:
        request.headers, request.fields, request.reply_headers, request.claims = headers, fields, [], claims
        return one.decide(request)

    if run() is not None:
        raise RuntimeError(f"this is not what shall be measured: {one} refuses")
    return run
