"""Webhooks are sent until they are acknowledged.

The problem: the merchant may be away for a second or for an hour, and a sender that hammers makes that worse. The rule:
2xx acknowledges, anything else is tried again with growing pauses and jitter, each attempt signed anew under the same
id; after `MAX_ATTEMPTS`, some hours, it is given up. Redirects are not followed: a signed message goes where it was
meant to go, or nowhere.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import aiohttp
from prometheus_client import CollectorRegistry, Counter

from sample_services.kit.database import Database
from sample_services.kit.webhooks import sign_webhook
from sample_services.payments import store
from sample_services.payments.store import Delivery

BATCH: Final = 20
MAX_ATTEMPTS: Final = 20
FIRST_PAUSE_S: Final = 0.5
MAX_PAUSE_S: Final = 900.0
LOOK_AGAIN_S: Final = 5.0
TIMEOUT_S: Final = 5.0

Post = Callable[[bytes, dict[str, str]], Awaitable[int]]
"""Sends body and headers to the merchant; the status, 0 when there was no answer."""


def pause(attempts: int, spread: float) -> float:
    """Seconds until the next try, after this many; `spread` in [0, 1)."""
    longest = min(MAX_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(attempts, 16))
    return longest * (0.5 + spread / 2)


@dataclass
class Sender:
    """Sends what waits; one per database."""

    db: Database
    secret: str = field(repr=False)
    post: Post
    registry: CollectorRegistry
    log: logging.Logger
    clock: Callable[[], float] = time.time
    spread: Callable[[], float] = random.random
    _call: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.attempts = Counter(
            "payments_webhook_attempts", "Attempts to deliver, by outcome.", ("outcome",), registry=self.registry
        )

    def wake(self) -> None:
        """There is something to send: called after the commit."""
        self._call.set()

    async def run(self) -> None:
        """Sends until cancelled."""
        while True:
            await self.turn()
            await self._wait()

    async def turn(self) -> None:
        """Tries everything that is due, one after the other."""
        for delivery in await self.db.read(store.due, self.clock(), BATCH):
            await self.attempt(delivery)

    async def attempt(self, delivery: Delivery) -> None:
        """One try."""
        body = delivery.body.encode()
        headers = sign_webhook(delivery.id, body, [self.secret], self.clock())
        status = await self.post(body, {**headers, "Content-Type": "application/json"})
        outcome = "delivered" if 200 <= status < 300 else "waiting"
        if outcome == "waiting" and delivery.attempts + 1 >= MAX_ATTEMPTS:
            outcome = "given_up"
        now = self.clock()
        again = now + pause(delivery.attempts, self.spread()) if outcome == "waiting" else None
        await self.db.write(store.tried, delivery.id, outcome, again, now)
        self.attempts.labels(outcome).inc()
        self.log.info("webhook tried", extra={"webhook": delivery.id, "status": status, "outcome": outcome})

    async def _wait(self) -> None:
        """Until somebody calls, or the next one is due."""
        due = await self.db.read(store.next_due)
        left = LOOK_AGAIN_S if due is None else min(LOOK_AGAIN_S, max(0.0, due - self.clock()))
        with suppress(TimeoutError):
            await asyncio.wait_for(self._call.wait(), left)
        self._call.clear()


def poster(session: aiohttp.ClientSession, url: str) -> Post:
    """Sends to this address."""
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)

    async def post(body: bytes, headers: dict[str, str]) -> int:
        try:
            async with session.post(url, data=body, headers=headers, timeout=timeout, allow_redirects=False) as answer:
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return 0

    return post
