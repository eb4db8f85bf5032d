"""InternalToken: the service gets a token of the gateway's own in place of the caller's.

The problem: a token from outside is good for the whole API and for as long as its issuer thinks. A service that gets
it, or whoever reads that service's logs, can go anywhere with it. The rule: behind a filter that authenticates, the
caller's token ends here. The service gets a short one, signed by the gateway, for this service (`aud`), in the caller's
name (`sub`, `client_id`), with those of the caller's scopes that the route means, and the listed claims and no others.

A token is made once for each caller's and used again until half of its time is over: whoever gets it has the other
half. It never outlives the caller's by more than a moment. Who has acted for whom before (`act`, RFC 8693 section 4.1)
stays in it.

A service that asks others in the caller's name (`onward`) must not do it with a token that is good at all of them. In
the mesh each of those gets one of its own, which the service's sidecar puts in place (gateway.filters.onward); without
a mesh services call each other directly, and the one token names them all.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.filters.onward_tokens import written_line
from gateway.filters.signing import SigningKeys
from gateway.http.messages import Reply, Request
from gateway.spec.identity import InternalToken, OnwardToken

NOT_AUTHENTICATED: Final = Reply(403, "not_authenticated", "nobody was verified in whose name a token could be made")
LEAST: Final = 5.0
"""Seconds that a token lives at least, when the caller's ends this moment (it was let in by the leeway)."""
_TAKEN_AWAY: Final = frozenset((b"authorization", b"dpop"))


class Made(NamedTuple):
    """A token that was made for one caller's."""

    claims: Mapping[str, Any]
    """The caller's: held, so that no others can come to have their id."""
    field: tuple[bytes, bytes]
    onward: bytes
    """The line with those for the service's own calls."""
    renew: float
    """Seconds since 1970 from which the next one is made."""


class InternalTokenFilter(Filter[InternalToken]):
    """Replaces `Authorization` by a token for the service behind the route."""

    Spec = InternalToken

    def __init__(self, spec: InternalToken, build: Build) -> None:
        super().__init__(spec, build)
        self._keys: SigningKeys = build.signing
        self._wall: Callable[[], float] = build.wall
        self._apart = spec.onward if build.in_mesh else ()
        named = spec.audiences if build.in_mesh else (*spec.audiences, *(one.audience for one in spec.onward))
        self._audience: str | list[str] = named[0] if len(named) == 1 else list(named)
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
        request.onward = made.onward
        return None

    def _make(self, claims: Mapping[str, Any], now: float) -> Made:
        told = self._told(claims, now)
        field = (b"authorization", b"Bearer " + self._keys.sign(told, now))
        tokens = {one.audience: self._keys.sign(self._onward(told, one), now) for one in self._apart}
        line = written_line(told["exp"], tokens)
        made = Made(claims, field, line, now + (told["exp"] - now) / 2)
        self._made.pop(id(claims), None)
        self._made[id(claims)] = made
        if len(self._made) > self.spec.cache_entries:
            del self._made[next(iter(self._made))]
        return made

    def _told(self, claims: Mapping[str, Any], now: float) -> dict[str, Any]:
        return token_claims(claims, self.spec, self._audience, now)

    def _onward(self, told: Mapping[str, Any], to: OnwardToken) -> dict[str, Any]:
        """For a service that the one behind the route asks: who asks is said in it (RFC 8693 section 4.1)."""
        actor = {"sub": self.spec.audiences[0]} | ({"act": told["act"]} if "act" in told else {})
        held = told["scope"].split()
        scope = " ".join(held if to.scopes is None else [one for one in held if one in to.scopes])
        return {**told, "aud": to.audience, "scope": scope, "act": actor, "jti": secrets.token_urlsafe(12)}

    def explain(self, request: Request, reply: Verdict) -> str:
        """What the service gets, without the token itself."""
        if reply is not None or request.claims is None:
            return reply.detail if reply else ""
        told = self._told(request.claims, self._wall())
        named = told["aud"] if isinstance(told["aud"], str) else ", ".join(told["aud"])
        scope = f"scope {told['scope']}" if told["scope"] else "no scope"
        apart = f"; others for its calls to {', '.join(one.audience for one in self._apart)}" if self._apart else ""
        return f"new token for {named}: {scope}, {self.spec.lifetime:.0f} s{apart}"


def token_claims(
    claims: Mapping[str, Any], spec: InternalToken, audience: str | list[str], now: float
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
        "scope": " ".join(asked if spec.scopes is None else [one for one in asked if one in spec.scopes]),
        "iat": int(now),
        "exp": int(min(now + spec.lifetime, max(ends, now + LEAST))),
        "jti": secrets.token_urlsafe(12),
    }
