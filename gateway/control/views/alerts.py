"""/alerts: what fires, and whether anybody looks."""

from __future__ import annotations

from aiohttp import web

from gateway.control.plane import ControlPlane
from gateway.control.problems import answer


def routes(plane: ControlPlane) -> list[web.RouteDef]:
    """The addresses of this topic."""

    async def alerts(_: web.Request) -> web.Response:
        return answer(plane.alerts.view())

    return [web.get("/alerts", alerts)]
