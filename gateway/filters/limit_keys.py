"""Whose count it is: the key of a limit, and how it may be shown.

The problem: keys come from clients. Some are secrets (an API key in a header), some are long, and there are as many as
somebody cares to make up. The rule: claims count only from a verified token; what is shown or leaves this process
(explanations, the admin API, Redis) is a fingerprint where the key could be a secret or is long; how many are held
is bounded by whoever holds them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

from gateway.http.messages import Reply, Request
from gateway.spec.filters import RateLimitKey

NO_KEY: Final = Reply(403, "no_limit_key", "what the limit counts by is missing")
LONGEST_SHOWN: Final = 80


def key_function(key: RateLimitKey) -> Callable[[Request], str | None]:
    """How to find a request's key; None when the request has none."""
    kind, name = key.type, key.name or ""
    if kind == "Address":
        return lambda request: request.address
    if kind == "Route":
        return lambda request: request.route.name if request.route else ""
    if kind == "Header":
        field = name.lower().encode("latin-1")
        return lambda request: _short(request.get(field))
    if name == "sub":
        return lambda request: _short(request.subject or None)
    return lambda request: None if request.claims is None else _claim(request.claims.get(name))


def _claim(value: object) -> str | None:
    return None if value is None else _short(str(value))


def _short(key: str | None) -> str | None:
    """A hundred thousand keys of 32 KiB would be 3 GiB: a long one is held as its fingerprint."""
    return key if key is None or len(key) <= LONGEST_SHOWN else fingerprint(key)


def shown(kind: str, key: str) -> str:
    """The key as it may be shown and kept elsewhere: itself, or its fingerprint."""
    if kind != "Header" and len(key) <= LONGEST_SHOWN and key.isprintable():
        return key
    return fingerprint(key)


def fingerprint(key: str) -> str:
    """Half of its SHA-256: enough that no two keys meet, and nobody finds it out again unless it is easily guessed."""
    return "sha256:" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
