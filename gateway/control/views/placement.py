"""/placement: which copies get requests, set by the supervisor; /leaving: whether one of them is still in use."""

from __future__ import annotations

from aiohttp import web
from pydantic import ValidationError

from gateway.control.placed import NotPlaced
from gateway.control.placement import Placement
from gateway.control.plane import ControlPlane
from gateway.control.problems import Problem, answer
from gateway.control.questions import json_object


def routes(plane: ControlPlane) -> list[web.RouteDef]:
    """The addresses of this topic."""

    async def placement(_: web.Request) -> web.Response:
        return answer(plane.placed.placement.model_dump(mode="json", by_alias=True))

    async def place(request: web.Request) -> web.Response:
        try:
            wanted = Placement.model_validate(await json_object(request))
        except ValidationError as error:
            fields = [{"field": ".".join(map(str, one["loc"])), "error": one["msg"]} for one in error.errors()]
            told = "; ".join(f"{one['field']}: {one['error']}" for one in fields)
            raise Problem(422, "invalid_body", told, errors=fields) from None
        try:
            return answer({"version": await plane.placed.place(wanted)})
        except NotPlaced as refused:
            raise Problem(409, "placement_refused", str(refused)) from None

    async def leaving(request: web.Request) -> web.Response:
        return answer({"left": await plane.placed.leaving(request.query.get("address", ""))})

    return [web.get("/placement", placement), web.post("/placement", place), web.get("/leaving", leaving)]
