"""Bringing one revision to all workers: everyone accepts it, or nobody keeps it.

A roll-out is over as soon as a worker rejects the revision, or when every worker that was there has
accepted it or gone away. A worker that does not answer in time counts as a rejection: a gateway of which a
part has the old policy and a part the new one is the worst outcome.
"""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.control.channel import Worker
from gateway.control.messages import Ack
from gateway.control.revision import Revision

ACK_SECONDS = 10.0


class Rollout:
    """The acknowledgements still missing for one revision."""

    def __init__(self, revision: Revision, workers: list[Worker]) -> None:
        self.revision = revision
        self.acks: list[dict[str, Any]] = []
        self._waiting = set(workers)
        self._over = asyncio.Event()
        self._check()

    @property
    def errors(self) -> list[str]:
        """Why workers rejected it; empty if nobody did."""
        return [f"{ack['worker']}: {ack['error']}" for ack in self.acks if not ack["accepted"]]

    def ack(self, worker: Worker, ack: Ack) -> None:
        """A worker has answered, perhaps about an older revision."""
        if ack.version == self.revision.version and worker in self._waiting:
            error = None if ack.accepted else ack.error or "rejected without a reason"
            self._note(worker, ack.accepted, error, ack.stall_ms)

    def gone(self, worker: Worker) -> None:
        """A worker has left; its successor gets the current revision when it comes."""
        self._waiting.discard(worker)
        self._check()

    async def wait(self, within: float = ACK_SECONDS) -> list[str]:
        """Wait until it is over; the errors, none if all accepted."""
        try:
            await asyncio.wait_for(self._over.wait(), within)
        except TimeoutError:
            for worker in sorted(self._waiting, key=lambda one: one.name):
                self._note(worker, False, f"no answer within {within:g} s", None)
        return self.errors

    def _note(self, worker: Worker, accepted: bool, error: str | None, stall_ms: float | None) -> None:
        self._waiting.discard(worker)
        self.acks.append({"worker": worker.name, "accepted": accepted, "error": error, "stall_ms": stall_ms})
        self._check()

    def _check(self) -> None:
        if not self._waiting or self.errors:
            self._over.set()
