"""InternalToken: the service gets a token of the gateway's own in place of the caller's.

The problem: a token from outside is good for the whole API and for as long as its issuer thinks. A service that gets
it, or whoever reads that service's logs, can go anywhere with it. The rule: behind a filter that authenticates, the
caller's token ends here. The service gets a short one, signed by the gateway, for this service (`aud`), in the caller's
name (`sub`, `client_id`), with those of the caller's scopes that the route means, and the listed claims and no others.

A token is made once for each caller's and used again until half of its time is over: whoever gets it has the other
half. It never outlives the caller's by more than a moment. Who has acted for whom before (`act`, RFC 8693 section 4.1)
stays in it; a hop that makes the next one adds itself there.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.filters.signing import SigningKeys
from gateway.http.messages import Reply, Request
from gateway.spec.identity import InternalToken

NOT_AUTHENTICATED: Final = Reply(403, "not_authenticated", "nobody was verified in whose name a token could be made")
LEAST: Final = 5.0
"""Seconds that a token lives at least, when the caller's ends this moment (it was let in by the leeway)."""
_TAKEN_AWAY: Final = frozenset((b"authorization", b"dpop"))


class Made(NamedTuple):
    """A token that was made for one caller's."""

    claims: Mapping[str, Any]
    """The caller's: held, so that no others can come to have their id."""
    field: tuple[bytes, bytes]
    renew: float
    """Seconds since 1970 from which the next one is made."""


class InternalTokenFilter(Filter[InternalToken]):
    """Replaces `Authorization` by a token for the service behind the route."""

    Spec = InternalToken

    def __init__(self, spec: InternalToken, build: Build) -> None:
        super().__init__(spec, build)
        self._keys: SigningKeys = build.signing
        self._wall: Callable[[], float] = build.wall
        self._scopes = None if spec.scopes is None else frozenset(spec.scopes)
        self._audience: str | list[str] = spec.audiences[0] if len(spec.audiences) == 1 else list(spec.audiences)
        self._made: dict[int, Made] = {}

    def decide(self, request: Request) -> Decision:
        """Exchange the token; filters that authenticate give the same claims object for the same token."""
        claims = request.claims
        if claims is None:
            return NOT_AUTHENTICATED
        now = self._wall()
        made = self._made.get(id(claims))
        if made is None or made.claims is not claims or made.renew <= now:
            made = self._make(claims, now)
        kept = [field for field in request.headers if field[0] not in _TAKEN_AWAY]
        request.replace_headers([*kept, made.field])
        return None

    def _make(self, claims: Mapping[str, Any], now: float) -> Made:
        told = token_claims(claims, self.spec, self._audience, self._scopes, now)
        field = (b"authorization", b"Bearer " + self._keys.sign(told, now))
        made = Made(claims, field, now + (told["exp"] - now) / 2)
        self._made.pop(id(claims), None)
        self._made[id(claims)] = made
        if len(self._made) > self.spec.cache_entries:
            del self._made[next(iter(self._made))]
        return made

    def explain(self, request: Request, reply: Verdict) -> str:
        """What the service gets, without the token itself."""
        if reply is not None or request.claims is None:
            return reply.detail if reply else ""
        told = token_claims(request.claims, self.spec, self._audience, self._scopes, self._wall())
        scope = f"scope {told['scope']}" if told["scope"] else "no scope"
        seconds = self.spec.lifetime
        return f"new token for {', '.join(self.spec.audiences)}: {scope}, {seconds:.0f} s"


def token_claims(
    claims: Mapping[str, Any],
    spec: InternalToken,
    audience: str | list[str],
    scopes: frozenset[str] | None,
    now: float,
) -> dict[str, Any]:
    """What the token says: of the caller's, only what is meant for the service."""
    ends = claims.get("exp", now + spec.lifetime)
    held = claims.get("scope", "")
    asked = held.split() if isinstance(held, str) else []
    told = {name: claims[name] for name in (*spec.claims, "act") if name in claims}
    return told | {
        "iss": spec.issuer,
        "sub": claims["sub"],
        "aud": audience,
        "client_id": claims.get("client_id") or claims.get("azp") or claims["sub"],
        "scope": " ".join(asked if scopes is None else [one for one in asked if one in scopes]),
        "iat": int(now),
        "exp": int(min(now + spec.lifetime, max(ends, now + LEAST))),
        "jti": secrets.token_urlsafe(12),
    }
