"""Where answers are kept: one worker's memory, bounded in bytes and in number.

The problem: whoever asks for a thousand addresses that nobody else wants can push out what everybody wants, and so can
one giant answer. The rule (a segmented LRU): an answer begins on probation and is protected once it has been given a
second time; the protected ones may take four fifths of the memory, and room is made among those on probation first, by
what was used longest ago. The size of one answer is limited. Answers on their way in are counted as well: together
they take as much again at most.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from gateway.filters.cache_key import Key, Place, variant
from gateway.filters.cache_policy import Terms, Times, values
from gateway.http.messages import Headers, Reply
from gateway.spec.models import CacheZone

if TYPE_CHECKING:
    from gateway.filters.cache_flights import Flight
    from gateway.filters.cache_pending import Pending

PROTECTED: Final = 0.8
MAX_VARIANTS: Final = 16
"""Answers for one key: what varies by more is not worth keeping."""
OVERHEAD: Final = 1_536
FIELD_OVERHEAD: Final = 160
"""Bytes that Python needs for an answer and for each field besides their text (measured: 2.5 kB with eight fields)."""
MAX_PASSING: Final = 1_000
PASSING_SECONDS: Final = 10.0
"""For so long nobody waits for an answer that could not be kept the last time (Varnish: hit-for-miss)."""

FlightKey = tuple[Key, bool, bytes]
"""Requests with the same one can be given the same answer."""


class Entry:
    """One kept answer."""

    __slots__ = ("body", "etag", "failed_until", "headers", "hits", "key", "modified", "names", "reply", "size",
                 "status", "terms", "times", "variant")  # fmt: skip

    def __init__(
        self, key: Key, names: tuple[bytes, ...], fingerprint: bytes, status: int, headers: Headers, body: bytes,
        terms: Terms, times: Times,
    ) -> None:  # fmt: skip
        self.key, self.names, self.variant = key, names, fingerprint
        self.status, self.headers, self.body = status, headers, body
        self.terms, self.times = terms, times
        self.etag = next(iter(values(headers, b"etag")), b"")
        self.modified = next(iter(values(headers, b"last-modified")), b"")
        self.reply = Reply(status, "", headers=tuple(headers), body=body)
        """What clients get, besides its age; the same object each time."""
        self.hits = 0
        self.failed_until = 0.0
        """Until then, on the monotonic clock, the service that failed is not asked again."""
        fields = sum(len(name) + len(value) + FIELD_OVERHEAD for name, value in headers)
        self.size = len(body) + key.size + OVERHEAD + fields

    def complete(self, body: bytes) -> None:
        """Its body has come, all of it."""
        self.size += len(body) - len(self.body)
        self.body = body
        self.reply = Reply(self.status, "", headers=tuple(self.headers), body=body)

    def __repr__(self) -> str:
        return f"<Entry {self.status} {self.key.place.path} {self.size} bytes {self.terms}>"

    def age(self, now: float) -> float:
        """RFC 9111 section 4.2.3: current_age, in seconds."""
        return self.terms.age + now - self.times.clock

    def left(self, now: float) -> float:
        """For how many seconds it stays fresh; negative when it is stale."""
        return self.terms.lifetime - self.age(now)


class Zone:
    """The memory of one name."""

    def __init__(self, spec: CacheZone, clock: Callable[[], float]) -> None:
        self.spec = spec
        self.clock = clock
        self.bytes = 0
        self.collecting = 0
        """Bytes of answers that are not complete yet."""
        self.flights: dict[FlightKey, Flight] = {}
        self.pending: set[Pending] = set()
        """Requests under way whose answers may be kept."""
        self._groups: dict[Key, list[Entry]] = {}
        self._places: dict[Place, set[Key]] = {}
        self._probation: OrderedDict[Entry, None] = OrderedDict()
        self._protected: OrderedDict[Entry, None] = OrderedDict()
        self._protected_bytes = 0
        self._passing: OrderedDict[FlightKey, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._probation) + len(self._protected)

    def __repr__(self) -> str:
        return f"<Zone {self.spec.name} {len(self)} entries, {self.bytes} bytes, {len(self.flights)} under way>"

    # -- looking ---------------------------------------------------------------------------------------------

    def find(self, key: Key, request_headers: Headers, identified: bool) -> Entry | None:
        """The newest answer for this request; changes nothing."""
        for entry in self._groups.get(key, ()):
            if identified and not entry.terms.shared:
                continue
            if not entry.names or entry.variant == variant(request_headers, entry.names):
                return entry
        return None

    def knows(self, key: Key) -> bool:
        """Whether there is an answer for this key, if not for this request."""
        return key in self._groups

    def flight_key(self, key: Key, request_headers: Headers, identified: bool) -> FlightKey:
        """Requests that will get the same answer, as far as one can know: by what the newest one varied by."""
        group = self._groups.get(key)
        return key, identified, variant(request_headers, group[0].names) if group else b""

    def touch(self, entry: Entry) -> None:
        """It was given: protect it."""
        entry.hits += 1
        if entry in self._protected:
            self._protected.move_to_end(entry)
        elif entry in self._probation:
            self._protect(entry)

    def _protect(self, entry: Entry) -> None:
        """What nobody has asked for in a long time loses its protection to it."""
        del self._probation[entry]
        self._protected[entry] = None
        self._protected_bytes += entry.size
        most_bytes, most = PROTECTED * self.spec.max_bytes, PROTECTED * self.spec.max_entries
        while self._protected_bytes > most_bytes or len(self._protected) > max(most, 1):
            old, _ = self._protected.popitem(last=False)
            self._protected_bytes -= old.size
            self._probation[old] = None

    # -- keeping ---------------------------------------------------------------------------------------------

    def put(self, entry: Entry) -> None:
        """Keep an answer, in place of the one that it makes out of date."""
        protected = False
        for old in tuple(self._groups.get(entry.key, ())):
            same = old.names == entry.names and old.variant == entry.variant
            if same and (entry.terms.shared or not old.terms.shared):
                entry.hits, protected = old.hits, old in self._protected
                self.drop(old)
        group = self._groups.setdefault(entry.key, [])
        self._places.setdefault(entry.key.place, set()).add(entry.key)
        group.insert(0, entry)
        self.bytes += entry.size
        self._probation[entry] = None
        if protected:
            self._protect(entry)
        if len(group) > MAX_VARIANTS:
            self.drop(group[-1])
        while self.bytes > self.spec.max_bytes or len(self) > self.spec.max_entries:
            self.drop(next(iter(self._probation or self._protected)))

    def drop(self, entry: Entry) -> None:
        """Forget an answer; one that is gone already is no mistake."""
        group = self._groups.get(entry.key, [])
        if entry not in group:
            return
        group.remove(entry)
        self.bytes -= entry.size
        if self._probation.pop(entry, self) is self:
            del self._protected[entry]
            self._protected_bytes -= entry.size
        if not group:
            del self._groups[entry.key]
            keys = self._places[entry.key.place]
            keys.discard(entry.key)
            if not keys:
                del self._places[entry.key.place]

    def invalidate(self, place: Place) -> int:
        """A write changed what is there (RFC 9111 section 4.4): forget it, and keep nothing that is on its way."""
        for pending in self.pending:
            if pending.place == place:
                pending.tainted = True
        found = [entry for key in self._places.get(place, ()) for entry in self._groups[key]]
        for entry in found:
            self.drop(entry)
        return len(found)

    def purge(self, path: str | None) -> int:
        """Forget what has this path, on every host; below it too when it ends with `*`; None: everything."""
        for pending in self.pending:
            pending.tainted = pending.tainted or _matches(pending.place.path, path)
        found = [entry for entry in self if _matches(entry.key.place.path, path)]
        for entry in found:
            self.drop(entry)
        return len(found)

    def __iter__(self) -> Iterator[Entry]:
        """Every kept answer, the one used longest ago first."""
        yield from self._probation
        yield from self._protected

    # -- what could not be kept ------------------------------------------------------------------------------

    def pass_by(self, key: FlightKey) -> None:
        """Nobody waits for this answer for a while."""
        self._passing[key] = self.clock() + PASSING_SECONDS
        self._passing.move_to_end(key)
        if len(self._passing) > MAX_PASSING:
            self._passing.popitem(last=False)

    def passes(self, key: FlightKey) -> bool:
        """Whether nobody should wait for it."""
        until = self._passing.get(key)
        if until is None:
            return False
        if until > self.clock():
            return True
        del self._passing[key]
        return False

    def view(self, most: int) -> dict[str, Any]:
        """The state for the admin API; the answers that were given most. Queries can hold secrets, so none is told."""
        now = self.clock()
        given = sorted(self, key=lambda one: one.hits, reverse=True)[:most]
        return {
            "name": self.spec.name,
            "bytes": self.bytes,
            "max_bytes": self.spec.max_bytes,
            "entries": len(self),
            "max_entries": self.spec.max_entries,
            "under_way": len(self.flights),
            "top": [
                {
                    "route": one.key.route,
                    "host": one.key.place.host,
                    "path": one.key.place.path,
                    "has_query": bool(one.key.query),
                    "status": one.status,
                    "bytes": one.size,
                    "age_seconds": round(one.age(now), 1),
                    "fresh_seconds": round(one.left(now), 1),
                    "hits": one.hits,
                }
                for one in given
            ],
        }


def _matches(path: str, wanted: str | None) -> bool:
    if wanted is None:
        return True
    return path.startswith(wanted[:-1]) if wanted.endswith("*") else path == wanted
