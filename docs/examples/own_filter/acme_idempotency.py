"""IdempotencyKey: a request that changes something says which one it is, and is not under way twice.

A client that got no answer sends again, and a service that cannot tell the two apart acts twice. Only the service can
give the first answer again; here a request without a key ends early, and so does one whose twin still runs
(draft-ietf-httpapi-idempotency-key-header-07, section 2.7).
"""

from __future__ import annotations

from typing import Literal

from gateway.filters.base import Build, Filter, FilterSpec, Reply, Request, Verdict
from gateway.spec.fields import Token

MISSING = Reply(400, "idempotency_key_missing", "send one header Idempotency-Key, new for each thing you want done")
RUNNING = Reply(409, "idempotency_key_in_use", "a request with this key is under way", ((b"retry-after", b"1"),))


class IdempotencyKey(FilterSpec):
    """What a configuration may say."""

    type: Literal["IdempotencyKey"] = "IdempotencyKey"
    methods: tuple[Token, ...] = ("POST", "PATCH")


class IdempotencyKeyFilter(Filter[IdempotencyKey]):
    """Knows the keys of requests that are under way, apart for each caller."""

    Spec = IdempotencyKey

    def __init__(self, spec: IdempotencyKey, build: Build) -> None:
        super().__init__(spec, build)
        self._running: dict[tuple[str, bytes], Request] = {}
        self._passed = build.metrics.counter("acme_idempotent_requests", "Requests that passed with a key.")

    def decide(self, request: Request) -> Verdict:
        """Look, and change nothing: `gatehouse explain` asks, too."""
        if request.method not in self.spec.methods:
            return None
        if len(request.all(b"idempotency-key")) != 1:
            return MISSING
        return RUNNING if self._key(request) in self._running else None

    def commit(self, request: Request) -> None:
        """It passed: from now on its key is taken."""
        if request.method in self.spec.methods:
            self._running[self._key(request)] = request
            self._passed.add()

    def on_end(self, request: Request) -> None:
        """It is over, whatever ended it. A twin that was refused ends, too, and must not free the key."""
        if self._running.get(self._key(request)) is request:
            del self._running[self._key(request)]

    def explain(self, request: Request, reply: Verdict) -> str:
        """What was seen, without the key itself."""
        if reply is not None:
            return reply.detail
        return "the key is free" if request.method in self.spec.methods else f"{request.method} needs no key"

    def _key(self, request: Request) -> tuple[str, bytes]:
        return request.subject or request.address, request.fields.get(b"idempotency-key", b"")
