"""The admin API: which views there are, and what holds for all of them.

The rule: the guard looks at every request first, errors become problem+json in one place, and every answer
carries headers that keep browsers from doing more with it than is meant (OWASP Secure Headers).
"""

from __future__ import annotations

from aiohttp import web

from gateway.control.guard import Guard
from gateway.control.plane import ControlPlane
from gateway.control.problems import problems
from gateway.control.views import (
    alerts,
    caches,
    canaries,
    certificates,
    clusters,
    config,
    config_text,
    console,
    egress,
    explanations,
    faults,
    health,
    incidents,
    jobs,
    lab,
    lessons,
    limits,
    logs,
    mesh,
    placement,
    services,
    traffic,
)

MAX_BODY = 256 * 1024

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


async def _headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


def application(plane: ControlPlane, guard: Guard) -> web.Application:
    """The admin API as an aiohttp application."""
    app = web.Application(middlewares=[problems, guard.middleware], client_max_size=MAX_BODY)
    app.on_response_prepare.append(_headers)
    for topic in (
        health, config, config_text, certificates, canaries, clusters, egress, explanations, limits, caches, mesh,
        placement, traffic, services, alerts, logs, faults, jobs, lab, lessons, incidents,
    ):  # fmt: skip
        app.add_routes(topic.routes(plane))
    app.add_routes(console.routes(guard))
    return app
