"""/mesh: the sidecars and what they serve."""

from __future__ import annotations

from aiohttp import web

from gateway.control.plane import ControlPlane
from gateway.control.problems import Problem, answer
from gateway.control.questions import json_object
from gateway.control.reload import Override
from gateway.control.views.config import asked_override

NO_MESH = "this instance runs without a mesh: `gatehouse up --mesh` starts one"


def routes(plane: ControlPlane) -> list[web.RouteDef]:
    """The addresses of this topic."""

    async def status(_: web.Request) -> web.Response:
        if plane.mesh is None:
            raise Problem(404, "no_mesh", NO_MESH)
        return answer(plane.mesh.status())

    async def specs(request: web.Request) -> web.Response:
        found = plane.mesh.plane.state.specs.get(request.match_info["service"]) if plane.mesh else None
        if found is None:
            raise Problem(404, "no_such_service", "no sidecar of a service of this name")
        return answer(found)

    async def override(request: web.Request) -> web.Response:
        return await replace(asked_override(await json_object(request)))

    async def restore(_: web.Request) -> web.Response:
        return await replace(None)

    async def replace(asked: Override | None) -> web.Response:
        if plane.mesh is None:
            raise Problem(404, "no_mesh", NO_MESH)
        if wrong := await plane.mesh.plane.replace(asked):
            raise Problem(422, "config_rejected", "\n".join(wrong), errors=list(wrong))
        return answer(plane.mesh.status())

    return [
        web.get("/mesh", status),
        web.get("/mesh/specs/{service}", specs),
        web.put("/mesh/override", override),
        web.delete("/mesh/override", restore),
    ]
