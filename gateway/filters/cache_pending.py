"""A request that the cache let through, from its head to the end of its answer.

The problem: between asking and keeping anything can happen: a write, a purge, a client that leaves, an answer that
grows too large. The rule: what is known of it stands here; an answer is kept only when its last byte has come and
nothing has spoken against it in the meantime.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gateway.filters.cache_conditions import Conditions
from gateway.filters.cache_key import Key, Place, variant, varying
from gateway.filters.cache_policy import Terms, Times, vary
from gateway.filters.cache_store import Entry, FlightKey, Zone
from gateway.http.hop import NOT_DOWNSTREAM, nominated
from gateway.http.messages import Headers, Response

if TYPE_CHECKING:
    from gateway.filters.cache_flights import Flight


class Pending:
    """One such request."""

    __slots__ = (
        "asked",
        "conditions",
        "draft",
        "entry",
        "flight",
        "flight_key",
        "headers",
        "identified",
        "is_get",
        "keeps",
        "key",
        "place",
        "result",
        "sent",
        "size",
        "tainted",
        "why",
    )  # fmt: skip

    def __init__(self, place: Place, sent: float) -> None:
        self.place = place
        self.sent = sent
        """When it was let through, on the monotonic clock."""
        self.key: Key | None = None
        """None for a request whose answer is not kept in any case."""
        self.flight_key: FlightKey | None = None
        self.flight: Flight | None = None
        """That it leads."""
        self.entry: Entry | None = None
        """What is kept for it already."""
        self.asked = False
        """Whether the service is asked if that still holds."""
        self.identified = False
        self.is_get = False
        self.keeps = True
        """Whether the client lets its answer be kept."""
        self.headers: Headers = ()
        """The request's fields, before any filter behind has changed them."""
        self.conditions = Conditions(None, None)
        self.draft: Entry | None = None
        """What will be kept, as yet without its body."""
        self.size = 0
        """Bytes of the body that have come."""
        self.tainted = False
        """Whether a write or a purge came in between."""
        self.why = ""
        self.result = "miss"

    def __repr__(self) -> str:
        return f"<Pending {self.place.path} {self.result} tainted={self.tainted}>"

    def entry_from(self, status: int, headers: Headers, body: bytes, terms: Terms, times: Times) -> Entry:
        """What is kept of an answer to it."""
        assert self.key is not None
        names = varying(vary(headers))
        return Entry(self.key, names, variant(self.headers, names), status, headers, body, terms, times)


class Collector:
    """The stream that an answer passes while it is kept."""

    keeps_length = True

    def __init__(self, zone: Zone, pending: Pending) -> None:
        self._zone = zone
        self._pending = pending
        self._pieces: list[bytes] = []

    def feed(self, data: bytes) -> bytes:
        """Remember a piece, as long as there is room."""
        pending, zone = self._pending, self._zone
        if pending.draft is not None:
            self._pieces.append(data)
            pending.size += len(data)
            zone.collecting += len(data)
            if pending.size > zone.spec.max_object_bytes or zone.collecting > zone.spec.max_bytes:
                self._pieces.clear()
                pending.draft = None
                release(zone, pending)
        return data

    def end(self) -> bytes:
        """All of it has come: keep it."""
        pending, draft = self._pending, self._pending.draft
        if draft is not None and not pending.tainted:
            draft.complete(b"".join(self._pieces))
            self._zone.put(draft)
        if pending.flight is not None:
            pending.flight.land()
        return b""


def release(zone: Zone, pending: Pending) -> None:
    """This answer cannot be kept: whoever waits asks for itself, and for a while nobody waits."""
    if pending.flight_key is not None:
        zone.pass_by(pending.flight_key)
    if pending.flight is not None:
        pending.flight.land()


def lasting(response: Response, date: bytes) -> Headers:
    """The fields of an answer that are kept: not those of the connection, of its framing, or of its age.

    Args:
        date: the value of Date for an answer without one (RFC 9110 section 6.6.1).
    """
    gone = NOT_DOWNSTREAM | {b"age"} | nominated(response.headers)
    kept: Sequence[tuple[bytes, bytes]] = [field for field in response.headers if field[0] not in gone]
    return kept if any(name == b"date" for name, _ in kept) else [*kept, (b"date", date)]
