"""A service of the shop: what it is made of and how it lives.

The problem: a process that starts half, hangs when it stops, or outlives its supervisor is worse than one that
crashes. The rule: one start (settings, database, the service's own set-up, then the port) and one stop (no new
requests, finish those running, cancel background work, send the last spans, close the database), within 3 s,
whether the cause is a signal, Ctrl-C or the supervisor's end.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sample_services.kit.auth import TokenVerifier, Trusted
from sample_services.kit.background import Tasks
from sample_services.kit.body import MAX_BYTES
from sample_services.kit.client import HttpClient
from sample_services.kit.database import Database
from sample_services.kit.keys import KeySet
from sample_services.kit.lease import LEASE_TABLE, Lease
from sample_services.kit.lifecycle import stop_requested
from sample_services.kit.logs import configure_logging
from sample_services.kit.metrics import Metrics
from sample_services.kit.observe import Observer
from sample_services.kit.planted import never_ready, plant
from sample_services.kit.probes import add_probes
from sample_services.kit.settings import Planted, Settings, read_settings_or_exit
from sample_services.kit.sidecar import only_from_sidecar
from sample_services.kit.telemetry import Telemetry

if TYPE_CHECKING:
    import aiohttp
    from redis.asyncio import Redis

GATEWAY = "gateway"
FINISH_REQUESTS_S = 1.5
"""How long running requests may take after the stop; the whole stop stays under 3 s."""

Setup = Callable[["Service"], Awaitable[None]]
Seed = Callable[[sqlite3.Connection, Settings], None]


class Service:
    """What a service's own set-up gets: everything here is ready to use, except that nothing listens yet."""

    settings: Settings
    app: web.Application
    """Add routes here."""
    db: Database
    """There is none in a service that keeps nothing."""
    log: logging.Logger
    http: HttpClient
    """Calls peers by name."""
    auth: TokenVerifier
    """Replace it with a verifier of your own if the keys are not identity's to fetch."""
    metrics: Metrics
    telemetry: Telemetry
    ready_checks: list[Callable[[], Awaitable[None]]]
    """/readyz asks all of them; one that raises makes the service not ready. The database is in already."""
    closing: AsyncExitStack
    """What set-up has opened; closed when background work has ended."""

    def __init__(
        self,
        settings: Settings,
        log: logging.Logger,
        host: Service | None = None,
        connector: aiohttp.BaseConnector | None = None,
    ) -> None:
        """With a `host` it is a module in the host's process: it shares what a process has once.

        That are counters, spans, background work and the database. Its code does not see the difference.
        """
        self.settings = settings
        self.log = log
        self.metrics = host.metrics if host else Metrics()
        if host is None:
            self.metrics.info.labels(settings.service, settings.instance, settings.version).set(1)
        self.telemetry = host.telemetry if host else Telemetry(settings, self.metrics)
        self.http = HttpClient(settings, self.telemetry, self.metrics, connector)
        self.auth = self._verifier()
        middlewares = [Observer(self.telemetry, self.metrics).middleware()]
        if settings.secrets.sidecar is not None:
            middlewares.append(only_from_sidecar(settings.secrets.sidecar, self.metrics))
        if settings.planted != Planted():
            middlewares.append(plant(settings.planted))
        self.app = web.Application(middlewares=middlewares, client_max_size=MAX_BYTES)
        self.app.on_response_prepare.append(_hide_software)
        self.ready_checks = host.ready_checks if host else []
        self.closing = AsyncExitStack()
        self._tasks: Tasks = host._tasks if host else Tasks(log, self.metrics.task_failures)
        self._redis: Redis | None = None
        if host is not None:
            self.db = host.db
            host.closing.push_async_callback(self._disconnect)

    def weak(self, name: str) -> bool:
        """Whether the lab has asked for it, or this version has it; each stands in one place, with its name."""
        return name in self.settings.weaknesses or name in self.settings.planted.weaknesses

    @property
    def redis(self) -> Redis:
        """The connection pool of this service's own Redis user; opened at the first use.

        Raises:
            RuntimeError: the settings name no Redis.
        """
        if self._redis is None:
            self._redis = _open_redis(self.settings)
        return self._redis

    def background(self, work: Callable[[], Awaitable[None]], name: str, *, alone: bool = False) -> None:
        """Run `work()` until the service stops; when it raises it is logged, counted and started again.

        With `alone` only one copy of the service does it at a time (see `lease`); the others stand by.
        It runs outside of any trace: use `telemetry.span(…, traceparent=…)` for work that belongs to one.
        """
        if alone:  # named by the service, too: in a monolith several share a database
            lease = Lease(self.db, f"{self.settings.service}: {name}", self.settings.instance)
            work = partial(lease.alone, work)
        self._tasks.start(work, name)

    async def open(self, schema: str | None, seed: Seed) -> None:
        """Open the database, if there is a schema for one, and add the probes."""
        if schema is not None:
            await self._open_database(schema, seed)
        if self.settings.planted.unready:
            self.ready_checks.append(never_ready)
        add_probes(self.app, self.ready_checks, self.metrics, self.settings)
        if self.weak("debug-endpoint"):  # LAB: compromised-service
            from sample_services.kit.debug import add_debug

            add_debug(self)

    async def _open_database(self, schema: str, seed: Seed) -> None:
        path = self.settings.data_dir / f"{self.settings.service}.db"
        self.db = await Database.open(
            path,
            self.settings.service,
            self.telemetry,
            f"{LEASE_TABLE}\n{schema}",
            lambda connection: seed(connection, self.settings),
        )
        self.ready_checks.append(self.db.ping)

    async def close(self) -> None:
        """Stop background work and close everything; the database last, since the others may still use it."""
        await self._tasks.stop()
        await self.closing.aclose()
        await self._disconnect()
        await asyncio.to_thread(self.telemetry.close)
        if hasattr(self, "db"):
            await self.db.close()

    async def _disconnect(self) -> None:
        await self.http.close()
        if self._redis is not None:
            await self._redis.aclose()

    def _verifier(self) -> TokenVerifier:
        """Believes identity, and the gateway where there is one that says so."""
        settings, also = self.settings, []
        if settings.gateway_issuer and GATEWAY in settings.peers:
            keys = KeySet(lambda: self._fetch_keys(GATEWAY, "/.well-known/gateway-jwks.json"))
            also.append(Trusted(settings.gateway_issuer, settings.service, keys))
        keys = KeySet(lambda: self._fetch_keys("identity", "/jwks.json"))
        return TokenVerifier(settings.issuer, settings.audience, keys, also=also)

    async def _fetch_keys(self, peer: str, path: str) -> dict[str, Any]:
        answer = await self.http.request(peer, "GET", path)
        document: dict[str, Any] = answer.expect(200).json()
        return document


