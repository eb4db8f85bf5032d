"""Whose answer it is: the key, and what of a request the service may see.

The problem: a service that answers by something which is not in the key makes an answer for one caller, and the cache
gives it to all (cache poisoning: `X-Forwarded-Host`, `X-Original-URL`, a body with GET). The rule: what is not in the
key does not reach the service. The key is route, scheme, host, path, the query and the declared headers. Besides
these the service sees fields for which HTTP has a rule of its own: those of content negotiation (Vary), and those
that say who asks (RFC 9111 section 3.5, and Vary). What the gateway itself says of a client (X-Forwarded-For, ids) no
answer may vary by. A request that asks for more than one answer that all can share passes by.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final, NamedTuple
from urllib.parse import unquote_plus

from gateway.filters.cache_directives import Directives, directives
from gateway.http.messages import Headers, Request

NEGOTIATED: Final = frozenset((b"accept", b"accept-language", b"user-agent", b"authorization", b"cookie"))
"""What reaches the service besides the key, so that an answer may vary by it."""
_PASSED_ON: Final = NEGOTIATED | {b"cache-control", b"pragma"}
"""RFC 9111 section 5.2: directives are for all recipients along the chain."""
_BYPASSING: Final = (b"range", b"if-range", b"if-match", b"if-unmodified-since")
LONGEST: Final = 4_096
"""Characters of a key; what has a longer one is not kept."""
SAFE: Final = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
"""RFC 9110 section 9.2.1."""


class Place(NamedTuple):
    """What a write makes out of date: everything under a host and path, whatever its query."""

    host: str
    path: str


class Key(NamedTuple):
    """What distinguishes answers, apart from what they vary by."""

    place: Place
    scheme: str
    query: str
    route: str
    headers: tuple[bytes, ...]

    @property
    def size(self) -> int:
        """Characters."""
        return len(self.place.host) + len(self.place.path) + len(self.query) + sum(map(len, self.headers))


def why_bypass(request: Request) -> str:
    """Why a GET or HEAD passes by, in a word for Cache-Status; "" when it does not."""
    if request.length or request.body:
        return "body"
    if request.upgrade:
        return "upgrade"
    found = next((name for name in _BYPASSING if name in request.fields), b"")
    return found.decode("ascii").replace("-", "_")


def is_identified(request: Request) -> bool:
    """Whether whoever asks is somebody, to the gateway or to the service."""
    fields = request.fields
    return (
        b"authorization" in fields
        or b"cookie" in fields
        or request.claims is not None
        or request.client_certificate is not None
        or not request.route.public
    )


def asked(request: Request) -> Directives:
    """What the request says about caching; Pragma as RFC 9111 section 5.4 has it."""
    found = directives(request.all(b"cache-control"))
    if not found and b"no-cache" in request.fields.get(b"pragma", b"").lower():
        return directives((b"no-cache",))
    return found


class Keys:
    """How one filter makes keys, and what it lets through."""

    def __init__(self, headers: tuple[str, ...], query: tuple[str, ...] | None) -> None:
        self._declared = tuple(name.encode() for name in headers)
        self._allowed = frozenset(self._declared) | _PASSED_ON
        self._query = None if query is None else frozenset(query)

    def key(self, request: Request) -> Key:
        """The key of a GET or HEAD, before any filter behind has changed it."""
        declared = tuple(b", ".join(request.all(name)) for name in self._declared)
        place = Place(request.host, request.path)
        scheme = request.target_scheme or request.scheme
        return Key(place, scheme, self.query(request.query), request.route.name, declared)

    def query(self, query: str) -> str:
        """The part of a query that counts; in its order, since a service may read it so."""
        if self._query is None or not query:
            return query
        parts = query.split("&")
        return "&".join(part for part in parts if unquote_plus(part.partition("=")[0]) in self._query)

    def reduce(self, request: Request, extra: Headers) -> None:
        """Take away what is not in the key, and say `extra` besides."""
        request.query = self.query(request.query)
        request.replace_headers([*(field for field in request.headers if field[0] in self._allowed), *extra])


def variant(request_headers: Headers, names: tuple[bytes, ...]) -> bytes:
    """A fingerprint of the values by which an answer varies: they may be secrets, and long.

    Only of what reaches the service without being in the key; all else is the same for all.
    """
    if not names:
        return b""
    digest = blake2b(digest_size=16)
    for name in names:
        joined = b",".join(value.strip(b" \t") for field, value in request_headers if field == name)
        digest.update(b"%b:%d:%b;" % (name, len(joined), joined))
    return digest.digest()


def varying(names: frozenset[bytes]) -> tuple[bytes, ...]:
    """The names in an answer's Vary that distinguish requests with the same key."""
    return tuple(sorted(names & NEGOTIATED))
