"""/faults: failures planted on routes, on purpose."""

from __future__ import annotations

from aiohttp import web

from gateway.control.plane import ControlPlane
from gateway.control.planted_faults import Occupied, Planted, UnknownRoute, clear, plant, view
from gateway.control.problems import Problem, answer
from gateway.control.questions import body_of
from gateway.control.views.config import outcome


def routes(plane: ControlPlane) -> list[web.RouteDef]:
    """The addresses of this topic."""

    async def faults(_: web.Request) -> web.Response:
        return answer({"routes": view(plane.reloader)})

    async def put(request: web.Request) -> web.Response:
        return await _plant(plane, request, await body_of(request, Planted))

    async def take(request: web.Request) -> web.Response:
        return await _plant(plane, request, None)

    async def take_all(_: web.Request) -> web.Response:
        result = await clear(plane.reloader)
        return answer({"result": "unchanged"}) if result is None else outcome(result)

    return [
        web.get("/faults", faults),
        web.put("/faults/{route}", put),
        web.delete("/faults/{route}", take),
        web.delete("/faults", take_all),
    ]


async def _plant(plane: ControlPlane, request: web.Request, planted: Planted | None) -> web.Response:
    try:
        return outcome(await plant(plane.reloader, request.match_info["route"], planted))
    except Occupied as occupied:
        raise Problem(409, "override_in_force", f"{occupied}; take that back first") from None
    except UnknownRoute as unknown:
        raise Problem(404, "no_such_route", f"there is no route {str(unknown)[:80]!r}") from None
