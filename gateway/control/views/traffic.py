"""/requests, /traces, /now and /live: what happens; /traffic: let something happen."""

from __future__ import annotations

import re

from aiohttp import web

from gateway.control.live import TooManyListenersError
from gateway.control.live_message import live_message
from gateway.control.plane import ControlPlane
from gateway.control.problems import Problem, answer
from gateway.control.questions import json_object, number
from gateway.control.supervisor_client import SupervisorError

TRACE_ID = re.compile(r"[0-9a-f]{32}")


def routes(plane: ControlPlane) -> list[web.RouteDef]:
    """The addresses of this topic."""

    async def requests(request: web.Request) -> web.Response:
        denied = request.query.get("denied") == "true"
        return answer({"requests": plane.request_log.latest(number(request, "limit", 100, 500), denied=denied)})

    async def traces(request: web.Request) -> web.Response:
        found = plane.traces.latest(number(request, "limit", 50, 2_000), request.query.get("service"))
        return answer({"traces": found})

    async def trace(request: web.Request) -> web.Response:
        trace_id = request.match_info["id"].lower()
        found = plane.traces.get(trace_id) if TRACE_ID.fullmatch(trace_id) else None
        if found is None:
            raise Problem(404, "no_such_trace", "only the latest traces are kept, and only of sampled requests")
        return answer(found)

    async def now(_: web.Request) -> web.Response:
        return answer(live_message(plane))

    async def live(request: web.Request) -> web.StreamResponse:
        return await stream(plane, request)

    async def traffic(request: web.Request) -> web.Response:
        body = await json_object(request)
        action = body.get("action")
        if action not in ("start", "stop"):
            raise Problem(422, "invalid_body", 'action must be "start" or "stop"')
        try:
            return answer(await plane.supervisor.ask(do=action, name="traffic"))
        except SupervisorError as error:
            raise Problem(503, "supervisor_refused", str(error)) from None

    return [
        web.get("/requests", requests),
        web.get("/traces", traces),
        web.get("/traces/{id}", trace),
        web.get("/now", now),
        web.get("/live", live, allow_head=False),
        web.post("/traffic", traffic),
    ]


async def stream(plane: ControlPlane, request: web.Request) -> web.StreamResponse:
    """Server-sent events until the page or this process goes."""
    events = plane.live.listen()
    try:
        first = await anext(events)
    except TooManyListenersError:
        raise Problem(503, "too_many_listeners", "close other console tabs") from None
    headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
    response = web.StreamResponse(headers=headers)
    try:
        await response.prepare(request)
        await response.write(b"retry: 1000\n\n" + first)
        async for event in events:
            await response.write(event)
    except ConnectionError:
        pass  # the tab was closed
    finally:
        await events.aclose()
    return response
