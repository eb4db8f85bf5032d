"""All entries of one host name, found by path without looking at the others.

The rule of precedence (Gateway API, HTTPRouteMatch): an exact path, then the longest prefix by whole segments, then
regular expressions; among equals those with a method, with more headers, with more query parameters, and last
the first in the file. So a lookup is one dictionary access for the exact path and one for each segment of the
path from its end, however many routes there are. Only regular expressions, which no dictionary can hold, are
tried one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from gateway.routing.entry import Details, Entry

T = TypeVar("T")

Bucket = tuple[Entry[T], ...]
"""Entries of one path, most specific first."""


def _first(bucket: Bucket[T], method: str, request: Details) -> Entry[T] | None:
    for entry in bucket:
        if entry.holds(method, request):
            return entry
    return None


class PathTable(Generic[T]):
    """Immutable; built once for each host name."""

    __slots__ = ("_exact", "_longest", "_patterns", "_prefixes")

    def __init__(self, entries: Iterable[Entry[T]]) -> None:
        exact: dict[str, list[Entry[T]]] = {}
        prefixes: dict[str, list[Entry[T]]] = {}
        patterns: list[Entry[T]] = []
        for entry in sorted(entries, key=Entry.specificity):
            path = entry.match.path
            if path.type == "Exact":
                exact.setdefault(path.value, []).append(entry)
            elif path.type == "PathPrefix":
                prefixes.setdefault(entry.prefix, []).append(entry)
            else:
                patterns.append(entry)
        self._exact: dict[str, Bucket[T]] = {path: tuple(bucket) for path, bucket in exact.items()}
        self._prefixes: dict[str, Bucket[T]] = {path: tuple(bucket) for path, bucket in prefixes.items()}
        self._patterns: Bucket[T] = tuple(patterns)
        self._longest = max(map(len, prefixes), default=0)

    def match(self, path: str, method: str, request: Details) -> Entry[T] | None:
        """The most specific entry that the request fulfils. Written flat: it runs for every request."""
        exact = self._exact.get(path)
        if exact is not None:
            entry = _first(exact, method, request)
            if entry is not None:
                return entry
        prefixes = self._prefixes
        prefix = self._start(path)
        while prefixes:
            if prefix in prefixes:
                entry = _first(prefixes[prefix], method, request)
                if entry is not None:
                    return entry
            if not prefix:
                break
            prefix = prefix[: prefix.rfind("/")]
        return next((entry for entry in self._matching(path) if entry.holds(method, request)), None)

    def candidates(self, path: str) -> Iterator[Entry[T]]:
        """Every entry whose path matches, most specific first: the same order, for explanations."""
        yield from self._exact.get(path, ())
        prefix = self._start(path)
        while self._prefixes:
            yield from self._prefixes.get(prefix, ())
            if not prefix:
                break
            prefix = prefix[: prefix.rfind("/")]
        yield from self._matching(path)

    def _matching(self, path: str) -> Iterator[Entry[T]]:
        """Entries whose regular expression matches."""
        return (entry for entry in self._patterns if entry.pattern and entry.pattern.fullmatch(path))

    def _start(self, path: str) -> str:
        """The longest beginning of `path`, by whole segments, that could be one of our prefixes.

        Without it a stranger's path of ten thousand segments would cost ten thousand lookups.
        """
        if len(path) <= self._longest:
            return path
        return path[: path.rfind("/", 0, self._longest + 1)]

    def __iter__(self) -> Iterator[Entry[T]]:
        for buckets in (self._exact, self._prefixes):
            for path in sorted(buckets, key=lambda path: (-len(path), path)):
                yield from buckets[path]
        yield from self._patterns
