"""HTTP to the other services of the shop.

The problem: every call to a peer is a place where a slow or broken peer can take this service down with it. The
rule: peers are called by name, never by an address from a request (SSRF); every call has a time-out, which the peer is
told, an answer limit and a span, follows no redirect, and fails as one of two errors. It never waits longer than the
caller of the request in hand (see `deadline`).
"""

from __future__ import annotations

import asyncio
import json as json_module
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from opentelemetry.trace import Span, SpanKind

from sample_services.kit import deadline
from sample_services.kit.metrics import Metrics, known_method
from sample_services.kit.peers import Peers
from sample_services.kit.problems import Problem
from sample_services.kit.propagation import inject
from sample_services.kit.settings import Settings
from sample_services.kit.sidecar import CALLER
from sample_services.kit.telemetry import Telemetry

TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 1.0
MAX_ANSWER_BYTES = 2 * 1024 * 1024
_TOKEN_MARGIN_S = 30.0


class PeerUnavailable(Problem):
    """The peer cannot be reached, does not answer in time, or says 503."""

    def __init__(self, peer: str) -> None:
        super().__init__(503, "peer_unavailable", f"{peer} is not available", headers={"Retry-After": "1"}, peer=peer)


class PeerError(Problem):
    """The peer answered, but not with anything that can be used."""

    def __init__(self, peer: str, detail: str) -> None:
        super().__init__(502, "peer_error", f"{peer} {detail}", peer=peer)


@dataclass(frozen=True)
class Answer:
    """A peer's whole answer. Its status is the caller's to judge: see `expect`."""

    peer: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    def expect(self, *statuses: int) -> Answer:
        """This answer, if its status is one of these.

        Raises:
            PeerUnavailable: the peer said 503.
            PeerError: any other status.
        """
        if self.status in statuses:
            return self
        if self.status == 503:
            raise PeerUnavailable(self.peer)
        raise PeerError(self.peer, f"answered {self.status}")

    def json(self) -> Any:
        """The body parsed.

        Raises:
            PeerError: it is not JSON.
        """
        try:
            return json_module.loads(self.body)
        except ValueError:
            raise PeerError(self.peer, "did not answer with JSON") from None


@dataclass
class _Token:
    text: str = ""
    until: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class HttpClient:
    """Calls peers by the names in the settings; one connection pool per service."""

    def __init__(
        self,
        settings: Settings,
        telemetry: Telemetry,
        metrics: Metrics,
        connector: aiohttp.BaseConnector | None = None,
    ) -> None:
        """`connector` makes the connections, where they are not to be ordinary ones."""
        self._settings = settings
        self._telemetry = telemetry
        self._metrics = metrics
        self._peers = Peers(settings.peers, settings.peers_file)
        self._tokens: dict[str, _Token] = {}
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S),
            connector=connector or aiohttp.TCPConnector(limit=100, limit_per_host=50, keepalive_timeout=15),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    def weak(self, name: str) -> bool:
        """Whether the lab has asked for this weakness of the service; see `Service.weak`."""
        return name in self._settings.weaknesses

    async def request(
        self,
        peer: str,
        method: str,
        path: str,
        *,
        token: str | None = None,
        json: Any = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        third_party: bool = False,
        limit: int | None = None,
    ) -> Answer:
        """Send a request and read the whole answer, whatever its status; `path` may hold a query.

        A third party is told nothing of what goes on in this house: no trace, no deadline.

        Raises:
            PeerUnavailable: no connection, or no whole answer within 5 s.
            PeerError: the connection broke mid-answer or the answer is over 2 MiB, or over `limit` bytes.
            DeadlineExceeded: the caller of the request in hand no longer waits, so nothing is sent or awaited.
        """
        left = deadline.left()
        wait = TIMEOUT_S if left is None else min(left, TIMEOUT_S)
        sent = dict(headers or {})
        secret = self._settings.secrets.sidecar
        if secret is not None and peer in self._settings.meshed:
            sent[CALLER] = secret
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        with self._observed(peer, method, path) as (span, seen):
            if not third_party:
                sent[deadline.HEADER] = str(max(1, int(wait * 1000)))
                inject(sent)
            time_out = aiohttp.ClientTimeout(total=wait, sock_connect=CONNECT_TIMEOUT_S)
            options = {"json": json, "data": data, "headers": sent, "timeout": time_out}
            answer = await self._send(peer, method, path, limit or MAX_ANSWER_BYTES, **options)
            seen["status"] = str(answer.status)
            span.set_attribute("http.response.status_code", answer.status)
            return answer

    async def token(self, scope: str) -> str:
        """An access token of this service itself (client credentials), cached until shortly before it expires.

        Raises:
            PeerUnavailable, PeerError: identity is away or refuses; Problem 500 without a client secret.
        """
        held = self._tokens.setdefault(scope, _Token())
        async with held.lock:
            if time.monotonic() >= held.until:
                held.text, lifetime = await deadline.apart(self._fetch_token(scope))
                held.until = time.monotonic() + lifetime - _TOKEN_MARGIN_S
            return held.text

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def _send(self, peer: str, method: str, path: str, limit: int, **options: Any) -> Answer:
        for base in self._peers.of(peer):
            try:
                return await self._send_to(peer, base, method, path, limit, **options)
            except aiohttp.ClientConnectorError:  # nothing was sent: another copy can do it
                deadline.check(deadline.ends())
            except (aiohttp.ClientConnectionError, TimeoutError):
                deadline.check(deadline.ends())
                raise PeerUnavailable(peer) from None
            except aiohttp.ClientError as error:
                raise PeerError(peer, f"broke the exchange ({type(error).__name__})") from None
        raise PeerUnavailable(peer)

    async def _send_to(self, peer: str, base: str, method: str, path: str, limit: int, **options: Any) -> Answer:
        async with self._session.request(method, base.rstrip("/") + path, allow_redirects=False, **options) as response:
            body = await self._read_bounded(peer, response, limit)
            return Answer(peer, response.status, response.headers, body)

    async def _read_bounded(self, peer: str, response: aiohttp.ClientResponse, limit: int) -> bytes:
        body = bytearray()
        async for piece in response.content.iter_any():
            body += piece
            if len(body) > limit:
                response.close()
                raise PeerError(peer, "answered with too much")
        return bytes(body)

    @contextmanager
    def _observed(self, peer: str, method: str, path: str) -> Iterator[tuple[Span, dict[str, str]]]:
        """A client span and one observation of the duration."""
        started = time.perf_counter()
        seen = {"status": "", "error": ""}
        attributes = {
            "http.request.method": method,
            "url.path": path.partition("?")[0],
            "server.address": peer,
        }
        try:
            with self._telemetry.span(f"{method} {peer}", SpanKind.CLIENT, attributes=attributes) as span:
                yield span, seen
        except Problem as problem:
            seen["error"] = problem.reason
            raise
        finally:
            self._metrics.client_duration.labels(known_method(method), peer, seen["status"], seen["error"]).observe(
                time.perf_counter() - started
            )

    async def _fetch_token(self, scope: str) -> tuple[str, float]:
        secret = self._settings.secrets.client_secret
        if secret is None:
            raise Problem(500, "not_configured", "this service has no client secret")
        answer = await self.request(
            "identity",
            "POST",
            "/token",
            data={
                "grant_type": "client_credentials",
                "scope": scope,
                "client_id": self._settings.service,
                "client_secret": secret,
            },
        )
        granted = answer.expect(200).json()
        return str(granted["access_token"]), float(granted["expires_in"])
