"""/services: what runs, and starting, stopping or restarting one of them."""

from __future__ import annotations

from aiohttp import web

from gateway.control.plane import ControlPlane
from gateway.control.problems import Problem, answer
from gateway.control.supervisor_client import SupervisorError

ACTIONS = frozenset({"restart", "stop", "start"})


def routes(plane: ControlPlane) -> list[web.RouteDef]:
    """The addresses of this topic."""

    async def services(_: web.Request) -> web.Response:
        await plane.services.look()
        document = {
            "architecture": plane.settings.architecture,
            "services": plane.services.view(),
            "processes": plane.services.processes,
            "strangers": plane.services.strangers,
            "error": plane.services.supervisor_error,
        }
        return answer(document)

    async def act(request: web.Request) -> web.Response:
        name, action = request.match_info["name"], request.match_info["action"]
        if action not in ACTIONS:
            raise Problem(404, "no_such_action", "restart, stop or start")
        copies = {copy.name for copies in plane.placed.placement.services.values() for copy in copies}
        if name not in {service.name for service in plane.settings.services} | copies | {"traffic"}:
            raise Problem(404, "no_such_service", "not one of this instance's services")
        try:
            return answer(await plane.supervisor.ask(do=action, name=name))
        except SupervisorError as error:
            raise Problem(503, "supervisor_refused", str(error)) from None

    return [web.get("/services", services), web.post("/services/{name}/{action}", act)]
