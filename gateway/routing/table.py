"""The compiled route table: from a request to its route, at the same cost with ten routes or ten thousand.

The problem: a list of routes tried in order is slow when it is long, and its outcome depends on the order in
which people wrote it. The rule: precedence as in the Gateway API, most specific first, over dictionaries. The
most specific host name is asked first; precedence is among the routes that *match*, so when it has none the
next less specific name is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from gateway.routing.entry import Details, Entry, make_entry
from gateway.routing.hosts import hostname_of, names_for
from gateway.routing.paths import PathTable
from gateway.spec.models import Route

T = TypeVar("T")


class RouteTable(Generic[T]):
    """Immutable. `T` is what a route leads to; the table never looks into it."""

    __slots__ = ("_by_host", "_every_host", "_named_hosts")

    def __init__(self, routes: Iterable[tuple[Route, T]]) -> None:
        by_host: dict[str, list[Entry[T]]] = {}
        order = 0
        for route, target in routes:
            for match in route.matches:
                order += 1
                for hostname in dict.fromkeys(route.hostnames or ("",)):
                    by_host.setdefault(hostname, []).append(make_entry(target, route, match, hostname, order))
        self._by_host = {hostname: PathTable(entries) for hostname, entries in by_host.items()}
        self._every_host = self._by_host.get("", PathTable[T](()))
        self._named_hosts = any(self._by_host)

    def match(self, host: str, path: str, method: str, request: Details) -> Entry[T] | None:
        """The entry that serves a request, or None.

        Args:
            host: the Host header; a port is ignored.
            path: the canonical path. Anything that does not begin with "/" matches nothing.
            request: asked for headers and query only where a route has such conditions.
        """
        if path[:1] != "/":
            return None
        if not self._named_hosts:
            return self._every_host.match(path, method, request)
        for table in self._tables(host):
            entry = table.match(path, method, request)
            if entry is not None:
                return entry
        return None

    def candidates(self, host: str, path: str) -> Iterator[Entry[T]]:
        """Every entry whose host and path match, in order of precedence."""
        if path[:1] == "/":
            for table in self._tables(host):
                yield from table.candidates(path)

    def elsewhere(self, host: str, path: str) -> Iterator[Entry[T]]:
        """Entries whose path matches, but for another host. Looks at every host name: for people, not for traffic."""
        served = set(names_for(hostname_of(host)))
        for hostname, table in self._by_host.items():
            if hostname not in served and path[:1] == "/":
                yield from table.candidates(path)

    def _tables(self, host: str) -> Iterator[PathTable[T]]:
        by_host = self._by_host
        return (by_host[name] for name in names_for(hostname_of(host)) if name in by_host)

    def __iter__(self) -> Iterator[Entry[T]]:
        """All entries: named hosts first, then by precedence of paths."""
        for hostname in sorted(self._by_host, key=lambda name: (name == "", name.startswith("*"), name)):
            yield from self._by_host[hostname]

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        """The table as a person would draw it."""
        rows = [("HOST", "PATH", "METHOD", "ROUTE", "CONDITIONS"), *map(_row, self)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
        return "\n".join(line.rstrip() for line in lines)


_PATH_MARKS = {"Exact": "= ", "PathPrefix": "", "RegularExpression": "~ "}


def _row(entry: Entry[T]) -> tuple[str, str, str, str, str]:
    path = entry.match.path
    shown = f"{path.value.rstrip('/')}/*" if path.type == "PathPrefix" else f"{_PATH_MARKS[path.type]}{path.value}"
    conditions = ", ".join(map(str, entry.conditions))
    return (entry.hostname or "*", shown, entry.method or "*", entry.route.name, conditions)
