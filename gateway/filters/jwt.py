"""JWT: only requests with a valid access token pass (RFC 6750, RFC 8725, RFC 9068).

The problem: verifying a signature costs more than the rest of the request, and tokens are sent again and again.
The rule: a token that was verified is remembered by its raw header bytes until it expires, in a bounded cache, as long
as the issuer's keys are of the same generation; everything else is verified in full: its form (`jose`), its signature
by PyJWT's algorithms with the one that the key is bound to, its claims (`claims`). A bad token is never remembered:
a flood of them is what the limit per address is for.

Where several issuers are believed, what the token says of its issuer chooses whose keys are tried, among those listed
and no others; that it is so is checked once more when the signature has been.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.filters.bearer import unauthorized
from gateway.filters.binding import BY_KEY, UNBOUND, Binding, binding_of, bindings, check_holder, is_holder
from gateway.filters.claim_headers import ClaimHeaders
from gateway.filters.claims import check_claims
from gateway.filters.jose import BadToken, Unverified, issuer_of, read_token
from gateway.filters.provider import Key, Provider
from gateway.http.messages import Headers, Reply, Request
from gateway.spec.identity import Jwt

MAX_CACHED_BYTES: Final = 16_777_216
NO_PROVIDER: Final = "none"
"""The provider in metrics when no listed one issued the token."""

Verified = tuple[float, Provider, int, dict[str, Any], Headers, Binding]
"""When it expires, whose it is, the generation of keys that verified it, its claims, the headers they become, and to
what it is bound."""


class JwtFilter(Filter[Jwt]):
    """Requires a token of one of its providers; sets `claims` and `subject`."""

    Spec = Jwt
    authenticates = True

    def __init__(self, spec: Jwt, build: Build) -> None:
        super().__init__(spec, build)
        self._providers = tuple(build.providers[name] for name in spec.all_providers)
        self._by_issuer = {one.spec.issuer: one for one in self._providers}
        self._only = self._providers[0] if len(self._providers) == 1 else None
        self._wall = build.wall
        self._checks = build.metrics.tokens
        self._undecided = build.metrics.undecided
        self._bindings = bindings(spec.certificate_bound, spec.dpop)
        self._schemes = (b"bearer", b"dpop") if spec.dpop else (b"bearer",)
        self._scheme_names = "Bearer (RFC 6750) or DPoP (RFC 9449)" if spec.dpop else "Bearer (RFC 6750)"
        self._passed_on = ClaimHeaders(spec.claims_to_headers) if spec.claims_to_headers else None
        self._cache: dict[bytes, Verified] = {}
        self._cached_bytes = 0
        self._entries = max(one.spec.cache_entries for one in self._providers)

    @classmethod
    def make(cls, spec: Jwt, build: Build) -> JwtFilter:
        """One that looks into the list of what was taken back, where one of the issuers has such a list."""
        if all(build.providers[name].revocations is None for name in spec.all_providers):
            return cls(spec, build)
        from gateway.filters.revocable_jwt import RevocableJwtFilter

        return RevocableJwtFilter(spec, build)

    def decide(self, request: Request) -> Decision:
        """Pass with claims, 401, or wait for keys."""
        if request.claims is not None:  # given by `gatehouse explain --claims`, never by traffic
            request.subject = str(request.claims.get("sub", ""))
            return None
        header = request.fields.get(b"authorization")
        if header is None:
            return unauthorized("token_missing", "send Authorization: Bearer <token>", error="")
        cached = self._cache.get(header)
        if (
            cached is not None
            and cached[0] > self._wall()
            and cached[1].generation == cached[2]
            and (cached[5] is UNBOUND or is_holder(request, cached[5]))
        ):
            claims = cached[3]
            request.claims = claims
            request.subject = claims["sub"]
            if self._passed_on is not None:
                self._passed_on.pass_on(request, cached[4])
            return None
        return self._check(header, request)

    def _check(self, header: bytes, request: Request) -> Decision:
        scheme, _, token = header.partition(b" ")
        if scheme.lower() not in self._schemes:
            return unauthorized("token_scheme", f"the scheme here is {self._scheme_names}", error="")
        provider = self._only
        try:
            if provider is None:
                provider = self._by_issuer.get(issuer_of(token))
            if provider is None:
                raise BadToken("jwt_issuer", "no issuer that is believed here issued the token (iss)")
            unverified = read_token(token, provider.spec.algorithms)
        except BadToken as bad:
            return self._refused(bad, provider)
        key = provider.keys.get(unverified.kid)
        if key is None:
            return self._wait_for_key(provider, header, unverified, request)
        return self._verify(provider, key, header, unverified, request)

    async def _wait_for_key(self, provider: Provider, header: bytes, token: Unverified, request: Request) -> Verdict:
        key = await provider.key(token.kid)
        if key is not None:
            return self._verify(provider, key, header, token, request)
        if not provider.keys:
            return Reply(503, "jwks_unavailable", "the issuer's keys cannot be fetched at the moment")
        return self._refused(BadToken("jwt_key_unknown", "the issuer publishes no such key"), provider)

    def _verify(self, provider: Provider, key: Key, header: bytes, token: Unverified, request: Request) -> Verdict:
        spec = provider.spec
        try:
            if not key.jwk.Algorithm.verify(token.signed, key.jwk.key, token.signature):
                raise BadToken("jwt_signature", "the signature does not fit")
            claims = token.claims()
            check_claims(claims, spec, self.spec.audiences or spec.audiences, self.spec.required_claims, self._wall())
            bound = binding_of(claims, self._bindings)
            check_holder(request, bound)
            self._check_scheme(header, bound)
            fields = self._passed_on.of(claims) if self._passed_on else []
        except BadToken as bad:
            return self._refused(bad, provider)
        self._checks.add(spec.name, "valid")
        expires = float(claims["exp"]) + spec.leeway
        self._remember(header, (expires, provider, provider.generation, claims, fields, bound))
        request.claims = claims
        request.subject = claims["sub"]
        if self._passed_on is not None:
            self._passed_on.pass_on(request, fields)
        return None

    def _check_scheme(self, header: bytes, bound: Binding) -> None:
        """RFC 9449 section 7: a token bound to a key comes as DPoP and never as Bearer, and no other comes as DPoP."""
        if self.spec.dpop and (header[:5].lower() == b"dpop ") is not (bound.method == BY_KEY):
            raise BadToken("token_scheme", "a token that is bound to a key, and no other, comes with the scheme DPoP")

    def _remember(self, header: bytes, verified: Verified) -> None:
        if self._cache.pop(header, None) is None:
            self._cached_bytes += len(header)
        self._cache[header] = verified
        while len(self._cache) > self._entries or self._cached_bytes > MAX_CACHED_BYTES:
            oldest = next(iter(self._cache))
            del self._cache[oldest]
            self._cached_bytes -= len(oldest)

    def _refused(self, bad: BadToken, provider: Provider | None) -> Reply:
        self._checks.add(provider.spec.name if provider else NO_PROVIDER, bad.reason)
        return unauthorized(bad.reason, bad.detail)

    def kept_with(self, build: Build) -> bool:
        """Only while its providers are the same: verified tokens belong to them."""
        return all(build.providers.get(one.spec.name) is one for one in self._providers)

    def explain(self, request: Request, reply: Verdict) -> str:
        """Whose token it was, how long it lives, and what the upstream is told of it."""
        if reply is not None or request.claims is None:
            return reply.detail if reply else ""
        told = ", ".join(f"{one.claim} as {one.header}" for one in self.spec.claims_to_headers)
        passed_on = f"; passes on {told}" if told else ""
        expires = request.claims.get("exp")
        if not isinstance(expires, int | float):
            return f"sub={request.subject}, claims as given (no token checked){passed_on}"
        return f"sub={request.subject}, expires in {_minutes(expires - self._wall())}{passed_on}"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
