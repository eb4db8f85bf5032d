"""The OAuth 2 side of a request: its form, its errors, its client (RFC 6749 sections 2.3, 3.2 and 5.2).

The problem: a form with a parameter twice, or a client that proves itself in two ways, can mean one thing to us
and another to someone before us. The rule: anything said twice is refused.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import parse_qsl, unquote_plus

from aiohttp import web

from sample_services.identity.audit import Audit
from sample_services.identity.clients import Client, authenticate
from sample_services.identity.grants import FIRST_PARTY_CLIENT
from sample_services.kit.body import read_bounded
from sample_services.kit.database import Database
from sample_services.kit.problems import Problem

MAX_FORM_BYTES = 16_384
MAX_FORM_FIELDS = 20
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class OAuthError(Problem):
    """An error as RFC 6749 section 5.2 writes it; `error` is one of its codes."""

    content_type: ClassVar[str] = "application/json"

    def __init__(self, error: str, detail: str, *, status: int = 400, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, error, detail, headers=NO_STORE | dict(headers or {}))

    def document(self, trace_id: str) -> dict[str, Any]:
        """`error` and `error_description`, and what all our errors have besides."""
        return {
            "error": self.reason,
            "error_description": self.detail,
            "reason": self.reason,
            "trace_id": trace_id,
        }


async def read_form(request: web.Request) -> dict[str, str]:
    """The parameters of a form body; empty ones count as absent (RFC 6749 section 3.1).

    Raises:
        OAuthError: `invalid_request` for another media type, too much, not UTF-8, or a repeated parameter.
    """
    if request.content_type != "application/x-www-form-urlencoded":
        raise OAuthError("invalid_request", "send application/x-www-form-urlencoded")
    body = await read_bounded(request)
    if len(body) > MAX_FORM_BYTES:
        raise OAuthError("invalid_request", "the form is too large", status=413)
    try:
        pairs = parse_qsl(body.decode(), errors="strict", max_num_fields=MAX_FORM_FIELDS)
    except ValueError:
        raise OAuthError("invalid_request", "the form cannot be read") from None
    if len(dict(pairs)) != len(pairs):
        raise OAuthError("invalid_request", "a parameter is repeated")
    return dict(pairs)


class ClientAuthentication:
    """Finds out which client a request comes from."""

    def __init__(self, db: Database, audit: Audit) -> None:
        self._db = db
        self._audit = audit

    async def confidential(self, request: web.Request, form: Mapping[str, str]) -> Client:
        """The client that proved itself by Basic or by form.

        Raises:
            OAuthError: 401 `invalid_client`; 400 `invalid_request` if it tried both ways.
        """
        client_id, secret = _credentials(request, form)
        client = await self._db.read(authenticate, client_id, secret or "") if secret is not None else None
        if client is None:
            self._audit.note("client_authentication_failed")
            challenge = {"WWW-Authenticate": 'Basic realm="identity"'}
            raise OAuthError("invalid_client", "client authentication failed", status=401, headers=challenge)
        return client

    async def any(self, request: web.Request, form: Mapping[str, str]) -> str:
        """The client id: of a client that proved itself, or of the public client, which has nothing to prove.

        Raises:
            OAuthError: as `confidential`.
        """
        client_id, secret = _credentials(request, form)
        if secret is None and client_id in ("", FIRST_PARTY_CLIENT):
            return FIRST_PARTY_CLIENT
        return (await self.confidential(request, form)).client_id


def _credentials(request: web.Request, form: Mapping[str, str]) -> tuple[str, str | None]:
    """Client id and secret; the secret is None when none was sent."""
    headers = request.headers.getall("Authorization", [])
    if not headers:
        return form.get("client_id", ""), form.get("client_secret")
    if len(headers) > 1 or "client_secret" in form:
        raise OAuthError("invalid_request", "authenticate the client in one way only")
    client_id, secret = _basic(headers[0])
    if form.get("client_id", client_id) != client_id:
        raise OAuthError("invalid_request", "two client ids")
    return client_id, secret


def _basic(header: str) -> tuple[str, str]:
    """Both parts are form-encoded inside of Basic (RFC 6749 section 2.3.1)."""
    scheme, _, encoded = header.partition(" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode() if scheme.lower() == "basic" else ""
    except ValueError:  # no base64, no UTF-8, or not even ASCII
        text = ""
    client_id, _, secret = text.partition(":")
    return unquote_plus(client_id), unquote_plus(secret)
