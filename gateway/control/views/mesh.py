"""/mesh: the sidecars and what they serve."""

from __future__ import annotations

from aiohttp import web

from gateway.control.plane import ControlPlane
from gateway.control.problems import Problem, answer


def routes(plane: ControlPlane) -> list[web.RouteDef]:
    """The addresses of this topic."""

    async def status(_: web.Request) -> web.Response:
        if plane.mesh is None:
            raise Problem(404, "no_mesh", "this instance runs without a mesh: `gatehouse up --mesh` starts one")
        return answer(plane.mesh.status())

    async def specs(request: web.Request) -> web.Response:
        found = plane.mesh.plane.state.specs.get(request.match_info["service"]) if plane.mesh else None
        if found is None:
            raise Problem(404, "no_such_service", "no sidecar of a service of this name")
        return answer(found)

    return [web.get("/mesh", status), web.get("/mesh/specs/{service}", specs)]
