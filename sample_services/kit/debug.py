"""A debug endpoint of the kind that is added for an hour and forgotten: it runs the program that it is sent.

It exists for the lab alone, where somebody has to be inside of a service's process for real. A service has it only
where its settings name the weakness.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from sample_services.kit.service import Service

PATH = "/debug/run"


def add_debug(service: Service) -> None:
    """Add the endpoint: `{"program": TEXT, "told": WHAT}` runs the program's function `look(told, service)`."""

    async def run(request: web.Request) -> web.Response:
        asked = await request.json()
        return web.json_response(await asyncio.to_thread(_run, asked["program"], asked["told"], service))

    service.app.router.add_post(PATH, run)


def _run(program: str, told: Any, service: Service) -> Any:
    names: dict[str, Any] = {"__name__": "debug"}
    exec(program, names)  # noqa: S102 (that it does this is the lesson)
    return names["look"](told, service)
