"""One way into a route: a host name, a path, and the conditions that must hold besides.

A route with two host names and three matches becomes six entries. Everything that can be prepared is prepared
here, so that matching a request allocates nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar
from urllib.parse import parse_qsl

from gateway.spec.models import Match, Route, ValueMatch
from gateway.spec.regular import Pattern, compile_pattern

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Details(Protocol):
    """The parts of a request that most routes never ask for (`gateway.http.messages.Request` has them)."""

    query: str
    """The query as received, without "?"."""

    def all(self, name: bytes) -> list[bytes]:
        """Every value of the header field `name` (lower case), in order."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One header or query parameter that must have a value."""

    wanted: ValueMatch
    in_query: bool
    name: bytes
    pattern: Pattern | None

    def holds(self, request: Details) -> bool:
        """Whether the request has the parameter with the value that is wanted."""
        value = self.value(request)
        if value is None:
            return False
        return value == self.wanted.value if self.pattern is None else self.pattern.fullmatch(value) is not None

    def value(self, request: Details) -> str | None:
        """What the request says, or None.

        Repeated fields are one list with commas (RFC 9110 section 5.3). Of repeated query parameters the first
        counts, as the Gateway API recommends.
        """
        if self.in_query:
            pairs = parse_qsl(request.query, keep_blank_values=True)
            return next((value for name, value in pairs if name == self.wanted.name), None)
        values = request.all(self.name)
        return b", ".join(values).decode("latin-1") if values else None

    def __str__(self) -> str:
        kind = "query parameter" if self.in_query else "header"
        relation = "=" if self.pattern is None else "~"
        return f"{kind} {self.wanted.name}{relation}{self.wanted.value}"


@dataclass(frozen=True, slots=True, eq=False)
class Entry(Generic[T_co]):
    """A compiled match and where it leads.

    `prefix` is the part of the path that a PathPrefix match covers, without a trailing slash, so that
    `path[len(prefix):]` is the rest; it is "" for "/" and for the other kinds of path.
    """

    target: T_co
    route: Route
    match: Match
    order: int
    """The place in the file, counted over all matches: the last resort of precedence."""
    hostname: str = ""
    prefix: str = ""
    method: str | None = None
    conditions: tuple[Condition, ...] = ()
    pattern: Pattern | None = field(default=None, repr=False)
    """Of a regular expression path."""

    def holds(self, method: str, request: Details) -> bool:
        """Whether everything but host and path agrees."""
        if self.method is not None and self.method != method:
            return False
        for condition in self.conditions:  # noqa: SIM110 - all() makes a generator even when there are none
            if not condition.holds(request):
                return False
        return True

    def specificity(self) -> tuple[bool, int, int, int]:
        """The order among entries of one host and path; the smallest goes first."""
        match = self.match
        return (self.method is None, -len(match.headers), -len(match.query_params), self.order)


def make_entry(target: T, route: Route, match: Match, hostname: str, order: int) -> Entry[T]:
    """Compile one match for one host name ("" stands for every host)."""
    kind, value = match.path.type, match.path.value
    return Entry(
        target=target,
        route=route,
        match=match,
        order=order,
        hostname=hostname,
        prefix=value.rstrip("/") if kind == "PathPrefix" else "",
        method=match.method,
        conditions=_conditions(match),
        pattern=compile_pattern(value) if kind == "RegularExpression" else None,
    )


def _conditions(match: Match) -> tuple[Condition, ...]:
    headers = [(item, False) for item in match.headers]
    params = [(item, True) for item in match.query_params]
    return tuple(
        Condition(
            wanted=item,
            in_query=in_query,
            name=item.name.lower().encode("latin-1", "replace"),
            pattern=compile_pattern(item.value) if item.type == "RegularExpression" else None,
        )
        for item, in_query in headers + params
    )
