"""Cache: answers that say so are given again, without asking the service (RFC 9111, as a shared cache).

The problem: an answer given again saves the service's work, and is a fault when it is old, or somebody else's. The
rule: the answer says whether and for how long (cache_policy); what is not in the key does not reach the service
(cache_key); filters in front of this one decide about each request, also about one that is answered from memory.

    decide        a fresh answer, a stale one where that is allowed, or 504 (only-if-cached);
                  else the request passes, or waits for one like it (cache_flights)
    commit        it passes: reduced to its key, with the question whether what is kept still holds
    on_response   304: the kept answer, made fresh; 5xx: the kept one, if it allows that; a write: forget what it
                  changed; else begin to keep the answer, or say why not
    stream        the body passes, and is kept at its end
    on_failure    no answer came: the kept one, if it allows that

What is kept is not compressed: the service is asked for `identity`, and Compression stands in front. Each worker keeps
for itself. Cache-Status (RFC 9211) tells on every answer what was done and why.
"""

from __future__ import annotations

from email.utils import formatdate
from typing import Final, NamedTuple

from gateway.filters.answers import Stream
from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.filters.cache_conditions import Conditions, asking, fields_of_304, is_about, updated
from gateway.filters.cache_directives import Directives, seconds
from gateway.filters.cache_flights import Flight
from gateway.filters.cache_key import LONGEST, SAFE, Key, Keys, Place, asked, is_identified, why_bypass
from gateway.filters.cache_pending import Collector, Pending, lasting, release
from gateway.filters.cache_policy import STORABLE, Defaults, Times, terms, why_not
from gateway.filters.cache_store import Entry, FlightKey
from gateway.http.messages import Reply, Request, Response
from gateway.spec.caching import Cache

NOT_KEPT: Final = Reply(504, "only_if_cached", "the request asks for a kept answer only, and none is kept")
FAILURES: Final = frozenset((500, 502, 503, 504))
"""RFC 5861 section 4."""
PROBE_SECONDS: Final = 1.0
"""While a service fails it is asked once in this time; the others get the kept answer at once."""


class Look(NamedTuple):
    """What the cache has for a request, and what follows."""

    what: str
    """`hit` or `stale`: give `entry`; `fetch`: ask the service; `bypass`: not a matter of this cache."""
    why: str = ""
    """The word for Cache-Status."""
    entry: Entry | None = None
    key: Key | None = None
    identified: bool = False
    waits: bool = False
    """Whether it may wait for a request like it."""
    flight_key: FlightKey | None = None