def nothing_to_seed(_connection: sqlite3.Connection, _settings: Settings) -> None:
    """The tables begin empty."""


def run(name: str, setup: Setup, schema: str | None = None, seed: Seed = nothing_to_seed) -> None:
    """Be the service `name` until told to stop; does not return but exits: 0 stopped, 1 failed, 2 bad settings.

    Without a schema it has no database.
    """
    settings = read_settings_or_exit(sys.argv[1:])
    os.umask(0o077)
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = configure_logging(name, settings.instance)
    if settings.weaknesses:
        log.warning("WEAKENED for a lesson", extra={"weaknesses": list(settings.weaknesses)})
    try:
        asyncio.run(serve(settings, log, setup, schema, seed))
    except Exception:
        log.exception("%s failed", name)
        raise SystemExit(1) from None
    raise SystemExit(0)


async def serve(settings: Settings, log: logging.Logger, setup: Setup, schema: str | None, seed: Seed) -> None:
    """Start, listen until a stop is requested, and stop.

    Raises:
        OSError: the port is taken; and whatever `setup` or `seed` raise.
    """
    with stop_requested(settings.lifeline_fd) as stop:
        service = Service(settings, log)
        runner: web.AppRunner | None = None
        try:
            await service.open(schema, seed)
            await setup(service)
            runner = await _listen(service)
            await stop.wait()
            log.info("stopping")
        finally:
            if runner is not None:
                await runner.cleanup()
            await service.close()
    log.info("stopped")


def runner_of(app: web.Application) -> web.AppRunner:
    """How an application is served; nothing listens yet."""
    return web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        shutdown_timeout=FINISH_REQUESTS_S,
        # Nobody compresses requests, except into bombs; and a broken one would fail while it is read, as our error.
        auto_decompress=False,
    )


async def _listen(service: Service) -> web.AppRunner:
    runner = runner_of(service.app)
    await runner.setup()
    settings = service.settings
    try:
        await web.TCPSite(runner, settings.host, settings.port).start()
    except BaseException:
        await runner.cleanup()
        raise
    service.log.info("listening", extra={"host": settings.host, "port": runner.addresses[0][1]})
    return runner


async def _hide_software(_: web.Request, response: web.StreamResponse) -> None:
    """Name and version of the server software help only those who look for its known holes."""
    response.headers.popall("Server", None)


def _open_redis(settings: Settings) -> Redis:
    from redis.asyncio import Redis

    if settings.redis is None:
        raise RuntimeError("the settings of this service name no Redis")
    return Redis.from_url(
        settings.redis.url,
        username=settings.redis.username,
        password=settings.redis.password,
        socket_connect_timeout=1.0,
        socket_timeout=10.0,
        max_connections=20,
        health_check_interval=15,
        decode_responses=True,
    )
