"""Taking tokens back (RFC 7009) and saying whether they are still good (RFC 7662).

The problem: an access token verifies by itself until it expires, whatever happened since. The rule: what was
revoked is remembered here for as long as the token would live; who must know exactly asks by introspection; the gateway
is told by a list in Redis, within milliseconds (revocation_relay); everybody else is wrong for at most 10 minutes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sample_services.identity import revocation_outbox, sessions
from sample_services.identity.audit import Audit
from sample_services.identity.oauth import OAuthError
from sample_services.kit.auth import Claims, TokenVerifier
from sample_services.kit.database import Database
from sample_services.kit.problems import Problem


@dataclass
class Revocations:
    """Revokes and introspects the tokens of this issuer."""

    db: Database
    auth: TokenVerifier
    audit: Audit
    clock: Callable[[], float]

    async def revoke(self, token: str, client_id: str) -> None:
        """End the session of a refresh token, or revoke one access token; an unknown token is no error.

        Raises:
            OAuthError: `invalid_grant` when the token is another client's (RFC 7009 section 2.1).
        """
        session = await self.db.read(sessions.find_session, token)
        if session is not None:
            _must_be_own(session.client_id, client_id)
            await self.db.write(sessions.end_session, session.id, "revoked", self.clock())
            self.audit.note("token_revoked", subject=session.username, client=client_id, session=session.id)
            return
        claims = await self._verified(token)
        if claims is not None:
            _must_be_own(claims.client_id, client_id)
            await self.db.write(_remember_revoked, str(claims.raw["jti"]), claims.expires, self.clock())
            self.audit.note("token_revoked", subject=claims.subject, client=client_id)

    async def introspect(self, token: str) -> dict[str, Any]:
        """The token's state; of one that is not active nothing else is told (RFC 7662 section 2.2)."""
        claims = await self._verified(token)
        if claims is not None and await self.db.read(_is_active, claims, self.clock()):
            return _description(claims)
        session = await self.db.read(_usable_session, token, self.clock())
        if session is not None:
            return {
                "active": True,
                "token_type": "refresh_token",
                "client_id": session.client_id,
                "username": session.username,
                "sub": session.username,
                "scope": session.scope,
            }
        return {"active": False}

    async def _verified(self, token: str) -> Claims | None:
        try:
            return await self.auth.verify(token)
        except Problem:
            return None


def _must_be_own(owner: str, client_id: str) -> None:
    if owner != client_id:
        raise OAuthError("invalid_grant", "the token was not issued to this client")


def _description(claims: Claims) -> dict[str, Any]:
    told = ("iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "roles")
    return {"active": True, "token_type": "Bearer", "username": claims.subject} | {
        name: claims.raw[name] for name in told if name in claims.raw
    }


def _remember_revoked(connection: sqlite3.Connection, jti: str, expires_at: float, now: float) -> None:
    connection.execute("INSERT OR IGNORE INTO revoked_tokens (jti, expires_at) VALUES (?, ?)", (jti, expires_at + 60))
    revocation_outbox.add(connection, "jti", jti, now, expires_at)


def _is_active(connection: sqlite3.Connection, claims: Claims, now: float) -> bool:
    """Neither revoked itself, nor its session ended; a client's own token has no session."""
    jti = str(claims.raw["jti"])
    if connection.execute("SELECT 1 FROM revoked_tokens WHERE jti = ?", (jti,)).fetchone() is not None:
        return False
    session_id = claims.raw.get("sid")
    return session_id is None or sessions.is_active(connection, str(session_id), now)


def _usable_session(connection: sqlite3.Connection, token: str, now: float) -> sessions.Session | None:
    usable = sessions.is_usable(connection, token, now)
    return sessions.find_session(connection, token) if usable else None
