"""The public keys that tokens are verified with: fetched, checked, cached (RFC 7517).

The problem: a token names its key, so a flood of invented names would become a flood of fetches; and a key set
that is away must not lock everyone out. The rule: keys are kept 5 minutes, an unknown name causes at most one
fetch per cool-down, and when fetching fails the last keys serve on (RFC 8725 section 3 for what a key must be).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sample_services.kit.deadline import apart
from sample_services.kit.problems import Problem

if TYPE_CHECKING:
    from jwt import PyJWK

REFRESH_S = 300.0
COOLDOWN_S = 30.0
COOLDOWN_AFTER_FAILURE_S = 1.0
ALGORITHMS = frozenset({"RS256", "EdDSA"})
MIN_RSA_BITS = 2_048
MAX_KEYS = 20

FetchKeys = Callable[[], Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True)
class Key:
    """A public key and the one algorithm that it may be used with."""

    kid: str
    algorithm: str
    jwk: PyJWK


class Keys(Protocol):
    """Where a verifier finds keys."""

    async def get(self, kid: str) -> Key | None:
        """The key of this name, or None."""


class KeySet:
    """Keys by name. `fetch` returns a JWKS document; `clock` is monotonic seconds."""

    def __init__(self, fetch: FetchKeys, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str, Key] = {}
        self._fetched_at = float("-inf")
        self._next_fetch = float("-inf")
        self._lock = asyncio.Lock()

    async def get(self, kid: str) -> Key | None:
        """The key of this name, or None if the issuer does not publish it.

        Raises:
            Problem: 503 `keys_unavailable` when no keys were ever fetched and the issuer is away.
        """
        if kid not in self._keys or self._clock() - self._fetched_at > REFRESH_S:
            await apart(self._refresh(kid))  # everybody's keys: they come, even if who asked first has left
        if not self._keys:
            raise Problem(503, "keys_unavailable", "tokens cannot be verified now", headers={"Retry-After": "1"})
        return self._keys.get(kid)

    async def _refresh(self, kid: str) -> None:
        async with self._lock:  # callers that waited here find the work done
            now = self._clock()
            fresh = kid in self._keys and now - self._fetched_at <= REFRESH_S
            if fresh or now < self._next_fetch:
                return
            self._next_fetch = now + COOLDOWN_AFTER_FAILURE_S
            try:
                document = await self._fetch()
            except Problem:
                return
            self._keys = parse_keys(document)
            self._fetched_at = now
            self._next_fetch = now + COOLDOWN_S


def parse_keys(document: Mapping[str, Any]) -> dict[str, Key]:
    """The usable keys of a JWKS; one that is duplicated, weak or meant for something else is left out."""
    entries = [entry for entry in document.get("keys", [])[:MAX_KEYS] if isinstance(entry, dict)]
    names = [entry.get("kid") for entry in entries]
    usable = (_parse_key(entry) for entry in entries if names.count(entry.get("kid")) == 1)
    return {key.kid: key for key in usable if key is not None}


def _parse_key(entry: Mapping[str, Any]) -> Key | None:
    from jwt import PyJWK, PyJWTError

    kid, algorithm = entry.get("kid"), entry.get("alg")
    if not isinstance(kid, str) or algorithm not in ALGORITHMS or entry.get("use", "sig") != "sig" or "d" in entry:
        return None
    try:
        jwk = PyJWK(dict(entry), algorithm)
    except (PyJWTError, ValueError, TypeError):  # unfit in any way: not one of our keys
        return None
    if algorithm == "RS256" and jwk.key.key_size < MIN_RSA_BITS:
        return None
    return Key(kid, str(algorithm), jwk)
