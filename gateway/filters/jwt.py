"""JWT: only requests with a valid access token pass (RFC 6750, RFC 8725, RFC 9068).

The problem: verifying a signature costs more than the rest of the request, and tokens are sent again and again.
The rule: a token that was verified is remembered by its raw header bytes until it expires, in a bounded cache that
belongs to one generation of the issuer's keys; everything else is verified in full: its form (`jose`), its signature
by PyJWT's algorithms with the one that the key is bound to, its claims (`claims`). A bad token is never remembered:
a flood of them is what the limit per address is for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.filters.claims import check_claims
from gateway.filters.jose import BadToken, Unverified, read_token
from gateway.filters.provider import Key
from gateway.http.messages import Reply, Request
from gateway.spec.filters import Jwt

MAX_CACHED_BYTES: Final = 16_777_216


class JwtFilter(Filter[Jwt]):
    """Requires a token of one provider; sets `claims` and `subject`."""

    Spec = Jwt
    authenticates = True

    def __init__(self, spec: Jwt, build: Build) -> None:
        super().__init__(spec, build)
        self._provider = build.providers[spec.provider]
        self._wall = build.wall
        self._checks = build.metrics.tokens
        self._cache: dict[bytes, tuple[float, Mapping[str, Any]]] = {}
        self._cached_bytes = 0
        self._generation = 0

    def decide(self, request: Request) -> Decision:
        """Pass with claims, 401, or wait for keys."""
        if request.claims is not None:  # given by `gatehouse explain --claims`, never by traffic
            request.subject = str(request.claims.get("sub", ""))
            return None
        header = request.fields.get(b"authorization")
        if header is None:
            return _unauthorized("token_missing", "send Authorization: Bearer <token>", error="")
        cached = self._cache.get(header)
        if cached is not None and cached[0] > self._wall() and self._generation == self._provider.generation:
            claims = cached[1]
            request.claims = claims
            request.subject = claims["sub"]
            return None
        return self._check(header, request)

    def _check(self, header: bytes, request: Request) -> Decision:
        scheme, _, token = header.partition(b" ")
        if scheme.lower() != b"bearer":
            return _unauthorized("token_scheme", "the scheme here is Bearer (RFC 6750)", error="")
        try:
            unverified = read_token(token, self._provider.spec.algorithms)
        except BadToken as bad:
            return self._refused(bad)
        key = self._provider.keys.get(unverified.kid)
        if key is None:
            return self._wait_for_key(header, unverified, request)
        return self._verify(key, header, unverified, request)

    async def _wait_for_key(self, header: bytes, token: Unverified, request: Request) -> Verdict:
        key = await self._provider.key(token.kid)
        if key is not None:
            return self._verify(key, header, token, request)
        if not self._provider.keys:
            return Reply(503, "jwks_unavailable", "the issuer's keys cannot be fetched at the moment")
        return self._refused(BadToken("jwt_key_unknown", "the issuer publishes no such key"))

    def _verify(self, key: Key, header: bytes, token: Unverified, request: Request) -> Verdict:
        spec = self._provider.spec
        try:
            if not key.jwk.Algorithm.verify(token.signed, key.jwk.key, token.signature):
                raise BadToken("jwt_signature", "the signature does not fit")
            claims = token.claims()
            check_claims(claims, spec, self._wall())
        except BadToken as bad:
            return self._refused(bad)
        self._checks.add(spec.name, "valid")
        self._remember(header, float(claims["exp"]) + spec.leeway, claims)
        request.claims = claims
        request.subject = claims["sub"]
        return None

    def _remember(self, header: bytes, expires: float, claims: Mapping[str, Any]) -> None:
        if self._generation != self._provider.generation:
            self._cache.clear()
            self._cached_bytes = 0
            self._generation = self._provider.generation
        self._cache[header] = (expires, claims)
        self._cached_bytes += len(header)
        while len(self._cache) > self._provider.spec.cache_entries or self._cached_bytes > MAX_CACHED_BYTES:
            oldest = next(iter(self._cache))
            del self._cache[oldest]
            self._cached_bytes -= len(oldest)

    def _refused(self, bad: BadToken) -> Reply:
        self._checks.add(self._provider.spec.name, bad.reason)
        return _unauthorized(bad.reason, bad.detail)

    def kept_with(self, build: Build) -> bool:
        """Only while its provider is the same: verified tokens belong to it."""
        return build.providers.get(self.spec.provider) is self._provider

    def explain(self, request: Request, reply: Verdict) -> str:
        """Whose token it was and how long it lives."""
        if reply is not None or request.claims is None:
            return reply.detail if reply else ""
        expires = request.claims.get("exp")
        if not isinstance(expires, int | float):
            return f"sub={request.subject}, claims as given (no token checked)"
        return f"sub={request.subject}, expires in {_minutes(expires - self._wall())}"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def _unauthorized(reason: str, detail: str, error: str = "invalid_token") -> Reply:
    """401 with the challenge of RFC 6750 section 3: no error code when no token was sent."""
    challenge = (
        f'Bearer realm="gatehouse", error="{error}", error_description="{reason}"'
        if error
        else ('Bearer realm="gatehouse"')
    )
    return Reply(401, reason, detail, ((b"www-authenticate", challenge.encode("ascii")),))
