"""The REST face: JSON over HTTP, versions as entity tags.

The problem: PATCH without a condition overwrites what others wrote meanwhile. The rule: an update must say which
version it is based on (If-Match, RFC 9110 section 13.1.1), else 428 (RFC 6585 section 3); a version that is not
the current one gets 412.
"""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from sample_services.kit.body import json_body
from sample_services.kit.problems import Problem
from sample_services.kit.propagation import current_traceparent
from sample_services.kit.service import Service
from sample_services.profiles import openapi
from sample_services.profiles.access import RULES
from sample_services.profiles.model import Changes, NewProfile, Profile, RecoveryRequest
from sample_services.profiles.operations import Profiles

MAX_BATCH = 100
_ETAG = re.compile(r'^"([1-9][0-9]{0,8})"$')
_IMPOSSIBLE = 0


class RestFace:
    """Handlers of the REST face."""

    def __init__(self, service: Service, profiles: Profiles) -> None:
        self._auth = service.auth
        self._profiles = profiles
        self._description = openapi.document(service.settings.public_url)

    def add_routes(self, app: web.Application) -> None:
        """Fixed paths first: aiohttp takes the first route that fits."""
        app.router.add_get("/profiles/openapi.json", self.describe)
        app.router.add_get("/profiles", self.read_many)
        app.router.add_post("/profiles", self.create)
        app.router.add_get("/profiles/{username}", self.read)
        app.router.add_patch("/profiles/{username}", self.update)
        app.router.add_delete("/profiles/{username}", self.drop)
        app.router.add_post("/profiles/{username}/recover", self.recover)

    async def describe(self, request: web.Request) -> web.Response:
        """GET /profiles/openapi.json"""
        return web.json_response(self._description)

    async def create(self, request: web.Request) -> web.Response:
        """POST /profiles"""
        claims = await self._auth.require(request, RULES["create"].scope)
        profile = await self._profiles.create(claims, await json_body(request, NewProfile))
        return _answer(profile, status=201, headers={"Location": f"/profiles/{profile.username}"})

    async def read(self, request: web.Request) -> web.StreamResponse:
        """GET /profiles/{username}"""
        claims = await self._auth.require(request, RULES["read"].scope)
        profile = await self._profiles.read(claims, request.match_info["username"])
        if request.headers.get("If-None-Match") == _etag(profile):
            return web.Response(status=304, headers=_validators(profile))
        return _answer(profile)

    async def read_many(self, request: web.Request) -> web.Response:
        """GET /profiles?usernames=a,b"""
        claims = await self._auth.require(request, RULES["read"].scope)
        usernames = list(dict.fromkeys(filter(None, request.query.get("usernames", "").split(","))))
        if not 1 <= len(usernames) <= MAX_BATCH:
            raise Problem(400, "invalid_query", f"usernames: 1 to {MAX_BATCH}, separated by commas")
        profiles = await self._profiles.read_many(claims, usernames)
        return web.json_response({"profiles": [profile.model_dump() for profile in profiles]})

    async def update(self, request: web.Request) -> web.Response:
        """PATCH /profiles/{username}"""
        claims = await self._auth.require(request, RULES["update"].scope)
        version = if_match(request.headers.get("If-Match"))
        if version is None:
            raise Problem(428, "if_match_required", "send the ETag that you last read as If-Match")
        changes = await json_body(request, Changes, also="application/merge-patch+json")
        return _answer(await self._profiles.update(claims, request.match_info["username"], changes, version))

    async def drop(self, request: web.Request) -> web.Response:
        """DELETE /profiles/{username}"""
        claims = await self._auth.require(request, RULES["drop"].scope)
        version = if_match(request.headers.get("If-Match"))
        await self._profiles.drop(claims, request.match_info["username"], version)
        return web.Response(status=204)

    async def recover(self, request: web.Request) -> web.Response:
        """POST /profiles/{username}/recover"""
        claims = await self._auth.require(request, RULES["recover"].scope)
        given = await json_body(request, RecoveryRequest) if request.can_read_body else RecoveryRequest()
        username = request.match_info["username"]
        profile = await self._profiles.recover(claims, username, given.reason, current_traceparent())
        answer: dict[str, Any] = {"profile": profile.model_dump(), "credential_reset": "pending"}
        return web.json_response(answer, headers=_validators(profile))


def if_match(header: str | None) -> int | None:
    """The version that If-Match names; None when it names none (absent, or `*`: any version).

    Our tags are strong and plain numbers; whatever else is sent matches no version (0 is never one).
    """
    if header is None or header.strip() == "*":
        return None
    match = _ETAG.match(header.strip())
    return int(match[1]) if match else _IMPOSSIBLE


def _answer(profile: Profile, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response(profile.model_dump(), status=status, headers={**_validators(profile), **(headers or {})})


def _validators(profile: Profile) -> dict[str, str]:
    return {"ETag": _etag(profile), "Cache-Control": "private, no-cache"}


def _etag(profile: Profile) -> str:
    return f'"{profile.version}"'
