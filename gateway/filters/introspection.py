"""TokenIntrospection: only requests pass whose token its issuer calls good, now (RFC 7662).

The problem: a signed token is good until it expires, whatever happened since, and an opaque one says nothing at all;
asking for every request makes the issuer as busy as the gateway. The rule: an answer is believed for `cacheFor`, which
is how long a revoked token may still pass; requests that come with one token at one time wait for one question; good
and bad answers are remembered apart, so that a flood of nonsense drives no good one out. While the issuer does not
answer nothing passes (503), unless `staleFor` says for how long former answers serve on.

A token is remembered by its SHA-256, never as it is.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import re
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

from gateway.filters.asking import Unanswered, ask
from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.filters.bearer import bearer_token, unauthorized
from gateway.filters.binding import UNBOUND, Binding, binding_of, bindings, check_holder
from gateway.filters.claim_headers import ClaimHeaders
from gateway.filters.introspected import read_answer
from gateway.filters.jose import MAX_TOKEN, BadToken
from gateway.http.messages import Headers, Reply, Request
from gateway.spec.identity import TokenIntrospection
from gateway.spec.secrets import read_secret

MAX_ASKING: Final = 128
"""Questions at one time, each about another token."""
_TOKEN: Final = re.compile(rb"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 section 2.1
UNAVAILABLE: Final = Reply(503, "introspection_unavailable", "whether the token is good cannot be asked at the moment")

log = logging.getLogger("gateway.introspection")


class Known(NamedTuple):
    """What the issuer said of one token."""

    until: float
    """Seconds since 1970 until which it is believed."""
    expires: float
    """When the token itself ends."""
    claims: dict[str, Any]
    fields: Headers
    bound: Binding
    """The certificate to whose owner it belongs (RFC 8705 section 3.2)."""
    bad: tuple[str, str] | None
    """Reason and detail, not the exception: one that is raised again and again grows by a traceback each time."""


class TokenIntrospectionFilter(Filter[TokenIntrospection]):
    """Requires a token that its issuer calls active; sets `claims` and `subject`."""

    Spec = TokenIntrospection
    authenticates = True

    def __init__(self, spec: TokenIntrospection, build: Build) -> None:
        super().__init__(spec, build)
        self._cluster = build.clusters[spec.cluster]
        self._wall = build.wall
        self._asked = build.metrics.introspections
        self._bindings = bindings(spec.certificate_bound, dpop=False)
        self._passed_on = ClaimHeaders(spec.claims_to_headers)
        self._good: dict[bytes, Known] = {}
        self._bad: dict[bytes, Known] = {}
        self._asking: dict[bytes, asyncio.Task[Known | None]] = {}

    def decide(self, request: Request) -> Decision:
        """Pass with claims, 401, or wait for the issuer's answer."""
        if request.claims is not None:  # given by `gatehouse explain --claims`, never by traffic
            request.subject = str(request.claims.get("sub", ""))
            return None
        token = bearer_token(request)
        if isinstance(token, Reply):
            return token
        if len(token) > MAX_TOKEN or not _TOKEN.fullmatch(token):
            return unauthorized("token_malformed", "a token is at most 8 KiB of letters, digits and -._~+/")
        key = hashlib.sha256(token).digest()
        known = self._good.get(key) or self._bad.get(key)
        if known is not None and known.until > self._wall():
            return self._answer(known, request)
        return self._wait(key, token, request)

    async def _wait(self, key: bytes, token: bytes, request: Request) -> Verdict:
        task = self._asking.get(key)
        if task is None:
            if len(self._asking) >= MAX_ASKING:
                return Reply(503, "introspection_overflow", "too many tokens are being asked about at the moment")
            task = self._asking[key] = asyncio.get_running_loop().create_task(self._ask(key, token))
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        known = await asyncio.shield(task)
        if known is None:
            former = self._good.get(key)
            stale = former is not None and self._wall() < min(former.until + self.spec.stale_for, former.expires)
            return self._answer(former, request) if former is not None and stale else UNAVAILABLE
        return self._answer(known, request)

    def _answer(self, known: Known, request: Request) -> Verdict:
        if known.bad is not None:
            return unauthorized(*known.bad)
        try:
            check_holder(request, known.bound)
        except BadToken as bad:
            return unauthorized(bad.reason, bad.detail)
        request.claims = known.claims
        request.subject = str(known.claims["sub"])
        self._passed_on.pass_on(request, known.fields)
        return None

    async def _ask(self, key: bytes, token: bytes) -> Known | None:
        """What the issuer says; None when it says nothing."""
        spec = self.spec
        try:
            headers = {"Authorization": f"Basic {self._credentials()}", "Accept": "application/json"}
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode({"token": token.decode("ascii"), "token_type_hint": "access_token"}).encode()
            answer = await ask(self._cluster, "POST", spec.path, timeout=spec.timeout, headers=headers, body=body)
            if answer.status != 200:
                raise Unanswered(f"status {answer.status}")
            known = self._read(answer.body)
        except (Unanswered, ValueError) as error:
            self._asked.add(spec.cluster, "failed")
            log.warning("introspection at %s: %s", spec.cluster, error)
            return None
        self._asked.add(spec.cluster, known.bad[0] if known.bad else "active")
        self._remember(key, known)
        return known

    def _credentials(self) -> str:
        """RFC 6749 section 2.3.1: name and secret are form-encoded before Basic joins them."""
        secret = read_secret(Path(self.spec.client_secret))
        pair = f"{quote(self.spec.client_id, safe='')}:{quote(secret, safe='')}"
        return base64.b64encode(pair.encode()).decode("ascii")

    def _read(self, body: bytes) -> Known:
        now = self._wall()
        try:
            claims, expires = read_answer(body, self.spec, now)
            bound = binding_of(claims, self._bindings)
            fields = self._passed_on.of(claims)
        except BadToken as bad:
            return Known(now + self.spec.cache_for, 0.0, {}, [], UNBOUND, (bad.reason, bad.detail))
        return Known(min(now + self.spec.cache_for, expires), expires, claims, fields, bound, None)

    def _remember(self, key: bytes, known: Known) -> None:
        """In its own cache, and no longer in the other; the oldest goes when there are too many."""
        cache, other = (self._bad, self._good) if known.bad else (self._good, self._bad)
        other.pop(key, None)
        cache.pop(key, None)
        cache[key] = known
        if len(cache) > self.spec.cache_entries:
            del cache[next(iter(cache))]

    def kept_with(self, build: Build) -> bool:
        """Only while the issuer is the same."""
        return build.clusters.get(self.spec.cluster) is self._cluster

    def explain(self, request: Request, reply: Verdict) -> str:
        """Whose token it is, and who says so."""
        if reply is not None or request.claims is None:
            return reply.detail if reply else ""
        if all(known.claims is not request.claims for known in self._good.values()):
            return f"sub={request.subject}, claims as given (nobody asked)"
        return f"sub={request.subject}, active says {self.spec.cluster}"
