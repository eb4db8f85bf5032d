"""/explanations: what happened to denied and sampled requests, and which service refused what; /requests/ID: all that
is known of one by now, which may be nothing yet, since its parts arrive one after the other.

The problem: the gateway passes a service's refusal on without reading it, and people ask why all the same. The rule:
the trace of the request knows which services answered what; a service that notes the reason of its problem document
in its span (attribute `problem.reason`, as the shop's do) is quoted with it.
"""

from __future__ import annotations

import re
from typing import Any, Final

from aiohttp import web

from gateway.control.plane import ControlPlane
from gateway.control.problems import Problem, answer
from gateway.control.questions import number

TRACE_ID: Final = re.compile(r"[0-9a-f]{32}")
OURS: Final = "gateway"
"""The service name in the spans of our own workers."""


def routes(plane: ControlPlane) -> list[web.RouteDef]:
    """The addresses of this topic."""

    async def latest(request: web.Request) -> web.Response:
        found = plane.past.latest(number(request, "limit", 100, 8_000))
        return answer({"explanations": found, "dropped": plane.past.dropped})

    async def one(request: web.Request) -> web.Response:
        trace_id = request.match_info["id"].lower()
        found = plane.past.get(trace_id) if TRACE_ID.fullmatch(trace_id) else []
        if not found:
            raise Problem(404, "no_such_explanation", _why_not(plane.past.dropped))
        services = refusals(plane.traces.get(trace_id))
        return answer({"trace_id": trace_id, "explanations": found, "services": services})

    async def whole(request: web.Request) -> web.Response:
        trace_id = request.match_info["id"].lower()
        if not TRACE_ID.fullmatch(trace_id):
            raise Problem(404, "no_such_trace", "a trace id has 32 hexadecimal digits")
        trace = plane.traces.get(trace_id)
        known = {"explanations": plane.past.get(trace_id), "services": refusals(trace), "trace": trace}
        return answer({"trace_id": trace_id, **known})

    return [
        web.get("/explanations", latest),
        web.get("/explanations/{id}", one),
        web.get("/requests/{id}", whole),
    ]


def _why_not(dropped: int) -> str:
    told = "the latest are kept, and only of requests that were refused, broken or sampled"
    return f"{told}; {dropped} were too many at their time" if dropped else told


def refusals(trace: dict[str, Any] | None) -> list[dict[str, Any]]:
    """What services of a trace refused, the one that the gateway asked first."""
    spans = trace["spans"] if trace else []
    return [
        {
            "service": span["service"],
            "operation": span["name"],
            "status": span["attributes"]["http.response.status_code"],
            "reason": str(span["attributes"].get("problem.reason", "")),
        }
        for span in spans
        if span["kind"] == "server" and span["service"] != OURS and _status(span) >= 400
    ]


def _status(span: dict[str, Any]) -> int:
    status = span["attributes"].get("http.response.status_code")
    return status if isinstance(status, int) else 0
