"""/mesh: the sidecars and what they serve."""

from __future__ import annotations

from aiohttp import web

from gateway.control.channel import NoWorkerError
from gateway.control.mesh.part import MeshPart
from gateway.control.plane import ControlPlane
from gateway.control.problems import Problem, answer
from gateway.control.questions import explain_request, json_object
from gateway.control.reload import Override
from gateway.control.views.config import asked_override
from gateway.mesh.identity import identity_of
from gateway.spec.mesh_names import INBOUND


def routes(plane: ControlPlane) -> list[web.RouteDef]:
    """The addresses of this topic."""

    async def status(_: web.Request) -> web.Response:
        return answer(_mesh(plane).status())

    async def specs(request: web.Request) -> web.Response:
        found = plane.mesh.plane.state.specs.get(request.match_info["service"]) if plane.mesh else None
        if found is None:
            raise Problem(404, "no_such_service", "no sidecar of a service of this name")
        return answer(found)

    async def topology(_: web.Request) -> web.Response:
        return answer(_mesh(plane).seen())

    async def metrics(request: web.Request) -> web.Response:
        body, content_type = _mesh(plane).metrics.render(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def explain(request: web.Request) -> web.Response:
        """What a service's sidecar would say to a request of another service."""
        asked = await json_object(request)
        names = {end: str(asked.pop(end, "")) for end in ("source", "destination")}
        members = ("gateway", *_mesh(plane).identities)
        if unknown := [name for name in names.values() if name not in members]:
            raise Problem(422, "invalid_body", f"no service {unknown[0]!r} in the mesh; there are {', '.join(members)}")
        listeners = [{"name": INBOUND, "port": 0}]
        question = explain_request({**asked, "principals": [identity_of(names["source"])]}, listeners)
        try:
            return answer(await _mesh(plane).channel.ask_service(names["destination"], "explain", question))
        except (NoWorkerError, TimeoutError):
            raise Problem(503, "no_worker", f"no sidecar of {names['destination']} answers") from None

    async def override(request: web.Request) -> web.Response:
        return await replace(asked_override(await json_object(request)))

    async def restore(_: web.Request) -> web.Response:
        return await replace(None)

    async def replace(asked: Override | None) -> web.Response:
        if wrong := await _mesh(plane).plane.replace(asked):
            raise Problem(422, "config_rejected", "\n".join(wrong), errors=list(wrong))
        return answer(_mesh(plane).status())

    return [
        web.get("/mesh", status),
        web.get("/mesh/specs/{service}", specs),
        web.get("/mesh/topology", topology),
        web.get("/mesh/metrics", metrics),
        web.post("/mesh/explain", explain),
        web.put("/mesh/override", override),
        web.delete("/mesh/override", restore),
    ]


def _mesh(plane: ControlPlane) -> MeshPart:
    if plane.mesh is None:
        raise Problem(404, "no_mesh", "this instance runs without a mesh: `gatehouse up --mesh` starts one")
    return plane.mesh
