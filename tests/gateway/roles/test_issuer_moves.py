"""An issuer's copies come and go; what its keys have signed stays good, and a new copy is asked at once."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.gateway.filters.tokens import ED, JWKS, RSA, jwk, token
from tests.waiting import until

CONFIG = """
listeners: [{name: public, port: 0}]
clusters: [{name: shop, service: shop}, {name: identity, service: identity}]
providers: [{name: id, issuer: "https://id.test", audiences: [shop], jwks: {cluster: identity, path: /jwks}}]
routes:
  - {name: read, filters: [{type: JWT, provider: id}], backendRefs: [{cluster: shop}]}
"""
LATER = 4_000_000_000


def issuer(keys: Any) -> TestServer:
    """Serves these keys, and everything else as a service would."""

    async def serve(request: web.Request) -> web.Response:
        return web.Response(text=json.dumps(keys) if request.path == "/jwks" else "read")

    app = web.Application()
    app.router.add_get("/{path:.*}", serve)
    return TestServer(app)


async def test_keys_serve_on_while_no_copy_is_there_and_a_new_one_is_asked_at_once(gateway: Any) -> None:
    edge = await gateway(CONFIG)
    spec = edge.worker.snapshot.spec
    first, second = token(exp=LATER), token(ED, "EdDSA", {"kid": "ed-2"}, exp=LATER)

    async def status(text: str) -> int:
        said = f"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nAuthorization: Bearer {text}\r\n\r\n"
        return int((await edge.raw(said.encode())).split()[1])

    async with issuer(JWKS) as one, issuer({"keys": [jwk(RSA, "rsa-1", "RS256"), jwk(ED, "ed-2", "EdDSA")]}) as other:
        shop = {"shop": [f"127.0.0.1:{one.port}"]}
        assert edge.worker.apply(spec, shop | {"identity": [f"127.0.0.1:{one.port}"]}, 2) == []
        provider = edge.worker.snapshot.providers["id"]
        await until(lambda: set(provider.keys) == {"rsa-1", "ed-1"})
        assert edge.worker.apply(spec, shop, 3) == []
        assert edge.worker.snapshot.providers["id"] is provider
        assert await status(first) == 200
        assert edge.worker.apply(spec, shop | {"identity": [f"127.0.0.1:{other.port}"]}, 4) == []
        assert await status(first) == 200
        await until(lambda: set(provider.keys) == {"rsa-1", "ed-2"})
        assert await status(second) == 200
