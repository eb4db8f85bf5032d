"""/healthz, /readyz, /metrics.

The problem: "is it up" has two meanings. The rule: /healthz says that the process answers, and which
version it is (a no means: restart it); /readyz says that it can do its work now (a no means: send it nothing yet) and
names what is missing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from sample_services.kit.metrics import Metrics
from sample_services.kit.settings import Settings

CHECK_TIMEOUT_S = 1.0
Check = Callable[[], Awaitable[None]]
_log = logging.getLogger("kit")


def add_probes(app: web.Application, checks: Sequence[Check], metrics: Metrics, settings: Settings) -> None:
    """Add the three routes; `checks` is read at every request, so it may still grow."""

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "version": settings.version, "instance": settings.instance})

    async def readyz(_: web.Request) -> web.Response:
        failed = [name for name in await asyncio.gather(*map(_failure, checks)) if name]
        status = {"status": "not ready", "failed": failed} if failed else {"status": "ready"}
        return web.json_response(status, status=503 if failed else 200)

    async def exposition(request: web.Request) -> web.Response:
        body, content_type = metrics.exposition(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", exposition)


async def _failure(check: Check) -> str:
    """The name of the check if it fails, else nothing."""
    name = getattr(check, "__qualname__", repr(check))
    try:
        await asyncio.wait_for(check(), CHECK_TIMEOUT_S)
    except Exception as error:
        _log.warning("not ready", extra={"check": name, "error": f"{type(error).__name__}: {error}"})
        return name
    return ""
