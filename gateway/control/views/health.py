"""/healthz, /readyz and /metrics."""

from __future__ import annotations

from aiohttp import web

from gateway.control.live_message import worker_views
from gateway.control.plane import ControlPlane
from gateway.control.problems import Problem, answer


def routes(plane: ControlPlane) -> list[web.RouteDef]:
    """The addresses of this topic."""

    async def healthz(_: web.Request) -> web.Response:
        return answer({"status": "ok"})

    async def readyz(_: web.Request) -> web.Response:
        waiting = plane.settings.gateway and not plane.reloader.ready()
        if waiting or not (plane.mesh is None or plane.mesh.plane.ready()):
            raise Problem(
                503,
                "workers_not_ready",
                "not every worker serves the configuration",
                workers=worker_views(plane),
            )
        return answer({"status": "ready", "workers": worker_views(plane)})

    async def sidecars(_: web.Request) -> web.Response:
        workers = plane.mesh.channel.workers if plane.mesh else []
        return answer({"workers": [{"name": one.name, "version": one.version} for one in workers]})

    async def metrics(request: web.Request) -> web.Response:
        body, content_type = plane.metrics.render(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    return [
        web.get("/healthz", healthz),
        web.get("/readyz", readyz),
        web.get("/readyz/sidecars", sidecars),
        web.get("/metrics", metrics),
    ]
