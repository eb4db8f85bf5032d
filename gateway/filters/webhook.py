"""WebhookSignature: only webhooks pass that their sender has signed, just now, and each of them once.

The problem: whoever knows the address of a webhook can send one, and whoever has read one can send it again. The rule
(Standard Webhooks 1.0.0): three headers, `webhook-id`, `webhook-timestamp` and `webhook-signature`; the signature is
HMAC-SHA256 over `id.timestamp.body`, in constant time, by any of the secrets (so they can change without a gap). The
timestamp is that of the attempt and must be young. The id stays the same when a sender tries again, so one that was
delivered is known, and one that failed may come again (webhook_memory).

An id with a full stop is refused, so that a sender that uses such ids is noticed at once: what it signs as `a.1` at
time `2` is signed as `a` at time `1` as well, with another body.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import re
from dataclasses import dataclass
from typing import Final

from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.filters.webhook_memory import LocalIds, Memory, SharedIds
from gateway.http.messages import Reply, Request, Response
from gateway.spec.webhooks import WebhookSignature, read_file, read_key

LOOK_EVERY: Final = 1.0
"""A file of secrets is read anew so often, in seconds."""
MAX_SIGNATURES: Final = 20
_ID: Final = re.compile(rb"[!-\-/-~]{1,256}")  # visible ASCII without "."
_TIMESTAMP: Final = re.compile(rb"[0-9]{1,12}")

log = logging.getLogger("gateway.webhooks")


@dataclass(frozen=True, slots=True)
class Signed:
    """What a webhook says of itself, not yet believed."""

    id: bytes
    timestamp: bytes
    signatures: tuple[bytes, ...]


class WebhookSignatureFilter(Filter[WebhookSignature]):
    """Requires a signed webhook; sets `claims` and `subject`."""

    Spec = WebhookSignature
    authenticates = True

    def __init__(self, spec: WebhookSignature, build: Build) -> None:
        super().__init__(spec, build)
        self.body_limit = spec.max_bytes
        self._clock, self._wall = build.clock, build.wall
        self._keys = tuple(map(read_key, spec.secrets))
        self._read_at = float("-inf")
        self._claims = {"sub": spec.sender}
        store = build.stores[spec.store] if spec.store else None
        self.memory: Memory = SharedIds(spec, build, store) if store else LocalIds(spec, build)

    def decide(self, request: Request) -> Decision:
        """Pass, 401, 409, or wait for the store."""
        return self._decide(request, claim=True)

    def preview(self, request: Request) -> Decision:
        """The same, and no id is taken."""
        return self._decide(request, claim=False)

    def _decide(self, request: Request, *, claim: bool) -> Decision:
        if request.claims is not None:  # given by `gatehouse explain --claims`, never by traffic
            request.subject = str(request.claims.get("sub", ""))
            return None
        signed = read_signed(request)
        if isinstance(signed, Reply):
            return signed
        if not self._fits(signed, request.body or b""):
            return _unauthorized(
                "webhook_signature_invalid", "no signature fits the id, the time and the body as they came"
            )
        away = int(signed.timestamp) - self._wall()
        if abs(away) > self.spec.tolerance:
            when = "old" if away < 0 else "far in the future"
            return _unauthorized(
                "webhook_expired", f"signed, but too {when}; sign each attempt anew, and compare clocks"
            )
        request.claims = self._claims
        request.subject = self.spec.sender
        return self.memory.ask(request, signed.id, claim=claim)

    def _fits(self, signed: Signed, body: bytes) -> bool:
        """Whether one of the signatures is that of one of the secrets; all are compared, whatever fits first."""
        content = b"%b.%b.%b" % (signed.id, signed.timestamp, body)
        found = False
        for key in self._secrets():
            expected = base64.b64encode(hmac.digest(key, content, hashlib.sha256))
            for signature in signed.signatures:
                found |= hmac.compare_digest(expected, signature)
        return found

    def _secrets(self) -> tuple[bytes, ...]:
        """Those of the file as it is now; one that is being written, or gone, changes nothing."""
        if self.spec.secret_file is not None and self._clock() - self._read_at >= LOOK_EVERY:
            self._read_at = self._clock()
            try:
                self._keys = read_file(self.spec.secret_file)
            except ValueError as error:
                log.error(
                    "secrets of %s: %s; %s", self.spec.sender, error, "those before serve on" if self._keys else ""
                )
        return self._keys

    def commit(self, request: Request) -> None:
        """It is on its way to the service."""
        self.memory.on_its_way(request)

    def on_response(self, request: Request, response: Response) -> None:
        """Delivered is what the service has taken (2xx)."""
        if 200 <= response.status < 300:
            self.memory.delivered(request)

    def on_end(self, request: Request) -> None:
        """What was not delivered may come again."""
        self.memory.over(request)

    def kept_with(self, build: Build) -> bool:
        """Only while its store is the same."""
        return self.spec.store is None or self.memory.store is build.stores.get(self.spec.store)

    def explain(self, request: Request, reply: Verdict) -> str:
        """Who signed it, and what for; never a secret or a signature."""
        if reply is not None:
            return reply.detail
        signed = read_signed(request)
        if isinstance(signed, Reply):
            return f"sub={request.subject}, claims as given (no signature checked)"
        age = self._wall() - int(signed.timestamp)
        return f"signed by {self.spec.sender}, id {signed.id.decode()}, {age:.0f} s old"


def _unauthorized(reason: str, detail: str) -> Reply:
    """401, with the challenge that RFC 9110 section 15.5.2 asks for."""
    return Reply(401, reason, detail, ((b"www-authenticate", b'Webhook realm="gatehouse"'),))


def read_signed(request: Request) -> Signed | Reply:
    """The three headers, or what is wrong with them."""
    ids, times, signatures = (request.all(b"webhook-" + name) for name in (b"id", b"timestamp", b"signature"))
    if not (ids and times and signatures):
        return _unauthorized("webhook_signature_missing", "send webhook-id, webhook-timestamp and webhook-signature")
    if len(ids) > 1 or len(times) > 1 or len(signatures) > 1:
        return _unauthorized("webhook_malformed", "each of the three headers comes once")
    if not _ID.fullmatch(ids[0]) or not _TIMESTAMP.fullmatch(times[0]):
        return _unauthorized(
            "webhook_malformed", "an id is visible ASCII without full stops, a timestamp is in seconds"
        )
    found = [one[3:] for one in signatures[0].split(b" ") if one.startswith(b"v1,")]  # v1a is another algorithm
    if not 0 < len(found) <= MAX_SIGNATURES:
        return _unauthorized(
            "webhook_malformed", f"send 1 to {MAX_SIGNATURES} signatures, as v1,BASE64, spaces between"
        )
    return Signed(ids[0], times[0], tuple(found))
