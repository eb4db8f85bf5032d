"""HTTP: users, their passwords and sessions, and credential resets.

Who may do what: everyone their own, an administrator all. A stranger's name is refused before it is looked up, so
the answer does not tell who exists.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from sample_services.identity import sessions
from sample_services.identity.audit import Audit
from sample_services.identity.passwords import MAX_CHARS, MIN_CHARS, Passwords
from sample_services.identity.resets import Resets
from sample_services.identity.users import User, add_user, find_user, list_users, set_password
from sample_services.kit.auth import Claims, TokenVerifier
from sample_services.kit.body import json_body
from sample_services.kit.database import Database
from sample_services.kit.problems import Problem

USERNAME = r"^[a-z][a-z0-9._-]{1,31}$"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class NewUser(_Body):
    """The body of POST /users. Length is what makes a password strong (NIST SP 800-63B section 5.1.1.2)."""

    username: str = Field(pattern=USERNAME)
    password: str = Field(min_length=MIN_CHARS, max_length=MAX_CHARS, repr=False)
    role: Literal["customer", "support"] = "customer"


class PasswordChange(_Body):
    """The body of PUT /users/{username}/password."""

    current: str = Field(min_length=1, max_length=MAX_CHARS, repr=False)
    new: str = Field(min_length=MIN_CHARS, max_length=MAX_CHARS, repr=False)


class ResetRequest(_Body):
    """The body of POST /credential-resets."""

    username: str = Field(min_length=1, max_length=64)
    reason: str = Field(min_length=1, max_length=500)


class ResetCompletion(_Body):
    """The body of POST /credential-resets/{id}/complete."""

    code: str = Field(min_length=1, max_length=128, repr=False)
    new_password: str = Field(min_length=MIN_CHARS, max_length=MAX_CHARS, repr=False)


@dataclass
class UserApi:
    """The endpoints about users."""

    db: Database
    auth: TokenVerifier
    passwords: Passwords
    resets: Resets
    audit: Audit
    clock: Callable[[], float]
    weak: Callable[[str], bool] = lambda name: False

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Routes of this part."""
        router.add_get("/users", self.list)
        router.add_post("/users", self.create)
        router.add_get("/users/{username}", self.read)
        router.add_put("/users/{username}/password", self.change_password)
        router.add_delete("/users/{username}/sessions", self.end_sessions)
        router.add_post("/credential-resets", self.start_reset)
        router.add_post("/credential-resets/{id}/complete", self.complete_reset)

    async def list(self, request: web.Request) -> web.Response:
        """GET /users?after=NAME: 100 users, for administrators."""
        await self._administrator(request)
        users = await self.db.read(list_users, request.query.get("after", ""))
        return web.json_response({"users": [_public(user) for user in users]})

    async def create(self, request: web.Request) -> web.Response:
        """POST /users: for administrators; nobody can make another administrator."""
        claims = await self._administrator(request)
        wanted = await json_body(request, NewUser)
        password_hash = await self.passwords.hash(wanted.password)
        user = User(wanted.username, password_hash, wanted.role, disabled=False, created_at=self.clock())
        await self.db.write(add_user, user)
        self.audit.note("user_created", subject=claims.subject, client=claims.client_id, user=user.username)
        return web.json_response(_public(user), status=201, headers={"Location": f"/users/{user.username}"})

    async def read(self, request: web.Request) -> web.Response:
        """GET /users/{username}; `me` is oneself."""
        _, username = await self._own(request)
        user = await self.db.read(find_user, username)
        if user is None:
            raise Problem(404, "user_not_found", "nobody has this username")
        return web.json_response(_public(user))

    async def change_password(self, request: web.Request) -> web.Response:
        """PUT /users/{username}/password: with the current one, even for a valid token; ends all sessions."""
        claims, username = await self._own(request)
        wanted = await json_body(request, PasswordChange)
        user = await self.db.read(find_user, username)
        if not await self.passwords.verify(user.password_hash if user else None, wanted.current):
            raise Problem(403, "bad_credentials", "the current password is wrong")
        await self.db.write(_replace_password, username, await self.passwords.hash(wanted.new), self.clock())
        self.audit.note("password_changed", subject=claims.subject, client=claims.client_id, user=username)
        return web.Response(status=204)

    async def end_sessions(self, request: web.Request) -> web.Response:
        """DELETE /users/{username}/sessions: log out everywhere."""
        claims, username = await self._own(request)
        ended = await self.db.write(sessions.end_all, username, f"by {claims.subject}", self.clock())
        self.audit.note("sessions_ended", subject=claims.subject, user=username, sessions_ended=ended)
        return web.json_response({"sessions_ended": ended})

    async def start_reset(self, request: web.Request) -> web.Response:
        """POST /credential-resets: 202, or 200 when the same Idempotency-Key did it already."""
        claims = await self.auth.require(request, "credentials:reset")
        wanted = await json_body(request, ResetRequest)
        key = request.headers.get("Idempotency-Key")
        if key is not None and not 0 < len(key) <= 255:
            raise Problem(400, "invalid_idempotency_key", "1 to 255 characters")
        started = await self.resets.start(wanted.username, wanted.reason, claims.subject, key)
        document = {
            "id": started.id,
            "username": started.username,
            "expires_at": started.expires_at,
            "sessions_ended": started.sessions_ended,
        }
        if self.weak("tells-the-code") and started.is_new:  # LAB: soap-recover
            document["mail"] = (self.resets.mail / f"{started.id}.txt").read_text()
        return web.json_response(document, status=202 if started.is_new else 200)

    async def complete_reset(self, request: web.Request) -> web.Response:
        """POST /credential-resets/{id}/complete: no token; the mailed code is the proof."""
        wanted = await json_body(request, ResetCompletion)
        await self.resets.complete(request.match_info["id"], wanted.code, wanted.new_password)
        return web.Response(status=204)

    async def _administrator(self, request: web.Request) -> Claims:
        claims = await self.auth.require(request)
        if "admin" not in claims.roles:
            raise Problem(403, "not_an_administrator", "this is for administrators")
        return claims

    async def _own(self, request: web.Request) -> tuple[Claims, str]:
        """Who asks, and the user that the path names, if that is the asker's to name."""
        claims = await self.auth.require(request)
        named = request.match_info["username"]
        username = claims.subject if named == "me" else named
        if username != claims.subject and "admin" not in claims.roles:
            raise Problem(403, "not_yours", "this is another user")
        return claims, username


def _replace_password(connection: Any, username: str, password_hash: str, now: float) -> None:
    set_password(connection, username, password_hash)
    sessions.end_all(connection, username, "password changed", now)


def _public(user: User) -> dict[str, Any]:
    return {
        "username": user.username,
        "role": user.role,
        "disabled": user.disabled,
        "created_at": user.created_at,
        "scopes": sorted(user.scopes),
    }
