"""What happened to requests that are over: kept for those that were denied and for those that were sampled.

The problem: whoever was refused has a trace id and wants to know which line refused them, on what values; by then
buckets have filled up again and the configuration is another one. The rule: the explanation is made when the
exchange ends, by the filters that ran, and only for requests that were refused (by us or by the service), broken,
or sampled; a good request that nobody records pays for none of it. How many are kept between two reports is
bounded, apart for denied and for sampled ones: a flood of either does not push out the other.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import orjson

from gateway.http.messages import Reply
from gateway.observability.tracing import Ids
from gateway.roles.explain import Explanation
from gateway.roles.past_explanation import past_explanation, refusal_explanation

if TYPE_CHECKING:
    from gateway.roles.facts import Facts

log = logging.getLogger("gateway.past")

MAX_DENIED: Final = 200
MAX_PASSED: Final = 50
"""Explanations kept between two reports to control, which come four times a second."""
MAX_BYTES: Final = 400_000
"""The size of each of the two lists: together they fit into what the line to control lets wait."""


class Past:
    """The latest explanations, until the control process takes them."""

    def __init__(self) -> None:
        self._denied = _Kept(MAX_DENIED)
        self._passed = _Kept(MAX_PASSED)

    def add(self, exchange: Facts, duration: float) -> None:
        """Explain an exchange that has just ended; when there is no room it costs a comparison."""
        kept = self._denied if exchange.reason or exchange.status >= 400 else self._passed
        if not kept.has_room():
            return
        try:
            kept.add(past_explanation(exchange, duration))
        except Exception:  # the client's answer must not depend on it
            log.exception("an exchange cannot be explained: %r", exchange)
            kept.dropped += 1

    def add_refusal(self, reply: Reply, peer: str, ids: Ids) -> None:
        """Explain an answer to bytes that were no request."""
        if self._denied.has_room():
            self._denied.add(refusal_explanation(reply, peer, ids))

    def take(self) -> dict[str, Any] | None:
        """What was kept since the last time, as a message has it; None when there is nothing to tell."""
        denied, passed = self._denied, self._passed
        if not (denied.documents or passed.documents or denied.dropped or passed.dropped):
            return None
        self._denied, self._passed = _Kept(MAX_DENIED), _Kept(MAX_PASSED)
        fragments = [orjson.Fragment(one) for one in (*denied.documents, *passed.documents)]
        return {"explanations": fragments, "dropped": denied.dropped + passed.dropped}


class _Kept:
    """A list with two bounds; what finds no room is counted."""

    __slots__ = ("_most", "_size", "documents", "dropped")

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self.documents: list[bytes] = []
        self.dropped = 0

    def has_room(self) -> bool:
        if len(self.documents) < self._most and self._size < MAX_BYTES:
            return True
        self.dropped += 1
        return False

    def add(self, explanation: Explanation) -> None:
        document = orjson.dumps(explanation)
        self._size += len(document)
        self.documents.append(document)
