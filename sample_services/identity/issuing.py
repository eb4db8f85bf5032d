"""Giving out tokens: login, client credentials, refresh.

The problem: every way to a token is a way in. The rule: all of them end in `_access_token`, which writes the
claims of RFC 9068 and nothing that the grants table does not allow; access tokens live 10 minutes, and only a
login gets a refresh token.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sample_services.identity import sessions
from sample_services.identity.audit import Audit
from sample_services.identity.clients import Client
from sample_services.identity.grants import FIRST_PARTY_CLIENT, narrow, scope_text
from sample_services.identity.keyring import KeyRing
from sample_services.identity.oauth import OAuthError
from sample_services.identity.opaque import new_id, new_secret
from sample_services.identity.passwords import Passwords
from sample_services.identity.revocation_outbox import ACCESS_LIFETIME_S
from sample_services.identity.sessions import Refused, Session
from sample_services.identity.users import User, find_user
from sample_services.kit.database import Database
from sample_services.kit.problems import Problem
from sample_services.kit.settings import Settings


@dataclass
class Issuer:
    """Issues tokens in the name of `settings.issuer`; `clock` is seconds since 1970."""

    settings: Settings
    db: Database
    ring: KeyRing
    passwords: Passwords
    audit: Audit
    clock: Callable[[], float]

    async def login(self, username: str, password: str) -> dict[str, Any]:
        """A token answer (RFC 6749 section 5.1) for the right password.

        Raises:
            Problem: 401 `bad_credentials`, whatever was wrong; 503 `overloaded`.
        """
        user = await self.db.read(find_user, username)
        usable = user is not None and not user.disabled
        if not await self.passwords.verify(user.password_hash if user and usable else None, password):
            self.audit.note("login_failed", subject=user.username if user else "")
            raise Problem(401, "bad_credentials", "the username or the password is wrong")
        assert user is not None  # verify() is never true for nobody
        session = Session(new_id(), user.username, FIRST_PARTY_CLIENT, scope_text(user.scopes))
        refresh_token = new_secret()
        now = self.clock()
        await self.db.write(sessions.open_session, session, refresh_token, now)
        self.audit.note("login_succeeded", subject=user.username, session=session.id)
        return self._user_answer(user, session, user.scopes, refresh_token, now)

    def client_credentials(self, client: Client, asked: str) -> dict[str, Any]:
        """A token answer for a client itself (RFC 6749 section 4.4); no refresh token, its secret is enough.

        Raises:
            OAuthError: `invalid_scope`.
        """
        scopes = narrow(asked, client.scopes)
        if not scopes:
            raise OAuthError("invalid_scope", "this client may not have that scope")
        self.audit.note("token_issued", subject=client.client_id, client=client.client_id)
        claims = {"sub": client.client_id, "client_id": client.client_id, "roles": []}
        return self._answer(claims, scope_text(scopes), self.clock())

    async def refresh(self, refresh_token: str, client_id: str, asked: str) -> dict[str, Any]:
        """A new pair of tokens for a refresh token, which is used up.

        Raises:
            OAuthError: `invalid_grant`, whatever was wrong with the token; `invalid_scope`.
        """
        replacement = new_secret()
        now = self.clock()
        session = await self.db.write(sessions.rotate, refresh_token, replacement, client_id, now)
        if isinstance(session, Refused):
            raise self._refused(session)
        user = await self.db.read(find_user, session.username)
        if user is None or user.disabled:
            await self.db.write(sessions.end_session, session.id, "user disabled", self.clock())
            raise OAuthError("invalid_grant", "the refresh token is not valid")
        # What the role lost since the login is lost now.
        scopes = narrow(asked, user.scopes & set(session.scope.split()))
        if scopes is None:
            await self.db.write(sessions.end_session, session.id, "scope refused", self.clock())
            raise OAuthError("invalid_scope", "more than the login was granted")
        self.audit.note("token_refreshed", subject=user.username, session=session.id)
        return self._user_answer(user, session, scopes, replacement, now)

    def _refused(self, refused: Refused) -> OAuthError:
        """Told apart in the audit log only: the caller may be the thief."""
        session = refused.session
        self.audit.note(
            "refresh_token_reused" if refused.why == "reused" else "refresh_refused",
            subject=session.username if session else "",
            session=session.id if session else "",
            why=refused.why,
        )
        return OAuthError("invalid_grant", "the refresh token is not valid")

    def _user_answer(
        self, user: User, session: Session, scopes: frozenset[str], refresh_token: str, now: float
    ) -> dict[str, Any]:
        claims = {
            "sub": user.username,
            "client_id": session.client_id,
            "roles": [user.role],
            "sid": session.id,
        }
        return self._answer(claims, scope_text(scopes), now) | {"refresh_token": refresh_token}

    def _answer(self, claims: dict[str, Any], scope: str, now: float) -> dict[str, Any]:
        return {
            "access_token": self._access_token(claims | {"scope": scope}, now),
            "token_type": "Bearer",
            "expires_in": ACCESS_LIFETIME_S,
            "scope": scope,
        }

    def _access_token(self, claims: dict[str, Any], now: float) -> str:
        """`now` was read before the session was written: who logs out everywhere afterwards means this token, too.

        `iat` keeps its fraction (RFC 7519 section 2, NumericDate): who logs in again at once does not mean the new one.
        """
        return self.ring.sign(
            {
                "iss": self.settings.issuer,
                "aud": self.settings.audience,
                "iat": now,
                "exp": int(now) + ACCESS_LIFETIME_S,
                "jti": new_id(),
                **claims,
            }
        )
