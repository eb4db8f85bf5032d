"""HTTP: the public keys, their rotation, and the document that says where everything is."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from sample_services.identity.audit import Audit
from sample_services.identity.grants import ALL_SCOPES
from sample_services.identity.keyring import KeyRing, NewKey, key_file, load_keys, rotate_keys
from sample_services.kit.auth import TokenVerifier
from sample_services.kit.body import json_body
from sample_services.kit.database import Database
from sample_services.kit.problems import Problem
from sample_services.kit.settings import Settings

FOLLOW_S = 0.5
"""How long a copy may sign with a key that another has retired; it stays published for much longer than that."""
MAX_PUBLISHED = 12
"""Verifiers read a bounded number of keys; rotating faster than old tokens expire must end somewhere."""


class RotationRequest(BaseModel):
    """The body of POST /keys/rotate. A compromised key is unpublished at once, and its tokens die with it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    compromised: bool = False


@dataclass
class KeyApi:
    """The endpoints about keys."""

    settings: Settings
    db: Database
    ring: KeyRing
    auth: TokenVerifier
    audit: Audit
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Routes of this part."""
        router.add_get("/jwks.json", self.jwks)
        router.add_get("/.well-known/openid-configuration", self.discovery)
        router.add_post("/keys/rotate", self.rotate)

    async def jwks(self, _: web.Request) -> web.Response:
        """GET /jwks.json (RFC 7517)."""
        return web.json_response({"keys": self.ring.published()}, headers={"Cache-Control": "public, max-age=300"})

    async def rotate(self, request: web.Request) -> web.Response:
        """POST /keys/rotate: the standby key begins to sign."""
        claims = await self.auth.require(request, "keys:rotate")
        wanted = await json_body(request, RotationRequest) if request.body_exists else RotationRequest()
        async with self._one_at_a_time:
            if len(self.ring.published()) >= MAX_PUBLISHED and not wanted.compromised:
                raise Problem(409, "too_many_keys", "wait until tokens of older keys have expired")
            await self._rotate(wanted.compromised)
        self.audit.note(
            "key_rotated",
            subject=claims.subject,
            client=claims.client_id,
            kid=self.ring.active_kid,
            compromised=wanted.compromised,
        )
        published = [key["kid"] for key in self.ring.published()]
        return web.json_response(
            {"active": self.ring.active_kid, "algorithm": self.ring.active_algorithm, "published": published}
        )

    async def _rotate(self, compromised: bool) -> None:
        # The new standby takes the place of the key that retires, so one of each algorithm stays.
        former = self.ring.active_kid
        fresh = await asyncio.to_thread(self._make, self.ring.active_algorithm)
        rotated = await self.db.write(rotate_keys, fresh, compromised, time.time(), former)
        self.ring.use(await self.db.read(load_keys))
        if not rotated:
            key_file(self.settings.data_dir / "keys", fresh.kid).unlink(missing_ok=True)
            raise Problem(409, "rotated_meanwhile", "another copy of identity has just rotated the keys: ask again")

    async def follow(self) -> None:
        """Take up what other copies of this service have rotated, for ever: a key that is not published is no key."""
        while True:
            await asyncio.sleep(FOLLOW_S)
            rows = await self.db.read(load_keys)
            if not self.ring.knows(rows):
                self.ring.use(rows)

    def _make(self, algorithm: str) -> NewKey:
        key = NewKey.generate(algorithm)
        key.save(self.settings.data_dir / "keys")
        return key

    async def discovery(self, _: web.Request) -> web.Response:
        """GET /.well-known/openid-configuration (OpenID Connect Discovery 1.0, RFC 8414).

        There is no authorization endpoint, since no grant here uses one (RFC 8414 section 2).
        """
        base = self.settings.public_url.rstrip("/") + "/auth"
        client_ways = ["client_secret_basic", "client_secret_post"]
        document = {
            "issuer": self.settings.issuer,
            "token_endpoint": f"{base}/token",
            "revocation_endpoint": f"{base}/revoke",
            "jwks_uri": f"{base}/jwks.json",
            "grant_types_supported": ["client_credentials", "refresh_token"],
            "response_types_supported": [],
            "subject_types_supported": ["public"],
            "scopes_supported": sorted(ALL_SCOPES),
            "token_endpoint_auth_methods_supported": [*client_ways, "none"],
            "revocation_endpoint_auth_methods_supported": [*client_ways, "none"],
            "id_token_signing_alg_values_supported": ["RS256", "EdDSA"],
        }
        return web.json_response(document, headers={"Cache-Control": "public, max-age=300"})
