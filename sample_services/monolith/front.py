"""What is no module is reached through the monolith all the same: identity, and shipping in its other language.

The problem: people and programs know one address, and these services have others. The rule: their operations for
clients, by name, exactly those that the gateway would route; they are sent on as they came, and so are the answers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from sample_services.kit.client import HttpClient
from sample_services.kit.service import Service

OPERATIONS: Final = (
    ("identity", "POST", "/auth/login"),
    ("identity", "POST", "/auth/token"),
    ("identity", "POST", "/auth/revoke"),
    ("identity", "POST", "/auth/credential-resets/{id:[0-9a-f-]{36}}/complete"),
    ("identity", "GET", "/auth/jwks.json"),
    ("identity", "GET", "/auth/.well-known/openid-configuration"),
    ("shipping", "GET", "/shipping/{operation:quotes|openapi.json}"),
    ("shipping", "GET", "/shipping/shipments/{number}"),
    ("shipping", "POST", "/shipping/shipments"),
)
_SENT_ON: Final = ("Authorization", "Content-Type", "DPoP", "Idempotency-Key")
_BROUGHT_BACK: Final = ("Content-Type", "Cache-Control", "Retry-After", "WWW-Authenticate", "DPoP-Nonce")


def add_front(service: Service) -> None:
    """Adds the routes."""
    front = Front(service.http)
    for peer, method, path in OPERATIONS:
        service.app.router.add_route(method, path, front.to(peer))


class Front:
    """Asks a service of its own what somebody asked the monolith."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    def to(self, peer: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        """A handler that sends requests on to that service; identity knows its paths without /auth."""

        async def pass_on(request: web.Request) -> web.Response:
            headers = {name: request.headers[name] for name in _SENT_ON if name in request.headers}
            path = request.raw_path.removeprefix("/auth")
            body = await request.read()
            answer = await self._http.request(peer, request.method, path, data=body or None, headers=headers)
            kept = {name: answer.headers[name] for name in _BROUGHT_BACK if name in answer.headers}
            return web.Response(status=answer.status, body=answer.body, headers=kept)

        return pass_on
