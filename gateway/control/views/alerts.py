"""/alerts: what fires, and whether anybody looks; /certificates: which of them end soon."""

from __future__ import annotations

import time

from aiohttp import web

from gateway.control.certificates import certificates
from gateway.control.plane import ControlPlane
from gateway.control.problems import answer


def routes(plane: ControlPlane) -> list[web.RouteDef]:
    """The addresses of this topic."""

    async def alerts(_: web.Request) -> web.Response:
        return answer(plane.alerts.view())

    async def expiries(_: web.Request) -> web.Response:
        return answer({"certificates": certificates(plane.book.merged(), time.time())})

    return [web.get("/alerts", alerts), web.get("/certificates", expiries)]
