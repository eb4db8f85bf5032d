"""Which webhooks have been delivered: so that a copy does nothing, and a sender may try again what failed.

The problem: "seen before" says too little. The first attempt may have failed in the service, and a sender that tries
again is right; it may be under way; or it was delivered and only the answer got lost. The rule: an id is *taken* when a
webhook passes, *delivered* when the service answers 2xx, and free again when the exchange ends otherwise. One that is
taken or delivered is refused (409), or, as configured, acknowledged when it was delivered (204): its sender is content,
and the service sees it once.

In a store, looking and taking is one script, and who frees an id must be the one who has taken it: else a copy that is
broken off would free what was delivered. A gateway that dies in between leaves an id taken, for `UNDER_WAY` at most.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import deque
from typing import Any, Final, Protocol

from gateway.filters.base import Build, Decision, Verdict
from gateway.http.messages import Reply, Request
from gateway.spec.webhooks import WebhookSignature
from gateway.upstream.redis_account import Script
from gateway.upstream.store import Store

UNDER_WAY: Final = 60.0
OVERFLOW: Final = Reply(503, "webhook_overflow", "too many webhooks are remembered at the moment")
UNAVAILABLE: Final = Reply(
    503, "webhook_store_unavailable", "which webhooks were delivered cannot be asked at the moment"
)
ACKNOWLEDGED: Final = Reply(204, "webhook_replayed", "it was delivered before")
DELIVERED: Final = Reply(409, "webhook_replayed", "a webhook with this id was delivered before")
TAKEN: Final = Reply(409, "webhook_replayed", "a webhook with this id is being delivered", ((b"retry-after", b"1"),))

TAKE: Final = Script(
    "local known = redis.call('GET', KEYS[1])\n"
    "if known == 'free' then known = false end\n"
    "if known or ARGV[2] == '0' then return known end\n"
    "redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[1])\n"
    "return false"
)
FREE: Final = Script(  # by letting it end: the workers' user in Redis may delete nothing
    "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[1], 'free', 'PX', 1) end\nreturn false"
)


class Memory(Protocol):
    """What is known of ids; the exchange's request stands for the webhook on its way."""

    store: Store | None

    def ask(self, request: Request, message: bytes, *, claim: bool) -> Decision:
        """Pass, or the answer to one that is known."""

    def on_its_way(self, request: Request) -> None:
        """It has passed."""

    def delivered(self, request: Request) -> None:
        """The service has taken it."""

    def over(self, request: Request) -> None:
        """The exchange has ended, whichever way, and whether it had come this far or not."""


def known_reply(spec: WebhookSignature, *, delivered: bool) -> Reply:
    """The answer to an id that is known."""
    if not delivered:
        return TAKEN
    return ACKNOWLEDGED if spec.duplicates == "acknowledge" else DELIVERED


def name_of(message: bytes) -> str:
    """Under which name an id is remembered: of one length, whoever chose it."""
    return hashlib.sha256(message).hexdigest()[:32]


class LocalIds:
    """In this worker's memory."""

    store: Store | None = None

    def __init__(self, spec: WebhookSignature, build: Build) -> None:
        self._spec = spec
        self._clock = build.clock
        self._taken: dict[Request, str] = {}
        self._asked: tuple[Request, str] | None = None
        self._on_the_way: set[str] = set()
        self._delivered: set[str] = set()
        self._ends: deque[tuple[float, str]] = deque()

    def __len__(self) -> int:
        return len(self._on_the_way) + len(self._delivered)

    def ask(self, request: Request, message: bytes, *, claim: bool) -> Decision:
        """At once; taken is what passes in `on_its_way`, which follows without anybody in between."""
        self._forget()
        name = name_of(message)
        if name in self._on_the_way or name in self._delivered:
            return known_reply(self._spec, delivered=name in self._delivered)
        if len(self) >= self._spec.max_ids:
            return OVERFLOW  # to forget one would let it be used again
        self._asked = (request, name) if claim else None
        return None

    def on_its_way(self, request: Request) -> None:
        """Take the id."""
        if self._asked is not None and self._asked[0] is request:
            name = self._taken[request] = self._asked[1]
            self._on_the_way.add(name)
        self._asked = None

    def delivered(self, request: Request) -> None:
        """Remember it for `rememberFor`."""
        name = self._taken.pop(request, None)
        if name is not None:
            self._on_the_way.discard(name)
            self._delivered.add(name)
            self._ends.append((self._clock() + self._spec.remember_for, name))

    def over(self, request: Request) -> None:
        """Free what was taken and not delivered."""
        self._on_the_way.discard(self._taken.pop(request, ""))

    def _forget(self) -> None:
        now = self._clock()
        while self._ends and self._ends[0][0] <= now:
            self._delivered.discard(self._ends.popleft()[1])


class SharedIds:
    """In a store, for all workers and gateways together."""

    def __init__(self, spec: WebhookSignature, build: Build, store: Store) -> None:
        self.store: Store | None = store
        self._spec = spec
        self._redis = store
        self._undecided = build.metrics.undecided
        self._prefix = f"webhooks:{build.route}:{spec.sender}:"
        self._taken: dict[Request, tuple[str, str]] = {}
        """Key, and what says there that it is ours."""

    def ask(self, request: Request, message: bytes, *, claim: bool) -> Decision:
        """Look and take in one step."""
        key, ours = self._prefix + name_of(message), secrets.token_hex(8)
        if claim:
            self._taken[request] = key, ours
        words = int(UNDER_WAY * 1000), int(claim), ours
        return self._redis.run(
            TAKE, [key], words, lambda known: self._answered(request, known), lambda: self._failed(request)
        )

    def _answered(self, request: Request, known: Any) -> Verdict:
        if known is None:
            return None
        self._taken.pop(request, None)
        return known_reply(self._spec, delivered=known == b"delivered")

    def _failed(self, request: Request) -> Verdict:
        self._taken.pop(request, None)
        choice = self._spec.on_store_failure or "fail_closed"
        self._undecided.add(self._spec.type, self._spec.store or "", choice)
        return UNAVAILABLE if choice == "fail_closed" else None

    def on_its_way(self, request: Request) -> None:
        """It was taken when it was asked."""

    def delivered(self, request: Request) -> None:
        """Remember it for `rememberFor`; nobody waits for that."""
        taken = self._taken.pop(request, None)
        if taken is not None:
            seconds = self._spec.remember_for
            self._redis.ask(["SET", taken[0], "delivered", "PX", int(seconds * 1000)], lambda _: None, lambda: None)

    def over(self, request: Request) -> None:
        """Free what was taken and not delivered, also where nobody has waited for the answer."""
        taken = self._taken.pop(request, None)
        if taken is not None:
            self._redis.run(FREE, [taken[0]], [taken[1]], lambda _: None, lambda: None)