class CacheFilter(Filter[Cache]):
    """Keeps answers, and gives them again."""

    Spec = Cache
    asks_plain = True
    keeps_answers = True

    def __init__(self, spec: Cache, build: Build) -> None:
        super().__init__(spec, build)
        self.zone = build.caches[spec.cache]
        self._keys = Keys(spec.headers, spec.query)
        self._defaults = Defaults(spec.heuristic, spec.stale_while_revalidate, spec.stale_if_error)
        self._respects = spec.client_directives == "respect"
        self._clock, self._wall = build.clock, build.wall
        self._requests = build.metrics.cache_requests
        self._under_way: dict[Request, Pending] = {}
        self._looked: tuple[Request, Look] | None = None
        """From `decide` to `commit`, which follows at once when nothing has to be waited for."""
        self._turns: dict[Request, Flight] = {}
        """Who has waited and leads now; only from there to `commit`, which follows at once."""

    def kept_with(self, build: Build) -> bool:
        """Only while its memory is the same."""
        return build.caches.get(self.spec.cache) is self.zone

    # -- what there is ---------------------------------------------------------------------------------------

    def _look(self, request: Request) -> Look:
        """Decide, and change nothing."""
        if request.method not in ("GET", "HEAD"):
            return Look("bypass", "method")
        why = why_bypass(request)
        key = self._keys.key(request)
        if why or key.size > LONGEST:
            return Look("bypass", why or "long_target")
        identified = is_identified(request)
        zone, now, said = self.zone, self._clock(), asked(request)
        entry = zone.find(key, request.headers, identified)
        if entry is None:
            why, fresher = ("vary-miss" if zone.knows(key) else "uri-miss"), False
        else:
            fresher = self._respects and _wants_fresher(said, entry, now)
            if not fresher and not entry.terms.must_validate and entry.left(now) > 0:
                return Look("hit", "", entry, key)
            why = "request" if fresher and entry.left(now) > 0 else "stale"
        flight_key = zone.flight_key(key, request.headers, identified)
        if entry is not None and not fresher and self._may_be_stale(entry, flight_key, said, now):
            return Look("stale", "", entry, key)
        waits = (
            request.method == "GET"
            and self.spec.coalesce
            and not fresher
            and "no-store" not in said
            and (entry is None or not entry.terms.always_asks)
            and not zone.passes(flight_key)
        )
        return Look("fetch", why, entry, key, identified, waits, flight_key)

    def _may_be_stale(self, entry: Entry, flight_key: FlightKey, said: Directives, now: float) -> bool:
        """Whether a stale answer may be given without asking (RFC 9111 section 4.2.4, RFC 5861)."""
        known, late = entry.terms, -entry.left(now)
        if known.never_stale or known.must_validate:
            return False
        if late <= known.while_revalidate and flight_key in self.zone.flights:
            return True
        if late <= known.if_error and now < entry.failed_until:
            return True
        if not self._respects or "max-stale" not in said:
            return False
        return said["max-stale"] == "" or late <= (seconds(said, "max-stale") or 0.0)

    # -- towards the service ---------------------------------------------------------------------------------

    def decide(self, request: Request) -> Decision:
        """Answer from memory, let pass, or wait for a request like this one."""
        look = self._look(request)
        if look.entry is not None and look.what != "fetch":
            return self._given(request, look)
        if request.method in ("GET", "HEAD") and "only-if-cached" in asked(request):
            self._requests.add(request.route.name, "miss")
            return NOT_KEPT
        if look.waits and look.flight_key in self.zone.flights:
            return self._wait(request)
        self._looked = request, look
        return None

    def preview(self, request: Request) -> Decision:
        """The same, without waiting, counting, or remembering who was asked for."""
        look = self._look(request)
        if look.entry is not None and look.what != "fetch":
            return look.entry.reply
        return NOT_KEPT if request.method in ("GET", "HEAD") and "only-if-cached" in asked(request) else None

    def _given(self, request: Request, look: Look, result: str = "") -> Reply:
        assert look.entry is not None
        self.zone.touch(look.entry)
        self._requests.add(request.route.name, result or look.what)
        status = f"hit; ttl={int(look.entry.left(self._clock()))}" if not result else "fwd=uri-miss; collapsed"
        return self._content(request, look.entry, Conditions.of(request), status)

    def _content(self, request: Request, entry: Entry, conditions: Conditions, status: str) -> Reply:
        """A kept answer, or 304 for who has it already."""
        request.reply_headers.append((b"age", b"%d" % max(0.0, entry.age(self._clock()))))
        _note(request, status)
        if conditions.tags is None and conditions.since is None:
            return entry.reply
        if not conditions.hold(entry.status, entry.headers, entry.times.wall):
            return entry.reply
        return Reply(304, "", headers=tuple(fields_of_304(entry.headers)), body=b"")

    async def _wait(self, request: Request) -> Verdict:
        """Until there is an answer, until it is this one's turn to ask, or as long as it may."""
        ends, led = self._clock() + self.spec.max_wait, None
        while True:
            look = self._look(request)
            if look.entry is not None and look.what != "fetch":
                if led is not None:
                    led.give_up(request)
                return self._given(request, look, "coalesced")
            left = ends - self._clock()
            flight = self.zone.flights.get(look.flight_key) if look.flight_key is not None else None
            if led is not None or flight is None or not look.waits or left <= 0:
                if led is not None:
                    self._turns[request] = led
                return None
            led = flight if await flight.wait(request, left) else None

    def commit(self, request: Request) -> None:
        """It passes: reduced to its key, with a question about what is kept."""
        looked, self._looked = self._looked, None
        look = looked[1] if looked is not None and looked[0] is request else self._look(request)
        led = self._turns.pop(request, None)
        pending = self._under_way[request] = Pending(Place(request.host, request.path), self._clock())
        self.zone.pending.add(pending)
        pending.why = look.why
        if look.key is None:
            pending.result = "bypass"
            _note(request, "fwd=method" if look.why == "method" else f"fwd=bypass; detail={look.why}")
            return
        self._prepare(request, pending, look)
        if led is not None:
            pending.flight, pending.flight_key = led, led.key
        elif look.waits and look.flight_key is not None:
            pending.flight_key = look.flight_key
            if look.flight_key not in self.zone.flights:
                pending.flight = Flight(self.zone, look.flight_key, request)
        _note(request, f"fwd={look.why or 'miss'}")

    def _prepare(self, request: Request, pending: Pending, look: Look) -> None:
        pending.key, pending.entry, pending.identified = look.key, look.entry, look.identified
        pending.headers = request.headers
        pending.is_get = request.method == "GET"
        pending.keeps = pending.is_get and "no-store" not in asked(request)
        pending.conditions = Conditions.of(request)
        if not pending.is_get:  # nothing is kept of it, so the service may judge the client's conditions
            own = [field for field in request.headers if field[0] in (b"if-none-match", b"if-modified-since")]
            self._keys.reduce(request, own)
            return
        questions = asking(look.entry) if look.entry is not None else ()
        pending.asked = bool(questions)
        self._keys.reduce(request, questions)

    # -- back from the service -------------------------------------------------------------------------------

    def on_response(self, request: Request, response: Response) -> Reply | None:
        """What this answer means for what is kept."""
        pending = self._under_way.get(request)
        if pending is None:
            return None
        if pending.why == "method":
            if request.method not in SAFE and response.status < 400:
                self.zone.invalidate(pending.place)
            return None
        if not pending.is_get:
            return None
        if response.status == 304 and pending.asked:
            return self._revalidated(request, pending, response)
        if response.status in FAILURES:
            content = self._in_place_of(request, pending, response.status)
            if content is not None:
                return content
        self._begin_keeping(request, pending, response)
        return None

    def _times(self, pending: Pending) -> Times:
        now = self._clock()
        return Times(now - pending.sent, self._wall(), now)

    def _begin_keeping(self, request: Request, pending: Pending, response: Response) -> None:
        """Decide by its head whether this answer will be kept; who has it already gets 304."""
        times = self._times(pending)
        headers = lasting(response, formatdate(times.wall, usegmt=True).encode())
        known = terms(response.status, response.headers, times, self._defaults)
        why = "no_store" if not pending.keeps else ""
        why = why or why_not(response.status, response.headers, known, pending.identified, self._defaults.heuristic)
        why = why or ("too_large" if response.length > self.zone.spec.max_object_bytes else "")
        note = f"fwd={pending.why or 'miss'}; fwd-status={response.status}"
        _note(request, f"{note}; detail={why}" if why else f"{note}; stored")
        if why:
            self._not_kept(pending, response.status)
        else:
            pending.draft = pending.entry_from(response.status, headers, b"", known, times)
        if pending.conditions.hold(response.status, headers, times.wall):
            response.status = 304
            response.replace_headers(fields_of_304(headers))

    def _not_kept(self, pending: Pending, status: int) -> None:
        if status in STORABLE and pending.entry is not None:  # the service has said what holds now
            self.zone.drop(pending.entry)
        if status < 500:  # else those that wait ask one after the other, see on_end
            release(self.zone, pending)

    def _revalidated(self, request: Request, pending: Pending, response: Response) -> Reply:
        """What is kept still holds: give it, with what the 304 says of it."""
        entry = pending.entry
        assert entry is not None
        pending.result = "revalidated"
        times = self._times(pending)
        fresh = entry
        if is_about(entry, response.fields):
            headers = updated(entry.headers, lasting(response, formatdate(times.wall, usegmt=True).encode()))
            with_age = [*headers, *(field for field in response.headers if field[0] == b"age")]
            known = terms(entry.status, with_age, times, self._defaults)
            why = why_not(entry.status, headers, known, pending.identified, self._defaults.heuristic)
            fresh = pending.entry_from(entry.status, headers, entry.body, known, times)
        else:
            why = "other_version"
        if not why and not pending.tainted and pending.keeps:
            self.zone.put(fresh)
        self.zone.drop(entry)
        if pending.flight is not None:
            pending.flight.land()
        note = f"fwd={pending.why or 'miss'}; fwd-status=304"
        return self._content(request, fresh, pending.conditions, f"{note}; detail={why}" if why else note)

    def _in_place_of(self, request: Request, pending: Pending, status: int) -> Reply | None:
        """The kept answer instead of an error, if it allows that (RFC 5861 section 4)."""
        entry, now = pending.entry, self._clock()
        if entry is None or entry.terms.never_stale or entry.terms.must_validate or pending.tainted:
            return None
        if -entry.left(now) > entry.terms.if_error:
            return None
        pending.result = "stale"
        entry.failed_until = now + PROBE_SECONDS
        if pending.flight is not None:
            pending.flight.land()
        note = f"fwd={pending.why or 'miss'}; fwd-status={status}; detail=stale_if_error"
        return self._content(request, entry, pending.conditions, note)

    def on_failure(self, request: Request, reply: Reply) -> Reply | None:
        """No answer came: the kept one, if it allows that."""
        pending = self._under_way.get(request)
        if pending is None or not pending.is_get or reply.status not in FAILURES or pending.result == "stale":
            return None
        return self._in_place_of(request, pending, reply.status)

    def stream(self, request: Request, response: Response) -> Stream | None:
        """Keep the body as it passes."""
        pending = self._under_way.get(request)
        return Collector(self.zone, pending) if pending is not None and pending.draft is not None else None

    def on_end(self, request: Request) -> None:
        """Count it; if others wait for an answer that did not come, it is the next one's turn."""
        pending = self._under_way.pop(request, None)
        if pending is None:
            return
        self.zone.pending.discard(pending)
        self.zone.collecting -= pending.size
        if pending.flight is not None:
            pending.flight.give_up(request)
        self._requests.add(request.route.name, pending.result)

    # -- words -----------------------------------------------------------------------------------------------

    def explain(self, request: Request, reply: Verdict) -> str:
        """What is kept for it; of a request that is over, what Cache-Status said."""
        said = next((value for name, value in request.reply_headers if name == b"cache-status"), None)
        if said is not None:
            return said.decode("ascii")
        look = self._look(request)
        if look.what == "bypass":
            return f"passes by: {look.why}"
        if look.entry is None:
            return f"nothing is kept for it in {self.spec.cache}"
        now = self._clock()
        left, age = look.entry.left(now), look.entry.age(now)
        state = f"fresh for {left:.0f} s more" if left > 0 else f"stale for {-left:.0f} s"
        after = "" if look.what != "fetch" else "; the service is asked whether it still holds"
        return f"kept for {age:.0f} s, {state}{after}"


def _wants_fresher(said: Directives, entry: Entry, now: float) -> bool:
    """RFC 9111 section 5.2.1: what a request may ask for."""
    most, least = seconds(said, "max-age"), seconds(said, "min-fresh")
    return (
        "no-cache" in said
        or (most is not None and entry.age(now) > most)
        or (least is not None and entry.left(now) < least)
    )


def _note(request: Request, status: str) -> None:
    """Say it on the answer, in place of what was said before."""
    others = [field for field in request.reply_headers if field[0] != b"cache-status"]
    request.reply_headers = [*others, (b"cache-status", b"gatehouse; " + status.encode("ascii"))]
