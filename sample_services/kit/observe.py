"""Around every request: one span, one measurement, one access log line, one form of error.

The problem: handlers that each remember to trace, count, log and hide their errors will forget one. The rule: a
single aiohttp middleware does it for all of them, and a handler only raises. Probes and scrapes are not traced.
When the caller said how long it waits (see `deadline`), the handler has no longer than that.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from sample_services.kit import deadline
from sample_services.kit.auth import SUBJECT
from sample_services.kit.metrics import Metrics, known_method
from sample_services.kit.problems import Problem, from_http_error, problem_response
from sample_services.kit.propagation import current_trace_id, extract
from sample_services.kit.telemetry import Telemetry, quiet

PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
ROUTE: web.RequestKey[str] = web.RequestKey("route", str)
"""A handler may name its route more exactly than the path pattern does, from a small known set (`/soap Read`)."""

_log = logging.getLogger("access")


@dataclass
class _Outcome:
    response: web.StreamResponse
    reason: str = ""
    error_type: str = ""


class Observer:
    """Builds the middleware of one service."""

    def __init__(self, telemetry: Telemetry, metrics: Metrics) -> None:
        self._telemetry = telemetry
        self._metrics = metrics

    def middleware(self) -> Middleware:
        """For `web.Application(middlewares=[…])`."""

        @web.middleware
        async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path in PROBES:
                with quiet():
                    return (await self._answer(request, handler)).response
            return await self._observed(request, handler)

        return observe

    async def _observed(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.time()
        headers = request.headers
        parent = extract(
            headers.getall("traceparent", []), headers.getall("tracestate", []), headers.getall("baggage", [])
        )
        attributes = {
            "http.request.method": known_method(request.method),
            "url.path": request.path,
            "url.scheme": request.scheme,
        }
        method = known_method(request.method)
        with (
            self._metrics.server_active.track_inprogress(),
            self._telemetry.span(method, SpanKind.SERVER, parent=parent, attributes=attributes) as span,
        ):
            outcome = await self._answer_in_time(request, handler)
            self._record(request, outcome, span, started)
        return outcome.response

    async def _answer_in_time(self, request: web.Request, handler: Handler) -> _Outcome:
        """The same, ended when the caller no longer waits; then it is counted, whatever part of the work found out."""
        seconds = deadline.stated(request.headers.getall(deadline.HEADER, []))
        if seconds is None:
            return await self._answer(request, handler)
        try:
            with deadline.within(seconds):
                async with asyncio.timeout(seconds):
                    outcome = await self._answer(request, handler)
                deadline.left()
        except (TimeoutError, deadline.DeadlineExceeded):
            self._metrics.deadlines.inc()
            return self._refused(deadline.DeadlineExceeded())
        return outcome

    async def _answer(self, request: web.Request, handler: Handler) -> _Outcome:
        """The handler's response, or the problem that it ended in."""
        try:
            return _Outcome(await handler(request))
        except Problem as problem:
            return self._refused(problem)
        except web.HTTPException as error:
            return _Outcome(error) if error.status < 400 else self._refused(from_http_error(error))
        except Exception as error:
            logging.getLogger("kit").exception("unexpected error")
            self._metrics.unexpected_errors.inc()
            outcome = self._refused(Problem(500, "internal_error"))
            outcome.error_type = type(error).__name__
            return outcome

    def _refused(self, problem: Problem) -> _Outcome:
        response = problem_response(problem, current_trace_id())
        error_type = str(problem.status) if problem.status >= 500 else ""
        return _Outcome(response, problem.reason, error_type)

    def _record(self, request: web.Request, outcome: _Outcome, span: Span, started: float) -> None:
        duration = time.time() - started
        route, method, status = route_of(request), known_method(request.method), outcome.response.status
        error_type = outcome.error_type or (str(status) if status >= 500 else "")
        span.update_name(f"{method} {route}")
        span.set_attributes({"http.route": route, "http.response.status_code": status})
        if outcome.reason:
            span.set_attribute("problem.reason", outcome.reason)  # `gatehouse explain --trace` quotes it
        if error_type:
            span.set_attribute("error.type", error_type)
            span.set_status(Status(StatusCode.ERROR))
        exemplar = {"trace_id": current_trace_id()} if span.is_recording() else None
        self._metrics.server_duration.labels(method, route, str(status), error_type).observe(duration, exemplar)
        _log.info("request", extra=_access_fields(request, outcome, route, started, duration))


def route_of(request: web.Request) -> str:
    """The route as a label: its pattern, like /orders/{id}; `unmatched` for paths nobody serves."""
    if ROUTE in request:
        return request[ROUTE]
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unmatched"


def _access_fields(
    request: web.Request, outcome: _Outcome, route: str, started: float, duration: float
) -> dict[str, object]:
    return {
        "start_time": round(started, 3),
        "method": request.method,
        "path": request.path,  # never the query: people put secrets there
        "route": route,
        "status": outcome.response.status,
        "reason": outcome.reason,
        "bytes_received": request.content_length or 0,
        "bytes_sent": outcome.response.content_length or 0,
        "duration_ms": round(duration * 1000, 2),
        "subject": request.get(SUBJECT, ""),
        "client_address": request.remote or "",
        "user_agent": request.headers.get("User-Agent", "")[:256],
        "request_id": request.headers.get("X-Request-Id", "")[:128],
    }
