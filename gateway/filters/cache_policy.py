"""Which answers may be kept, and for how long (RFC 9111 sections 3 and 4.2, for a shared cache).

The problem: an answer kept by mistake is given to somebody whom it does not concern, again and again. The rule: an
answer is kept only when it says itself that it may be, and nothing else about it speaks against that. Besides what
RFC 9111 asks for: one that sets a cookie is never kept; one to a caller that is somebody (a token, a cookie, a
certificate, a route that is not public) only if it says explicitly that it is for all (section 3.5); no error that
may be the fault of one request, and none of the service's own.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.filters.cache_directives import Directives, directives, http_date, seconds, whole_number
from gateway.http.hop import NOT_UPSTREAM
from gateway.http.messages import Headers

STORABLE: Final = frozenset((200, 203, 300, 301, 302, 307, 308, 404, 410))
_HEURISTIC: Final = frozenset((200, 203, 300, 301, 308, 404, 410))
"""RFC 9110 section 15.1: those among them that may be kept without being told for how long."""
_KEYED: Final = frozenset((b"host", b"x-forwarded-host", b"x-forwarded-proto"))
_UNKNOWABLE: Final = (NOT_UPSTREAM - _KEYED) | {b"*"}
"""What the gateway tells the service about this very client is in no key."""

_NOTHING: Final[frozenset[bytes]] = frozenset()


class Times(NamedTuple):
    """When an answer was asked for and came, in seconds."""

    delay: float
    """From the request to the answer's head."""
    wall: float
    """When the head came, since 1970."""
    clock: float
    """The same on the monotonic clock."""


class Terms(NamedTuple):
    """On which an answer is kept; all in seconds."""

    lifetime: float
    age: float
    """How old it was when it came (RFC 9111 section 4.2.3: corrected_initial_age)."""
    shared: bool
    """Whether it says that it is for all callers, also for those that are somebody."""
    must_validate: bool
    """Never given again unasked (`no-cache`)."""
    never_stale: bool
    """Never given once it is stale, whatever happens (`must-revalidate` and its like)."""
    while_revalidate: float
    if_error: float

    @property
    def always_asks(self) -> bool:
        """Whether each use needs the service's word that it still holds."""
        useful = self.lifetime + (0.0 if self.never_stale else self.while_revalidate)
        return self.must_validate or useful <= self.age


class Defaults(NamedTuple):
    """What holds where an answer says nothing."""

    heuristic: float = 0.0
    while_revalidate: float = 0.0
    if_error: float = 0.0


def values(headers: Headers, name: bytes) -> list[bytes]:
    """Every value of a field, in order."""
    return [value for field, value in headers if field == name]


def vary(headers: Headers) -> frozenset[bytes]:
    """The names of the fields by which an answer was chosen, `*` among them perhaps."""
    found = values(headers, b"vary")
    if not found:
        return _NOTHING
    listed = b",".join(found).lower().split(b",")
    return frozenset(name.strip(b" \t") for name in listed) - {b""}


def is_shared(said: Directives) -> bool:
    """RFC 9111 section 3.5: whether an answer to an identified caller may be given to others."""
    return "public" in said or "s-maxage" in said or "must-revalidate" in said


def terms(status: int, headers: Headers, times: Times, defaults: Defaults) -> Terms:
    """On which terms an answer would be kept."""
    said = directives(values(headers, b"cache-control"))
    while_revalidate = seconds(said, "stale-while-revalidate")
    if_error = seconds(said, "stale-if-error")
    return Terms(
        lifetime=lifetime(status, said, headers, times.wall, defaults.heuristic) or 0.0,
        age=initial_age(headers, times),
        shared=is_shared(said),
        must_validate="no-cache" in said,
        # RFC 9111 §5.2.2.10: s-maxage implies proxy-revalidate
        never_stale=bool({"must-revalidate", "proxy-revalidate", "s-maxage", "no-cache"} & said.keys()),
        while_revalidate=defaults.while_revalidate if while_revalidate is None else while_revalidate,
        if_error=defaults.if_error if if_error is None else if_error,
    )


def lifetime(status: int, said: Directives, headers: Headers, wall: float, heuristic: float) -> float | None:
    """RFC 9111 section 4.2.1, for how many seconds an answer is fresh; None when it does not say so.

    Args:
        wall: when it came, in seconds since 1970.
        heuristic: the share of the time since its last change that may be guessed; 0 for none.
    """
    for name in ("s-maxage", "max-age"):
        told = seconds(said, name)
        if told is not None:
            return told
    expires = values(headers, b"expires")
    sent = _date(headers, b"date", wall, wall)
    if expires:
        ends = http_date(expires[0], wall) if len(expires) == 1 else None  # RFC 9111 §5.3: invalid is expired
        return max(0.0, ends - sent) if ends is not None else 0.0
    if heuristic and status in _HEURISTIC and b"last-modified" in dict(headers):
        return max(0.0, sent - _date(headers, b"last-modified", wall, sent)) * heuristic
    return None


def initial_age(headers: Headers, times: Times) -> float:
    """RFC 9111 section 4.2.3."""
    apparent = max(0.0, times.wall - _date(headers, b"date", times.wall, times.wall))
    told = max((whole_number(one.decode("latin-1")) for one in values(headers, b"age")), default=0.0)
    return max(apparent, told + times.delay)


def _date(headers: Headers, name: bytes, now: float, default: float) -> float:
    found = values(headers, name)
    date = http_date(found[0], now) if found else None
    return default if date is None else date


def why_not(status: int, headers: Headers, known: Terms, identified: bool, heuristic: float) -> str:
    """Why an answer to GET must not be kept, in a word for Cache-Status; "" when it may.

    Args:
        identified: whether whoever asked is somebody.
    """
    said, names = directives(values(headers, b"cache-control")), {name for name, _ in headers}
    if status not in STORABLE or b"content-range" in names:
        return "status"
    if "no-store" in said:
        return "no_store"
    if "private" in said:
        return "private"
    if b"set-cookie" in names:
        return "set_cookie"
    if b"vary" in names and vary(headers) & _UNKNOWABLE:
        return "vary_any" if b"*" in vary(headers) else "vary_client"
    if b"content-encoding" in names and any(one.lower() != b"identity" for one in values(headers, b"content-encoding")):
        return "encoded"
    if identified and not known.shared:
        return "identity"
    if lifetime(status, said, headers, 0.0, heuristic) is None and "no-cache" not in said:
        return "no_freshness"
    if known.always_asks and not names & {b"etag", b"last-modified"} and not _outlives(known):
        return "stale_at_once"
    return ""


def _outlives(known: Terms) -> bool:
    """Whether it is of use although it is stale."""
    return not known.never_stale and known.lifetime + max(known.while_revalidate, known.if_error) > known.age
