"""An issuer's keys, kept fresh without letting anyone make us fetch them (RFC 7517, RFC 8725 §3).

The problem: keys rotate, so an unknown `kid` may be a new key, or one of a million made-up ones. The rule: keys
are fetched from an address in the configuration only (no redirects, bounded size), refreshed in the background; an
unknown `kid` causes one fetch and then none for a cool-down; when the issuer is away, the last keys serve on.
A key is used with one algorithm, which its own type decides, never the token.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from gateway.filters.asking import Unanswered, ask
from gateway.filters.revocations import Revocations
from gateway.observability.metrics import Metrics
from gateway.spec.models import JwtProvider
from gateway.upstream.cluster import Cluster

if TYPE_CHECKING:
    from jwt import PyJWK

MAX_KEYS: Final = 32
FETCH_TIMEOUT: Final = 3.0
RETRY: Final = 0.25
MIN_RSA_BITS: Final = 2_048

log = logging.getLogger("gateway.jwks")


@dataclass(frozen=True, slots=True)
class Key:
    """A public key and the one algorithm it is used with."""

    kid: str
    algorithm: str
    thumbprint: str
    """The key itself as canonical JSON: what equality means for keys."""
    jwk: PyJWK = field(compare=False, repr=False)


class BadKeySet(Exception):
    """A key set that is not usable; the keys that were there before serve on."""


def read_keys(document: bytes, allowed: Sequence[str]) -> dict[str, Key]:
    """The usable keys of a JWKS document by `kid`.

    Raises:
        BadKeySet: not a JWKS, duplicate `kid`, or no key that fits.
    """
    try:
        entries = json.loads(document)["keys"]
        keys = [_read_key(entry, allowed) for entry in entries[:MAX_KEYS]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadKeySet(f"not a key set: {type(error).__name__}") from error
    usable = [key for key in keys if key is not None]
    by_kid = {key.kid: key for key in usable}
    if len(by_kid) != len(usable):
        raise BadKeySet("two keys with the same kid")
    if not usable:
        raise BadKeySet("no key fits the allowed algorithms")
    return by_kid


def _read_key(entry: dict[str, Any], allowed: Sequence[str]) -> Key | None:
    """One key, or None when it is not for verifying signatures with an allowed algorithm."""
    from jwt import PyJWK
    from jwt.exceptions import PyJWTError

    operations = entry.get("key_ops", ["verify"])
    if entry.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    algorithm = entry.get("alg") or {"RSA": "RS256", "OKP": "EdDSA", "EC": "ES256"}.get(entry.get("kty", ""))
    if not isinstance(algorithm, str) or algorithm not in allowed or not isinstance(entry.get("kid"), str):
        return None
    try:
        jwk = PyJWK(entry, algorithm)
    except (PyJWTError, ValueError, TypeError):  # e.g. an `alg` that is not one of this `kty`: the others still count
        return None
    if getattr(jwk.key, "key_size", MIN_RSA_BITS) < MIN_RSA_BITS and algorithm in ("RS256", "PS256"):
        return None
    return Key(entry["kid"], algorithm, json.dumps(entry, sort_keys=True), jwk)


class Provider:
    """The observed state of one JWT provider: its keys and its verified tokens."""

    def __init__(
        self,
        spec: JwtProvider,
        cluster: Cluster,
        metrics: Metrics,
        clock: Callable[[], float],
        revocations: Revocations | None = None,
    ) -> None:
        """`cluster` is the one that serves the keys; `revocations` are what the issuer has taken back, if it tells."""
        self.spec = spec
        self.cluster = cluster
        self.revocations = revocations
        self._metrics = metrics
        self._clock = clock
        self.keys: dict[str, Key] = {}
        self.generation = 0
        """Changes with the keys, so that tokens verified with older ones are looked at again."""
        self._last_fetch = float("-inf")
        self._task: asyncio.Task[None] | None = None
        self._fetching: asyncio.Task[bool] | None = None

    def __repr__(self) -> str:
        return f"<Provider {self.spec.name} keys={list(self.keys)}>"

    def start(self) -> None:
        """Fetch now, and go on refreshing in the background."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._refresh())
        if self.revocations is not None:
            self.revocations.start()

    def ask_again(self) -> None:
        """Fetch now: other copies of the issuer answer than before. Until they do, the keys that are there serve on."""
        if self._task is not None:
            self._task.cancel()
            self._task = asyncio.get_running_loop().create_task(self._refresh())

    async def close(self) -> None:
        """Stop refreshing."""
        for task in (self._task, self._fetching):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        if self.revocations is not None:
            await self.revocations.close()

    async def _refresh(self) -> None:
        """Until the first keys are there, ask often; then every `refresh` seconds, or sooner when that failed."""
        when = self.spec.jwks
        while True:
            good = await self.fetch()
            again = min(when.cooldown, when.refresh) if self.keys else RETRY
            await asyncio.sleep(when.refresh if good else again)

    async def key(self, kid: str) -> Key | None:
        """The key, fetching the set if it is unknown and no fetch happened during the cool-down."""
        found = self.keys.get(kid)
        if found is None and (self._fetching or self.may_fetch()):
            await self.fetch()
            found = self.keys.get(kid)
        return found

    def may_fetch(self) -> bool:
        """Whether an unknown `kid` may cause a fetch now."""
        return not self.keys or self._clock() - self._last_fetch >= self.spec.jwks.cooldown

    async def fetch(self) -> bool:
        """Fetch the keys; requests that ask at the same time wait for the same fetch."""
        if self._fetching is None:
            self._last_fetch = self._clock()
            self._fetching = asyncio.get_running_loop().create_task(self._fetch())
            self._fetching.add_done_callback(self._fetched)
        return await asyncio.shield(self._fetching)

    def _fetched(self, _: asyncio.Task[bool]) -> None:
        self._fetching = None

    async def _fetch(self) -> bool:
        try:
            document = await self._get()
            keys = read_keys(document, self.spec.algorithms)
        except (Unanswered, BadKeySet) as error:
            self._metrics.jwks.add(self.spec.name, "failed")
            log.warning("keys of %s not fetched: %s", self.spec.name, error)
            return False
        self._metrics.jwks.add(self.spec.name, "fetched")
        if keys != self.keys:
            log.info("keys of %s: %s", self.spec.name, ", ".join(keys))
            self.keys = keys
            self.generation += 1
        return True

    async def _get(self) -> bytes:
        answer = await ask(self.cluster, "GET", self.spec.jwks.path, timeout=FETCH_TIMEOUT)
        if answer.status != 200:
            raise BadKeySet(f"status {answer.status}")
        return answer.body
