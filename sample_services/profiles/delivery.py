"""The sender of credential resets: takes what is due, asks identity, notes the outcome.

The problem: identity can be away for seconds or for a night, and this process can be stopped at any moment. The
rule: nothing is remembered here but in the database; a try that fails or is cut off leaves its intent pending, and
the next one comes after a growing, partly random delay. The intent carries its traceparent, so the call belongs to
the trace of the recovery, however much later it is made.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter

from sample_services.kit.client import HttpClient
from sample_services.kit.database import Database
from sample_services.kit.problems import Problem
from sample_services.kit.telemetry import Telemetry
from sample_services.profiles import recovery
from sample_services.profiles.recovery import Outcome, Reset

_IDLE = 2.0
"""Seconds until the next look: another copy of the service may have written an intent, and wakes only itself."""


def outcome_counter(registry: CollectorRegistry) -> Counter:
    """Tries by what came of them; a growing `postponed` says that identity is away."""
    return Counter(
        "profiles_credential_resets",
        "Tries to hand a credential reset to identity, by outcome.",
        ("outcome",),
        registry=registry,
    )


class Delivery:
    """Delivers pending resets, one after the other, the one that is due first first."""

    def __init__(
        self,
        database: Database,
        http: HttpClient,
        telemetry: Telemetry,
        outcomes: Counter,
        log: logging.Logger,
        clock: Callable[[], float] = time.time,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._http = http
        self._telemetry = telemetry
        self._outcomes = outcomes
        self._log = log
        self._clock = clock
        self._draw = draw
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """There is a new intent: look at once."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            self._wake.clear()
            wait = await self.step()
            try:
                await asyncio.wait_for(self._wake.wait(), wait)
            except TimeoutError:
                continue

    async def step(self) -> float:
        """Handle the first pending reset if it is due; answers how many seconds to wait before the next step."""
        found = await self._database.read(recovery.next_pending)
        if found is None:
            return _IDLE
        due_at, reset = found
        wait = due_at - self._clock()
        if wait > 0:
            return wait
        with self._telemetry.span("deliver credential reset", traceparent=reset.traceparent):
            await self._deliver(reset)
        return 0.0

    async def _deliver(self, reset: Reset) -> None:
        outcome = await self._send(reset)
        self._outcomes.labels(outcome or "postponed").inc()
        facts = {"username": reset.username, "reset_id": reset.id, "attempts": reset.attempts + 1}
        if outcome is None:
            wait = recovery.delay(reset.attempts, self._draw)
            await self._database.write(recovery.postpone, reset.id, self._clock() + wait)
            self._log.warning("credential reset postponed", extra={**facts, "retry_in_s": round(wait, 3)})
            return
        await self._database.write(recovery.settle, reset.id, outcome)
        self._log.log(
            logging.INFO if outcome == "delivered" else logging.ERROR, f"credential reset {outcome}", extra=facts
        )

    async def _send(self, reset: Reset) -> Outcome | None:
        try:
            answer = await self._http.request(
                "identity",
                "POST",
                "/credential-resets",
                token=await self._http.token(scope="credentials:reset"),
                json={"username": reset.username, "reason": reset.reason},
                headers={"Idempotency-Key": reset.id},
            )
        except Problem:
            return None
        return recovery.verdict(answer.status)
