"""Logging in at the monolith: identity is a service of its own, and the shop's one address passes these requests on.

The problem: people and programs know one address, and identity has another. The rule: its operations for clients, by
name, exactly those that the gateway would route; they are sent on as they came, and so are the answers.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from sample_services.kit.client import HttpClient
from sample_services.kit.service import Service

OPERATIONS: Final = (
    ("POST", "/auth/login"),
    ("POST", "/auth/token"),
    ("POST", "/auth/revoke"),
    ("POST", "/auth/credential-resets/{id:[0-9a-f-]{36}}/complete"),
    ("GET", "/auth/jwks.json"),
    ("GET", "/auth/.well-known/openid-configuration"),
)
_SENT_ON: Final = ("Authorization", "Content-Type", "DPoP", "Idempotency-Key")
_BROUGHT_BACK: Final = ("Content-Type", "Cache-Control", "Retry-After", "WWW-Authenticate", "DPoP-Nonce")


def add_front(service: Service) -> None:
    """Adds the routes below /auth."""
    front = Front(service.http)
    for method, path in OPERATIONS:
        service.app.router.add_route(method, path, front.pass_on)


class Front:
    """Asks identity what somebody asked the monolith."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    async def pass_on(self, request: web.Request) -> web.Response:
        """Send it to the same path without /auth."""
        headers = {name: request.headers[name] for name in _SENT_ON if name in request.headers}
        body = await request.read()
        path = request.path.removeprefix("/auth")
        answer = await self._http.request("identity", request.method, path, data=body or None, headers=headers)
        kept = {name: answer.headers[name] for name in _BROUGHT_BACK if name in answer.headers}
        return web.Response(status=answer.status, body=answer.body, headers=kept)
