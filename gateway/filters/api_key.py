"""ApiKey: only requests with a valid API key pass.

The problem: keys leak by what is logged and linked, and comparing them byte by byte tells how far a guess was right.
The rule: a key comes in a header, never in the query; its id finds the entry, its SHA-256 is compared in constant
time, and an unknown id takes the same way. The key itself ends here: the upstream learns who it is by claims.

What it says is what a token would: `sub` (the owner), `scope`, and besides `plan` and `key_id`, so that Authorize,
AuthorizationPolicy and RateLimit work as behind a token.
"""

from __future__ import annotations

import hmac
from typing import Final

from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.filters.claim_headers import ClaimHeaders
from gateway.filters.key_ring import Holder, KeyRing
from gateway.http.messages import Reply, Request
from gateway.spec.api_keys import KEY, digest
from gateway.spec.identity import ApiKey

NOBODY: Final = Holder("0" * 64, {}, 0.0, True)
"""What an unknown id is compared with."""
DAY: Final = 86_400.0


class ApiKeyFilter(Filter[ApiKey]):
    """Requires a key of one file; sets `claims` and `subject`."""

    Spec = ApiKey
    authenticates = True

    def __init__(self, spec: ApiKey, build: Build) -> None:
        super().__init__(spec, build)
        self._ring = KeyRing(spec.keys, build.metrics, build.clock)
        self._wall = build.wall
        self._checks = build.metrics.key_checks
        self._header = spec.header.encode()
        self._spellings = (self._header, self._header.replace(b"-", b"_"))
        self._passed_on = ClaimHeaders(spec.claims_to_headers)

    def decide(self, request: Request) -> Decision:
        """Pass with claims, or 401."""
        if request.claims is not None:  # given by `gatehouse explain --claims`, never by traffic
            request.subject = str(request.claims.get("sub", ""))
            return None
        sent = request.all(self._header)
        if len(sent) != 1:
            return self._unauthorized("api_key_missing", f"send one key in {self.spec.header}")
        known = self._ring.keys()
        if known is None:
            return Reply(503, "api_keys_unavailable", "the keys cannot be read at the moment")
        match = KEY.fullmatch(sent[0])
        holder = known.get(match[1].decode(), NOBODY) if match else NOBODY
        if not hmac.compare_digest(digest(sent[0]), holder.sha256):
            return self._unauthorized("api_key_invalid", "there is no such key")
        if holder.revoked:
            return self._unauthorized("api_key_revoked", "the key was revoked; use its successor")
        if holder.expires <= self._wall():
            return self._unauthorized("api_key_expired", "the key has expired; ask for a new one")
        self._checks.add("valid")
        self._let_in(request, holder)
        return None

    def _let_in(self, request: Request, holder: Holder) -> None:
        request.claims = holder.claims
        request.subject = holder.claims["sub"]
        request.headers = [field for field in request.headers if field[0] not in self._spellings]
        self._passed_on.pass_on(request, self._passed_on.of(holder.claims))

    def _unauthorized(self, reason: str, detail: str) -> Reply:
        self._checks.add(reason)
        challenge = f'ApiKey realm="gatehouse", header="{self.spec.header}"'
        return Reply(401, reason, detail, ((b"www-authenticate", challenge.encode("ascii")),))

    def explain(self, request: Request, reply: Verdict) -> str:
        """Whose key it is, and what it allows; never the key."""
        if reply is not None or request.claims is None:
            return reply.detail if reply else ""
        holder = (self._ring.keys() or {}).get(str(request.claims.get("key_id")))
        if holder is None or holder.claims is not request.claims:
            return f"sub={request.subject}, claims as given (no key checked)"
        left = (holder.expires - self._wall()) / DAY
        ends = "" if left == float("inf") else f", expires in {left:.0f} days"
        return f"key {request.claims['key_id']} of {request.subject}, plan {request.claims['plan']}{ends}"
