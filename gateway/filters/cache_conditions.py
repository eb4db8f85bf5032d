"""Conditional requests at the cache (RFC 9110 section 13, RFC 9111 section 4.3).

The problem: a client that has an answer already should not get it again, and neither should the gateway; and the
client's conditions must not reach the service in place of the gateway's own. The rule: what the client has is compared
here; the service is asked about what is kept here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from gateway.filters.cache_directives import http_date
from gateway.filters.cache_policy import values
from gateway.filters.cache_store import Entry
from gateway.http.hop import HOP_BY_HOP
from gateway.http.messages import Headers, Request

_TAG: Final = re.compile(rb'[ \t]*+(?:(?:W/)?("[\x21\x23-\x7e\x80-\xff]*+")[ \t]*+)?(?:,|\Z)')
_IN_304: Final = frozenset((b"cache-control", b"content-location", b"date", b"etag", b"expires", b"vary"))
"""RFC 9110 section 15.4.5; the rest describes a body that is not sent."""
_NOT_UPDATED: Final = HOP_BY_HOP | {b"content-length", b"content-encoding", b"content-type", b"content-range"}
"""RFC 9111 section 3.2."""


class Conditions(NamedTuple):
    """What a client has already."""

    tags: bytes | None
    since: bytes | None

    @classmethod
    def of(cls, request: Request) -> Conditions:
        """Those of a request; RFC 9110 section 13.1.3: a date counts only without tags."""
        tags = request.all(b"if-none-match")
        if tags:
            return cls(b",".join(tags), None)
        return cls(None, request.fields.get(b"if-modified-since"))

    def hold(self, status: int, headers: Headers, wall: float) -> bool:
        """Whether the client has just this answer, so that 304 is enough.

        Args:
            wall: when the answer came, in seconds since 1970; stands in for a date of its last change.
        """
        if status != 200:  # RFC 9110 §13.2.1: conditions are for what would be answered 2xx
            return False
        if self.tags is not None:
            etag = next(iter(values(headers, b"etag")), b"")
            return self.tags.strip() == b"*" or (bool(etag) and opaque(etag) in _tags(self.tags))
        since = http_date(self.since, wall) if self.since is not None else None
        if since is None:
            return False
        fields = dict(headers)
        changed = http_date(fields.get(b"last-modified", fields.get(b"date", b"")), wall)
        return (wall if changed is None else changed) <= since


def _tags(text: bytes) -> list[bytes]:
    """The entity tags of a list, for weak comparison (RFC 9110 section 8.8.3.2); none of a list that is broken."""
    found, position = [], 0
    while position < len(text):
        match = _TAG.match(text, position)
        if match is None:
            return []
        position = match.end()
        if match[1] is not None:
            found.append(match[1])
    return found


def opaque(tag: bytes) -> bytes:
    """An entity tag without its weakness."""
    return tag.removeprefix(b"W/")


def fields_of_304(headers: Headers) -> Headers:
    """What stands in a 304 for an answer with these fields."""
    return [field for field in headers if field[0] in _IN_304]


def asking(entry: Entry) -> Headers:
    """The fields that ask the service whether what is kept still holds (RFC 9111 section 4.3.1)."""
    fields = []
    if entry.etag:
        fields.append((b"if-none-match", entry.etag))
    if entry.modified and entry.status == 200:
        fields.append((b"if-modified-since", entry.modified))
    return fields


def is_about(entry: Entry, fields: Mapping[bytes, bytes]) -> bool:
    """Whether a 304 speaks of what was asked about, and not of another version (RFC 9111 section 4.3.4)."""
    etag = fields.get(b"etag")
    return etag is None or not entry.etag or opaque(etag) == opaque(entry.etag)


def updated(headers: Headers, by: Headers) -> Headers:
    """Kept fields after a 304 (RFC 9111 section 3.2): what it says replaces what stood there."""
    news = [field for field in by if field[0] not in _NOT_UPDATED]
    names = {name for name, _ in news}
    return [*(field for field in headers if field[0] not in names), *news]
