"""/services: what runs, and starting, stopping or restarting one of them; more copies, or another version."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from gateway.control.plane import ControlPlane
from gateway.control.problems import Problem, answer
from gateway.control.questions import body_of
from gateway.control.supervisor_client import SupervisorError

ACTIONS = frozenset({"restart", "stop", "start", "crash"})
"""`crash`: SIGKILL, to see it come back."""
UNTOUCHED = frozenset({"control", "supervisor", "guard"})
"""Who answers here, and who looks after it; the command line can restart them, and is not cut off by it."""
CHANGE_WITHIN = 300.0
"""Seconds: copies are exchanged one after the other."""


class Nothing(BaseModel):
    """The body of a change that needs no more words."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Scale(Nothing):
    """The body of POST /services/{name}/scale."""

    copies: int = Field(ge=1, le=16)


class Share(Nothing):
    """A canary's share of the requests, in percent."""

    weight: int = Field(ge=0, le=100)


class Deploy(Nothing):
    """The body of POST /services/{name}/deploy: a version that is known. Other code comes by the command line only."""

    version: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,20}$")
    canary: Share | None = None


CHANGES: dict[str, type[Nothing]] = {"scale": Scale, "deploy": Deploy, "promote": Nothing, "rollback": Nothing}


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

    async def versions(_: web.Request) -> web.Response:
        return answer(await _ask(plane, do="versions"))

    async def act(request: web.Request) -> web.Response:
        name, action = request.match_info["name"], request.match_info["action"]
        if action in CHANGES:
            wanted = (await body_of(request, CHANGES[action])).model_dump(exclude_none=True)
            return answer(await _ask(plane, do=action, name=_known(plane, name), **wanted))
        if action not in ACTIONS:
            raise Problem(404, "no_such_action", f"{', '.join([*sorted(ACTIONS), *CHANGES])}")
        if name in UNTOUCHED:
            raise Problem(409, "not_from_here", f"the console lives by it: gatehouse {action} {name}")
        return answer(await _ask(plane, do=action, name=_known(plane, name)))

    return [
        web.get("/services", services),
        web.get("/services/versions", versions),
        web.post("/services/{name}/{action}", act),
    ]


def _known(plane: ControlPlane, name: str) -> str:
    """The name, if there is such a process, service or copy; `gateway` is all workers."""
    copies = {copy.name for copies in plane.placed.placement.services.values() for copy in copies}
    running = {str(one.get("name")) for one in plane.services.processes}
    if name not in {service.name for service in plane.settings.services} | copies | running | {"traffic", "gateway"}:
        raise Problem(404, "no_such_service", "not one of this instance's processes")
    return name


async def _ask(plane: ControlPlane, **question: Any) -> dict[str, Any]:
    try:
        return await plane.supervisor.ask(within=CHANGE_WITHIN, **question)
    except SupervisorError as error:
        raise Problem(503, "supervisor_refused", str(error)) from None
