"""HTTP: login, token, revoke, introspect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from sample_services.identity.issuing import Issuer
from sample_services.identity.oauth import NO_STORE, ClientAuthentication, OAuthError, read_form
from sample_services.identity.passwords import MAX_CHARS
from sample_services.identity.revoking import Revocations
from sample_services.kit.auth import SUBJECT
from sample_services.kit.body import json_body


class LoginRequest(BaseModel):
    """The body of POST /login."""

    model_config = ConfigDict(extra="forbid", strict=True)

    username: str = Field(min_length=1, max_length=64)
    password: str = Field(min_length=1, max_length=MAX_CHARS, repr=False)


@dataclass
class TokenApi:
    """The endpoints that take and give tokens."""

    issuer: Issuer
    revocations: Revocations
    clients: ClientAuthentication

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Routes of this part."""
        router.add_post("/login", self.login)
        router.add_post("/token", self.token)
        router.add_post("/revoke", self.revoke)
        router.add_post("/introspect", self.introspect)

    async def login(self, request: web.Request) -> web.Response:
        """POST /login: username and password for a pair of tokens."""
        wanted = await json_body(request, LoginRequest)
        answer = await self.issuer.login(wanted.username, wanted.password)
        request[SUBJECT] = wanted.username  # only now: a failed login may hold a mistyped password here
        return _answer(answer)

    async def token(self, request: web.Request) -> web.Response:
        """POST /token (RFC 6749 section 3.2): client_credentials and refresh_token."""
        form = await read_form(request)
        asked = form.get("scope", "")
        match form.get("grant_type"):
            case "client_credentials":
                client = await self.clients.confidential(request, form)
                request[SUBJECT] = client.client_id
                return _answer(self.issuer.client_credentials(client, asked))
            case "refresh_token":
                client_id = await self.clients.any(request, form)
                return _answer(await self.issuer.refresh(_required(form, "refresh_token"), client_id, asked))
            case None:
                raise OAuthError("invalid_request", "grant_type is missing")
        raise OAuthError("unsupported_grant_type", "use client_credentials or refresh_token")

    async def revoke(self, request: web.Request) -> web.Response:
        """POST /revoke (RFC 7009)."""
        form = await read_form(request)
        client_id = await self.clients.any(request, form)
        await self.revocations.revoke(_required(form, "token"), client_id)
        return web.Response(headers=NO_STORE)

    async def introspect(self, request: web.Request) -> web.Response:
        """POST /introspect (RFC 7662): for the shop's own services only."""
        form = await read_form(request)
        client = await self.clients.confidential(request, form)
        request[SUBJECT] = client.client_id
        if not client.may_introspect:
            raise OAuthError("unauthorized_client", "this client may not introspect", status=403)
        return _answer(await self.revocations.introspect(_required(form, "token")))


def _required(form: dict[str, str], name: str) -> str:
    if name not in form:
        raise OAuthError("invalid_request", f"{name} is missing")
    return form[name]


def _answer(document: dict[str, Any]) -> web.Response:
    """Tokens are never cached on the way (RFC 6749 section 5.1)."""
    return web.json_response(document, headers=NO_STORE)
